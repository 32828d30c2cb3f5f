#include "cli/results_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <variant>

#include "tests/cli/file_size_limit.h"
#include "tests/support/temporary_directory.h"

namespace ticketing::cli {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const LineResult kDeleted{.line = 2, .id = "5", .account = "a", .request_id = "one", .outcome = LineOutcome::kDeleted};
const LineResult kFailed{.line = 3,
                         .id = "zoë\n",
                         .account = "",
                         .request_id = "two",
                         .outcome = LineOutcome::kFailed,
                         .code = "ABORTED",
                         .reason = "CONFLICT",
                         .delivery = "REJECTED",
                         .message = "in \"use\""};

class ResultsFileTest : public testing::Test {
 protected:
  std::unique_ptr<ResultsFile> Open() {
    auto opened = ResultsFile::Open(path_);
    if (auto* const error = std::get_if<std::string>(&opened)) {
      ADD_FAILURE() << *error;
      return nullptr;
    }
    return std::get<std::unique_ptr<ResultsFile>>(std::move(opened));
  }
  std::string Error() {
    const auto opened = ResultsFile::Open(path_);
    const auto* const error = std::get_if<std::string>(&opened);
    return error == nullptr ? "" : *error;
  }
  std::string Content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  support::TemporaryDirectory folder_;
  std::string path_ = folder_.path() / "results";
};

TEST(LineResult, SurvivesItsText) {
  for (const LineResult& result : {kDeleted, kFailed}) {
    const std::string text = FormatResult(result);
    EXPECT_EQ(text.find('\n'), std::string::npos);
    EXPECT_EQ(ParseResult(text), result) << text;
  }
  EXPECT_EQ(FormatResult(kDeleted),
            R"({"line":2,"id":"5","integrated_account_id":"a","request_id":"one","outcome":"deleted"})");
}

TEST(LineResult, IsNoOtherText) {
  for (const char* text :
       {"", "{}", "[]", "5", R"({"line":2,"id":"5","integrated_account_id":"a","request_id":"one"})",
        R"({"line":2,"id":"5","integrated_account_id":"a","request_id":"one","outcome":"perhaps"})",
        R"({"line":"2","id":"5","integrated_account_id":"a","request_id":"one","outcome":"deleted"})"}) {
    EXPECT_EQ(ParseResult(text), std::nullopt) << text;
  }
}

TEST_F(ResultsFileTest, HasEachResultOnDiskWhenItIsAppended) {
  const auto file = Open();
  EXPECT_TRUE(file->Append(kDeleted));
  EXPECT_EQ(Content(), FormatResult(kDeleted) + "\n");
  EXPECT_TRUE(file->Append(kFailed));
  EXPECT_EQ(Content(), FormatResult(kDeleted) + "\n" + FormatResult(kFailed) + "\n");
  EXPECT_THAT(file->known(), IsEmpty());
}

TEST_F(ResultsFileTest, RemembersTheLastResultOfEachDelete) {
  LineResult repeated = kFailed;
  repeated.outcome = LineOutcome::kDeleted;
  {
    const auto file = Open();
    for (const auto& result : {kFailed, kDeleted, repeated}) EXPECT_TRUE(file->Append(result));
  }
  const auto file = Open();
  EXPECT_THAT(file->known(), SizeIs(2));
  EXPECT_EQ(file->known().at("one"), kDeleted);
  EXPECT_EQ(file->known().at("two"), repeated);
}

TEST_F(ResultsFileTest, CutsOffALineThatWasBeingWritten) {
  const std::string whole = FormatResult(kDeleted) + "\n";
  folder_.WriteFile("results", whole + FormatResult(kFailed).substr(0, 20));
  {
    const auto file = Open();
    EXPECT_THAT(file->known(), SizeIs(1));
    EXPECT_TRUE(file->Append(kFailed));
  }
  EXPECT_EQ(Content(), whole + FormatResult(kFailed) + "\n");
  EXPECT_THAT(Open()->known(), SizeIs(2));
}

TEST_F(ResultsFileTest, LeavesOtherFilesAsTheyAre) {
  for (const char* content : {"id,account\n5,a\n", "words", "{}\n"}) {
    folder_.WriteFile("results", content);
    EXPECT_THAT(Error(), HasSubstr("is it another file?")) << content;
    EXPECT_EQ(Content(), content);
  }
}

TEST_F(ResultsFileTest, IsOfOneRunAtATime) {
  {
    const auto file = Open();
    EXPECT_THAT(Error(), HasSubstr("is in use by another run"));
  }
  EXPECT_EQ(Error(), "");
}

TEST_F(ResultsFileTest, NamesAFileThatCanNotBeOpened) {
  path_ = folder_.path() / "missing" / "results";
  EXPECT_THAT(Error(), HasSubstr(path_));
}

TEST_F(ResultsFileTest, LeavesNothingOfAResultThatCanNotBeWritten) {
  const std::string whole = FormatResult(kDeleted) + "\n";
  const auto file = Open();
  EXPECT_TRUE(file->Append(kDeleted));
  {
    const FileSizeLimit limit(whole.size() + 10);
    EXPECT_FALSE(file->Append(kFailed));
  }
  EXPECT_EQ(Content(), whole);
  EXPECT_TRUE(file->Append(kFailed));
  EXPECT_EQ(Content(), whole + FormatResult(kFailed) + "\n");
}

TEST_F(ResultsFileTest, IsARegularFile) {
  path_ = "/dev/zero";
  EXPECT_THAT(Error(), HasSubstr("'/dev/zero' is no regular file"));
}

TEST_F(ResultsFileTest, IsForItsOwnerAlone) {
  Open();
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0077U, 0U);
}

}  // namespace
}  // namespace ticketing::cli
