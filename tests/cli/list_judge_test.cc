#include "cli/list_judge.h"

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace ticketing::cli {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;

// An error as the service writes it.
struct ServiceError {
  StatusCode code;
  std::string reason;
  std::string delivery;
  std::optional<milliseconds> retry_delay;
  std::string quota;
};

CallEnd Failed(const ServiceError& error, std::optional<std::string> pushback = std::nullopt) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  info.set_reason(error.reason);
  (*info.mutable_metadata())["delivery"] = error.delivery;
  details.add_details()->PackFrom(info);
  if (error.retry_delay) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(error.retry_delay->count() / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int>(error.retry_delay->count() % 1000 * 1'000'000));
    details.add_details()->PackFrom(retry);
  }
  if (!error.quota.empty()) {
    google::rpc::QuotaFailure quota;
    quota.add_violations()->set_subject(error.quota);
    details.add_details()->PackFrom(quota);
  }
  return {
      .status = {error.code, "words", details.SerializeAsString()}, .response = {}, .pushback = std::move(pushback)};
}

CallEnd Foreign(StatusCode code, const std::string& message) {
  return {.status = {code, message}, .response = {}, .pushback = std::nullopt};
}

CallEnd Answered(v1::DeleteOutcome outcome, bool validate_only = false) {
  CallEnd call{.status = grpc::Status::OK, .response = {}, .pushback = std::nullopt, .validate_only = validate_only};
  call.response.set_outcome(outcome);
  return call;
}

TEST(Judge, TakesOnlyProofsForADelete) {
  EXPECT_EQ(Judge(Answered(v1::DELETE_OUTCOME_DELETED)).result.outcome, LineOutcome::kDeleted);
  EXPECT_EQ(Judge(Answered(v1::DELETE_OUTCOME_ALREADY_ABSENT)).result.outcome, LineOutcome::kAlreadyAbsent);
  EXPECT_EQ(Judge(Answered(v1::DELETE_OUTCOME_NOT_SENT, /*validate_only=*/true)).result.outcome, LineOutcome::kValid);
  EXPECT_EQ(Judge(Answered(v1::DELETE_OUTCOME_NOT_SENT)).result.outcome, LineOutcome::kUnknown);
  EXPECT_EQ(Judge(Answered(v1::DELETE_OUTCOME_UNSPECIFIED)).result.outcome, LineOutcome::kUnknown);
}

TEST(Judge, KeepsTheFactsOfAnError) {
  const auto judgement = Judge(Failed({StatusCode::NOT_FOUND, "USER_NOT_FOUND", "REJECTED"}, "-1"));
  EXPECT_EQ(judgement.result, (LineResult{.outcome = LineOutcome::kFailed,
                                          .code = "NOT_FOUND",
                                          .reason = "USER_NOT_FOUND",
                                          .delivery = "REJECTED",
                                          .message = "words"}));
  EXPECT_FALSE(judgement.repeat);
  EXPECT_FALSE(judgement.stop);
}

TEST(Judge, NeverRepeatsWhatMayHaveBeenExecuted) {
  for (const CallEnd& call :
       {Failed({StatusCode::UNKNOWN, "OUTCOME_UNKNOWN", "UNKNOWN"}, "-1"),
        Failed({StatusCode::DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED_OUTCOME_UNKNOWN", "UNKNOWN"}),
        Failed({StatusCode::RESOURCE_EXHAUSTED, "RATE_LIMITED", "UNKNOWN", milliseconds(10)}, "10"),
        Failed({StatusCode::UNAVAILABLE, "UPSTREAM_UNREACHABLE", "UNKNOWN"}, "10"),
        Failed({StatusCode::INTERNAL, "INTERNAL_FAULT", ""}), Foreign(StatusCode::UNAVAILABLE, "Socket closed"),
        Foreign(StatusCode::DEADLINE_EXCEEDED, "Deadline Exceeded"), Foreign(StatusCode::CANCELLED, "CANCELLED")}) {
    const auto judgement = Judge(call);
    EXPECT_EQ(judgement.result.outcome, LineOutcome::kUnknown) << call.status.error_message();
    EXPECT_FALSE(judgement.repeat) << call.status.error_message();
  }
}

TEST(Judge, AUserThatIsGoneNeedsNoLookingUp) {
  const auto judgement = Judge(Failed({StatusCode::NOT_FOUND, "ABSENT_AFTER_AMBIGUOUS_ATTEMPT", "UNKNOWN"}));
  EXPECT_EQ(judgement.result.outcome, LineOutcome::kFailed);
  EXPECT_FALSE(judgement.repeat);
}

TEST(Judge, WaitsForARateLimitAsLongAsTheServiceSays) {
  CallEnd call = Failed(
      {StatusCode::RESOURCE_EXHAUSTED, "RATE_LIMITED", "NOT_SENT", milliseconds(1500), "62f44730-dd91-461e-bd6a"},
      "700");
  call.repeats = kMaxRepeats;
  const auto judgement = Judge(call);
  ASSERT_TRUE(judgement.repeat);
  EXPECT_EQ(judgement.repeat->after, milliseconds(1500));
  EXPECT_EQ(judgement.repeat->pause, Repeat::Pause::kAccount);
  EXPECT_TRUE(judgement.repeat->rate_limit);
  EXPECT_FALSE(judgement.stop);

  const auto token =
      Judge(Failed({StatusCode::RESOURCE_EXHAUSTED, "RATE_LIMITED", "REJECTED", milliseconds(20), "API token"}, "30"));
  ASSERT_TRUE(token.repeat);
  EXPECT_EQ(token.repeat->after, milliseconds(30));
  EXPECT_EQ(token.repeat->pause, Repeat::Pause::kEverything);
}

TEST(Judge, RepeatsWhatWasNotSentAFewTimesAndThenStops) {
  CallEnd call = Failed({StatusCode::UNAVAILABLE, "OVERLOADED", "NOT_SENT", milliseconds(1000)}, "1000");
  for (call.repeats = 0; call.repeats < kMaxRepeats; ++call.repeats) {
    const auto judgement = Judge(call);
    ASSERT_TRUE(judgement.repeat);
    EXPECT_EQ(judgement.repeat->after, milliseconds(1000));
    EXPECT_EQ(judgement.repeat->pause, Repeat::Pause::kEverything);
    EXPECT_FALSE(judgement.stop);
  }
  const auto judgement = Judge(call);
  EXPECT_FALSE(judgement.repeat);
  EXPECT_TRUE(judgement.stop);
  EXPECT_EQ(judgement.result.outcome, LineOutcome::kFailed);
}

TEST(Judge, WaitsLongerEachTimeWhenNobodySaysHowLong) {
  CallEnd call = Foreign(StatusCode::UNAVAILABLE, "failed to connect to all addresses; last error: refused");
  milliseconds before{0};
  for (call.repeats = 0; call.repeats < kMaxRepeats; ++call.repeats) {
    const auto judgement = Judge(call);
    ASSERT_TRUE(judgement.repeat);
    EXPECT_GT(judgement.repeat->after, before);
    EXPECT_FALSE(judgement.repeat->told);
    before = judgement.repeat->after;
  }
  EXPECT_TRUE(Judge(call).stop);
}

TEST(Judge, RepeatsADeleteThatHadNoTimeToBeSent) {
  EXPECT_TRUE(Judge(Failed({StatusCode::DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED_UNSENT", "NOT_SENT"}, "-1")).repeat);
}

TEST(Judge, ObeysAPushbackThatForbidsTheRepeat) {
  for (const char* pushback : {"-1", "soon", ""}) {
    EXPECT_FALSE(Judge(Failed({StatusCode::UNAVAILABLE, "SHUTTING_DOWN", "NOT_SENT"}, pushback)).repeat) << pushback;
  }
  const auto judgement = Judge(Failed({StatusCode::UNAVAILABLE, "SHUTTING_DOWN", "NOT_SENT"}, "0"));
  ASSERT_TRUE(judgement.repeat);
  EXPECT_TRUE(judgement.repeat->told);
}

TEST(Judge, StopsAtWhatConcernsEveryLine) {
  EXPECT_TRUE(Judge(Failed({StatusCode::UNAUTHENTICATED, "CALLER_UNAUTHENTICATED", "NOT_SENT"}, "-1")).stop);
  EXPECT_TRUE(Judge(Failed({StatusCode::PERMISSION_DENIED, "CALLER_NOT_ALLOWED", "NOT_SENT"}, "-1")).stop);
  EXPECT_TRUE(Judge(Failed({StatusCode::INTERNAL, "SERVICE_TOKEN_REJECTED", "REJECTED"}, "-1")).stop);
  EXPECT_TRUE(Judge(Foreign(StatusCode::UNIMPLEMENTED, "")).stop);
  EXPECT_FALSE(Judge(Failed({StatusCode::FAILED_PRECONDITION, "ACCOUNT_BLOCKED", "REJECTED"}, "-1")).stop);
  EXPECT_FALSE(Judge(Failed({StatusCode::PERMISSION_DENIED, "ACCESS_FORBIDDEN", "REJECTED"}, "-1")).stop);
}

TEST(Judge, ADryRunHasNoUnknownOutcome) {
  CallEnd call = Foreign(StatusCode::DEADLINE_EXCEEDED, "Deadline Exceeded");
  call.validate_only = true;
  EXPECT_EQ(Judge(call).result.outcome, LineOutcome::kFailed);
}

}  // namespace
}  // namespace ticketing::cli
