#include "truto/json_to_struct.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ticketing::truto {
namespace {

using google::protobuf::Value;
using google::protobuf::util::MessageDifferencer;
using std::string_literals::operator""s;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Notes as "reason path".
std::vector<std::string> Notes(const JsonDocument& document) {
  std::vector<std::string> notes;
  for (const auto& note : document.notes) notes.push_back(note.reason() + " " + note.path());
  return notes;
}

std::string Repeat(std::string_view piece, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += piece;
  return text;
}

std::string NestedLists(int depth) {
  return Repeat("[", depth) + Repeat("]", depth);
}

TEST(ParseJson, ReadsWhatAnotherParserReads) {
  // Protobuf's own parser is the oracle; it stands for everything that needs no note.
  for (const std::string text :
       {"null", "true", "false", "0", "-1", "1.5", "-2.25e-3", "1E+2", "\"\"", "\"a\"", "[]", "{}", "[[],{},[{}]]",
        R"({"a":1,"b":[true,false,null,"x",{"c":{"d":[1,2,3]}}],"":"empty key"})",
        " \t\r\n{ \"a\" :\n[ 1 ,\t2 ] , \"b\" : { } }\r\n ", R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00")",
        "\"h\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"", "9007199254740992", "-9007199254740992"}) {
    SCOPED_TRACE(text);
    Value expected;
    ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(text, &expected).ok());
    const auto document = ParseJson(text);
    ASSERT_TRUE(document.has_value());
    EXPECT_TRUE(MessageDifferencer::Equals(document->value, expected)) << document->value.DebugString();
    EXPECT_THAT(Notes(*document), IsEmpty());
  }
}

TEST(ParseJson, RefusesWhatIsNotJson) {
  for (const std::string& text : {""s,
                                  " "s,
                                  "\xEF\xBB\xBF"s,
                                  "\xEF\xBB"s,
                                  "nul"s,
                                  "truex"s,
                                  "TRUE"s,
                                  "undefined"s,
                                  "NaN"s,
                                  "Infinity"s,
                                  "-Infinity"s,
                                  "[NaN]"s,
                                  "{\"a\":Infinity}"s,
                                  "01"s,
                                  "-01"s,
                                  "1."s,
                                  ".5"s,
                                  "+1"s,
                                  "-"s,
                                  "1e"s,
                                  "1e+"s,
                                  "0x10"s,
                                  "1 2"s,
                                  "[1]x"s,
                                  "["s,
                                  "]"s,
                                  "{"s,
                                  "}"s,
                                  "[}"s,
                                  "{]"s,
                                  "[1,]"s,
                                  "[,1]"s,
                                  "[1 2]"s,
                                  "[1,,2]"s,
                                  "{\"a\":1,}"s,
                                  "{,}"s,
                                  "{a:1}"s,
                                  "{'a':1}"s,
                                  "{\"a\" 1}"s,
                                  "{\"a\"}"s,
                                  "{\"a\":}"s,
                                  "{1:2}"s,
                                  "{\"a\":1 \"b\":2}"s,
                                  "\""s,
                                  "\"\\"s,
                                  "\"\\\""s,
                                  "\"\\x41\""s,
                                  "\"\\u12\""s,
                                  "\"\\u12g4\""s,
                                  "\"\\u+123\""s,
                                  "\"\\ud800\\u12\""s,
                                  "\"\n\""s,
                                  "\"\x01\""s,
                                  "\"\0\""s,
                                  "\0"s,
                                  "[1]\0"s,
                                  "\xFF"s,
                                  "// x\n1"s,
                                  "/* x */ 1"s,
                                  "<html></html>"s,
                                  "\x1F\x8B\x08"s}) {
    EXPECT_FALSE(ParseJson(text).has_value()) << testing::PrintToString(text);
    // What is only skipped, being too deep, keeps the same grammar.
    EXPECT_EQ(ParseJson("[" + text + "]", 0).has_value(), ParseJson("[" + text + "]").has_value())
        << testing::PrintToString(text);
  }
}

TEST(ParseJson, RefusesEveryBeginningOfAText) {
  const std::string text = R"({"a":[1,-2.5e3,true,false,null,"x\u00e9\ud83d\ude00"],"b":{"c":{}},"h)"
                           "\xC3\xA9"
                           R"(":[]})";
  ASSERT_TRUE(ParseJson(text).has_value());
  for (std::size_t length = 0; length < text.size(); ++length) {
    // On the heap and of exactly this size, so that the address sanitizer sees a read behind it.
    const std::vector<char> beginning(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length));
    const std::string_view view(beginning.data(), beginning.size());
    EXPECT_FALSE(ParseJson(view).has_value()) << view;
    EXPECT_FALSE(ParseJson(view, 0).has_value()) << view;
  }
}

TEST(ParseJson, SkipsAByteOrderMark) {
  const auto document = ParseJson("\xEF\xBB\xBF{\"a\":1}");
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(document->value.struct_value().fields().at("a").number_value(), 1);
  EXPECT_THAT(Notes(*document), IsEmpty());
}

TEST(ParseJson, KeepsNumbersThatADoubleHolds) {
  const std::vector<std::pair<std::string, double>> numbers = {
      {"0", 0},
      {"9007199254740992", 9007199254740992.0},
      {"-9007199254740992", -9007199254740992.0},
      {"0.1", 0.1},
      {"0.10", 0.1},
      {"1e2", 100},
      {"1e22", 1e22},
      {"1E+308", 1e308},
      {"1.7976931348623157e308", std::numeric_limits<double>::max()},
      {"5e-324", std::numeric_limits<double>::denorm_min()},
      {"0e999999999999", 0},
      {"0.000000", 0},
      {"0.30000000000000004", 0.1 + 0.2},
      {"0.10000000000000001", 0.1},                                        // as "%.17g" writes 0.1
      {"0.1000000000000000055511151231257827021181583404541015625", 0.1},  // all its digits
  };
  for (const auto& [text, number] : numbers) {
    const auto document = ParseJson(text);
    ASSERT_TRUE(document.has_value()) << text;
    EXPECT_EQ(document->value.number_value(), number) << text;
    EXPECT_THAT(Notes(*document), IsEmpty()) << text;
  }
  const auto negative_zero = ParseJson("-0");
  ASSERT_TRUE(negative_zero.has_value());
  EXPECT_TRUE(std::signbit(negative_zero->value.number_value()));
}

TEST(ParseJson, MakesTextOfNumbersThatADoubleCannotHold) {
  for (const std::string& text :
       {"9007199254740993"s, "-9007199254740993"s, "9007199254740994"s, "18446744073709551616"s,
        "100000000000000000000000000000"s, "9007199254740993.0"s, "12345678901234567.89"s, "3.14159265358979323846"s,
        "12345678901234567890e0"s, "1e400"s, "-1e400"s, "1e-400"s, "1.23456e-320"s, "1e99999999999999999999"s,
        Repeat("9", 5000), "0." + Repeat("3", 5000)}) {
    const auto document = ParseJson("{\"n\":" + text + "}");
    ASSERT_TRUE(document.has_value()) << text;
    EXPECT_EQ(document->value.struct_value().fields().at("n").string_value(), text);
    EXPECT_THAT(Notes(*document), ElementsAre("UNSAFE_INTEGER /n")) << text;
  }
}

TEST(ParseJson, CarriesSixteenLevels) {
  const auto document = ParseJson(NestedLists(kMaxJsonDepth));
  ASSERT_TRUE(document.has_value());
  EXPECT_THAT(Notes(*document), IsEmpty());
  const Value* value = &document->value;
  for (int level = 1; level < kMaxJsonDepth; ++level) {
    ASSERT_EQ(value->list_value().values_size(), 1);
    value = &value->list_value().values(0);
  }
  EXPECT_EQ(value->list_value().values_size(), 0);
}

TEST(ParseJson, MakesTextOfWhatIsNestedDeeper) {
  const std::string deep = R"({ "x": [1, 9007199254740993, "\ud800"] })";
  const auto document = ParseJson(R"({"a":[true,)" + deep + R"(,{"b":[]}]})", 2);
  ASSERT_TRUE(document.has_value());
  const auto& list = document->value.struct_value().fields().at("a").list_value();
  ASSERT_EQ(list.values_size(), 3);
  EXPECT_TRUE(list.values(0).bool_value());
  EXPECT_EQ(list.values(1).string_value(), deep);
  EXPECT_EQ(list.values(2).string_value(), R"({"b":[]})");
  EXPECT_THAT(Notes(*document), ElementsAre("TOO_DEEP /a/1", "TOO_DEEP /a/2"));
}

TEST(ParseJson, MendsTextThatIsTooDeepAndNotUtf8) {
  const auto document = ParseJson("[\"\xFF\"]", 0);
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(document->value.string_value(), "[\"\xEF\xBF\xBD\"]");
  EXPECT_THAT(Notes(*document), ElementsAre("TOO_DEEP ", "INVALID_UTF8 "));
}

TEST(ParseJson, SurvivesADepthOfAHundredThousand) {
  constexpr int kDepth = 100'000;
  const std::string lists = NestedLists(kDepth);
  const auto document = ParseJson(lists);
  ASSERT_TRUE(document.has_value());
  EXPECT_THAT(Notes(*document), ElementsAre("TOO_DEEP " + Repeat("/0", kMaxJsonDepth)));
  EXPECT_LT(document->value.ByteSizeLong(), lists.size() + 200);

  const std::string objects = Repeat("{\"a\":", kDepth) + "0" + Repeat("}", kDepth);
  EXPECT_TRUE(ParseJson(objects).has_value());
  EXPECT_FALSE(ParseJson(Repeat("[", kDepth)).has_value());
  EXPECT_FALSE(ParseJson(Repeat("{\"a\":", kDepth)).has_value());
  EXPECT_FALSE(ParseJson(Repeat("[", kDepth) + Repeat("}", kDepth)).has_value());
  // A caller's own limit does not make it recurse as deep as the text.
  EXPECT_TRUE(ParseJson(lists, kDepth).has_value());
}

TEST(ParseJson, LetsTheLastOfDuplicateKeysCount) {
  const auto document = ParseJson(R"({"a":{"x":1,"x":"2"},"b":1,"a":{"y":[3,{"z":1,"\u007a":2}]}})");
  ASSERT_TRUE(document.has_value());
  const auto expected = ParseJson(R"({"a":{"y":[3,{"z":2}]},"b":1})");
  EXPECT_TRUE(MessageDifferencer::Equals(document->value, expected->value)) << document->value.DebugString();
  EXPECT_THAT(Notes(*document), ElementsAre("DUPLICATE_KEY /a/x", "DUPLICATE_KEY /a", "DUPLICATE_KEY /a/y/1/z"));
}

TEST(ParseJson, PutsTheReplacementCharacterWhereTextIsNotUtf8) {
  const std::string r = "\xEF\xBF\xBD";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\xFF", r},
      {"a\x80z", "a" + r + "z"},
      {"\xC0\xAF", r + r},                       // overlong
      {"\xE0\x80\xAF", r + r + r},               // overlong
      {"\xF0\x80\x80\xAF", r + r + r + r},       // overlong
      {"\xED\xA0\x80", r + r + r},               // a surrogate
      {"\xF4\x90\x80\x80", r + r + r + r},       // beyond U+10FFFF
      {"\xF5\x80", r + r},                       //
      {"\xE2\x82", r},                           // cut off
      {"\xF0\x9F\x98x", r + "x"},                // cut off
      {"\xC3\xE2\x82\xAC", r + "\xE2\x82\xAC"},  // cut off, then a good one
      {R"(\ud800)", r},
      {R"(\udc00)", r},
      {R"(\ud800\ud800)", r + r},
      {R"(\ud800\u0041)", r + "A"},
      {R"(\ud83d\n\ude00)", r + "\n" + r},
      {R"(\ud800\ud83d\ude00)", r + "\xF0\x9F\x98\x80"},
  };
  for (const auto& [text, expected] : cases) {
    const auto document = ParseJson("[0,\"" + text + "\"]");
    ASSERT_TRUE(document.has_value()) << testing::PrintToString(text);
    EXPECT_EQ(document->value.list_value().values(1).string_value(), expected) << testing::PrintToString(text);
    EXPECT_THAT(Notes(*document), ElementsAre("INVALID_UTF8 /1")) << testing::PrintToString(text);
    if (text.front() != '\\') {
      bool replaced = false;
      EXPECT_EQ(ToValidUtf8(text, &replaced), expected);
      EXPECT_TRUE(replaced);
    }
  }
  bool replaced = true;
  EXPECT_EQ(ToValidUtf8("h\xC3\xA9\xF4\x8F\xBF\xBF\xEE\x80\x80", &replaced), "h\xC3\xA9\xF4\x8F\xBF\xBF\xEE\x80\x80");
  EXPECT_FALSE(replaced);
}

TEST(ParseJson, MendsKeysToo) {
  const auto document = ParseJson("{\"k\xFF\":1,\"k\xFE\":2}");
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(document->value.struct_value().fields().at("k\xEF\xBF\xBD").number_value(), 2);
  EXPECT_THAT(Notes(*document), ElementsAre("INVALID_UTF8 /k\xEF\xBF\xBD", "DUPLICATE_KEY /k\xEF\xBF\xBD"));
}

TEST(ParseJson, KeepsNulCharacters) {
  const auto document = ParseJson(R"(["a\u0000b"])");
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(document->value.list_value().values(0).string_value(), "a\0b"s);
}

TEST(ParseJson, WritesPathsAsJsonPointers) {
  const auto document = ParseJson(R"({"":[{"a/b":{"m~n":1e400}}],"\u0022":1e400})");
  ASSERT_TRUE(document.has_value());
  EXPECT_THAT(Notes(*document), ElementsAre("UNSAFE_INTEGER //0/a~1b/m~0n", "UNSAFE_INTEGER /\""));
}

TEST(ParseJson, CutsAPathToTheNearestValueThatFits) {
  const std::string key(kMaxNotePathBytes, 'k');
  const auto document = ParseJson(R"({"a":[{")" + key + R"(":{"b":1e400}}]})");
  ASSERT_TRUE(document.has_value());
  EXPECT_THAT(Notes(*document), ElementsAre("UNSAFE_INTEGER /a/0"));
}

TEST(ParseJson, WritesAtMostAHundredNotes) {
  const auto exactly = ParseJson("[1e400" + Repeat(",1e400", 99) + "]");
  ASSERT_TRUE(exactly.has_value());
  ASSERT_EQ(exactly->notes.size(), kMaxNotes);
  EXPECT_EQ(Notes(*exactly).back(), "UNSAFE_INTEGER /99");

  const auto more = ParseJson("[1e400" + Repeat(",1e400", 100'000) + "]");
  ASSERT_TRUE(more.has_value());
  ASSERT_EQ(more->notes.size(), kMaxNotes);
  EXPECT_EQ(Notes(*more)[98], "UNSAFE_INTEGER /98");
  EXPECT_EQ(Notes(*more).back(), "MORE_NOTES ");
  EXPECT_EQ(more->value.list_value().values(100'000).string_value(), "1e400");
}

TEST(ParseJson, SurvivesAnyBytes) {
  const std::string seed =
      R"({"id":"5f9f","n":[1,-2.5e3,1e400,9007199254740993],"t":[true,false,null],"s":"\ud83d\ude00\u00e9 x","d":)" +
      NestedLists(20) + "}";
  std::mt19937 random(20240901);  // NOLINT(cert-msc51-cpp): the same texts on every run
  const std::string alphabet = "{}[]\",:\\u0d8e-+.Etfn \x80\xC3\xFF"s + '\0';
  int parsed = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = seed;
    for (int edits = 1 + static_cast<int>(random() % 3); edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = alphabet[random() % alphabet.size()]; break;
        case 1: text.insert(at, 1, alphabet[random() % alphabet.size()]); break;
        default: text.erase(at, 1 + random() % 4); break;
      }
    }
    const auto document = ParseJson(text);
    if (!document) continue;
    ++parsed;
    // Whatever came out can be sent: protobuf refuses strings that are not UTF-8 when it reads them.
    Value received;
    ASSERT_TRUE(received.ParseFromString(document->value.SerializeAsString())) << testing::PrintToString(text);
    for (const auto& note : document->notes) {
      ticketing::v1::ConversionNote received_note;
      ASSERT_TRUE(received_note.ParseFromString(note.SerializeAsString()));
      ASSERT_TRUE(note.path().empty() || note.path().starts_with('/')) << note.path();
    }
  }
  EXPECT_GT(parsed, 1000);
}

TEST(JsonReader, LeavesOutAValueThatIsTooLarge) {
  ConversionNotes notes;
  const std::string text = R"([[1,2,3],["a","b",{"c":[4,5,6]}],7])";
  JsonReader reader(text, notes, 50);
  const JsonPath root;
  bool first = true;
  Value small;
  Value large;
  Value last;
  ASSERT_EQ(reader.Peek(), JsonReader::Kind::kList);
  reader.Enter();
  ASSERT_TRUE(reader.NextElement(first));
  EXPECT_TRUE(reader.ReadValue(small, JsonPath(root, std::size_t{0})));
  ASSERT_TRUE(reader.NextElement(first));
  EXPECT_FALSE(reader.ReadValue(large, JsonPath(root, std::size_t{1})));
  ASSERT_TRUE(reader.NextElement(first));
  EXPECT_TRUE(reader.ReadValue(last, JsonPath(root, std::size_t{2}))) << "what was left out must not count";
  EXPECT_FALSE(reader.NextElement(first));
  EXPECT_TRUE(reader.Finish());
  EXPECT_EQ(small.list_value().values_size(), 3);
  EXPECT_EQ(large.kind_case(), Value::KIND_NOT_SET);
  EXPECT_EQ(last.number_value(), 7);
  EXPECT_TRUE(notes.exact_bytes_required());
  const auto written = std::move(notes).Take();
  ASSERT_EQ(written.size(), 1U);
  EXPECT_EQ(written[0].path(), "/1");
  EXPECT_EQ(written[0].reason(), "TOO_LARGE");
}

TEST(JsonReader, EstimatesTheEncodedSizeFromBelow) {
  const std::string text =
      R"({"a":[1,2.5,true,null,"text"],"b":{"c":{},"d":[]},"long":")" + Repeat("x", 300) + R"(","e":1e400})";
  const auto document = ParseJson(text);
  ASSERT_TRUE(document.has_value());
  const std::size_t size = document->value.ByteSizeLong() + 2;  // in the field that holds it
  const auto fits = [&](std::size_t limit) {
    ConversionNotes notes;
    JsonReader reader(text, notes, limit);
    Value value;
    return reader.ReadValue(value, JsonPath());
  };
  EXPECT_TRUE(fits(size));
  EXPECT_FALSE(fits(size - size / 20));
}

TEST(JsonReader, CountsTheTextOfWhatIsTooDeep) {
  for (const auto& [limit, fits] : {std::pair{60UL, false}, std::pair{80UL, true}}) {
    ConversionNotes notes;
    const std::string text = "[[" + Repeat("1,", 30) + "1]]";
    JsonReader reader(text, notes, limit);
    Value value;
    EXPECT_EQ(reader.ReadValue(value, JsonPath(), 1), fits);
    EXPECT_TRUE(reader.Finish());
    EXPECT_EQ(std::move(notes).Take().at(0).reason(), fits ? "TOO_DEEP" : "TOO_LARGE");
  }
}

TEST(JsonReader, ForgetsTheNotesOfWhatIsReadAgain) {
  ConversionNotes notes;
  JsonReader reader(R"("\ud800")", notes);
  ASSERT_EQ(reader.Peek(), JsonReader::Kind::kString);
  const JsonReader::Mark before = reader.mark();
  EXPECT_EQ(reader.ReadString(JsonPath()), "\xEF\xBF\xBD");
  EXPECT_TRUE(notes.exact_bytes_required());
  reader.Rewind(before);
  EXPECT_FALSE(notes.exact_bytes_required());
  EXPECT_TRUE(notes.empty());
  reader.ReadString(JsonPath());
  EXPECT_TRUE(reader.Finish());
  EXPECT_EQ(std::move(notes).Take().size(), 1U);
}

TEST(JsonReader, ReadsOnlyIntegersThatFit) {
  const std::vector<std::pair<std::string, std::optional<std::int64_t>>> cases = {
      {"0", 0},
      {"-9223372036854775808", std::numeric_limits<std::int64_t>::min()},
      {"9223372036854775807", std::numeric_limits<std::int64_t>::max()},
      {"9223372036854775808", std::nullopt},
      {"1.0", std::nullopt},
      {"1e3", std::nullopt},
  };
  for (const auto& [text, expected] : cases) {
    ConversionNotes notes;
    JsonReader reader(text, notes);
    ASSERT_EQ(reader.Peek(), JsonReader::Kind::kNumber);
    EXPECT_EQ(reader.ReadInteger(), expected) << text;
    EXPECT_EQ(reader.Finish(), expected.has_value()) << "what was not taken can still be read: " << text;
  }
}

}  // namespace
}  // namespace ticketing::truto
