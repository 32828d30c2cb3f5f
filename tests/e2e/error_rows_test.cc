// Every error that the sandbox can provoke, as a gRPC client sees it. The rows are those of the README's error table
// and of what Truto documents; the sandbox's list of scenarios decides what has to be here.
#include <gmock/gmock.h>
#include <google/rpc/error_details.pb.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/e2e/programs.h"
#include "tests/e2e/running_service.h"

namespace ticketing::e2e {
namespace {

using google::rpc::ErrorInfo;
using grpc::StatusCode;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kAccount[] = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";

// One HTTP answer, without any retry.
struct ErrorRow {
  const char* scenario;
  StatusCode code;
  const char* reason;
  const char* delivery;
  const char* origin;
  const char* http_status;  // empty: there was no answer
};

constexpr ErrorRow kErrorRows[] = {
    {"provoke-307", StatusCode::INTERNAL, "UPSTREAM_MISCONFIGURED", "REJECTED", "TRUTO", "307"},
    {"provoke-400", StatusCode::INVALID_ARGUMENT, "REJECTED_AS_INVALID", "REJECTED", "TRUTO", "400"},
    {"provoke-400-missing", StatusCode::INVALID_ARGUMENT, "REJECTED_AS_INVALID", "REJECTED", "TRUTO", "400"},
    {"provoke-400-remote", StatusCode::INVALID_ARGUMENT, "REJECTED_AS_INVALID", "REJECTED", "PROVIDER", "400"},
    {"provoke-401", StatusCode::INTERNAL, "SERVICE_TOKEN_REJECTED", "REJECTED", "TRUTO", "401"},
    {"provoke-401-remote", StatusCode::FAILED_PRECONDITION, "ACCOUNT_NEEDS_REAUTH", "REJECTED", "PROVIDER", "401"},
    {"provoke-403", StatusCode::PERMISSION_DENIED, "ACCESS_FORBIDDEN", "REJECTED", "TRUTO", "403"},
    {"provoke-403-scopes", StatusCode::PERMISSION_DENIED, "ACCESS_FORBIDDEN", "REJECTED", "PROVIDER", "403"},
    {"provoke-403-rate-limit", StatusCode::RESOURCE_EXHAUSTED, "RATE_LIMITED", "REJECTED", "PROVIDER", "403"},
    {"provoke-404", StatusCode::NOT_FOUND, "USER_NOT_FOUND", "REJECTED", "TRUTO", "404"},
    {"provoke-404-remote", StatusCode::NOT_FOUND, "USER_NOT_FOUND", "REJECTED", "PROVIDER", "404"},
    {"provoke-404-html", StatusCode::UNKNOWN, "UNEXPECTED_RESPONSE", "REJECTED", "TRUTO", "404"},
    {"provoke-404-empty", StatusCode::UNKNOWN, "UNEXPECTED_RESPONSE", "REJECTED", "TRUTO", "404"},
    {"provoke-405-sandbox-account", StatusCode::FAILED_PRECONDITION, "ACCOUNT_READ_ONLY", "REJECTED", "TRUTO", "405"},
    {"provoke-405-remote", StatusCode::FAILED_PRECONDITION, "NOT_SUPPORTED_BY_PROVIDER", "REJECTED", "PROVIDER", "405"},
    {"provoke-405-html", StatusCode::UNKNOWN, "UNEXPECTED_RESPONSE", "REJECTED", "TRUTO", "405"},
    {"provoke-408", StatusCode::UNKNOWN, "OUTCOME_UNKNOWN", "UNKNOWN", "TRUTO", "408"},
    {"provoke-409", StatusCode::ABORTED, "CONFLICT", "REJECTED", "PROVIDER", "409"},
    {"provoke-418", StatusCode::UNKNOWN, "UNEXPECTED_RESPONSE", "REJECTED", "TRUTO", "418"},
    {"provoke-422", StatusCode::INVALID_ARGUMENT, "REJECTED_AS_INVALID", "REJECTED", "TRUTO", "422"},
    {"provoke-422-remote", StatusCode::INVALID_ARGUMENT, "REJECTED_AS_INVALID", "REJECTED", "PROVIDER", "422"},
    {"provoke-425", StatusCode::UNAVAILABLE, "UPSTREAM_UNREACHABLE", "REJECTED", "TRUTO", "425"},
    {"provoke-429-account", StatusCode::RESOURCE_EXHAUSTED, "RATE_LIMITED", "REJECTED", "TRUTO", "429"},
    {"provoke-429-token", StatusCode::RESOURCE_EXHAUSTED, "RATE_LIMITED", "REJECTED", "TRUTO", "429"},
    {"provoke-429-remote", StatusCode::RESOURCE_EXHAUSTED, "RATE_LIMITED", "REJECTED", "PROVIDER", "429"},
    {"provoke-500", StatusCode::UNKNOWN, "OUTCOME_UNKNOWN", "UNKNOWN", "TRUTO", "500"},
    {"provoke-500-remote", StatusCode::UNKNOWN, "OUTCOME_UNKNOWN", "UNKNOWN", "PROVIDER", "500"},
    {"provoke-501-remote", StatusCode::FAILED_PRECONDITION, "NOT_SUPPORTED_BY_PROVIDER", "UNKNOWN", "PROVIDER", "501"},
    {"provoke-502", StatusCode::UNKNOWN, "OUTCOME_UNKNOWN", "UNKNOWN", "TRUTO", "502"},
    {"provoke-502-remote", StatusCode::UNKNOWN, "OUTCOME_UNKNOWN", "UNKNOWN", "PROVIDER", "502"},
    {"provoke-503-blocked", StatusCode::FAILED_PRECONDITION, "ACCOUNT_BLOCKED", "REJECTED", "TRUTO", "503"},
    {"provoke-503-html", StatusCode::UNKNOWN, "OUTCOME_UNKNOWN", "UNKNOWN", "TRUTO", "503"},
    {"provoke-503-empty", StatusCode::UNKNOWN, "OUTCOME_UNKNOWN", "UNKNOWN", "TRUTO", "503"},
    {"provoke-503-remote", StatusCode::UNKNOWN, "OUTCOME_UNKNOWN", "UNKNOWN", "PROVIDER", "503"},
    {"provoke-504", StatusCode::UNKNOWN, "OUTCOME_UNKNOWN", "UNKNOWN", "TRUTO", "504"},
    {"provoke-504-remote", StatusCode::UNKNOWN, "OUTCOME_UNKNOWN", "UNKNOWN", "PROVIDER", "504"},
    {"provoke-520-html", StatusCode::UNKNOWN, "UNEXPECTED_RESPONSE", "UNKNOWN", "TRUTO", "520"},
    {"provoke-closed", StatusCode::UNKNOWN, "OUTCOME_UNKNOWN", "UNKNOWN", "SERVICE", ""},
    {"provoke-never", StatusCode::DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED_OUTCOME_UNKNOWN", "UNKNOWN", "SERVICE", ""},
};

// A first answer that another attempt follows.
struct RetryRow {
  const char* scenario;
  StatusCode code;
  const char* reason;  // of an error
};

constexpr RetryRow kRetryRows[] = {
    {"provoke-425-once", StatusCode::OK, ""},
    {"provoke-429-once", StatusCode::OK, ""},
    {"provoke-500-once", StatusCode::OK, ""},
    {"provoke-502-once", StatusCode::OK, ""},
    {"provoke-502-then-404", StatusCode::NOT_FOUND, "ABSENT_AFTER_AMBIGUOUS_ATTEMPT"},
    {"provoke-503-once", StatusCode::OK, ""},
    {"provoke-closed-once", StatusCode::OK, ""},
};

// A 2xx whose body is not as it should be: the delete is done, and the notes tell.
struct DeletedRow {
  const char* scenario;
  std::vector<std::string> notes;
};

const DeletedRow kDeletedRows[] = {
    {"provoke-slow", {}},
    {"provoke-broken-body", {"TRUNCATED"}},
    {"provoke-empty-body", {}},
    {"provoke-not-json", {"INVALID_JSON"}},
    {"provoke-odd-values", {"TYPE_MISMATCH", "UNSAFE_INTEGER", "INVALID_TIMESTAMP", "DUPLICATE_KEY"}},
    {"provoke-huge", {"TRUNCATED"}},
};

std::string TestName(const char* scenario) {
  std::string name = std::string(scenario).substr(std::string("provoke-").size());
  std::ranges::replace(name, '-', '_');
  return name;
}

class SandboxTest : public testing::Test {
 protected:
  // The sandbox counts requests like Truto; the rows are about other things.
  explicit SandboxTest(Environment environment = {})
      : sandbox({"--account-limit", "0", "--token-limit", "0"}), service(sandbox.url(), std::move(environment)) {}

  grpc::Status Delete(const std::string& id, std::chrono::seconds deadline = std::chrono::seconds{60}) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + deadline);
    const grpc::Status status = service.stub().DeleteTicketingUser(&context, MakeRequest(id, kAccount), &response);
    pushback.clear();
    const auto found = context.GetServerTrailingMetadata().find("grpc-retry-pushback-ms");
    if (found != context.GetServerTrailingMetadata().end()) pushback.assign(found->second.data(), found->second.size());
    return status;
  }

  RunningSandbox sandbox;
  RunningService service;
  v1::DeleteTicketingUserResponse response;
  std::string pushback;
};

class SingleAttempt : public SandboxTest {
 protected:
  // Without local rates one 429 does not decide about the next call.
  SingleAttempt()
      : SandboxTest({{"TICKETING_MAX_ATTEMPTS", "1"}, {"TICKETING_TOKEN_RATE", "0"}, {"TICKETING_ACCOUNT_RATE", "0"}}) {
  }
};

class EveryErrorRow : public SingleAttempt, public testing::WithParamInterface<ErrorRow> {};

TEST_P(EveryErrorRow, SaysExactlyWhatIsKnown) {
  const ErrorRow& row = GetParam();
  const bool never_answers = std::string(row.scenario) == "provoke-never";
  const grpc::Status status = Delete(row.scenario, std::chrono::seconds{never_answers ? 3 : 60});
  EXPECT_EQ(status.error_code(), row.code) << status.error_message();
  EXPECT_THAT(status.error_message(), Not(IsEmpty()));
  const auto info = DetailOf<ErrorInfo>(status);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->reason(), row.reason);
  EXPECT_EQ(info->domain(), "ticketing.v1.TicketingUserService");
  EXPECT_EQ(info->metadata().at("delivery"), row.delivery);
  EXPECT_EQ(info->metadata().at("origin"), row.origin);
  EXPECT_EQ(info->metadata().at("attempts"), "1");
  EXPECT_EQ(info->metadata().at("request_id").size(), 36U);
  EXPECT_EQ(info->metadata().contains("http_status") ? info->metadata().at("http_status") : "", row.http_status);
  const auto help = DetailOf<google::rpc::Help>(status);
  ASSERT_TRUE(help);
  EXPECT_THAT(help->links(0).url(), HasSubstr("https://"));
  EXPECT_THAT(help->links(0).description(), Not(IsEmpty()));

  const auto retry = DetailOf<google::rpc::RetryInfo>(status);
  if (retry) {
    const std::int64_t milliseconds = retry->retry_delay().seconds() * 1000 + retry->retry_delay().nanos() / 1'000'000;
    EXPECT_EQ(pushback, std::to_string(milliseconds));
  } else {
    EXPECT_EQ(pushback, "-1");
  }
  // What clients repeat by themselves was not executed.
  if (row.code == StatusCode::UNAVAILABLE) EXPECT_STRNE(row.delivery, "UNKNOWN");
}

INSTANTIATE_TEST_SUITE_P(Sandbox, EveryErrorRow, testing::ValuesIn(kErrorRows),
                         [](const auto& row) { return TestName(row.param.scenario); });

class EveryRetryRow : public SandboxTest, public testing::WithParamInterface<RetryRow> {};

TEST_P(EveryRetryRow, TakesASecondAttemptAndSaysSo) {
  const RetryRow& row = GetParam();
  const grpc::Status status = Delete(row.scenario);
  EXPECT_EQ(status.error_code(), row.code) << status.error_message();
  if (row.code == StatusCode::OK) {
    EXPECT_EQ(response.report().attempts(), 2U);
  } else {
    EXPECT_EQ(DetailOf<ErrorInfo>(status)->reason(), row.reason);
    EXPECT_EQ(DetailOf<ErrorInfo>(status)->metadata().at("attempts"), "2");
    EXPECT_EQ(DetailOf<ErrorInfo>(status)->metadata().at("delivery"), "UNKNOWN");
  }
}

INSTANTIATE_TEST_SUITE_P(Sandbox, EveryRetryRow, testing::ValuesIn(kRetryRows),
                         [](const auto& row) { return TestName(row.param.scenario); });

class EveryDeletedRow : public SandboxTest, public testing::WithParamInterface<DeletedRow> {};

TEST_P(EveryDeletedRow, IsASuccessWithNotes) {
  const DeletedRow& row = GetParam();
  const grpc::Status status = Delete(row.scenario);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.outcome(), v1::DELETE_OUTCOME_DELETED);
  EXPECT_EQ(response.report().attempts(), 1U);
  std::vector<std::string> notes;
  for (const auto& note : response.report().notes()) notes.push_back(note.reason());
  for (const std::string& note : row.notes) EXPECT_THAT(notes, Contains(note));
  if (row.notes.empty()) EXPECT_THAT(notes, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Sandbox, EveryDeletedRow, testing::ValuesIn(kDeletedRows),
                         [](const auto& row) { return TestName(row.param.scenario); });

TEST(ErrorRows, NoScenarioOfTheSandboxIsLeftOut) {
  std::set<std::string> expected;
  for (const ErrorRow& row : kErrorRows) expected.insert(row.scenario);
  for (const RetryRow& row : kRetryRows) expected.insert(row.scenario);
  for (const DeletedRow& row : kDeletedRows) expected.insert(row.scenario);
  std::set<std::string> listed;
  std::istringstream lines(RunProgram({SandboxProgram(), "--list"}).output);
  for (std::string word; lines >> word;) {
    if (word.starts_with("provoke-")) listed.insert(word);
  }
  EXPECT_EQ(listed, expected);
}

TEST_F(SingleAttempt, NamesTheFieldsThatTrutoNames) {
  const auto failures = DetailOf<google::rpc::BadRequest>(Delete("provoke-400"));
  ASSERT_TRUE(failures);
  EXPECT_EQ(failures->field_violations(0).field(), "id");
  EXPECT_EQ(failures->field_violations(0).description(), "must be a number");
  const auto missing = DetailOf<google::rpc::BadRequest>(Delete("provoke-400-missing"));
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->field_violations(0).field(), "organization");
}

TEST_F(SingleAttempt, AHintIsNoCause) {
  const grpc::Status status = Delete("provoke-400-remote");
  EXPECT_FALSE(DetailOf<google::rpc::BadRequest>(status));
  EXPECT_THAT(DetailOf<ErrorInfo>(status)->metadata().at("hints"), HasSubstr("organization"));
}

TEST_F(SingleAttempt, TheProvidersWordsReachTheCallerWhenTrutoHasNone) {
  EXPECT_THAT(Delete("provoke-422-remote").error_message(),
              HasSubstr("The last owner of a workspace can't be deleted"));
}

TEST_F(SingleAttempt, NamesTheMissingScopes) {
  EXPECT_EQ(DetailOf<ErrorInfo>(Delete("provoke-403-scopes"))->metadata().at("missing_scopes"),
            "users.read users.delete");
}

TEST_F(SingleAttempt, ARateLimitSaysWhoseItIsAndWhenToComeBack) {
  const grpc::Status account = Delete("provoke-429-account");
  EXPECT_EQ(DetailOf<google::rpc::RetryInfo>(account)->retry_delay().seconds(), 10);
  EXPECT_EQ(DetailOf<google::rpc::QuotaFailure>(account)->violations(0).subject(), kAccount);
  const grpc::Status token = Delete("provoke-429-token");
  EXPECT_EQ(DetailOf<google::rpc::QuotaFailure>(token)->violations(0).subject(), "API token");
  const grpc::Status provider = Delete("provoke-429-remote");
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(provider));
  EXPECT_THAT(DetailOf<google::rpc::QuotaFailure>(provider)->violations(0).subject(), HasSubstr("provider"));
}

TEST_F(SingleAttempt, NamesTheUserThatIsNotThere) {
  const auto resource = DetailOf<google::rpc::ResourceInfo>(Delete("provoke-404"));
  ASSERT_TRUE(resource);
  EXPECT_THAT(resource->resource_name(), HasSubstr("provoke-404"));
}

TEST_F(SandboxTest, ADeletedUserIsNotFoundTheSecondTimeUnlessThatIsFine) {
  ASSERT_TRUE(Delete("23423523").ok());
  EXPECT_EQ(DetailOf<ErrorInfo>(Delete("23423523"))->reason(), "USER_NOT_FOUND");
  auto request = MakeRequest("23423523", kAccount);
  request.set_allow_missing(true);
  grpc::ClientContext context;
  ASSERT_TRUE(service.stub().DeleteTicketingUser(&context, request, &response).ok());
  EXPECT_EQ(response.outcome(), v1::DELETE_OUTCOME_ALREADY_ABSENT);
}

TEST(RateLimits, TrutosOwnLimitEndsAsRateLimitedWithItsRetryDelay) {
  RunningSandbox sandbox({"--account-limit", "1"});
  RunningService service(sandbox.url(), {{"TICKETING_MAX_ATTEMPTS", "1"}});
  v1::DeleteTicketingUserResponse response;
  for (const char* id : {"23423523", "23423524"}) {
    grpc::ClientContext context;
    const grpc::Status status = service.stub().DeleteTicketingUser(&context, MakeRequest(id, kAccount), &response);
    if (std::string(id) == "23423523") {
      ASSERT_TRUE(status.ok()) << status.error_message();
      EXPECT_EQ(response.report().rate_limit().limit(), 1U);
    } else {
      EXPECT_EQ(DetailOf<ErrorInfo>(status)->reason(), "RATE_LIMITED");
      EXPECT_EQ(DetailOf<google::rpc::RetryInfo>(status)->retry_delay().seconds(), 10);
    }
  }
}

}  // namespace
}  // namespace ticketing::e2e
