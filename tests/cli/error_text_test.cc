#include "cli/error_text.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "ticketing/v1/error_reason.pb.h"

namespace ticketing::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kRequestId[] = "8d5b5f2e-66a4-4a7a-9a2b-6a2b0f5b7a11";

FailedCall Failed(grpc::StatusCode code, const std::string& message, const std::string& details_text = "") {
  google::rpc::Status details;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(details_text, &details));
  details.set_code(code);
  return {.status = {code, message, details_text.empty() ? "" : details.SerializeAsString()}, .request_id = kRequestId};
}

constexpr char kRateLimited[] = R"(
  details { [type.googleapis.com/google.rpc.ErrorInfo] {
    reason: "RATE_LIMITED" domain: "ticketing.v1.TicketingUserService"
    metadata { key: "request_id" value: "8d5b5f2e-66a4-4a7a-9a2b-6a2b0f5b7a11" } metadata { key: "attempts" value: "2" }
    metadata { key: "delivery" value: "REJECTED" } metadata { key: "origin" value: "PROVIDER" }
    metadata { key: "http_status" value: "429" } metadata { key: "provider" value: "hive" }
  } }
  details { [type.googleapis.com/google.rpc.QuotaFailure] { violations { subject: "account:1" description: "too many" } } }
  details { [type.googleapis.com/google.rpc.RetryInfo] { retry_delay { seconds: 10 nanos: 500000000 } } }
  details { [type.googleapis.com/google.rpc.RequestInfo] { request_id: "8d5b5f2e-66a4-4a7a-9a2b-6a2b0f5b7a11" } }
  details { [type.googleapis.com/google.rpc.Help] { links { description: "Call again later." url: "https://example.com" } } }
)";

// ErrorInfo alone.
std::string Info(const std::string& reason, const std::string& delivery) {
  return "details { [type.googleapis.com/google.rpc.ErrorInfo] { reason: '" + reason +
         "' domain: 'ticketing.v1.TicketingUserService' metadata { key: 'delivery' value: '" + delivery + "' } } }";
}

TEST(ErrorText, ShowsWhatTheServiceTells) {
  EXPECT_EQ(ErrorText(Failed(grpc::StatusCode::RESOURCE_EXHAUSTED, "slow down", kRateLimited), false),
            "Error RESOURCE_EXHAUSTED (8): slow down\n"
            "  reason             RATE_LIMITED\n"
            "  delivery           REJECTED: it was sent, and provably not executed\n"
            "  origin             PROVIDER\n"
            "  attempts           2\n"
            "  http_status        429\n"
            "  request_id         8d5b5f2e-66a4-4a7a-9a2b-6a2b0f5b7a11\n"
            "  provider           hive\n"
            "  quota              account:1: too many\n"
            "  retry_after        10.5 s\n"
            "  advice             Call again later.\n"
            "                     https://example.com\n");
}

TEST(ErrorText, ShowsEveryOtherDetail) {
  EXPECT_EQ(ErrorText(Failed(grpc::StatusCode::INVALID_ARGUMENT, "wrong", Info("INVALID_REQUEST", "NOT_SENT") + R"(
    details { [type.googleapis.com/google.rpc.BadRequest] {
      field_violations { field: "collections[0].id" description: "must not be empty" }
      field_violations { field: "request.integrated_account_id" description: "must be a UUID" }
      field_violations { field: "other" description: "no" } } }
    details { [type.googleapis.com/google.rpc.PreconditionFailure] {
      violations { type: "ACCOUNT" subject: "a" description: "blocked" } } }
    details { [type.googleapis.com/google.rpc.ResourceInfo] {
      resource_type: "ticketing.v1.TicketingUser" resource_name: "5" } }
    details { [type.googleapis.com/google.rpc.LocalizedMessage] { locale: "de" message: "falsch" } }
    details { type_url: "type.googleapis.com/unknown.Type" value: "\x08\x01" })"),
                      false),
            "Error INVALID_ARGUMENT (3): wrong\n"
            "  reason             INVALID_REQUEST\n"
            "  delivery           NOT_SENT: nothing can have been executed\n"
            "  field              collections[0].id (--collection): must not be empty\n"
            "  field              request.integrated_account_id (--account): must be a UUID\n"
            "  field              other: no\n"
            "  precondition       ACCOUNT: a: blocked\n"
            "  resource           ticketing.v1.TicketingUser: 5\n"
            "  detail             {\"@type\":\"type.googleapis.com/google.rpc.LocalizedMessage\",\"locale\":\"de\","
            "\"message\":\"falsch\"}\n"
            "  detail             type.googleapis.com/unknown.Type\n"
            "  advice             Correct the fields that are named.\n");
}

TEST(ErrorText, HasAdviceForEveryReasonOfTheContract) {
  const auto& reasons = *ticketing::v1::ErrorReason_descriptor();
  for (int i = 0; i < reasons.value_count(); ++i) {
    const std::string name = reasons.value(i)->name().substr(std::string("ERROR_REASON_").size());
    if (name == "UNSPECIFIED") continue;
    EXPECT_THAT(ErrorText(Failed(grpc::StatusCode::INTERNAL, "m", Info(name, "NOT_SENT")), false),
                HasSubstr("\n  advice             "))
        << name;
  }
}

TEST(ErrorText, NamesTheOptionsThatHelp) {
  EXPECT_THAT(ErrorText(Failed(grpc::StatusCode::NOT_FOUND, "m", Info("USER_NOT_FOUND", "REJECTED")), false),
              HasSubstr("  options            --allow-missing makes an absent user a success\n"));
  EXPECT_THAT(ErrorText(Failed(grpc::StatusCode::UNKNOWN, "m", Info("OUTCOME_UNKNOWN", "UNKNOWN")), false),
              HasSubstr("  options            repeat with --request-id 8d5b5f2e-66a4-4a7a-9a2b-6a2b0f5b7a11 "
                        "--allow-missing\n"));
  EXPECT_THAT(
      ErrorText(Failed(grpc::StatusCode::DEADLINE_EXCEEDED, "m", Info("DEADLINE_EXCEEDED_OUTCOME_UNKNOWN", "UNKNOWN")),
                false),
      HasSubstr("--allow-missing; a longer --deadline\n"));
}

TEST(ErrorText, SaysThatTheUserMayBeDeletedWhenTheServiceDidNotAnswer) {
  EXPECT_EQ(ErrorText(Failed(grpc::StatusCode::DEADLINE_EXCEEDED, "Deadline Exceeded"), false),
            "Error DEADLINE_EXCEEDED (4): Deadline Exceeded\n"
            "  origin             not the service: gRPC itself, or something in between\n"
            "  request_id         8d5b5f2e-66a4-4a7a-9a2b-6a2b0f5b7a11\n"
            "  advice             The user may have been deleted: look, or repeat the call.\n"
            "  options            repeat with --request-id 8d5b5f2e-66a4-4a7a-9a2b-6a2b0f5b7a11 --allow-missing\n");
  EXPECT_THAT(ErrorText(Failed(grpc::StatusCode::UNAVAILABLE, "Socket closed"), false),
              HasSubstr("Otherwise the user may have been deleted"));
}

TEST(ErrorText, NeverSaysThatValidateMayHaveDeleted) {
  FailedCall call = Failed(grpc::StatusCode::DEADLINE_EXCEEDED, "Deadline Exceeded");
  call.validate_only = true;
  EXPECT_THAT(ErrorText(call, false), HasSubstr("Nothing was deleted"));
  EXPECT_THAT(ErrorText(call, false), Not(HasSubstr("may have been")));
}

TEST(ErrorText, SaysThatTheUserIsDeletedOnceAnAnswerHadBegun) {
  FailedCall call = Failed(grpc::StatusCode::UNAVAILABLE, "Socket closed");
  call.header_arrived = true;
  EXPECT_EQ(ErrorText(call, false),
            "Error UNAVAILABLE (14): Socket closed\n"
            "  delivery           the user is deleted: the answer had begun; its body is incomplete\n");
}

TEST(ErrorText, SurvivesDetailsThatAreNoMessage) {
  FailedCall call = Failed(grpc::StatusCode::INTERNAL, "m");
  call.status = {grpc::StatusCode::INTERNAL, "m", "\xff\xff garbage"};
  EXPECT_THAT(ErrorText(call, false), HasSubstr("Error INTERNAL (13): m\n"));
  EXPECT_EQ(nlohmann::json::parse(ErrorJson(call)).at("details"), nlohmann::json::array());
}

TEST(ErrorText, NeutralisesEscapeSequencesOfTheServer) {
  const std::string text = ErrorText(
      Failed(grpc::StatusCode::UNKNOWN, "a\x1b[2J\nb\xff", R"(details { [type.googleapis.com/google.rpc.ErrorInfo] {
        reason: "\x1b" metadata { key: "\x1b" value: "\x1b" } } }
        details { [type.googleapis.com/google.rpc.Help] { links { description: "\x1b" url: "\x1b" } } }
        details { [type.googleapis.com/google.rpc.LocalizedMessage] { message: "\x1b" } }
        details { type_url: "\x1b" })"),
      false);
  EXPECT_THAT(text, testing::StartsWith("Error UNKNOWN (2): a\\x1b[2J\\nb\\xff\n"));
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
}

TEST(ErrorText, ColoursItsFirstLineAlone) {
  const std::string text = ErrorText(Failed(grpc::StatusCode::NOT_FOUND, "m"), true);
  EXPECT_THAT(text, testing::StartsWith("\x1b[1;31mError NOT_FOUND (5): m\x1b[0m\n  origin"));
}

TEST(ErrorJson, IsOneLineWithEveryDetail) {
  const std::string line = ErrorJson(Failed(grpc::StatusCode::RESOURCE_EXHAUSTED, "slow down", kRateLimited));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_THAT(line,
              testing::StartsWith(R"({"code":8,"code_name":"RESOURCE_EXHAUSTED","message":"slow down","request_id":)"));
  const auto error = nlohmann::json::parse(line);
  EXPECT_EQ(error.at("request_id"), kRequestId);
  ASSERT_EQ(error.at("details").size(), 5U);
  EXPECT_EQ(error.at("details")[0].at("@type"), "type.googleapis.com/google.rpc.ErrorInfo");
  EXPECT_EQ(error.at("details")[0].at("metadata").at("delivery"), "REJECTED");
  EXPECT_EQ(error.at("details")[2].at("retry_delay"), "10.500s");
}

TEST(ErrorJson, KeepsDetailsOfUnknownType) {
  const auto error = nlohmann::json::parse(ErrorJson(Failed(
      grpc::StatusCode::INTERNAL, "m", R"(details { type_url: "x.googleapis.com/unknown.T" value: "\x08\x01" })")));
  EXPECT_EQ(error.at("details")[0], (nlohmann::json{{"@type", "x.googleapis.com/unknown.T"}, {"value", "CAE="}}));
}

TEST(ErrorJson, IsPlainAsciiWhateverTheServerSent) {
  const std::string line = ErrorJson(Failed(grpc::StatusCode::INTERNAL, "ä\x1b\x7f\xff\u202e"));
  for (const char c : line.substr(0, line.size() - 1)) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << line;
  EXPECT_EQ(nlohmann::json::parse(line).at("message"), "ä\x1b\x7f\ufffd\u202e");
}

TEST(CodeName, IsTheNameOfGrpc) {
  EXPECT_EQ(CodeName(5), "NOT_FOUND");
  EXPECT_EQ(CodeName(99), "99");
}

}  // namespace
}  // namespace ticketing::cli
