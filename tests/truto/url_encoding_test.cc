#include "truto/url_encoding.h"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <utility>

namespace ticketing::truto {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

// The query of one AddJson("q", ...), with brackets as they read.
std::string Query(const std::string& json, QueryArrays arrays = QueryArrays::kBrackets) {
  Value value;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &value).ok()) << json;
  std::string url;
  QueryBuilder(url, arrays).AddJson("q", value);
  for (const auto& [code, bracket] : {std::pair("%5B", "["), std::pair("%5D", "]")}) {
    for (auto at = url.find(code); at != std::string::npos; at = url.find(code)) url.replace(at, 3, bracket);
  }
  return url;
}

TEST(PercentEncode, LeavesExactlyWhatEncodeUriComponentLeaves) {
  constexpr std::string_view kLeft = "-_.!~*'()";
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool left = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      kLeft.find(c) != std::string_view::npos;
    const std::string encoded = PercentEncode(std::string(1, c));
    if (left) {
      EXPECT_EQ(encoded, std::string(1, c));
      continue;
    }
    ASSERT_EQ(encoded.size(), 3U) << byte;
    EXPECT_EQ(encoded[0], '%');
    int decoded = -1;
    EXPECT_EQ(std::from_chars(encoded.data() + 1, encoded.data() + 3, decoded, 16).ptr, encoded.data() + 3) << encoded;
    EXPECT_EQ(decoded, byte);
    EXPECT_EQ(encoded.find_first_of("abcdef"), std::string::npos) << "RFC 3986, 2.1: upper case: " << encoded;
  }
}

TEST(PercentEncode, EncodesTextAsUtf8) {
  EXPECT_EQ(PercentEncode(""), "");
  EXPECT_EQ(PercentEncode("a b+c"), "a%20b%2Bc");
  EXPECT_EQ(PercentEncode("Zo\xC3\xAB \xF0\x9F\x98\x80"), "Zo%C3%AB%20%F0%9F%98%80");
  EXPECT_EQ(PercentEncode(std::string_view("a\0b", 3)), "a%00b");
}

TEST(FormatNumber, WritesWhatJavaScriptWrites) {
  struct Case {
    double number;
    std::string_view text;
  };
  // Printed by a JavaScript engine.
  for (const auto& [number, text] : {Case{0, "0"},
                                     {-0.0, "0"},
                                     {3.0, "3"},
                                     {-1.5, "-1.5"},
                                     {100, "100"},
                                     {0.1, "0.1"},
                                     {0.1 + 0.2, "0.30000000000000004"},
                                     {1.0 / 3, "0.3333333333333333"},
                                     {4.35, "4.35"},
                                     {12345.678, "12345.678"},
                                     {9007199254740991, "9007199254740991"},
                                     {18446744073709551616.0, "18446744073709552000"},
                                     {1e20, "100000000000000000000"},
                                     {123456789012345680000.0, "123456789012345680000"},
                                     {999999999999999900000.0, "999999999999999900000"},
                                     {1e21, "1e+21"},
                                     {-1e21, "-1e+21"},
                                     {1.5e21, "1.5e+21"},
                                     {1e23, "1e+23"},
                                     {1e-6, "0.000001"},
                                     {-1.23e-5, "-0.0000123"},
                                     {1e-7, "1e-7"},
                                     {1.5e-7, "1.5e-7"},
                                     {1e100, "1e+100"},
                                     {std::numeric_limits<double>::max(), "1.7976931348623157e+308"},
                                     {std::numeric_limits<double>::denorm_min(), "5e-324"}}) {
    EXPECT_EQ(FormatNumber(number), text);
  }
}

TEST(FormatNumber, LosesNoDouble) {
  std::mt19937_64 random(20240901);  // NOLINT(*-msc51-cpp): the same numbers in every run
  for (int round = 0; round < 100'000; ++round) {
    const auto number = std::bit_cast<double>(random());
    if (!std::isfinite(number)) continue;
    const std::string text = FormatNumber(number);
    double read = 0;
    ASSERT_EQ(std::from_chars(text.data(), text.data() + text.size(), read).ptr, text.data() + text.size()) << text;
    ASSERT_EQ(read, number) << text;
  }
}

TEST(QueryBuilder, BeginsWithAQuestionMarkAndGoesOnWithAmpersands) {
  std::string url = "https://host/path";
  QueryBuilder query(url, QueryArrays::kBrackets);
  query.Add("a", "1");
  query.Add("b", "");
  query.Add("c", "3");
  EXPECT_EQ(url, "https://host/path?a=1&b=&c=3");
}

TEST(QueryBuilder, EncodesKeysAndValues) {
  std::string url;
  QueryBuilder query(url, QueryArrays::kBrackets);
  query.Add("collections[][id]", "a&b=c#d");
  query.Add("=&\xC3\xA9", "[x] +%");
  EXPECT_EQ(url, "?collections%5B%5D%5Bid%5D=a%26b%3Dc%23d&%3D%26%C3%A9=%5Bx%5D%20%2B%25");
}

TEST(QueryBuilder, NamesTheElementsOfLists) {
  std::string url;
  EXPECT_EQ(QueryBuilder(url, QueryArrays::kBrackets).ElementKey("a", 12), "a[]");
  EXPECT_EQ(QueryBuilder(url, QueryArrays::kIndices).ElementKey("a", 12), "a[12]");
}

TEST(QueryBuilder, WritesTheValuesOfJson) {
  EXPECT_EQ(Query("null"), "?q=");
  EXPECT_EQ(Query("true"), "?q=true");
  EXPECT_EQ(Query("false"), "?q=false");
  EXPECT_EQ(Query("\"text\""), "?q=text");
  EXPECT_EQ(Query("\"\""), "?q=");
  EXPECT_EQ(Query("1.50"), "?q=1.5");
  EXPECT_EQ(Query("1e21"), "?q=1e%2B21");
}

TEST(QueryBuilder, WritesObjectsInTheOrderOfTheirKeys) {
  EXPECT_EQ(Query(R"({"b":1,"a":{"z":null,"y":"2"},"":3,"B":4})"), "?q[]=3&q[B]=4&q[a][y]=2&q[a][z]=&q[b]=1");
  // So many keys that the map's own order can't be this one by chance.
  std::string json;
  std::string expected;
  for (int i = 100; i < 200; ++i) {
    json.insert(0, "\"" + std::to_string(i) + (i == 100 ? "\":0" : "\":0,"));
    expected += (i == 100 ? "?q[" : "&q[") + std::to_string(i) + "]=0";
  }
  EXPECT_EQ(Query("{" + json + "}"), expected);
}

TEST(QueryBuilder, WritesListsWithEmptyBrackets) {
  EXPECT_EQ(Query(R"(["a",null,true])"), "?q[]=a&q[]=&q[]=true");
  EXPECT_EQ(Query(R"([{"id":1},{"id":2,"x":3}])"), "?q[][id]=1&q[][id]=2&q[][x]=3");
  EXPECT_EQ(Query(R"([[1,2],[3]])"), "?q[][]=1&q[][]=2&q[][]=3");
}

TEST(QueryBuilder, WritesListsWithIndices) {
  EXPECT_EQ(Query(R"(["a",null,true])", QueryArrays::kIndices), "?q[0]=a&q[1]=&q[2]=true");
  EXPECT_EQ(Query(R"([{"id":1},{"id":2,"x":3}])", QueryArrays::kIndices), "?q[0][id]=1&q[1][id]=2&q[1][x]=3");
  EXPECT_EQ(Query(R"([[1,2],[3]])", QueryArrays::kIndices), "?q[0][0]=1&q[0][1]=2&q[1][0]=3");
}

TEST(QueryBuilder, SendsNothingForEmptyObjectsAndLists) {
  for (const std::string json : {"{}", "[]", R"({"a":{},"b":[]})", "[{},[[]]]"}) EXPECT_EQ(Query(json), "") << json;
  EXPECT_EQ(Query(R"({"a":[],"b":1})"), "?q[b]=1");
  std::string url;
  QueryBuilder(url, QueryArrays::kBrackets).AddJson("q", Struct());
  EXPECT_EQ(url, "");
}

}  // namespace
}  // namespace ticketing::truto
