#include "truto/delete_user_response.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>

#include <algorithm>
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
#include "truto/json_to_struct.h"

namespace ticketing::truto {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Struct;
using google::protobuf::Timestamp;
using google::protobuf::Value;
using google::protobuf::util::MessageDifferencer;
using google::protobuf::util::TimeUtil;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ticketing::v1::DebugInfo;
using ticketing::v1::DeleteTicketingUserResponse;
using ticketing::v1::HttpBody;
using ticketing::v1::RateLimit;

constexpr auto kUnified = ticketing::v1::TRUTO_RESPONSE_FORMAT_UNIFIED;
constexpr auto kRaw = ticketing::v1::TRUTO_RESPONSE_FORMAT_RAW;
constexpr auto kDebug = ticketing::v1::TRUTO_RESPONSE_FORMAT_DEBUG;

core::HttpResponse Answer(std::string body, std::string content_type = "application/json") {
  core::HttpResponse response{.status = 200, .headers = {{"content-type", std::move(content_type)}}, .body = {}};
  response.body = std::move(body);
  return response;
}

DeleteTicketingUserResponse Parse(std::string body, ticketing::v1::TrutoResponseFormat format = kUnified) {
  return ParseDeleteUserResponse(Answer(std::move(body)), {.format = format});
}

// Notes as "reason path".
std::vector<std::string> Notes(const DeleteTicketingUserResponse& response) {
  std::vector<std::string> notes;
  for (const auto& note : response.report().notes()) notes.push_back(note.reason() + " " + note.path());
  return notes;
}

std::string Repeat(std::string_view piece, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += piece;
  return text;
}

// ---- Goldens ----

struct Golden {
  core::HttpResponse response;
  ResponseOptions options;
};

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string TakeLine(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string line(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

// Sets the option that a header "x-test-..." names; false for any other header.
bool TakeOption(const std::string& name, const std::string& value, Golden& golden) {
  if (name == "x-test-format") {
    EXPECT_TRUE(ticketing::v1::TrutoResponseFormat_Parse("TRUTO_RESPONSE_FORMAT_" + value, &golden.options.format))
        << value;
  } else if (name == "x-test-include-http-body") {
    golden.options.include_http_body = value == "true";
  } else if (name == "x-test-truncated") {
    golden.response.truncated = value == "true";
  } else {
    EXPECT_FALSE(name.starts_with("x-test-")) << "unknown option " << name;
    return false;
  }
  return true;
}

Golden ReadGolden(const std::filesystem::path& path) {
  const std::string text = ReadFile(path);
  std::string_view rest = text;
  Golden golden;
  const std::string status_line = TakeLine(rest);
  EXPECT_TRUE(status_line.starts_with("HTTP/")) << status_line;
  golden.response.status = std::atoi(status_line.c_str() + status_line.find(' '));
  for (std::string line = TakeLine(rest); !line.empty(); line = TakeLine(rest)) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) {
      ADD_FAILURE() << "no header: " << line;
      break;
    }
    std::string name = line.substr(0, colon);
    std::string value = line.substr(colon + 2);
    if (!TakeOption(name, value, golden)) golden.response.headers.emplace_back(std::move(name), std::move(value));
  }
  golden.response.body = rest;
  return golden;
}

std::string Print(const Message& message) {
  google::protobuf::TextFormat::Printer printer;
  printer.SetUseUtf8StringEscaping(true);
  std::string text;
  EXPECT_TRUE(printer.PrintToString(message, &text));
  return text;
}

TEST(ResponseGoldens, ConvertAsRecorded) {
  const std::filesystem::path folder = std::filesystem::path(support::TestsDirectory()) / "golden/responses";
  const bool update = std::getenv("UPDATE_GOLDENS") != nullptr;  // NOLINT(concurrency-mt-unsafe)
  std::set<std::filesystem::path> answers;
  std::set<std::filesystem::path> expectations;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".http") answers.insert(entry.path());
    if (entry.path().extension() == ".textproto") expectations.insert(entry.path());
  }
  EXPECT_GE(answers.size(), 40U) << "goldens are missing in " << folder;
  for (const auto& path : answers) {
    SCOPED_TRACE(path.filename());
    const Golden golden = ReadGolden(path);
    const DeleteTicketingUserResponse actual = ParseDeleteUserResponse(golden.response, golden.options);
    auto expected_path = path;
    expected_path.replace_extension(".textproto");
    if (update) {
      std::ofstream(expected_path, std::ios::binary) << "# proto-file: ticketing/v1/ticketing_user_service.proto\n"
                                                     << "# proto-message: DeleteTicketingUserResponse\n"
                                                     << Print(actual);
    }
    DeleteTicketingUserResponse expected;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(ReadFile(expected_path), &expected)) << expected_path;
    EXPECT_EQ(Print(actual), Print(expected));
    expectations.erase(expected_path);
  }
  EXPECT_THAT(expectations, IsEmpty()) << "expectations without an answer";
}

// ---- Nothing is lost ----

// The JSON that a message was made of, put together again.
Value Rebuild(const Message& message) {
  Value value;
  auto& members = *value.mutable_struct_value()->mutable_fields();
  const auto& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string& name =
        message.GetDescriptor() == DebugInfo::descriptor() ? field->camelcase_name() : field->name();
    const auto rebuild_one = [&](int index) {
      Value one;
      switch (field->cpp_type()) {
        case FieldDescriptor::CPPTYPE_STRING:
          one.set_string_value(index < 0 ? reflection.GetString(message, field)
                                         : reflection.GetRepeatedString(message, field, index));
          return one;
        case FieldDescriptor::CPPTYPE_BOOL: one.set_bool_value(reflection.GetBool(message, field)); return one;
        case FieldDescriptor::CPPTYPE_INT64:
          one.set_number_value(static_cast<double>(reflection.GetInt64(message, field)));
          return one;
        default: break;
      }
      const Message& child =
          index < 0 ? reflection.GetMessage(message, field) : reflection.GetRepeatedMessage(message, field, index);
      if (const auto* any = dynamic_cast<const Value*>(&child)) return *any;
      if (const auto* object = dynamic_cast<const Struct*>(&child)) {
        *one.mutable_struct_value() = *object;
      } else if (const auto* time = dynamic_cast<const Timestamp*>(&child)) {
        one.set_string_value(TimeUtil::ToString(*time));
      } else {
        one = Rebuild(child);
      }
      return one;
    };
    if (field->is_repeated()) {
      auto& list = *members[name].mutable_list_value();
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) *list.add_values() = rebuild_one(i);
    } else if (field->name() != "additional_fields") {
      members[name] = rebuild_one(-1);
    }
  }
  const FieldDescriptor* additional = message.GetDescriptor()->FindFieldByName("additional_fields");
  if (additional != nullptr && reflection.HasField(message, additional)) {
    const auto& others = static_cast<const Struct&>(reflection.GetMessage(message, additional));
    EXPECT_FALSE(others.fields().empty());
    for (const auto& [name, other] : others.fields()) {
      EXPECT_FALSE(members.contains(name)) << name << " is there twice";
      members[name] = other;
    }
  }
  return value;
}

// Makes up users: mostly of the documented types, and often not.
class JsonMaker {
 public:
  explicit JsonMaker(unsigned seed) : random_(seed) {}

  Value User() {
    Value user = Object({"id", "name", "avatar", "etag", "first_name", "last_name", "username"}, &JsonMaker::Text);
    Merge(user, Object({"created_at", "updated_at"}, &JsonMaker::Date));
    Merge(user, Object({"is_active"}, &JsonMaker::Bool));
    Merge(user, Object({"emails", "roles"}, &JsonMaker::Records));
    Merge(user, Object({"team_ids"}, &JsonMaker::Texts));
    Merge(user, Object({"remote_data"}, &JsonMaker::AnyObject));
    Merge(user, Object({"additional_fields", "custom", "createdAt"}, &JsonMaker::Any));
    return user;
  }

  Value Debug() {
    Value debug = Object({"requestUrl"}, &JsonMaker::Text);
    Merge(debug, Object({"requestOptions", "data", "nextCursor", "request_url"}, &JsonMaker::Any));
    Merge(debug, Object({"responseHeaders"}, &JsonMaker::AnyObject));
    Merge(debug, Object({"isLooping", "isEmptyResult"}, &JsonMaker::Bool));
    Merge(debug, Object({"resultCount"}, &JsonMaker::Integer));
    return debug;
  }

  bool Chance(unsigned percent) { return random_() % 100 < percent; }

 private:
  using Maker = Value (JsonMaker::*)();

  static void Merge(Value& target, const Value& more) { target.MergeFrom(more); }

  Value Object(const std::vector<std::string>& names, Maker maker) {
    Value object;
    object.mutable_struct_value();
    for (const auto& name : names) {
      if (Chance(40)) continue;
      (*object.mutable_struct_value()->mutable_fields())[name] = Chance(80) ? (this->*maker)() : Any();
    }
    return object;
  }

  Value Text() {
    Value value;
    value.set_string_value(Repeat("t\xC3\xA9\"\\/ ", static_cast<int>(random_() % 4)));
    return value;
  }
  Value Date() {
    Value value;
    value.set_string_value(Chance(70) ? "2024-09-01T10:00:00Z" : "2024-09-01 10:00:00");
    return value;
  }
  Value Bool() {
    Value value;
    value.set_bool_value(Chance(50));
    return value;
  }
  Value Integer() {
    Value value;
    value.set_number_value(static_cast<double>(random_() % 100));
    return value;
  }
  Value Texts() {
    Value value;
    value.mutable_list_value();
    for (unsigned count = random_() % 4; count > 0; --count) *value.mutable_list_value()->add_values() = Text();
    return value;
  }
  Value Records() {
    Value value;
    value.mutable_list_value();
    for (unsigned count = random_() % 4; count > 0; --count) {
      *value.mutable_list_value()->add_values() =
          Chance(95) ? Object({"email", "type", "id", "name"}, &JsonMaker::Text) : Any();
    }
    return value;
  }
  Value AnyObject() { return Object({"a", "b", "c"}, &JsonMaker::Any); }
  Value Any() {
    Value value;
    switch (random_() % 8) {
      case 0: value.set_null_value(google::protobuf::NULL_VALUE); return value;
      case 1: return Bool();
      case 2: value.set_number_value(static_cast<double>(random_() % 1000) / 8); return value;
      case 3:
      case 4: return Text();
      case 5: return Texts();
      case 6: return Records();
      default: return AnyObject();
    }
  }

  std::mt19937 random_;
};

std::string ToJson(const Value& value) {
  std::string text;
  EXPECT_TRUE(google::protobuf::util::MessageToJsonString(value, &text).ok());
  return text;
}

TEST(ParseDeleteUserResponse, KeepsEveryValueOfAnyUser) {
  JsonMaker maker(20240901);
  for (int round = 0; round < 3000; ++round) {
    const Value user = maker.User();
    const std::string body = ToJson(user);
    const auto response = Parse(body);
    ASSERT_TRUE(response.has_user()) << body;
    ASSERT_FALSE(response.has_http_body()) << body;
    const Value rebuilt = Rebuild(response.user());
    ASSERT_TRUE(MessageDifferencer::Equals(rebuilt, user)) << body << "\n" << response.DebugString();
  }
}

TEST(ParseDeleteUserResponse, KeepsEveryValueOfAnyDebugAnswer) {
  JsonMaker maker(20240902);
  for (int round = 0; round < 3000; ++round) {
    Value envelope;
    auto& members = *envelope.mutable_struct_value()->mutable_fields();
    members["result"] = maker.User();
    if (maker.Chance(80)) members["debug"] = maker.Debug();
    const std::string body = ToJson(envelope);
    const auto response = Parse(body, kDebug);
    ASSERT_TRUE(response.debug().has_result()) << body;
    ASSERT_FALSE(response.has_http_body()) << body;
    Value rebuilt;
    auto& rebuilt_members = *rebuilt.mutable_struct_value()->mutable_fields();
    rebuilt_members["result"] = Rebuild(response.debug().result());
    if (response.debug().has_debug()) rebuilt_members["debug"] = Rebuild(response.debug().debug());
    ASSERT_TRUE(MessageDifferencer::Equals(rebuilt, envelope)) << body << "\n" << response.DebugString();
  }
}

TEST(ParseDeleteUserResponse, HandsOnEveryBodyThatBreaksOff) {
  const std::string body =
      R"({"id":"1","emails":[{"email":"a@example.com","x":[1]}],"team_ids":["1"],"created_at":"2024-09-01T10:00:00Z",)"
      R"("is_active":true,"remote_data":{"a":1},"custom":[{}]})";
  ASSERT_THAT(Notes(Parse(body)), IsEmpty());
  for (std::size_t length = 1; length < body.size(); ++length) {
    const std::string beginning = body.substr(0, length);
    for (const auto format : {kUnified, kDebug}) {
      const auto response = Parse(beginning, format);
      EXPECT_EQ(response.outcome(), ticketing::v1::DELETE_OUTCOME_DELETED);
      EXPECT_EQ(response.raw().data(), beginning);
      EXPECT_THAT(Notes(response), ElementsAre("INVALID_JSON "));
    }
    const auto raw = Parse(beginning, kRaw);
    EXPECT_EQ(raw.raw().data(), beginning);
    EXPECT_THAT(Notes(raw), IsEmpty());
  }
}

TEST(ParseDeleteUserResponse, LetsTheLastOfDuplicateKeysCountWhereverTheFirstOneWent) {
  auto response = Parse(R"({"id":"a","id":5})");
  EXPECT_FALSE(response.user().has_id());
  EXPECT_EQ(response.user().additional_fields().fields().at("id").number_value(), 5);
  EXPECT_THAT(Notes(response), ElementsAre("DUPLICATE_KEY /id", "TYPE_MISMATCH /id"));
  EXPECT_EQ(response.http_body().data(), R"({"id":"a","id":5})");

  response = Parse(R"({"id":5,"id":"a"})");
  EXPECT_EQ(response.user().id(), "a");
  EXPECT_FALSE(response.user().has_additional_fields());

  response = Parse(R"({"emails":[{"email":"a"}],"emails":[{"email":"b"}]})");
  ASSERT_EQ(response.user().emails_size(), 1);
  EXPECT_EQ(response.user().emails(0).email(), "b");

  response = Parse(R"({"custom":1,"custom":2})");
  EXPECT_EQ(response.user().additional_fields().fields().at("custom").number_value(), 2);
  EXPECT_THAT(Notes(response), ElementsAre("DUPLICATE_KEY /custom"));

  response = Parse(R"({"result":{"id":"a"},"result":null,"debug":{"isLooping":true},"debug":{"data":1}})", kDebug);
  EXPECT_FALSE(response.debug().has_result());
  EXPECT_FALSE(response.debug().debug().has_is_looping());
  EXPECT_EQ(response.debug().debug().data().number_value(), 1);
  EXPECT_THAT(Notes(response), ElementsAre("DUPLICATE_KEY /result", "DUPLICATE_KEY /debug"));
  EXPECT_TRUE(response.http_body().has_data());
}

TEST(ParseDeleteUserResponse, AddsTheExactBytesWhenNotesRunOut) {
  const std::string body = R"({"id":"1","remote_data":{"n":[1e400)" + Repeat(",1e400", 200) + "]}}";
  const auto response = Parse(body);
  EXPECT_EQ(response.report().notes_size(), static_cast<int>(kMaxNotes));
  EXPECT_EQ(Notes(response).back(), "MORE_NOTES ");
  EXPECT_EQ(response.http_body().data(), body);
}

TEST(ParseDeleteUserResponse, AddsTheExactBytesWhenAPathIsCut) {
  const std::string body = R"({"remote_data":{")" + std::string(600, 'k') + R"(":1e400}})";
  const auto response = Parse(body);
  EXPECT_THAT(Notes(response), ElementsAre("UNSAFE_INTEGER /remote_data"));
  EXPECT_EQ(response.http_body().data(), body);
}

// ---- Dates ----

TEST(ParseDeleteUserResponse, ReadsEveryDateThatIsAPointInTime) {
  const std::vector<std::pair<std::string, std::string>> dates = {
      {"2024-09-01T10:00:00Z", "2024-09-01T10:00:00Z"},
      {"2024-09-01T10:00:00.000Z", "2024-09-01T10:00:00Z"},
      {"2024-09-01t10:00:00z", "2024-09-01T10:00:00Z"},
      {"2024-09-01T1\\u0030:00:00Z", "2024-09-01T10:00:00Z"},
      {"2024-09-01T10:00:00.1Z", "2024-09-01T10:00:00.100Z"},
      {"2024-09-01T10:00:00.123456789Z", "2024-09-01T10:00:00.123456789Z"},
      {"2024-09-01T10:00:00+02:00", "2024-09-01T08:00:00Z"},
      {"2024-09-01T10:00:00.5-05:30", "2024-09-01T15:30:00.500Z"},
      {"2024-09-01T10:00:00-00:00", "2024-09-01T10:00:00Z"},
      {"2024-09-01T10:00:00+23:59", "2024-08-31T10:01:00Z"},
      {"2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"},
      {"2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"},
      {"1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"},
      {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
      {"0001-01-01T01:00:00+01:00", "0001-01-01T00:00:00Z"},
      {"9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"},
  };
  for (const auto& [text, expected] : dates) {
    const auto response = Parse(R"({"created_at":")" + text + R"("})");
    EXPECT_EQ(TimeUtil::ToString(response.user().created_at()), expected) << text;
    EXPECT_FALSE(response.user().has_additional_fields()) << text;
    EXPECT_THAT(Notes(response), IsEmpty()) << text;
  }
}

TEST(ParseDeleteUserResponse, KeepsEveryOtherDateAsText) {
  for (const std::string text : {"",
                                 "2024-09-01",
                                 "2024-09-01T10:00:00",
                                 "2024-09-01 10:00:00",
                                 "2024-09-01 10:00:00Z",
                                 "2024-09-01T10:00Z",
                                 "2024-09-01T10:00:00.Z",
                                 "2024-09-01T10:00:00.1234567890Z",
                                 "2024-09-01T10:00:00,5Z",
                                 "2024-09-01T10:00:00.5",
                                 "2024-09-01T10:00:00+0200",
                                 "2024-09-01T10:00:00+02",
                                 "2024-09-01T10:00:00+24:00",
                                 "2024-09-01T10:00:00+02:60",
                                 "2024-09-01T10:00:00+02:00Z",
                                 "2024-09-01T10:00:00ZZ",
                                 "2024-09-01T10:00:00Z ",
                                 " 2024-09-01T10:00:00Z",
                                 "2024-09-01T24:00:00Z",
                                 "2024-09-01T10:60:00Z",
                                 "2016-12-31T23:59:60Z",
                                 "2024-09-01T10:00:61Z",
                                 "2023-02-29T10:00:00Z",
                                 "1900-02-29T10:00:00Z",
                                 "2024-04-31T10:00:00Z",
                                 "2024-00-01T10:00:00Z",
                                 "2024-13-01T10:00:00Z",
                                 "2024-09-00T10:00:00Z",
                                 "2024-09-32T10:00:00Z",
                                 "0000-01-01T00:00:00Z",
                                 "0001-01-01T00:00:00+00:01",
                                 "9999-12-31T23:59:59-00:01",
                                 "+024-09-01T10:00:00Z",
                                 "10000-09-01T10:00:00Z",
                                 "2024/09/01T10:00:00Z",
                                 "1725184800",
                                 "Sun, 01 Sep 2024 10:00:00 GMT",
                                 "yesterday"}) {
    const auto response = Parse(R"({"updated_at":")" + text + R"("})");
    EXPECT_FALSE(response.user().has_updated_at()) << text;
    EXPECT_EQ(response.user().additional_fields().fields().at("updated_at").string_value(), text);
    EXPECT_THAT(Notes(response), ElementsAre("INVALID_TIMESTAMP /updated_at")) << text;
  }
}

// ---- What clients can decode ----

TEST(ParseDeleteUserResponse, StaysWithinTheRecursionLimitOfClients) {
  for (const auto& [open, close] : {std::pair{"{\"k\":", "}"}, std::pair{"[", "]"}, std::pair{"[{\"k\":", "}]"}}) {
    const std::string deep = Repeat(open, 60) + "1" + Repeat(close, 60);
    const std::string object = R"({"k":)" + deep + "}";
    const std::string user = R"({"remote_data":)" + object + R"(,"custom":)" + deep + R"(,"emails":[{"x":)" + deep +
                             R"(}],"roles":[{"x":)" + deep + R"(}],"team_ids":)" + deep + "}";
    const std::string debug = R"({"result":)" + user + R"(,"debug":{"requestOptions":)" + deep + R"(,"data":)" + deep +
                              R"(,"responseHeaders":)" + object + R"(,"custom":)" + deep + "}}";
    for (const auto& response : {Parse(user), Parse(debug, kDebug)}) {
      EXPECT_THAT(Notes(response), Contains(testing::StartsWith("TOO_DEEP ")));
      ticketing::v1::DeleteTicketingUserStreamResponse event;
      *event.mutable_summary() = response;
      ticketing::v1::DeleteTicketingUserStreamResponse received;
      EXPECT_TRUE(received.ParseFromString(event.SerializeAsString()));
    }
    EXPECT_EQ(Parse(deep, kRaw).raw().data(), deep);
  }
}

TEST(ParseDeleteUserResponse, CountsSixteenLevelsForEachField) {
  const std::string sixteen = Repeat("{\"k\":", 15) + "{}" + Repeat("}", 15);
  const std::string seventeen = Repeat("{\"k\":", 16) + "{}" + Repeat("}", 16);
  EXPECT_THAT(Notes(Parse(R"({"remote_data":)" + sixteen + R"(,"custom":)" + sixteen + "}")), IsEmpty());
  EXPECT_THAT(Notes(Parse(sixteen, kRaw)), IsEmpty());
  EXPECT_THAT(Notes(Parse(R"({"remote_data":)" + seventeen + "}")),
              ElementsAre("TOO_DEEP /remote_data" + Repeat("/k", 16)));
  const auto raw = Parse(seventeen, kRaw);
  EXPECT_EQ(raw.raw().data(), seventeen);
  EXPECT_THAT(Notes(raw), ElementsAre("TOO_DEEP " + Repeat("/k", 16)));
}

TEST(ParseDeleteUserResponse, SurvivesADepthOfAHundredThousandInEveryFormat) {
  const std::string deep = Repeat("[", 100'000) + Repeat("]", 100'000);
  const std::string user = R"({"id":"1","emails":)" + deep + R"(,"custom":)" + deep + "}";
  for (const auto& response : {Parse(user), Parse(R"({"result":)" + user + "}", kDebug), Parse(deep), Parse(deep, kRaw),
                               Parse(R"({"extra":)" + deep + "}", kDebug)}) {
    EXPECT_LE(response.ByteSizeLong(), 3 * user.size());
  }
  EXPECT_EQ(Parse(user).user().id(), "1");
}

TEST(ParseDeleteUserResponse, SendsOnlyUtf8InStrings) {
  const auto response =
      ParseDeleteUserResponse(Answer("{\"i\xFF\":\"\xC3\",\"name\":\"\xED\xA0\x80\"}", "application/\xFFjson"),
                              {.format = kUnified, .include_http_body = true});
  DeleteTicketingUserResponse received;
  EXPECT_TRUE(received.ParseFromString(response.SerializeAsString()));
  EXPECT_EQ(response.http_body().content_type(), "application/\xEF\xBF\xBDjson");
  EXPECT_EQ(response.http_body().data(), "{\"i\xFF\":\"\xC3\",\"name\":\"\xED\xA0\x80\"}");
}

// ---- Size ----

std::string Digits(std::size_t size) {
  return "[0" + Repeat(",0", static_cast<int>(size / 2)) + "]";
}

TEST(ParseDeleteUserResponse, HandsOnTheBytesOfARawBodyThatIsTooLargeAsValues) {
  const std::string body = Digits(1024UL * 1024);
  const auto response = Parse(body, kRaw);
  EXPECT_EQ(response.raw().data(), body);
  EXPECT_THAT(Notes(response), ElementsAre("TOO_LARGE "));
  EXPECT_FALSE(response.has_http_body());
}

TEST(ParseDeleteUserResponse, LeavesOutTheValueThatIsTooLargeAndKeepsTheRest) {
  const std::string body =
      R"({"id":"1","custom":[1,2],"remote_data":{"n":)" + Digits(1024UL * 1024) + R"(},"team_ids":["7"],"other":true})";
  const auto response = Parse(body);
  EXPECT_EQ(response.user().id(), "1");
  EXPECT_THAT(response.user().team_ids(), ElementsAre("7"));
  EXPECT_FALSE(response.user().has_remote_data());
  EXPECT_EQ(response.user().additional_fields().fields().size(), 2U);
  EXPECT_EQ(response.http_body().data(), body);
  EXPECT_THAT(Notes(response), ElementsAre("TOO_LARGE /remote_data"));
  EXPECT_LE(response.ByteSizeLong(), kMaxEncodedAnswerBytes);
}

TEST(ParseDeleteUserResponse, LeavesOutMoreWhenTheExactBytesNeedTheRoom) {
  // As Values each list takes 1.3 MB: two fit, but not beside the 0.7 MB of the body.
  const std::string list = Digits(240'000);
  const std::string body = R"({"id":"1","a":)" + list + R"(,"b":)" + list + R"(,"c":)" + list + "}";
  const auto response = Parse(body);
  EXPECT_EQ(response.user().id(), "1");
  EXPECT_TRUE(response.user().additional_fields().fields().contains("a"));
  EXPECT_EQ(response.http_body().data(), body);
  EXPECT_THAT(Notes(response), ElementsAre("TOO_LARGE /b", "TOO_LARGE /c"));
  EXPECT_LE(response.ByteSizeLong(), kMaxEncodedAnswerBytes);
}

TEST(ParseDeleteUserResponse, NeverExceedsTheLimit) {
  constexpr std::size_t kMiB = 1024UL * 1024;
  const auto text = [](std::size_t size) { return "\"" + std::string(size, 'x') + "\""; };
  const std::vector<std::string> bodies = {
      // Each value fits, both don't fit beside the exact bytes.
      R"({"a":)" + Digits(kMiB / 4) + R"(,"b":)" + Digits(kMiB / 4) + R"(,"c":)" + Digits(kMiB / 4) + "}",
      R"({"id":)" + text(kMiB) + R"(,"remote_data":{"n":)" + Digits(kMiB) + "}}",
      R"({"id":)" + text(2 * kMiB) + "}",
      R"({"id":)" + text(2 * kMiB) + R"(,"id":"1"})",
      R"({"id":)" + text(2 * kMiB) + R"(,"name":)" + text(kMiB) + "}",
      R"({"remote_data":{"a":)" + text(2 * kMiB + kMiB / 2) + R"(,"b":1e400}})",
      R"({"result":{"id":)" + text(kMiB) + R"(},"debug":{"data":)" + Digits(kMiB) + R"(},"extra":1})",
      R"({"emails":[{"email":"a"})" + Repeat(R"(,{"email":"a"})", 120'000) + "]}",
      R"({"emails":[)" + Repeat("{},", 600'000) + "{}]}",
      Digits(2 * kMiB),
      text(5 * kMiB / 2),
      std::string(2 * kMiB, 'x'),
      std::string(3 * kMiB, 'x'),
      R"({"id":"1","remote_data":{"a":)" + text(3 * kMiB) + "}}",
      std::string(5 * kMiB, '['),
      "{\"a\":\"" + std::string(kMiB, '\xFF') + "\"}",
  };
  for (const std::string& body : bodies) {
    for (const auto format : {kUnified, kRaw, kDebug}) {
      for (const bool include : {false, true}) {
        for (const bool truncated : {false, true}) {
          core::HttpResponse answer = Answer(body);
          answer.truncated = truncated;
          const auto response = ParseDeleteUserResponse(answer, {.format = format, .include_http_body = include});
          SCOPED_TRACE(body.substr(0, 40) + " " + std::to_string(body.size()) + " " + std::to_string(format) +
                       (include ? " include" : "") + (truncated ? " truncated" : ""));
          EXPECT_LE(response.ByteSizeLong(), kMaxEncodedAnswerBytes - 4096);
          EXPECT_EQ(response.outcome(), ticketing::v1::DELETE_OUTCOME_DELETED);
          // The exact bytes are there, or what is there needs none.
          const HttpBody& exact = response.has_http_body() ? response.http_body() : response.raw();
          const auto notes = Notes(response);
          if (std::ranges::find(notes, "TRUNCATED ") != notes.end()) {
            EXPECT_TRUE(truncated || body.size() > kMaxEncodedAnswerBytes - 8192);
            EXPECT_TRUE(exact.truncated());
            EXPECT_TRUE(body.starts_with(exact.data()));
            EXPECT_GE(exact.data().size(), std::min(body.size(), kMaxEncodedAnswerBytes - 8192));
          } else if (exact.has_data()) {
            EXPECT_FALSE(truncated);
            EXPECT_EQ(exact.data(), body);
          } else {
            EXPECT_FALSE(truncated);
            EXPECT_THAT(notes, testing::Not(Contains(testing::StartsWith("TOO_LARGE"))));
          }
        }
      }
    }
  }
}

TEST(ParseDeleteUserResponse, GivesUpTheTypedResultOnlyWhenNothingElseFits) {
  const std::string body =
      R"({"id":")" + std::string(2UL * 1024 * 1024, 'x') + R"(","name":"n","remote_data":{"a":1}})";
  const auto response = ParseDeleteUserResponse(Answer(body), {.format = kUnified, .include_http_body = true});
  EXPECT_EQ(response.raw().data(), body);
  EXPECT_FALSE(response.has_http_body());
  EXPECT_THAT(Notes(response), ElementsAre("TOO_LARGE "));
  EXPECT_EQ(Parse(body).user().name(), "n");
}

// ---- Headers ----

TEST(ParseDeleteUserResponse, ReportsStatusAndRateLimit) {
  core::HttpResponse answer = Answer(R"({"id":"1"})");
  answer.status = 202;
  answer.headers.emplace_back("ratelimit-remaining", "0");
  const auto response = ParseDeleteUserResponse(answer, {});
  EXPECT_EQ(response.report().http_status(), 202U);
  EXPECT_TRUE(response.report().rate_limit().has_remaining());
  EXPECT_FALSE(response.report().rate_limit().has_limit());
  EXPECT_FALSE(Parse("{}").report().has_rate_limit());
}

TEST(ExactBody, HasTheBytesOfAnyAnswer) {
  core::HttpResponse answer = Answer("{\"statusCode\":404}");
  answer.status = 404;
  EXPECT_EQ(Print(ExactBody(answer)), "content_type: \"application/json\"\ndata: \"{\\\"statusCode\\\":404}\"\n");
  answer.body.clear();
  EXPECT_FALSE(ExactBody(answer).has_data());
}

TEST(ContentType, IsEmptyWithoutTheHeaderAndCutWhenItIsLong) {
  EXPECT_EQ(ContentType({}), "");
  EXPECT_EQ(ContentType({{"content-type", std::string(100'000, 'x')}}).size(), 1024U);
}

TEST(ParseRateLimit, ReadsTheDocumentedForms) {
  const std::vector<std::pair<std::string, unsigned>> limits = {
      {"110", 110}, {"110;w=10", 110}, {" 110 ; w=10", 110}, {"110, 110;w=10", 110}, {"110,500;w=60", 110}, {"0", 0}};
  for (const auto& [text, expected] : limits) {
    RateLimit limit;
    EXPECT_TRUE(ParseRateLimit({{"ratelimit-limit", text}}, limit)) << text;
    EXPECT_TRUE(limit.has_limit()) << text;
    EXPECT_EQ(limit.limit(), expected) << text;
  }
  RateLimit all;
  EXPECT_TRUE(
      ParseRateLimit({{"ratelimit-limit", "110;w=10"}, {"ratelimit-remaining", "109"}, {"ratelimit-reset", "7"}}, all));
  EXPECT_EQ(all.limit(), 110U);
  EXPECT_EQ(all.remaining(), 109U);
  EXPECT_EQ(all.reset_after().seconds(), 7);
}

TEST(ParseRateLimit, PassesOverWhatIsMalformed) {
  for (const std::string text : {"", " ", "x", "-1", "+1", "1.5", "110w", "110 w=10", "110/10", "18446744073709551616",
                                 ";w=10", "limit=100", "\xFF"}) {
    RateLimit limit;
    EXPECT_FALSE(
        ParseRateLimit({{"ratelimit-limit", text}, {"ratelimit-remaining", text}, {"ratelimit-reset", text}}, limit))
        << text;
    EXPECT_EQ(limit.ByteSizeLong(), 0U) << text;
  }
  RateLimit limit;
  EXPECT_FALSE(ParseRateLimit({{"ratelimit-reset", "999999999999999"}}, limit)) << "no Duration holds that";
  EXPECT_TRUE(ParseRateLimit({{"ratelimit-limit", "x"}, {"ratelimit-remaining", "5"}}, limit));
  EXPECT_FALSE(limit.has_limit());
  EXPECT_EQ(limit.remaining(), 5U);
}

}  // namespace
}  // namespace ticketing::truto
