#include "truto/delete_user_request.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/test_paths.h"
#include "truto/delete_user_validation.h"
#include "truto/url_encoding.h"

namespace ticketing::truto {
namespace {

using google::protobuf::Value;
using google::protobuf::util::MessageDifferencer;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ticketing::v1::DeleteTicketingUserRequest;

constexpr std::string_view kUsers = "https://api.truto.one/unified/ticketing/users/";
constexpr char kAccount[] = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";
constexpr char kRequestId[] = "0190d1c2-7b3a-7c4e-9f00-1a2b3c4d5e6f";

DeleteTicketingUserRequest Request(const std::string& text) {
  DeleteTicketingUserRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

// ---- Reading URLs, by code that shares nothing with what wrote them ----

std::string Decode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = static_cast<unsigned char>(text[i]);
    if (text[i] == '%') {
      const char* const hex = text.data() + i + 1;
      if (i + 2 >= text.size() || std::from_chars(hex, hex + 2, byte, 16).ptr != hex + 2) {
        ADD_FAILURE() << "not percent-encoded: " << text;
        return decoded;
      }
      i += 2;
    }
    decoded += static_cast<char>(byte);
  }
  return decoded;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Url {
  std::string id;
  Pairs query;
};

// Takes a URL apart as a server does: fragment, query, segments, and only then percent signs.
Url ReadUrl(std::string_view url) {
  Url read;
  EXPECT_EQ(url.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()%:/?=&"),
            std::string_view::npos)
      << url;
  EXPECT_TRUE(url.starts_with(kUsers)) << url;
  url.remove_prefix(kUsers.size());
  const std::string_view segment = url.substr(0, url.find('?'));
  EXPECT_EQ(segment.find('/'), std::string_view::npos) << "more than one segment: " << url;
  read.id = Decode(segment);
  if (segment.size() == url.size()) return read;
  url.remove_prefix(segment.size());
  while (!url.empty()) {
    url.remove_prefix(1);  // the question mark or ampersand
    const std::string_view pair = url.substr(0, url.find('&'));
    const std::size_t sign = pair.find('=');
    EXPECT_NE(sign, std::string_view::npos) << pair;
    read.query.emplace_back(Decode(pair.substr(0, sign)), Decode(pair.substr(sign + 1)));
    url.remove_prefix(pair.size());
  }
  return read;
}

// ---- Goldens ----

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Print(const core::HttpRequest& request) {
  std::string text = request.method + " " + request.url + "\n";
  for (const auto& [name, value] : request.headers) text.append(name).append(": ").append(value).append("\n");
  return text;
}

TEST(RequestGoldens, GoOutAsRecorded) {
  const std::filesystem::path folder = std::filesystem::path(support::TestsDirectory()) / "golden/requests";
  const bool update = std::getenv("UPDATE_GOLDENS") != nullptr;  // NOLINT(concurrency-mt-unsafe)
  std::set<std::filesystem::path> requests;
  std::set<std::filesystem::path> expectations;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".textproto") requests.insert(entry.path());
    if (entry.path().extension() == ".request") expectations.insert(entry.path());
  }
  EXPECT_GE(requests.size(), 20U) << "goldens are missing in " << folder;
  for (const auto& path : requests) {
    SCOPED_TRACE(path.filename());
    const std::string text = ReadFile(path);
    const DeleteTicketingUserRequest request = Request(text);
    Endpoint endpoint{.user_agent = "ticketing-user-service/1.0.0"};
    if (text.find("# query-arrays: indices\n") != std::string::npos) endpoint.query_arrays = QueryArrays::kIndices;
    EXPECT_THAT(ValidateDeleteUser(request, endpoint, /*account_required=*/false), IsEmpty());
    const std::string actual = Print(BuildDeleteUserRequest(request, endpoint, "a-token"));
    auto expected_path = path;
    expected_path.replace_extension(".request");
    if (update) std::ofstream(expected_path, std::ios::binary) << actual;
    EXPECT_EQ(actual, ReadFile(expected_path));
    expectations.erase(expected_path);
  }
  EXPECT_THAT(expectations, IsEmpty()) << "expectations without a request";
}

// ---- The id ----

// An id that ValidateDeleteUser accepts names one user below /users/, and nothing else, in every URL. Returns whether
// it is accepted.
bool ExpectOneSegment(const std::string& id) {
  DeleteTicketingUserRequest request;
  request.set_id(id);
  if (!ValidateDeleteUser(request, Endpoint(), /*account_required=*/false).empty()) return false;
  const std::string bare = DeleteUserUrl(request, Endpoint());
  EXPECT_EQ(ReadUrl(bare).id, id);
  EXPECT_THAT(ReadUrl(bare).query, IsEmpty()) << bare;
  // Dot segments, also in the encoding that browsers know (WHATWG URL, 4.1), would be taken for their parents.
  const std::string segment = bare.substr(kUsers.size());
  EXPECT_TRUE(segment != "." && segment != ".." && segment.find("%2E") == std::string::npos) << bare;

  request.set_integrated_account_id(kAccount);
  const Url url = ReadUrl(DeleteUserUrl(request, Endpoint()));
  EXPECT_EQ(url.id, id);
  EXPECT_THAT(url.query, ElementsAre(Pair("integrated_account_id", kAccount)));
  return true;
}

TEST(DeleteUserUrl, KeepsEveryShortIdOneSegment) {
  int accepted = 0;
  for (int first = 0; first < 256; ++first) {
    const std::string one(1, static_cast<char>(first));
    accepted += ExpectOneSegment(one) ? 1 : 0;
    for (int second = 0; second < 256; ++second) {
      accepted += ExpectOneSegment(one + static_cast<char>(second)) ? 1 : 0;
    }
  }
  // 95 printable characters without "."; their pairs without ".."; all two-byte characters.
  EXPECT_EQ(accepted, 94 + (95 * 95 - 1) + 30 * 64);
}

TEST(DeleteUserUrl, KeepsEveryAwkwardIdOneSegment) {
  for (const std::string& id : std::vector<std::string>{"a/b",
                                                        "/",
                                                        "//",
                                                        "../accounts/1",
                                                        "./",
                                                        "a/..",
                                                        "...",
                                                        "%2e%2e",
                                                        "%2E",
                                                        "%",
                                                        "%%",
                                                        "%2",
                                                        "%2f",
                                                        "%252e",
                                                        "?x#y&z=1",
                                                        "?",
                                                        "#",
                                                        "&x=",
                                                        "=",
                                                        ";",
                                                        "a b",
                                                        " ",
                                                        "+",
                                                        "\\",
                                                        "..\\",
                                                        "@",
                                                        ":",
                                                        "https://example.com/",
                                                        "[0]",
                                                        "\xF0\x9F\x98\x80",
                                                        "Zo\xC3\xAB",
                                                        "\xE2\x80\xAE",
                                                        "\xC2\x85",
                                                        "user@example.com",
                                                        "{id}",
                                                        "\"'<>",
                                                        std::string(512, 'a'),
                                                        std::string(512, '/'),
                                                        std::string(512, '.'),
                                                        std::string(512, '%')}) {
    EXPECT_TRUE(ExpectOneSegment(id)) << id;
  }
}

TEST(DeleteUserUrl, KeepsEveryRandomIdOneSegment) {
  std::mt19937 random(20240901);  // NOLINT(*-msc51-cpp): the same ids in every run
  const std::vector<std::string> pieces = {"/",    ".",    "..", "%", "2e", "2F", "?",        "#",
                                           "&",    "=",    "a",  "Z", "0",  " ",  "\xC3\xA9", "\xF0\x9F\x98\x80",
                                           "\xFF", "\x7F", "\n", ";", ":",  "@"};
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string id;
    for (auto count = random() % 8 + 1; count > 0; --count) id += pieces[random() % pieces.size()];
    accepted += ExpectOneSegment(id) ? 1 : 0;
  }
  EXPECT_GT(accepted, 5'000);
}

// ---- The query ----

Pairs QueryOf(const std::string& text, QueryArrays arrays = QueryArrays::kBrackets) {
  return ReadUrl(DeleteUserUrl(Request(text), {.query_arrays = arrays})).query;
}

constexpr char kEverything[] = R"(
  truto_skip_api_call: false
  remote_query { fields { key: "tags" value { list_value { values { string_value: "x" } } } } }
  truto_exclude_fields: "id" truto_exclude_fields: "name"
  truto_ignore_remote_data: true
  truto_response_format: TRUTO_RESPONSE_FORMAT_RAW
  integrated_account_id: "62f44730-dd91-461e-bd6a-aedd9e0ad79d"
  organization { id: "42" }
  collections { id: "99" } collections { id: "100" }
  id: "1" allow_missing: true validate_only: true include_http_body: true
  request_id: "0190d1c2-7b3a-7c4e-9f00-1a2b3c4d5e6f"
)";

TEST(DeleteUserUrl, HasTheParametersInTheOrderOfTheEndpointsPage) {
  EXPECT_THAT(QueryOf(kEverything),
              ElementsAre(Pair("collections[][id]", "99"), Pair("collections[][id]", "100"),
                          Pair("organization[id]", "42"), Pair("integrated_account_id", kAccount),
                          Pair("truto_response_format", "raw"), Pair("truto_ignore_remote_data", "true"),
                          Pair("truto_exclude_fields[]", "id"), Pair("truto_exclude_fields[]", "name"),
                          Pair("remote_query[tags][]", "x"), Pair("truto_skip_api_call", "false")));
}

TEST(DeleteUserUrl, WritesIndicesWhereTheEndpointWantsThem) {
  EXPECT_THAT(QueryOf(kEverything, QueryArrays::kIndices),
              ElementsAre(Pair("collections[0][id]", "99"), Pair("collections[1][id]", "100"),
                          Pair("organization[id]", "42"), Pair("integrated_account_id", kAccount),
                          Pair("truto_response_format", "raw"), Pair("truto_ignore_remote_data", "true"),
                          Pair("truto_exclude_fields[0]", "id"), Pair("truto_exclude_fields[1]", "name"),
                          Pair("remote_query[tags][0]", "x"), Pair("truto_skip_api_call", "false")));
}

TEST(DeleteUserUrl, LeavesOutWhatIsAbsent) {
  EXPECT_EQ(DeleteUserUrl(Request("id: '1'"), Endpoint()), std::string(kUsers) + "1");
  EXPECT_EQ(DeleteUserUrl(Request("id: '1' remote_query {}"), Endpoint()), std::string(kUsers) + "1");
}

TEST(DeleteUserUrl, TellsAbsentFalseAndTrueApart) {
  EXPECT_THAT(QueryOf("id: '1' truto_ignore_remote_data: false truto_skip_api_call: true"),
              ElementsAre(Pair("truto_ignore_remote_data", "false"), Pair("truto_skip_api_call", "true")));
}

TEST(DeleteUserUrl, WritesEveryFormatByTheNameOfThePage) {
  const auto* const formats = ticketing::v1::TrutoResponseFormat_descriptor();
  std::vector<std::string> names;
  for (int i = 0; i < formats->value_count(); ++i) {
    for (const auto& [key, value] : QueryOf("id: '1' truto_response_format: " + formats->value(i)->name())) {
      EXPECT_EQ(key, "truto_response_format");
      names.push_back(value);
    }
  }
  EXPECT_THAT(names, ElementsAre("unified", "raw", "normalized", "stream", "debug"));
}

TEST(DeleteUserUrl, StartsWithTheBaseUrl) {
  EXPECT_EQ(DeleteUserUrl(Request("id: '1'"), {.base_url = "http://127.0.0.1:8080/proxy"}),
            "http://127.0.0.1:8080/proxy/unified/ticketing/users/1");
}

// ---- Nothing of remote_query is lost ----

// Makes up JSON of all kinds, without empty objects and lists, which send nothing.
class JsonMaker {
 public:
  explicit JsonMaker(unsigned seed) : random_(seed) {}

  Value Object(int depth) {
    static const std::vector<std::string> kKeys = {"a", "b c", "\xC3\xA9", "x.y", "&=#", "Z", "id"};
    Value value;
    for (auto count = random_() % 3 + 1; count > 0; --count) {
      (*value.mutable_struct_value()->mutable_fields())[kKeys[random_() % kKeys.size()]] = Any(depth + 1);
    }
    return value;
  }

 private:
  Value Any(int depth) {
    Value value;
    switch (random_() % (depth < 5 ? 6 : 4)) {
      case 0: value.set_string_value("t&=\xC3\xA9\n[x] %"); break;
      case 1: value.set_number_value(static_cast<double>(random_() % 1000) / 8); break;
      case 2: value.set_bool_value(random_() % 2 == 0); break;
      case 3: value.set_null_value(google::protobuf::NULL_VALUE); break;
      case 4: return Object(depth);
      default:
        for (auto count = random_() % 3 + 1; count > 0; --count)
          *value.mutable_list_value()->add_values() = Any(depth + 1);
    }
    return value;
  }

  std::mt19937 random_;
};

// "remote_query[a][0]" -> {"a", "0"}
std::vector<std::string> Segments(std::string_view key) {
  std::vector<std::string> segments;
  EXPECT_TRUE(key.starts_with("remote_query[")) << key;
  for (auto open = key.find('['); open != std::string_view::npos; open = key.find('[', open + 1)) {
    segments.emplace_back(key.substr(open + 1, key.find(']', open) - open - 1));
  }
  return segments;
}

bool IsIndex(const std::string& segment) {
  return segment.find_first_not_of("0123456789") == std::string::npos;
}

// The JSON that a query of indices stands for; whatever is no object or list is text in it.
Value Rebuild(const Pairs& pairs) {
  Value root;
  for (const auto& [key, text] : pairs) {
    Value* value = &root;
    for (const std::string& segment : Segments(key)) {
      if (!IsIndex(segment)) {
        value = &(*value->mutable_struct_value()->mutable_fields())[segment];
        continue;
      }
      auto& list = *value->mutable_list_value();
      const int index = std::stoi(segment);
      EXPECT_TRUE(index == list.values_size() || index + 1 == list.values_size()) << key;
      value = index < list.values_size() ? list.mutable_values(index) : list.add_values();
    }
    value->set_string_value(text);
  }
  return root;
}

// `value` with the texts that the endpoint's rules give to what is no object or list.
Value WithTexts(const Value& value) {
  Value texts;
  switch (value.kind_case()) {
    case Value::kStructValue:
      for (const auto& [name, member] : value.struct_value().fields()) {
        (*texts.mutable_struct_value()->mutable_fields())[name] = WithTexts(member);
      }
      break;
    case Value::kListValue:
      for (const Value& element : value.list_value().values()) {
        *texts.mutable_list_value()->add_values() = WithTexts(element);
      }
      break;
    case Value::kNumberValue: texts.set_string_value(FormatNumber(value.number_value())); break;
    case Value::kBoolValue: texts.set_string_value(value.bool_value() ? "true" : "false"); break;
    case Value::kNullValue: texts.set_string_value(""); break;
    default: texts = value; break;
  }
  return texts;
}

TEST(DeleteUserUrl, LosesNothingOfAnyRemoteQuery) {
  JsonMaker maker(20240901);
  for (int round = 0; round < 3000; ++round) {
    const Value query = maker.Object(1);
    DeleteTicketingUserRequest request;
    *request.mutable_remote_query() = query.struct_value();
    Pairs pairs = ReadUrl(DeleteUserUrl(request, {.query_arrays = QueryArrays::kIndices})).query;
    ASSERT_TRUE(MessageDifferencer::Equals(Rebuild(pairs), WithTexts(query))) << query.DebugString();

    // With empty brackets the pairs are the same, but for the indices.
    for (auto& [key, text] : pairs) {
      const std::vector<std::string> segments = Segments(key);
      key = "remote_query";
      for (const std::string& segment : segments) key += "[" + (IsIndex(segment) ? "" : segment) + "]";
    }
    ASSERT_EQ(ReadUrl(DeleteUserUrl(request, Endpoint())).query, pairs) << query.DebugString();
  }
}

TEST(DeleteUserUrl, IsTheSameForTheSameRequest) {
  JsonMaker maker(20240902);
  for (int round = 0; round < 200; ++round) {
    DeleteTicketingUserRequest request;
    *request.mutable_remote_query() = maker.Object(1).struct_value();
    // A parsed map has a seed, and so an order, of its own.
    DeleteTicketingUserRequest parsed;
    ASSERT_TRUE(parsed.ParseFromString(request.SerializeAsString()));
    ASSERT_EQ(DeleteUserUrl(parsed, Endpoint()), DeleteUserUrl(request, Endpoint()));
  }
}

// ---- The whole request ----

TEST(BuildDeleteUserRequest, HasMethodUrlAndHeaders) {
  const Endpoint endpoint{.user_agent = "agent/1"};
  const DeleteTicketingUserRequest request = Request(kEverything);
  const core::HttpRequest http = BuildDeleteUserRequest(request, endpoint, "a-token");
  EXPECT_EQ(http.method, "DELETE");
  EXPECT_EQ(http.url, DeleteUserUrl(request, endpoint));
  EXPECT_THAT(http.headers, ElementsAre(Pair("authorization", "Bearer a-token"), Pair("accept", "application/json"),
                                        Pair("content-type", "application/json"), Pair("idempotency-key", kRequestId),
                                        Pair("user-agent", "agent/1")));
}

TEST(PlanDeleteUserRequest, ShowsWhatWouldBeSentWithTheTokenMasked) {
  const Endpoint endpoint{.user_agent = "agent/1"};
  const DeleteTicketingUserRequest request = Request(kEverything);
  const auto planned = PlanDeleteUserRequest(request, endpoint);
  const core::HttpRequest http = BuildDeleteUserRequest(request, endpoint, "a-token");
  EXPECT_EQ(planned.method(), http.method);
  EXPECT_EQ(planned.url(), http.url);
  EXPECT_EQ(planned.headers_size(), static_cast<int>(http.headers.size()));
  for (const auto& [name, value] : http.headers) {
    EXPECT_EQ(planned.headers().at(name), name == "authorization" ? "Bearer ***" : value);
  }
}

}  // namespace
}  // namespace ticketing::truto
