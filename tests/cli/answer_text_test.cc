#include "cli/answer_text.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

namespace ticketing::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using ticketing::v1::DeleteTicketingUserRequest;
using ticketing::v1::DeleteTicketingUserResponse;

constexpr char kReport[] = R"(
  report {
    request_id: "8d5b5f2e-66a4-4a7a-9a2b-6a2b0f5b7a11" attempts: 1 http_status: 200
    queued { nanos: 2000000 } upstream { nanos: 409500000 } total { nanos: 412000000 }
  })";

constexpr char kReportText[] =
    "report\n"
    "  request_id         8d5b5f2e-66a4-4a7a-9a2b-6a2b0f5b7a11\n"
    "  attempts           1\n"
    "  http_status        200\n"
    "  time               412 ms (waiting 2 ms, HTTP 409.5 ms)\n";

std::string Text(const std::string& response_text, bool coloured = false) {
  DeleteTicketingUserRequest request;
  request.set_id("23423523");
  DeleteTicketingUserResponse response;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(response_text, &response));
  return AnswerText(request, response, coloured);
}

TEST(AnswerText, ShowsEveryFieldOfAUser) {
  EXPECT_EQ(Text(std::string(R"(
    outcome: DELETE_OUTCOME_DELETED
    user {
      id: "23423523" name: "Ada Lovelace" first_name: "Ada" last_name: "Lovelace" username: "ada"
      emails { email: "ada@example.com" type: "work" }
      emails { type: "home" additional_fields { fields { key: "verified" value { bool_value: true } } } }
      roles { id: "7" name: "Admin" } roles { name: "Agent" }
      team_ids: "1" team_ids: "2" is_active: false avatar: "https://example.com/a.png" etag: ""
      created_at { seconds: 1700000000 } updated_at { seconds: 1700000000 nanos: 500000000 }
      remote_data { fields { key: "z" value { number_value: 1 } } fields { key: "a" value { null_value: NULL_VALUE } } }
      additional_fields {
        fields { key: "plan" value { list_value { values { string_value: "x" } } } }
        fields { key: "locale" value { string_value: "en" } }
      }
    })") + kReport),
            std::string("Deleted: user 23423523\n"
                        "user\n"
                        "  id                 23423523\n"
                        "  name               Ada Lovelace\n"
                        "  first_name         Ada\n"
                        "  last_name          Lovelace\n"
                        "  username           ada\n"
                        "  email              ada@example.com (work)\n"
                        "  email              (none) (home) {\"verified\":true}\n"
                        "  role               7 (Admin)\n"
                        "  role               (none) (Agent)\n"
                        "  team_id            1\n"
                        "  team_id            2\n"
                        "  is_active          false\n"
                        "  avatar             https://example.com/a.png\n"
                        "  created_at         2023-11-14T22:13:20Z\n"
                        "  updated_at         2023-11-14T22:13:20.500Z\n"
                        "  etag               \"\"\n"
                        "  remote_data        {\"a\":null,\"z\":1}\n"
                        "  additional locale  \"en\"\n"
                        "  additional plan    [\"x\"]\n") +
                kReportText);
}

TEST(AnswerText, ShowsNotesRateLimitAndReplay) {
  EXPECT_EQ(
      Text(R"(
    outcome: DELETE_OUTCOME_ALREADY_ABSENT
    report {
      request_id: "r" attempts: 2 http_status: 404 total { seconds: 1 nanos: 500000000 } replayed: true
      rate_limit { limit: 50 remaining: 48 reset_after { seconds: 12 } }
      notes { reason: "DELETED_BY_EARLIER_ATTEMPT" } notes { path: "/id" reason: "UNSAFE_INTEGER" }
      notes { path: "/x" reason: "OF_A_LATER_SERVICE" }
    })"),
      "Already absent: user 23423523\n"
      "notes\n"
      "  (the whole)        DELETED_BY_EARLIER_ATTEMPT: an earlier attempt of this call may have deleted the user\n"
      "  /id                UNSAFE_INTEGER: a number that a double can't hold; it is a string of its text\n"
      "  /x                 OF_A_LATER_SERVICE\n"
      "report\n"
      "  request_id         r\n"
      "  attempts           2\n"
      "  http_status        404\n"
      "  time               1.5 s (waiting 0 ms, HTTP 0 ms)\n"
      "  rate_limit         48 of 50 left, anew in 12 s\n"
      "  replayed           this is the answer of an earlier call with the same request_id\n");
}

TEST(AnswerText, ShowsAPlannedRequestWithItsParametersDecoded) {
  EXPECT_EQ(Text(R"(
    outcome: DELETE_OUTCOME_NOT_SENT
    planned_request {
      method: "DELETE"
      url: "https://api.truto.one/unified/ticketing/users/a%2Fb?integrated_account_id=62f4&collections%5B%5D%5Bid%5D=9%209&remote_query%5Ba%5D=&odd=%zz%"
      headers { key: "idempotency-key" value: "r" } headers { key: "authorization" value: "Bearer ***" }
    }
    report { request_id: "r" })"),
            "Not sent: the request is valid, and nothing was deleted\n"
            "request\n"
            "  DELETE             https://api.truto.one/unified/ticketing/users/a%2Fb?integrated_account_id=62f4&"
            "collections%5B%5D%5Bid%5D=9%209&remote_query%5Ba%5D=&odd=%zz%\n"
            "parameters, decoded\n"
            "  integrated_account_id 62f4\n"
            "  collections[][id]  9 9\n"
            "  remote_query[a]    \"\"\n"
            "  odd                %zz%\n"
            "headers\n"
            "  authorization      Bearer ***\n"
            "  idempotency-key    r\n"
            "report\n"
            "  request_id         r\n"
            "  attempts           0\n"
            "  time               0 ms (waiting 0 ms, HTTP 0 ms)\n");
}

TEST(AnswerText, ShowsBodiesOfEveryKind) {
  EXPECT_THAT(Text(R"(raw { content_type: "application/json" json { struct_value {} } })"),
              HasSubstr("raw\n  content_type       application/json\n  json               {}\n"));
  EXPECT_THAT(Text(R"(raw { data: "a\nb" truncated: true })"),
              HasSubstr("raw\n  content_type       (none)\n  data               a\\nb\n"
                        "  truncated          the body was too long or broke off; this is what arrived\n"));
  EXPECT_THAT(Text(R"(raw { content_type: "image/png" data: "\x89PNG" })"),
              HasSubstr("  data               4 bytes that are not text; --json shows them in base64\n"));
  EXPECT_THAT(Text(R"(http_body { content_type: "text/plain" })"),
              HasSubstr("http_body\n  content_type       text/plain\n  content            (empty)\n"));
}

TEST(AnswerText, ShowsADebugAnswerWithoutTheProvidersCredentials) {
  const std::string text = Text(R"(
    debug {
      result { id: "1" }
      debug {
        request_url: "https://provider.example/users/1"
        request_options { struct_value { fields { key: "authorization" value { string_value: "s3cret" } } } }
        data { null_value: NULL_VALUE } response_headers { fields { key: "etag" value { string_value: "x" } } }
        is_looping: false result_count: 0 additional_fields { fields { key: "more" value { number_value: 1 } } }
      }
    })");
  EXPECT_THAT(text, HasSubstr("user\n"
                              "  id                 1\n"
                              "debug\n"
                              "  request_url        https://provider.example/users/1\n"
                              "  request_options    (can hold the provider's credentials; --json shows them)\n"
                              "  data               null\n"
                              "  response_headers   {\"etag\":\"x\"}\n"
                              "  is_looping         false\n"
                              "  result_count       0\n"
                              "  additional more    1\n"));
  EXPECT_THAT(text, Not(HasSubstr("s3cret")));
  EXPECT_THAT(Text("debug { result {} }"), HasSubstr("  debug              (none: the provider was not called)\n"));
}

TEST(AnswerText, CutsLongRecordsAndSaysSo) {
  const std::string text =
      Text("user { remote_data { fields { key: 'a' value { string_value: '" + std::string(2000, 'x') + "' } } } }");
  EXPECT_THAT(text, HasSubstr("xxx… (2008 bytes; --json shows all)\n"));
  EXPECT_LT(text.size(), 1500U);
}

TEST(AnswerText, NeutralisesEscapeSequencesOfTheServer) {
  const std::string text = Text(R"(
    outcome: DELETE_OUTCOME_DELETED
    user {
      id: "\x1b[2J" name: "\x1b]0;x\x07" username: "a\nreport" emails { email: "\x1b" type: "\r" }
      remote_data { fields { key: "\x1b" value { string_value: "\xc2\x9b" } } }
      additional_fields { fields { key: "\x1bk" value { string_value: "\x1b" } } }
    }
    report { request_id: "\x1b" notes { path: "/\x1b" reason: "\x1b" } })");
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
  EXPECT_EQ(text.find("\xc2\x9b"), std::string::npos) << text;
  EXPECT_THAT(text, HasSubstr("  username           a\\nreport\n"));
}

TEST(AnswerText, SurvivesValuesThatAreNoJson) {
  EXPECT_THAT(Text("raw { json { number_value: nan } }"), HasSubstr("  json               \"NaN\"\n"));
  EXPECT_THAT(Text("raw { json {} }"), HasSubstr("  json               (can't be shown as JSON)\n"));
  EXPECT_THAT(Text("user { created_at { seconds: 999999999999999 } }"), HasSubstr("created_at"));
}

TEST(AnswerText, ColoursTheOutcomeAlone) {
  const std::string coloured = Text("outcome: DELETE_OUTCOME_DELETED", true);
  EXPECT_THAT(coloured, testing::StartsWith("\x1b[1;32mDeleted: user 23423523\x1b[0m\n"));
  EXPECT_EQ(coloured.rfind('\x1b'), coloured.find("\x1b[0m"));
}

TEST(HeaderText, ShowsWhatIsKnown) {
  ticketing::v1::StreamHeader header;
  header.set_http_status(200);
  EXPECT_EQ(HeaderText(header), "HTTP 200, no content type\n");
  header.set_content_type("text/csv\x1b");
  header.set_content_length(0);
  EXPECT_EQ(HeaderText(header), "HTTP 200, text/csv\\x1b, 0 bytes\n");
}

}  // namespace
}  // namespace ticketing::cli
