#include "cli/list_file.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

namespace ticketing::cli {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::ElementsAre;
using testing::SizeIs;
using ticketing::v1::DeleteTicketingUserRequest;

constexpr char kAccount[] = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";

List ParseGood(const std::string& content, const ListDefaults& defaults = {}) {
  auto parsed = ParseList(content, defaults);
  if (const auto* const problems = std::get_if<std::vector<ListProblem>>(&parsed)) {
    for (const auto& problem : *problems) ADD_FAILURE() << problem.line << " " << problem.field << " " << problem.rule;
    return {};
  }
  return std::get<List>(parsed);
}

// Each as "line field: rule".
std::vector<std::string> ParseBad(const std::string& content) {
  const auto parsed = ParseList(content, {});
  std::vector<std::string> problems;
  if (!std::holds_alternative<std::vector<ListProblem>>(parsed)) return {"accepted"};
  for (const auto& problem : std::get<std::vector<ListProblem>>(parsed)) {
    problems.push_back(std::to_string(problem.line) + " " + problem.field + ": " + problem.rule);
  }
  return problems;
}

DeleteTicketingUserRequest Request(const std::string& text) {
  DeleteTicketingUserRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

void ExpectRequest(const ListLine& line, const std::string& text) {
  DeleteTicketingUserRequest expected = Request(text);
  if (expected.request_id().empty()) expected.set_request_id(line.request.request_id());
  EXPECT_TRUE(MessageDifferencer::Equals(line.request, expected)) << line.request.DebugString();
}

constexpr char kEverything[] =
    "id: 'a,b' integrated_account_id: '62f44730-dd91-461e-bd6a-aedd9e0ad79d' collections { id: '1' } collections { id: "
    "'2' } organization { id: '42' } truto_response_format: TRUTO_RESPONSE_FORMAT_RAW truto_ignore_remote_data: false "
    "truto_exclude_fields: 'id' truto_exclude_fields: 'name' remote_query { fields { key: 'a' value { string_value: "
    "'b' "
    "} } } truto_skip_api_call: true allow_missing: true request_id: '0b0a6f1e-9a7e-4a9e-8f5a-1d2c3b4a5f60'";

TEST(ListFile, ReadsEveryColumnOfCsv) {
  const List list = ParseGood(
      "id,account,collections,collections,organization,truto_response_format,truto_ignore_remote_data,"
      "truto_exclude_fields,truto_exclude_fields,remote_query,truto_skip_api_call,allow_missing,request_id\n"
      "\"a,b\",62f44730-dd91-461e-bd6a-aedd9e0ad79d,1,2,42,raw,false,id,name,\"{\"\"a\"\":\"\"b\"\"}\",true,true,"
      "0b0a6f1e-9a7e-4a9e-8f5a-1d2c3b4a5f60\n"
      "5,,,,,,,,,,,,\n");
  ASSERT_THAT(list.lines, SizeIs(2));
  EXPECT_TRUE(list.header.starts_with("id,account,"));
  EXPECT_EQ(list.lines[0].number, 2U);
  EXPECT_TRUE(list.lines[0].text.starts_with("\"a,b\",62f4"));
  ExpectRequest(list.lines[0], kEverything);
  EXPECT_EQ(list.lines[1].text, "5,,,,,,,,,,,,");
  ExpectRequest(list.lines[1], "id: '5'");
}

TEST(ListFile, ReadsEveryKeyOfJsonLines) {
  const List list = ParseGood(
      R"({"id":"a,b","integrated_account_id":"62f44730-dd91-461e-bd6a-aedd9e0ad79d","collections":["1",{"id":"2"}],)"
      R"("organization":{"id":"42"},"truto_response_format":"raw","truto_ignore_remote_data":false,)"
      R"("truto_exclude_fields":["id","name"],"remote_query":{"a":"b"},"truto_skip_api_call":true,)"
      R"("allow_missing":true,"request_id":"0b0a6f1e-9a7e-4a9e-8f5a-1d2c3b4a5f60"})"
      "\r\n\n"
      R"({"id":"5","organization":"42","truto_response_format":"TRUTO_RESPONSE_FORMAT_DEBUG","remote_query":null})");
  ASSERT_THAT(list.lines, SizeIs(2));
  EXPECT_EQ(list.header, "");
  ExpectRequest(list.lines[0], kEverything);
  EXPECT_EQ(list.lines[1].number, 3U);
  EXPECT_TRUE(list.lines[1].text.starts_with("{") && list.lines[1].text.ends_with("}"));
  ExpectRequest(list.lines[1], "id: '5' organization { id: '42' } truto_response_format: TRUTO_RESPONSE_FORMAT_DEBUG");
}

TEST(ListFile, FillsInWhatALineDoesNotSay) {
  const List list = ParseGood("id,account,allow_missing\n1,,\n2,0a4b9e1c-5d3f-4c7a-9b21-6f0e8d7c5a11,false\n",
                              {.account = kAccount, .allow_missing = true});
  ASSERT_THAT(list.lines, SizeIs(2));
  ExpectRequest(list.lines[0],
                "id: '1' integrated_account_id: '62f44730-dd91-461e-bd6a-aedd9e0ad79d' allow_missing: true");
  ExpectRequest(list.lines[1], "id: '2' integrated_account_id: '0a4b9e1c-5d3f-4c7a-9b21-6f0e8d7c5a11'");
}

TEST(ListFile, TellsAllMistakesOfCsvAtOnce) {
  EXPECT_THAT(
      ParseBad("id,account,truto_skip_api_call,remote_query,truto_response_format\n"
               "..,x,yes,[],xml\n"
               "1,2\n"
               ",,,,\n"
               "a\"b,,,,\n"
               "ok,,,,\n"
               "\xff,,,,\n" +
               std::string(513, 'x') + ",,,,\n\"a\nb\",,,,\n"),
      ElementsAre("2 id: must be neither '.' nor '..'",
                  "2 integrated_account_id: must be a UUID such as 62f44730-dd91-461e-bd6a-aedd9e0ad79d",
                  "2 remote_query: is JSON, but no object",
                  "2 truto_response_format: 'xml' is none of unified, raw, normalized, stream and debug",
                  "2 truto_skip_api_call: 'yes' is neither true nor false", "3 : has 2 fields; the header line names 5",
                  "4 id: is missing", "5 : has a quote inside a field that does not begin with one", "7 : is not UTF-8",
                  "8 id: must be at most 512 bytes long", "9 id: must not contain control characters"));
}

TEST(ListFile, TellsWhatIsWrongWithTheHeaderLine) {
  EXPECT_THAT(
      ParseBad("23423523,62f44730-dd91-461e-bd6a-aedd9e0ad79d\n"),
      ElementsAre("1 23423523: the header line names a column that is no parameter of a delete",
                  "1 62f44730-dd91-461e-bd6a-aedd9e0ad79d: the header line names a column that is no parameter of "
                  "a delete",
                  "1 id: the header line does not name this column"));
  EXPECT_THAT(ParseBad("id,account,integrated_account_id\n1,,\n"),
              ElementsAre("1 integrated_account_id: the header line names this column twice"));
}

TEST(ListFile, TellsAllMistakesOfJsonLinesAtOnce) {
  EXPECT_THAT(
      ParseBad("{\"id\":5}\n"
               "{\"id\":\"1\",\"ID\":\"2\"}\n"
               "{\"id\":\"1\",\"id\":\"2\"}\n"
               "{\"id\":\"1\"\n"
               "[]\n"
               "{\"account\":\"62f44730-dd91-461e-bd6a-aedd9e0ad79d\",\"integrated_account_id\":null,\"id\":\"\"}\n"
               "{\"id\":\"1\",\"collections\":\"99\",\"organization\":{\"name\":\"x\"},\"truto_exclude_fields\":[\"\"],"
               "\"remote_query\":\"x\",\"allow_missing\":\"true\",\"request_id\":\"7\"}\n"
               "{\"id\":null}\n"),
      ElementsAre("1 id: must be text in quotes", "2 ID: is no parameter of a delete",
                  "3 : has the key 'id' twice in one object", "4 : is not JSON: see its byte 10",
                  "5 : is JSON, but no object", "6 account: stands beside integrated_account_id",
                  "6 id: must not be empty", "7 allow_missing: must be true or false", "7 collections: must be a list",
                  "7 organization: must be text in quotes", "7 remote_query: must be a JSON object",
                  "7 request_id: must be a UUID such as 62f44730-dd91-461e-bd6a-aedd9e0ad79d",
                  "7 truto_exclude_fields: must not be empty", "8 id: is missing"));
}

TEST(ListFile, RefusesTheSameDeleteTwice) {
  EXPECT_THAT(ParseBad("id,organization\n1,\n2,\n1,\n1,42\n"), ElementsAre("4 : is the same delete as line 2"));
  EXPECT_THAT(
      ParseBad("id,request_id\n1,0b0a6f1e-9a7e-4a9e-8f5a-1d2c3b4a5f60\n2,0b0a6f1e-9a7e-4a9e-8f5a-1d2c3b4a5f60\n"),
      ElementsAre("3 request_id: is that of line 2"));
}

TEST(ListFile, RefusesAListWithoutUsers) {
  for (const char* content : {"", "\n", "id\n"}) EXPECT_FALSE(ParseBad(content).empty()) << content;
  EXPECT_THAT(ParseBad("id\n"), ElementsAre("1 : the list names no user"));
}

// A lasting name: another one would make a second run delete again.
TEST(ListFile, DerivesRequestIdsThatNeverChange) {
  EXPECT_EQ(DeriveRequestId(Request("id: '5'")), "fe024631-038b-5e9f-b15f-0c72fd986b3e");
  EXPECT_EQ(DeriveRequestId(Request(kEverything)), "c7a03386-1645-5fa3-a0e5-ce957a58148c");
}

TEST(ListFile, DerivesTheSameRequestIdFromEveryFormOfOneDelete) {
  const std::string name = DeriveRequestId(Request("id: '5' collections { id: '1' }"));
  EXPECT_EQ(ParseGood("id,collections\n5,1\n").lines.at(0).request.request_id(), name);
  EXPECT_EQ(ParseGood("collections,allow_missing,id\r\n1,true,\"5\"\r\n").lines.at(0).request.request_id(), name);
  EXPECT_EQ(ParseGood(R"({"collections":[{"id":"1"}],"id":"5"})").lines.at(0).request.request_id(), name);
}

TEST(ListFile, DerivesAnotherRequestIdFromEveryOtherDelete) {
  std::vector<std::string> names;
  for (const char* text :
       {"id: '5'", "id: '6'", "id: '5' integrated_account_id: '62f44730-dd91-461e-bd6a-aedd9e0ad79d'",
        "id: '5' collections { id: '1' }", "id: '5' organization { id: '1' }",
        "id: '5' truto_response_format: TRUTO_RESPONSE_FORMAT_RAW", "id: '5' truto_ignore_remote_data: false",
        "id: '5' truto_ignore_remote_data: true", "id: '5' truto_exclude_fields: 'a'", "id: '5' remote_query {}",
        "id: '5' truto_skip_api_call: true"}) {
    EXPECT_THAT(names, testing::Not(testing::Contains(DeriveRequestId(Request(text))))) << text;
    names.push_back(DeriveRequestId(Request(text)));
  }
}

}  // namespace
}  // namespace ticketing::cli
