#include "cli/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ticketing::cli {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using Fields = std::vector<std::string>;

Fields ParseOne(const std::string& line) {
  const auto records = ParseCsv(line);
  if (records.size() != 1) {
    ADD_FAILURE() << records.size() << " records";
    return {};
  }
  EXPECT_EQ(records.front().error, "");
  return records.front().fields;
}

TEST(Csv, SplitsAtCommasAndKeepsSpaces) {
  EXPECT_EQ(ParseOne("a, b ,c"), (Fields{"a", " b ", "c"}));
  EXPECT_EQ(ParseOne(",,"), (Fields{"", "", ""}));
  EXPECT_EQ(ParseOne("a,"), (Fields{"a", ""}));
  EXPECT_EQ(ParseOne("zoë"), (Fields{"zoë"}));
}

TEST(Csv, TakesWhatStandsInQuotesAsItIs) {
  EXPECT_EQ(ParseOne(R"("a,b",c)"), (Fields{"a,b", "c"}));
  EXPECT_EQ(ParseOne(R"("say ""hi""","")"), (Fields{"say \"hi\"", ""}));
  EXPECT_EQ(ParseOne("\"a\r\nb\nc\",d"), (Fields{"a\r\nb\nc", "d"}));
}

TEST(Csv, EndsRecordsAtEitherLineEndAndCountsLines) {
  for (const char* content : {"a,b\n\"c\nd\",e\n\nf,g\n", "a,b\r\n\"c\nd\",e\r\n\r\nf,g"}) {
    const auto records = ParseCsv(content);
    ASSERT_THAT(records, SizeIs(3)) << content;
    EXPECT_EQ(records[0].line, 1U);
    EXPECT_EQ(records[0].text, "a,b");
    EXPECT_EQ(records[0].fields, (Fields{"a", "b"}));
    EXPECT_EQ(records[1].line, 2U);
    EXPECT_EQ(records[1].text, "\"c\nd\",e");
    EXPECT_EQ(records[1].fields, (Fields{"c\nd", "e"}));
    EXPECT_EQ(records[2].line, 5U);
    EXPECT_EQ(records[2].fields, (Fields{"f", "g"}));
  }
}

TEST(Csv, PassesOverAByteOrderMark) {
  EXPECT_EQ(ParseOne("\xEF\xBB\xBFid,x"), (Fields{"id", "x"}));
  EXPECT_THAT(ParseCsv(""), SizeIs(0));
  EXPECT_THAT(ParseCsv("\n\r\n"), SizeIs(0));
}

TEST(Csv, TellsEveryBrokenRecordAndReadsOn) {
  const auto records = ParseCsv("a\"b,c\nok,ok\n\"a\"b\nx\ry\n\"open,\nstill");
  ASSERT_THAT(records, SizeIs(5));
  EXPECT_THAT(records[0].error, HasSubstr("a quote inside a field"));
  EXPECT_EQ(records[1].error, "");
  EXPECT_EQ(records[1].fields, (Fields{"ok", "ok"}));
  EXPECT_THAT(records[2].error, HasSubstr("behind a closing quote"));
  EXPECT_THAT(records[3].error, HasSubstr("carriage return"));
  EXPECT_THAT(records[4].error, HasSubstr("never closed, opened in line 5"));
  EXPECT_EQ(records[4].line, 5U);
}

}  // namespace
}  // namespace ticketing::cli
