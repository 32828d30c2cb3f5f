#include "truto/delete_user_validation.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "truto/json_to_struct.h"

namespace ticketing::truto {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ticketing::v1::DeleteTicketingUserRequest;
using Violations = std::vector<core::FieldViolation>;

constexpr char kAccount[] = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";

DeleteTicketingUserRequest ValidRequest() {
  DeleteTicketingUserRequest request;
  request.set_id("23423523");
  request.set_integrated_account_id(kAccount);
  return request;
}

Violations Validate(const DeleteTicketingUserRequest& request, const Endpoint& endpoint = Endpoint()) {
  return ValidateDeleteUser(request, endpoint, /*account_required=*/true);
}

// Violations as "field: description".
std::vector<std::string> Texts(const Violations& violations) {
  std::vector<std::string> texts;
  for (const auto& [field, description] : violations) texts.push_back(field + ": " + description);
  return texts;
}

std::vector<std::string> TextsForId(const std::string& id) {
  DeleteTicketingUserRequest request = ValidRequest();
  request.set_id(id);
  return Texts(Validate(request));
}

DeleteTicketingUserRequest WithRemoteQuery(const std::string& json) {
  DeleteTicketingUserRequest request = ValidRequest();
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, request.mutable_remote_query()).ok()) << json;
  return request;
}

std::string Repeat(std::string_view piece, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += piece;
  return text;
}

// All bytes that are no text for people: of headers they would make new ones, of logs new lines.
std::vector<std::string> ControlCharacters() {
  std::vector<std::string> characters = {"\x7F"};
  for (char c = 0; c < 0x20; ++c) characters.emplace_back(1, c);
  return characters;
}

TEST(ValidateDeleteUser, AcceptsWhatTheContractAllows) {
  EXPECT_THAT(Texts(Validate(ValidRequest())), IsEmpty());
  DeleteTicketingUserRequest request;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(R"(
    id: "a/b ?#%\xC3\xA9" integrated_account_id: "62F44730-DD91-461E-BD6A-AEDD9E0AD79D"
    collections { id: "99" } collections { id: "\xC3\xA9 /?" } organization { id: "42" }
    truto_response_format: TRUTO_RESPONSE_FORMAT_DEBUG truto_ignore_remote_data: false
    truto_exclude_fields: "id" truto_exclude_fields: "a b" remote_query {} truto_skip_api_call: true
    allow_missing: true validate_only: true request_id: "0190D1C2-7b3a-7c4e-9f00-1a2b3c4d5e6f"
    include_http_body: true)",
                                                            &request));
  EXPECT_THAT(Texts(Validate(request)), IsEmpty());
}

TEST(ValidateDeleteUser, RefusesIdsThatNameNoUser) {
  EXPECT_THAT(TextsForId(""), ElementsAre("id: must not be empty"));
  EXPECT_THAT(TextsForId("."), ElementsAre("id: must not be \".\""));
  EXPECT_THAT(TextsForId(".."), ElementsAre("id: must not be \"..\""));
  for (const std::string& id : {"...", "%2e%2e", "a/b", "%", "/", "?x#y&z=1", " "})
    EXPECT_THAT(TextsForId(id), IsEmpty());
}

TEST(ValidateDeleteUser, RefusesControlCharactersInIds) {
  for (const std::string& character : ControlCharacters()) {
    for (const std::string& id : {character, "a" + character, character + "b", "a" + character + "b"}) {
      EXPECT_THAT(TextsForId(id), ElementsAre("id: must not contain control characters"));
    }
  }
}

TEST(ValidateDeleteUser, RefusesIdsOverTheirLimit) {
  EXPECT_THAT(TextsForId(std::string(kMaxIdBytes, 'a')), IsEmpty());
  EXPECT_THAT(TextsForId(std::string(kMaxIdBytes + 1, 'a')), ElementsAre("id: must be at most 512 bytes long"));
  EXPECT_THAT(TextsForId(Repeat("\xC3\xA9", 256)), IsEmpty());
  EXPECT_THAT(TextsForId(Repeat("\xC3\xA9", 257)), ElementsAre("id: must be at most 512 bytes long"));
}

TEST(ValidateDeleteUser, RefusesIdsThatAreNotUtf8) {
  for (const std::string id : {"\xFF", "a\xC3", "\xC0\xAE", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xC3\xA9\x80"}) {
    EXPECT_THAT(TextsForId(id), ElementsAre("id: must be valid UTF-8"));
  }
}

TEST(ValidateDeleteUser, TellsEveryRuleThatOneFieldBreaks) {
  EXPECT_THAT(TextsForId(std::string(600, '\n') + "\xFF"),
              ElementsAre("id: must not contain control characters", "id: must be valid UTF-8",
                          "id: must be at most 512 bytes long"));
}

TEST(ValidateDeleteUser, RefusesAccountsThatAreNoUuid) {
  for (const std::string& account :
       {"nonsense", "62f44730-dd91-461e-bd6a-aedd9e0ad79", "62f44730-dd91-461e-bd6a-aedd9e0ad79dd",
        "62f44730dd91461ebd6aaedd9e0ad79d", "{62f44730-dd91-461e-bd6a-aedd9e0ad79d}",
        "62f44730-dd91-461e-bd6a-aedd9e0ad79g", "62f44730-dd91-461e-bd6a_aedd9e0ad79d",
        "62f4473-0dd91-461e-bd6a-aedd9e0ad79d", "62f44730-dd91-461e-bd6a-aedd9e0ad7\r\n"}) {
    DeleteTicketingUserRequest request = ValidRequest();
    request.set_integrated_account_id(account);
    for (const bool required : {false, true}) {
      EXPECT_THAT(Texts(ValidateDeleteUser(request, Endpoint(), required)),
                  ElementsAre("integrated_account_id: must be a UUID such as 62f44730-dd91-461e-bd6a-aedd9e0ad79d"));
    }
  }
}

TEST(ValidateDeleteUser, WantsAnAccountOnlyWhereTheTokenImpliesNone) {
  DeleteTicketingUserRequest request = ValidRequest();
  request.clear_integrated_account_id();
  EXPECT_THAT(Texts(ValidateDeleteUser(request, Endpoint(), /*account_required=*/true)),
              ElementsAre("integrated_account_id: must not be empty"));
  EXPECT_THAT(Texts(ValidateDeleteUser(request, Endpoint(), /*account_required=*/false)), IsEmpty());
}

TEST(ValidateDeleteUser, RefusesRequestIdsThatAreNoUuid) {
  for (const std::string& request_id : {"x", "62f44730", "0190d1c2-7b3a-7c4e-9f00-1a2b3c4d5e6f ", "a\r\nb: c"}) {
    DeleteTicketingUserRequest request = ValidRequest();
    request.set_request_id(request_id);
    EXPECT_THAT(Texts(Validate(request)),
                ElementsAre("request_id: must be a UUID such as 62f44730-dd91-461e-bd6a-aedd9e0ad79d"));
  }
}

TEST(ValidateDeleteUser, RefusesFormatsThatTheContractDoesNotKnow) {
  for (const int format : {-1, 6, 42}) {
    DeleteTicketingUserRequest request = ValidRequest();
    request.set_truto_response_format(static_cast<ticketing::v1::TrutoResponseFormat>(format));
    EXPECT_THAT(Texts(Validate(request)),
                ElementsAre("truto_response_format: must be a format of the contract, which " + std::to_string(format) +
                            " is not"));
  }
}

TEST(ValidateDeleteUser, RefusesTextsThatAreEmptyOrHaveControlCharacters) {
  DeleteTicketingUserRequest request = ValidRequest();
  request.mutable_organization();
  request.add_collections()->set_id("99");
  request.add_collections();
  request.add_truto_exclude_fields("");
  EXPECT_THAT(Texts(Validate(request)),
              ElementsAre("organization.id: must not be empty", "collections[1].id: must not be empty",
                          "truto_exclude_fields[0]: must not be empty"));
  for (const std::string& character : ControlCharacters()) {
    request.mutable_organization()->set_id("4" + character);
    request.mutable_collections(1)->set_id(character);
    request.set_truto_exclude_fields(0, character + "id");
    EXPECT_THAT(Texts(Validate(request)), ElementsAre("organization.id: must not contain control characters",
                                                      "collections[1].id: must not contain control characters",
                                                      "truto_exclude_fields[0]: must not contain control characters"));
  }
}

TEST(ValidateDeleteUser, TellsAllViolationsInOneAnswer) {
  DeleteTicketingUserRequest request;
  request.set_id("..");
  request.set_integrated_account_id("nonsense");
  request.set_truto_response_format(static_cast<ticketing::v1::TrutoResponseFormat>(42));
  request.set_request_id("x");
  request.mutable_organization();
  request.add_collections();
  request.add_truto_exclude_fields("");
  request.add_truto_exclude_fields(std::string(kMaxUrlBytes, 'f'));
  auto& fields = *request.mutable_remote_query()->mutable_fields();
  fields["a"].set_number_value(std::numeric_limits<double>::infinity());
  fields[""].set_bool_value(true);
  std::vector<std::string> paths;
  for (const auto& violation : Validate(request)) paths.push_back(violation.field);
  EXPECT_THAT(paths, ElementsAre("id", "integrated_account_id", "truto_response_format", "request_id",
                                 "organization.id", "collections[0].id", "truto_exclude_fields[0]",
                                 "remote_query[\"\"]", "remote_query.a", "truto_exclude_fields"));
}

// ---- remote_query ----

TEST(ValidateDeleteUser, AcceptsAnyJsonObjectAsRemoteQuery) {
  for (const std::string json : {"{}", R"({"a":{},"b":[],"c":null,"d":"","e":1e300,"f":[[],[{}]]})",
                                 R"({"a":"\u0000\r\n\u007f"})", R"({"a b":1,"[x]":2,".":3,"..":4,"\u00e9":5})"}) {
    EXPECT_THAT(Texts(Validate(WithRemoteQuery(json))), IsEmpty()) << json;
  }
}

TEST(ValidateDeleteUser, RefusesRemoteQueryKeysThatAreEmptyOrHaveControlCharacters) {
  EXPECT_THAT(
      Texts(Validate(WithRemoteQuery(R"({"":1,"a":{"":{}},"b":[0,{"":null}]})"))),
      ElementsAre("remote_query[\"\"]: its key must not be empty", "remote_query.a[\"\"]: its key must not be empty",
                  "remote_query.b[1][\"\"]: its key must not be empty"));
  EXPECT_THAT(Texts(Validate(WithRemoteQuery(R"({"a\r\n":1,"b":[[{"\u007f":"x"}]]})"))),
              ElementsAre("remote_query[\"a\\u000d\\u000a\"]: its key must not contain control characters",
                          "remote_query.b[0][0][\"\\u007f\"]: its key must not contain control characters"));
  for (const std::string& character : ControlCharacters()) {
    DeleteTicketingUserRequest request = ValidRequest();
    (*request.mutable_remote_query()->mutable_fields())[character + "x"].set_bool_value(true);
    EXPECT_THAT(Validate(request), SizeIs(1));
  }
}

TEST(ValidateDeleteUser, RefusesNumbersThatJsonDoesNotHave) {
  for (const double number : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
                              -std::numeric_limits<double>::infinity()}) {
    DeleteTicketingUserRequest request = WithRemoteQuery(R"({"a":{"b":[1,2]}})");
    (*(*request.mutable_remote_query()->mutable_fields())["a"].mutable_struct_value()->mutable_fields())["b"]
        .mutable_list_value()
        ->mutable_values(1)
        ->set_number_value(number);
    EXPECT_THAT(Texts(Validate(request)), ElementsAre("remote_query.a.b[1]: must be a finite number"));
  }
}

TEST(ValidateDeleteUser, RefusesValuesOfNoKindAndTextsThatAreNotUtf8) {
  DeleteTicketingUserRequest request = ValidRequest();
  auto& fields = *request.mutable_remote_query()->mutable_fields();
  fields["none"];
  fields["text"].set_string_value("\xFF");
  fields["\xFF"].set_bool_value(true);
  EXPECT_THAT(Texts(Validate(request)),
              ElementsAre("remote_query.none: must have a value; null is one", "remote_query.text: must be valid UTF-8",
                          "remote_query[\"\xEF\xBF\xBD\"]: its key must be valid UTF-8"));
}

// remote_query nested `depth` levels deep, itself the first, the rest lists or objects.
DeleteTicketingUserRequest Nested(int depth, bool lists) {
  DeleteTicketingUserRequest request = ValidRequest();
  Value* value = &(*request.mutable_remote_query()->mutable_fields())["a"];
  for (int level = 1; level < depth; ++level) {
    value =
        lists ? value->mutable_list_value()->add_values() : &(*value->mutable_struct_value()->mutable_fields())["a"];
  }
  value->set_bool_value(true);
  return request;
}

TEST(ValidateDeleteUser, RefusesWhatIsNestedTooDeep) {
  for (const bool lists : {false, true}) {
    EXPECT_THAT(Texts(Validate(Nested(kMaxRemoteQueryDepth, lists))), IsEmpty());
    const std::string path = "remote_query.a" + Repeat(lists ? "[0]" : ".a", kMaxRemoteQueryDepth - 1);
    for (const int depth : {kMaxRemoteQueryDepth + 1, kMaxRemoteQueryDepth + 2, 2000}) {
      EXPECT_THAT(Texts(Validate(Nested(depth, lists))),
                  ElementsAre(path + ": must not be nested deeper than 16 levels"));
    }
  }
}

TEST(ValidateDeleteUser, QuotesKeysThatWouldBlurAPath) {
  const auto path = [](const std::string& key) {
    DeleteTicketingUserRequest request = ValidRequest();
    (*request.mutable_remote_query()->mutable_fields())[key];
    return Validate(request).at(0).field;
  };
  EXPECT_EQ(path("a-B_9"), "remote_query.a-B_9");
  EXPECT_EQ(path("a.b"), "remote_query[\"a.b\"]");
  EXPECT_EQ(path("a b[0]"), "remote_query[\"a b[0]\"]");
  EXPECT_EQ(path("\"\\"), R"(remote_query["\"\\"])");
  EXPECT_EQ(path("\xC3\xA9"), "remote_query[\"\xC3\xA9\"]");
  EXPECT_EQ(path(std::string(64, 'k')), "remote_query." + std::string(64, 'k'));
  EXPECT_EQ(path(std::string(65, 'k')), "remote_query[\"" + std::string(64, 'k') + "…\"]");
  EXPECT_EQ(path("k" + Repeat("\xC3\xA9", 100)), "remote_query[\"k" + Repeat("\xC3\xA9", 31) + "…\"]")
      << "cut between characters";
  EXPECT_EQ(path(std::string(100, '\x80')).find("remote_query[\""), 0U) << "bytes that begin no character";
}

// ---- Limits ----

TEST(ValidateDeleteUser, BoundsItsAnswerButTellsWhatThereIsOneOf) {
  DeleteTicketingUserRequest request = ValidRequest();
  for (int i = 0; i < 10'000; ++i) request.add_collections();
  request.set_id("..");
  request.set_request_id("x");
  request.mutable_organization();
  const Violations violations = Validate(request);
  EXPECT_THAT(violations, SizeIs(200));
  EXPECT_EQ(violations[0].field, "id");
  EXPECT_EQ(violations[1].field, "request_id");
  EXPECT_EQ(violations[2].field, "organization.id");
  EXPECT_EQ(violations[199].field, "collections[196].id");
}

TEST(ValidateDeleteUser, NamesTheFieldThatMakesTheUrlTooLong) {
  const auto text = [](const DeleteTicketingUserRequest& request) {
    const auto texts = Texts(Validate(request));
    EXPECT_THAT(texts, SizeIs(1));
    return texts.at(0);
  };
  const std::string long_text(kMaxUrlBytes, 'x');
  const std::string too_long = ": makes the URL ";
  DeleteTicketingUserRequest request = ValidRequest();
  request.mutable_organization()->set_id(long_text);
  EXPECT_THAT(text(request), StartsWith("organization.id" + too_long));
  EXPECT_THAT(text(request), EndsWith(std::to_string(DeleteUserUrl(request, Endpoint()).size()) +
                                      " bytes long, with at most 8192 allowed"));
  request = ValidRequest();
  for (int i = 0; i < 1000; ++i) request.add_collections()->set_id("99");
  EXPECT_THAT(text(request), StartsWith("collections" + too_long));
  request = ValidRequest();
  request.add_truto_exclude_fields(long_text);
  EXPECT_THAT(text(request), StartsWith("truto_exclude_fields" + too_long));
  EXPECT_THAT(text(WithRemoteQuery("{\"a\":\"" + long_text + "\"}")), StartsWith("remote_query" + too_long));

  // None alone is too long here.
  request = WithRemoteQuery("{\"a\":\"" + std::string(5000, 'x') + "\"}");
  request.add_collections()->set_id(std::string(5001, 'x'));
  EXPECT_THAT(text(request), StartsWith("collections" + too_long));
}

TEST(ValidateDeleteUser, CountsAUrlOfGigabytesWithoutBuildingIt) {
  const std::string key(30'000, '/');
  std::string list;
  for (int i = 0; i < 15'000; ++i) list += i == 0 ? "1" : ",1";
  const auto request = WithRemoteQuery("{\"" + key + "\":[" + list + "]}");
  // "&remote_query[///...][]=1", 15,000 times
  const std::size_t pair = 1 + 12 + 6 + 3 * key.size() + 6 + 2;
  std::string bare = DeleteUserUrl(ValidRequest(), Endpoint());
  EXPECT_THAT(Texts(Validate(request)),
              ElementsAre("remote_query: makes the URL " + std::to_string(bare.size() + 15'000 * pair) +
                          " bytes long, with at most 8192 allowed"));
}

// Makes up requests of every shape.
class RequestMaker {
 public:
  explicit RequestMaker(unsigned seed) : random_(seed) {}

  DeleteTicketingUserRequest Request() {
    DeleteTicketingUserRequest request;
    request.set_id(Text());
    if (Chance()) request.set_integrated_account_id(kAccount);
    while (Chance()) request.add_collections()->set_id(Text());
    if (Chance()) request.mutable_organization()->set_id(Text());
    request.set_truto_response_format(static_cast<ticketing::v1::TrutoResponseFormat>(random_() % 6));
    if (Chance()) request.set_truto_ignore_remote_data(Chance());
    while (Chance()) request.add_truto_exclude_fields(Text());
    if (Chance()) *request.mutable_remote_query() = Object(1);
    if (Chance()) request.set_truto_skip_api_call(Chance());
    return request;
  }

 private:
  bool Chance() { return random_() % 2 == 0; }

  std::string Text() {
    static const std::vector<std::string> kPieces = {"a", "Z9", " ", "/", "%", "\xC3\xA9", "[x]", "&=#", "~"};
    std::string text = "t";
    while (Chance()) text += kPieces[random_() % kPieces.size()];
    return text;
  }

  Struct Object(int depth) {
    Struct object;
    while (Chance()) (*object.mutable_fields())[Text()] = Any(depth + 1);
    return object;
  }

  Value Any(int depth) {
    Value value;
    switch (random_() % (depth < 6 ? 6 : 4)) {
      case 0: value.set_null_value(google::protobuf::NULL_VALUE); break;
      case 1: value.set_bool_value(Chance()); break;
      case 2: value.set_number_value(std::vector<double>{0, -1.5, 1e21, 1e-7, 123456}[random_() % 5]); break;
      case 3: value.set_string_value(Chance() ? Text() : "\r\n"); break;
      case 4: *value.mutable_struct_value() = Object(depth); break;
      default:
        value.mutable_list_value();
        for (auto count = random_() % 13; count > 0; --count)
          *value.mutable_list_value()->add_values() = Any(depth + 1);
    }
    return value;
  }

  std::mt19937 random_;
};

TEST(ValidateDeleteUser, LimitsExactlyTheUrlThatIsSent) {
  RequestMaker maker(20240901);
  int limited = 0;
  for (int round = 0; round < 1500; ++round) {
    DeleteTicketingUserRequest request = maker.Request();
    const Endpoint endpoint{.base_url = "https://host",
                            .query_arrays = round % 2 == 0 ? QueryArrays::kBrackets : QueryArrays::kIndices};
    std::string& filler = *request.add_truto_exclude_fields();
    const std::size_t bytes = DeleteUserUrl(request, endpoint).size();
    if (bytes >= kMaxUrlBytes) continue;
    filler.assign(kMaxUrlBytes - bytes, 'f');
    ASSERT_THAT(Texts(ValidateDeleteUser(request, endpoint, false)), IsEmpty()) << request.DebugString();
    filler += 'f';
    const Violations violations = ValidateDeleteUser(request, endpoint, false);
    ASSERT_THAT(violations, SizeIs(1)) << request.DebugString();
    ASSERT_EQ(violations[0].description, "makes the URL 8193 bytes long, with at most 8192 allowed");
    ++limited;
  }
  EXPECT_GT(limited, 1000);
}

TEST(ValidateDeleteUser, SpeaksPlainTextWhateverTheRequestHolds) {
  std::mt19937 random(20240901);  // NOLINT(*-msc51-cpp): the same requests in every run
  const auto bytes = [&random] {
    std::string text;
    for (auto count = random() % 100; count > 0; --count) text += static_cast<char>(random() % 256);
    return text;
  };
  for (int round = 0; round < 200; ++round) {
    DeleteTicketingUserRequest request;
    request.set_id(bytes());
    request.set_integrated_account_id(bytes());
    request.set_request_id(bytes());
    request.add_collections()->set_id(bytes());
    request.add_truto_exclude_fields(bytes());
    Value* value = &(*request.mutable_remote_query()->mutable_fields())[bytes()];
    for (int level = 0; level < 17; ++level) value = &(*value->mutable_struct_value()->mutable_fields())[bytes()];
    for (const auto& [field, description] : Validate(request)) {
      for (const std::string& text : {field, description}) {
        bool replaced = false;
        ToValidUtf8(text, &replaced);
        ASSERT_FALSE(replaced) << text;
        ASSERT_LE(text.size(), 8U * 1024);
        ASSERT_TRUE(std::ranges::none_of(text, [](char c) {
          return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
        })) << text;
      }
    }
  }
}

}  // namespace
}  // namespace ticketing::truto
