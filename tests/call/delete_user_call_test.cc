#include "call/delete_user_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fake_world.h"

namespace ticketing::call {
namespace {

using core::Delivery;
using core::ErrorReason;
using core::StatusCode;
using Kind = core::TransportError::Kind;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kAccount[] = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";
constexpr char kNotFound[] = R"({"statusCode":404,"error":"Not Found","message":"no such user"})";

class DeleteUserTest : public testing::Test {
 protected:
  DeleteUserTest() {
    call.request.set_id("42");
    call.request.set_integrated_account_id(kAccount);
    call.started = world.Now();
    call.deadline = world.Now() + seconds{30};
    call.stream_deadline = world.Now() + seconds{600};
  }

  void Script(std::vector<ScriptedAttempt> attempts) {
    for (auto& attempt : attempts) world.script.push_back(std::move(attempt));
  }

  core::Failure ExpectFailure() {
    DeleteUserResult result = world.Run(call);
    EXPECT_FALSE(result.ok());
    core::Failure failure = result.ok() ? core::Failure{} : result.error();
    EXPECT_EQ(failure.attempts, world.requests.size());
    EXPECT_EQ(failure.request_id, call.request.request_id());
    EXPECT_FALSE(failure.request_id.empty());
    return failure;
  }

  v1::DeleteTicketingUserResponse ExpectSuccess() {
    DeleteUserResult result = world.Run(call);
    EXPECT_TRUE(result.ok()) << result.error().message;
    v1::DeleteTicketingUserResponse response = result.ok() ? result.value() : v1::DeleteTicketingUserResponse{};
    EXPECT_EQ(response.report().attempts(), world.requests.size());
    EXPECT_EQ(response.report().request_id(), call.request.request_id());
    return response;
  }

  std::set<std::string> IdempotencyKeys() const {
    std::set<std::string> keys;
    for (const auto& request : world.requests) {
      keys.emplace(core::FindHeader(request.headers, "idempotency-key").value_or("missing"));
    }
    return keys;
  }

  FakeWorld world;
  DeleteUserCall call;
};

TEST_F(DeleteUserTest, AnswersWhatTrutoAnswered) {
  Script({Answers(200, R"({"id":"42","name":"Ada"})", {{"content-type", "application/json"}})});
  const auto response = ExpectSuccess();
  EXPECT_EQ(response.outcome(), v1::DELETE_OUTCOME_DELETED);
  EXPECT_EQ(response.user().name(), "Ada");
  EXPECT_EQ(response.report().http_status(), 200U);
  EXPECT_EQ(response.report().upstream().nanos(), 10'000'000);
  EXPECT_EQ(response.report().total().nanos(), 10'000'000);
}

TEST_F(DeleteUserTest, SendsNothingForAnInvalidRequest) {
  call.request.set_id("..");
  call.request.set_integrated_account_id("nonsense");
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.code, StatusCode::kInvalidArgument);
  EXPECT_EQ(failure.reason, ErrorReason::kInvalidRequest);
  EXPECT_EQ(failure.field_violations.size(), 2U);
  EXPECT_TRUE(world.requests.empty());
}

TEST_F(DeleteUserTest, NamesACallWhoseRequestIdIsUnusableByAnother) {
  call.request.set_request_id("not a uuid");
  EXPECT_EQ(ExpectFailure().request_id, "00000000-0000-4000-8000-000000000000");
}

TEST_F(DeleteUserTest, ShowsTheRequestAndSendsNothingWithValidateOnly) {
  call.request.set_validate_only(true);
  call.trace_headers = {{"traceparent", "00-1-2-00"}};
  const auto response = ExpectSuccess();
  EXPECT_EQ(response.outcome(), v1::DELETE_OUTCOME_NOT_SENT);
  EXPECT_EQ(response.planned_request().headers().at("authorization"), "Bearer ***");
  EXPECT_EQ(response.planned_request().headers().at("traceparent"), "00-1-2-00");
  EXPECT_TRUE(world.requests.empty());
  EXPECT_THAT(response.DebugString(), testing::Not(testing::HasSubstr("secret-token")));
}

TEST_F(DeleteUserTest, SendsTheCallersTokenInsteadOfItsOwn) {
  call.caller_token = "callers";
  Script({Answers(204)});
  ExpectSuccess();
  EXPECT_EQ(core::FindHeader(world.requests.at(0).headers, "authorization"), "Bearer callers");
}

TEST_F(DeleteUserTest, HandsTheTraceContextOn) {
  call.trace_headers = {{"traceparent", "00-1-2-00"}};
  Script({Answers(204)});
  ExpectSuccess();
  EXPECT_EQ(core::FindHeader(world.requests.at(0).headers, "traceparent"), "00-1-2-00");
}

// Writes down what it is told.
class RecordedTrace final : public core::CallTrace {
 public:
  std::string trace_id() const override { return "1"; }
  core::HttpHeaders BeginAttempt(const core::HttpRequest& request, std::uint32_t number) override {
    EXPECT_EQ(core::FindHeader(request.headers, "traceparent"), std::nullopt);
    events.push_back("begin " + std::to_string(number));
    return {{"traceparent", "00-1-" + std::to_string(number) + "-01"}};
  }
  void EndAttempt(const core::AttemptRecord& end) override {
    std::string event = "end";
    if (end.http_status) event += " " + std::to_string(*end.http_status);
    if (end.reason) event += " " + std::string(core::ToString(*end.reason));
    event += " " + std::string(end.delivery ? core::ToString(*end.delivery) : "DONE");
    events.push_back(std::move(event));
  }
  void End(const core::CallRecord& /*record*/) override { events.emplace_back("end of call"); }

  std::vector<std::string> events;
};

TEST_F(DeleteUserTest, EachAttemptIsASpanWhichGoesOnToTrutoInPlaceOfTheCallers) {
  RecordedTrace trace;
  call.trace = &trace;
  call.trace_headers = {{"traceparent", "00-1-2-00"}, {"tracestate", "vendor=1"}};
  Script({Breaks(Kind::kUnreachable, false), Answers(425, "{}"), Answers(200, R"({"id":"42"})")});
  ExpectSuccess();
  ASSERT_EQ(world.requests.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(core::FindHeader(world.requests[i].headers, "traceparent"), "00-1-" + std::to_string(i + 1) + "-01");
    EXPECT_EQ(core::FindHeader(world.requests[i].headers, "tracestate"), std::nullopt);
  }
  EXPECT_THAT(trace.events, testing::ElementsAre("begin 1", "end UPSTREAM_UNREACHABLE NOT_SENT", "begin 2",
                                                 "end 425 UPSTREAM_UNREACHABLE REJECTED", "begin 3", "end 200 DONE"));
}

TEST_F(DeleteUserTest, AnAttemptThatFoundNobodyIsRejectedInItsTraceAlsoWhereThatIsASuccess) {
  for (const bool allow_missing : {true, false}) {
    RecordedTrace trace;
    call.trace = &trace;
    call.attempts = 0;
    call.request.set_allow_missing(allow_missing);
    call.request.clear_request_id();
    Script({Answers(404, kNotFound)});
    EXPECT_EQ(world.Run(call).ok(), allow_missing);
    EXPECT_THAT(trace.events, testing::ElementsAre("begin 1", "end 404 REJECTED"));
  }
}

TEST_F(DeleteUserTest, AnAttemptThatWasGivenUpEndsInItsTrace) {
  RecordedTrace trace;
  call.trace = &trace;
  ScriptedAttempt attempt = Breaks(Kind::kBroken, false);
  attempt.before_head = [&] { call.cancellation.Request(Cancellation::Cause::kCaller); };
  Script({std::move(attempt)});
  ExpectFailure();
  EXPECT_THAT(trace.events, testing::ElementsAre("begin 1", "end CALLER_CANCELLED NOT_SENT"));
}

TEST_F(DeleteUserTest, ACallWithoutARequestToTrutoHasNoAttemptInItsTrace) {
  RecordedTrace trace;
  call.trace = &trace;
  call.request.set_validate_only(true);
  ExpectSuccess();
  EXPECT_THAT(trace.events, testing::IsEmpty());
}

TEST_F(DeleteUserTest, KeepsOneIdempotencyKeyOverAllAttempts) {
  Script({Breaks(Kind::kUnreachable, false), Answers(502), Answers(200, "{}")});
  ExpectSuccess();
  EXPECT_EQ(world.requests.size(), 3U);
  EXPECT_EQ(IdempotencyKeys(), std::set<std::string>{call.request.request_id()});
}

TEST_F(DeleteUserTest, NeverSendsAgainAfterA2xxWhateverItsBody) {
  Script({{.head = core::ResponseHead{.status = 200, .headers = {}},
           .body = {{.bytes = "{\"id\":", .end = true, .complete = false}}}});
  const auto response = ExpectSuccess();
  EXPECT_EQ(response.outcome(), v1::DELETE_OUTCOME_DELETED);
  EXPECT_EQ(response.raw().data(), "{\"id\":");
  EXPECT_EQ(response.report().notes(0).reason(), "TRUNCATED");
}

TEST_F(DeleteUserTest, CutsABodyAtTheLimit) {
  world.world.options.max_body_bytes = 10;
  call.request.set_truto_response_format(v1::TRUTO_RESPONSE_FORMAT_RAW);
  Script({{.head = core::ResponseHead{.status = 200, .headers = {}},
           .body = {{.bytes = "0123456"}, {.bytes = "789abc"}, {.bytes = "never read", .end = true}}}});
  const auto response = ExpectSuccess();
  EXPECT_EQ(response.raw().data(), "0123456789");
  EXPECT_TRUE(response.raw().truncated());
}

TEST_F(DeleteUserTest, IsUnavailableOnlyWhenNothingWasSent) {
  const auto failure = ExpectFailure();  // unreachable, three times
  EXPECT_EQ(failure.code, StatusCode::kUnavailable);
  EXPECT_EQ(failure.delivery, Delivery::kNotSent);
  EXPECT_EQ(failure.attempts, 3U);
}

TEST_F(DeleteUserTest, IsUnknownWhenUnreachableAfterAnAmbiguousAttempt) {
  Script({Breaks(Kind::kBroken, true), Breaks(Kind::kUnreachable, false)});
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.code, StatusCode::kUnknown);
  EXPECT_EQ(failure.reason, ErrorReason::kOutcomeUnknown);
  EXPECT_EQ(failure.delivery, Delivery::kUnknown);
  EXPECT_EQ(failure.attempts, 2U);
  EXPECT_EQ(failure.retry_after, std::nullopt);
}

TEST_F(DeleteUserTest, ResendsOnceAtMostAfterAnAmbiguousAnswer) {
  Script({Answers(502), Answers(502), Answers(200)});
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.reason, ErrorReason::kOutcomeUnknown);
  EXPECT_EQ(failure.attempts, 2U);
  EXPECT_EQ(failure.http_status, 502);
}

TEST_F(DeleteUserTest, NeverResendsForABlockedAccount) {
  Script({Answers(503, R"({"statusCode":503,"error":"Service Unavailable","message":"blocked"})")});
  EXPECT_EQ(ExpectFailure().reason, ErrorReason::kAccountBlocked);
  EXPECT_EQ(world.requests.size(), 1U);
}

TEST_F(DeleteUserTest, ReportsTheWorstDeliveryOfAllAttempts) {
  Script({Answers(502), Answers(403, R"({"statusCode":403,"error":"Forbidden","message":"no"})")});
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.reason, ErrorReason::kAccessForbidden);
  EXPECT_EQ(failure.delivery, Delivery::kUnknown);
}

TEST_F(DeleteUserTest, TellsA404AfterAnAmbiguousAttemptApart) {
  Script({Answers(502), Answers(404, kNotFound)});
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.code, StatusCode::kNotFound);
  EXPECT_EQ(failure.reason, ErrorReason::kAbsentAfterAmbiguousAttempt);
  EXPECT_EQ(failure.delivery, Delivery::kUnknown);
}

TEST_F(DeleteUserTest, A404ToACallThatGrpcHasSentBeforeMayComeOfThat) {
  call.previous_rpc_attempts = 1;
  Script({Answers(404, kNotFound)});
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.reason, ErrorReason::kAbsentAfterAmbiguousAttempt);
  EXPECT_EQ(failure.delivery, Delivery::kUnknown);
}

TEST_F(DeleteUserTest, AnAbsentUserIsSuccessWithAllowMissing) {
  call.request.set_allow_missing(true);
  call.request.set_include_http_body(true);
  Script({Answers(404, kNotFound, {{"content-type", "application/json"}})});
  const auto response = ExpectSuccess();
  EXPECT_EQ(response.outcome(), v1::DELETE_OUTCOME_ALREADY_ABSENT);
  EXPECT_EQ(response.http_body().data(), kNotFound);
  EXPECT_EQ(response.http_body().content_type(), "application/json");
  EXPECT_EQ(response.report().http_status(), 404U);
  EXPECT_EQ(response.report().notes_size(), 0);
}

TEST_F(DeleteUserTest, ANoteSaysThatAnEarlierAttemptMayHaveDeletedTheAbsentUser) {
  call.request.set_allow_missing(true);
  Script({Breaks(Kind::kBroken, true), Answers(404, kNotFound)});
  const auto response = ExpectSuccess();
  EXPECT_EQ(response.outcome(), v1::DELETE_OUTCOME_ALREADY_ABSENT);
  EXPECT_EQ(response.report().notes(0).reason(), "DELETED_BY_EARLIER_ATTEMPT");
}

TEST_F(DeleteUserTest, A404ThatIsNotTrutosIsNeverAbsent) {
  call.request.set_allow_missing(true);
  Script({Answers(404, "<html>not here</html>")});
  EXPECT_EQ(ExpectFailure().reason, ErrorReason::kUnexpectedResponse);
}

TEST_F(DeleteUserTest, WaitsForRetryAfterWithinTheDeadline) {
  const core::HttpHeaders headers = {{"retry-after", "4"}};
  Script({Answers(429, "{}", headers), Answers(200)});
  ExpectSuccess();
  EXPECT_THAT(world.sleeps, testing::ElementsAre(milliseconds{5000}));
}

TEST_F(DeleteUserTest, TellsTheCallerOfARetryAfterBeyondTheDeadline) {
  Script({Answers(429, "{}", {{"retry-after", "40"}})});
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.reason, ErrorReason::kRateLimited);
  EXPECT_EQ(failure.retry_after, milliseconds{40'000});
  EXPECT_TRUE(world.sleeps.empty());
}

TEST_F(DeleteUserTest, TriesAgainWithANewTokenAfterTrutosRefusal) {
  const std::string refused = R"({"statusCode":401,"error":"Unauthorized","message":"token"})";
  world.next_token = "fresh";
  Script({Answers(401, refused), Answers(200)});
  ExpectSuccess();
  EXPECT_EQ(core::FindHeader(world.requests.at(1).headers, "authorization"), "Bearer fresh");
}

TEST_F(DeleteUserTest, TriesAgainWithANewTokenThatAnotherCallHasReadAlready) {
  const std::string refused = R"({"statusCode":401,"error":"Unauthorized","message":"token"})";
  Script({Answers(401, refused), Answers(200)});
  world.script.front().before_head = [this] { world.token = "fresh"; };
  ExpectSuccess();
  EXPECT_EQ(core::FindHeader(world.requests.at(1).headers, "authorization"), "Bearer fresh");
}

TEST_F(DeleteUserTest, GivesUpAfterTrutosRefusalWhenTheTokenIsTheSame) {
  Script({Answers(401, R"({"statusCode":401,"error":"Unauthorized","message":"token"})")});
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.code, StatusCode::kInternal);
  EXPECT_EQ(failure.reason, ErrorReason::kServiceTokenRejected);
  EXPECT_EQ(world.requests.size(), 1U);
}

TEST_F(DeleteUserTest, SendsNothingWithLessThan100MillisecondsLeft) {
  call.deadline = world.Now() + milliseconds{99};
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.code, StatusCode::kDeadlineExceeded);
  EXPECT_EQ(failure.reason, ErrorReason::kDeadlineExceededUnsent);
  EXPECT_EQ(failure.delivery, Delivery::kNotSent);
  EXPECT_TRUE(world.requests.empty());
}

TEST_F(DeleteUserTest, GivesAnAttemptAllTheTimeThatIsLeftButTheReserve) {
  Script({Answers(200)});
  ExpectSuccess();
  EXPECT_EQ(world.attempt_options.at(0).deadline, call.deadline - milliseconds{100});
}

TEST_F(DeleteUserTest, ADeadlineAfterSendingIsAnUnknownOutcome) {
  Script({{.head = core::ResponseHead{.status = 200, .headers = {}}, .body = {}, .takes = seconds{31}}});
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.code, StatusCode::kDeadlineExceeded);
  EXPECT_EQ(failure.reason, ErrorReason::kDeadlineExceededOutcomeUnknown);
  EXPECT_EQ(failure.delivery, Delivery::kUnknown);
}

TEST_F(DeleteUserTest, ADeadlineInTheResendKeepsTheOutcomeOfTheFirst) {
  ScriptedAttempt stalls = Breaks(Kind::kUnreachable, false);
  stalls.takes = seconds{31};
  Script({Breaks(Kind::kBroken, true), std::move(stalls)});
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.reason, ErrorReason::kDeadlineExceededOutcomeUnknown);
  EXPECT_EQ(failure.code, StatusCode::kDeadlineExceeded);
}

TEST_F(DeleteUserTest, ACallCancelledBeforeItBeginsIsNeverSent) {
  call.cancellation.Request(Cancellation::Cause::kCaller);
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.code, StatusCode::kCancelled);
  EXPECT_EQ(failure.delivery, Delivery::kNotSent);
  EXPECT_TRUE(world.requests.empty());
}

TEST_F(DeleteUserTest, ACallCancelledInBackoffIsNotSentAgain) {
  world.during_sleep = [this] { call.cancellation.Request(Cancellation::Cause::kCaller); };
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.reason, ErrorReason::kCallerCancelled);
  EXPECT_EQ(world.requests.size(), 1U);
}

TEST_F(DeleteUserTest, ACancelWhileConnectingDropsTheRequest) {
  ScriptedAttempt connecting = Breaks(Kind::kUnreachable, false);
  connecting.before_head = [this] { call.cancellation.Request(Cancellation::Cause::kCaller); };
  Script({std::move(connecting)});
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.reason, ErrorReason::kCallerCancelled);
  EXPECT_EQ(failure.delivery, Delivery::kNotSent);
}

TEST_F(DeleteUserTest, ACancelAfterSendingWaitsTenSecondsForWhatBecameOfIt) {
  ScriptedAttempt in_flight = Answers(200, "{}");
  in_flight.before_head = [this] { call.cancellation.Request(Cancellation::Cause::kCaller); };
  Script({std::move(in_flight)});
  ExpectSuccess();
  EXPECT_EQ(world.last_exchange_deadline, world.Now() + seconds{10});
}

TEST_F(DeleteUserTest, ACancelAfterSendingIsNeverFollowedByAnotherAttempt) {
  ScriptedAttempt in_flight = Answers(502);
  in_flight.before_head = [this] { call.cancellation.Request(Cancellation::Cause::kCaller); };
  Script({std::move(in_flight)});
  EXPECT_EQ(ExpectFailure().reason, ErrorReason::kOutcomeUnknown);
  EXPECT_EQ(world.requests.size(), 1U);
}

TEST_F(DeleteUserTest, AShutdownEndsWhatWasNotSentAsUnavailable) {
  ScriptedAttempt connecting = Breaks(Kind::kUnreachable, false);
  connecting.before_head = [this] { call.cancellation.Request(Cancellation::Cause::kShutdown); };
  Script({std::move(connecting)});
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.code, StatusCode::kUnavailable);
  EXPECT_EQ(failure.reason, ErrorReason::kShuttingDown);
}

TEST_F(DeleteUserTest, AShutdownEndsWhatWasSentAsUnknown) {
  ScriptedAttempt in_flight = Answers(200);
  in_flight.before_head = [this] { call.cancellation.Request(Cancellation::Cause::kShutdown); };
  Script({std::move(in_flight)});
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.code, StatusCode::kUnknown);
  EXPECT_EQ(failure.reason, ErrorReason::kOutcomeUnknown);
  EXPECT_EQ(failure.delivery, Delivery::kUnknown);
}

// --- what calls know of each other

constexpr char kRequestId[] = "5f0f3c1e-8a55-4f5e-9f0e-3d9f6a0c2b11";
constexpr char kOtherAccount[] = "0b3a2b64-1f0e-4f43-8f0c-0f4f5b0c9a11";

class OverlappingCallsTest : public DeleteUserTest {
 protected:
  // Another call for the same user.
  struct Other {
    explicit Other(const FakeWorld& world, const DeleteUserCall& like) {
      call.request = like.request;
      call.started = world.Now();
      call.deadline = world.Now() + seconds{30};
      call.stream_deadline = world.Now() + seconds{600};
    }
    DeleteUserCall call;
    std::optional<DeleteUserResult> result;
  };

  OverlappingCallsTest() { call.request.set_request_id(kRequestId); }

  std::unique_ptr<Other> MakeOther() { return std::make_unique<Other>(world, call); }
  void RunAll(std::vector<Other*> others) {
    world.RunUntil(
        [&] { return std::ranges::all_of(others, [](const Other* other) { return other->result.has_value(); }); });
  }
  // Takes `rate` calls of the account's burst.
  void Delete(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto other = MakeOther();
      other->call.request.clear_request_id();
      Script({Answers(204)});
      EXPECT_TRUE(world.Run(other->call).ok());
    }
  }
};

TEST_F(OverlappingCallsTest, ARepeatWithinFifteenMinutesGetsTheSameAnswerAndSendsNothing) {
  Script({Answers(200, R"({"id":"42","name":"Ada"})", {{"content-type", "application/json"}})});
  ExpectSuccess();
  world.Advance(std::chrono::minutes{14});
  const auto repeat = MakeOther();
  repeat->call.request.set_include_http_body(true);
  const auto result = world.Run(repeat->call);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.value().user().name(), "Ada");
  EXPECT_TRUE(result.value().report().replayed());
  EXPECT_EQ(result.value().report().attempts(), 1U);
  EXPECT_EQ(result.value().report().http_status(), 200U);
  EXPECT_EQ(result.value().http_body().data(), R"({"id":"42","name":"Ada"})");
  EXPECT_EQ(world.requests.size(), 1U);
}

TEST_F(OverlappingCallsTest, ARepeatAfterFifteenMinutesIsANewDelete) {
  Script({Answers(204), Answers(404, kNotFound)});
  ExpectSuccess();
  world.Advance(std::chrono::minutes{16});
  const auto repeat = MakeOther();
  EXPECT_FALSE(world.Run(repeat->call).ok());
  EXPECT_EQ(world.requests.size(), 2U);
}

TEST_F(OverlappingCallsTest, ARepeatAfterAFailureRunsAnew) {
  Script({Answers(403, R"({"statusCode":403,"error":"Forbidden","message":"no"})"), Answers(204)});
  ExpectFailure();
  EXPECT_TRUE(world.Run(MakeOther()->call).ok());
}

TEST_F(OverlappingCallsTest, ARepeatOfAnAmbiguousDeleteThatFindsNobodySaysSo) {
  Script({Answers(502), Answers(502), Answers(404, kNotFound)});
  ExpectFailure();
  const auto result = world.Run(MakeOther()->call);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().reason, ErrorReason::kAbsentAfterAmbiguousAttempt);
  EXPECT_EQ(result.error().delivery, Delivery::kUnknown);
  EXPECT_EQ(result.error().attempts, 1U);
}

TEST_F(OverlappingCallsTest, OtherParametersUnderTheSameRequestIdAreRefused) {
  Script({Answers(204)});
  ExpectSuccess();
  const auto other = MakeOther();
  other->call.request.set_id("43");
  const auto result = world.Run(other->call);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().reason, ErrorReason::kRequestIdReused);
  EXPECT_EQ(result.error().attempts, 0U);
  EXPECT_EQ(world.requests.size(), 1U);
}

TEST_F(OverlappingCallsTest, AnotherCallersRequestIdIsAnotherDelete) {
  Script({Answers(204), Answers(404, kNotFound)});
  ExpectSuccess();
  const auto other = MakeOther();
  other->call.caller = "spiffe://cluster/ns/other/sa/caller";
  EXPECT_FALSE(world.Run(other->call).ok());
  EXPECT_EQ(world.requests.size(), 2U);
}

TEST_F(OverlappingCallsTest, ACallJoinsTheOneInFlight) {
  Script({Answers(404, kNotFound)});
  const auto first = MakeOther();
  const auto second = MakeOther();
  second->call.request.set_allow_missing(true);
  world.Begin(first->call, first->result);
  world.Begin(second->call, second->result);
  RunAll({first.get(), second.get()});
  EXPECT_EQ(first->result->error().reason, ErrorReason::kUserNotFound);
  ASSERT_TRUE(second->result->ok());
  EXPECT_EQ(second->result->value().outcome(), v1::DELETE_OUTCOME_ALREADY_ABSENT);
  EXPECT_EQ(second->result->value().report().attempts(), 1U);
  EXPECT_EQ(second->call.attempts, 0U);
  EXPECT_EQ(world.requests.size(), 1U);
}

TEST_F(OverlappingCallsTest, AJoinerWhoseTimeIsUpDoesNotKnowTheOutcome) {
  ScriptedAttempt slow = Answers(204);
  slow.takes = seconds{5};
  Script({std::move(slow)});
  const auto first = MakeOther();
  const auto hasty = MakeOther();
  hasty->call.deadline = world.Now() + seconds{1};
  const auto leaver = MakeOther();
  world.Begin(first->call, first->result);
  world.Begin(hasty->call, hasty->result);
  world.Begin(leaver->call, leaver->result);
  world.script.front().before_head = [] {};
  RunAll({hasty.get()});
  EXPECT_EQ(hasty->result->error().reason, ErrorReason::kDeadlineExceededOutcomeUnknown);
  EXPECT_EQ(hasty->result->error().delivery, Delivery::kUnknown);
  leaver->call.cancellation.Request(Cancellation::Cause::kCaller);
  RunAll({first.get(), leaver.get()});
  EXPECT_EQ(leaver->result->error().reason, ErrorReason::kCallerCancelled);
  EXPECT_EQ(leaver->result->error().delivery, Delivery::kUnknown);
  EXPECT_TRUE(first->result->ok());
}

TEST_F(OverlappingCallsTest, AJoinerOfACallThatWasCancelledUnsentBegins) {
  ScriptedAttempt connecting = Breaks(Kind::kUnreachable, false);
  const auto first = MakeOther();
  connecting.before_head = [&] { first->call.cancellation.Request(Cancellation::Cause::kCaller); };
  Script({std::move(connecting), Answers(204)});
  const auto second = MakeOther();
  world.Begin(first->call, first->result);
  world.Begin(second->call, second->result);
  RunAll({first.get(), second.get()});
  EXPECT_EQ(first->result->error().reason, ErrorReason::kCallerCancelled);
  ASSERT_TRUE(second->result->ok());
  EXPECT_EQ(second->call.attempts, 1U);
}

TEST_F(OverlappingCallsTest, BeyondTheBurstCallsWaitTheirTurnAndReportIt) {
  Delete(10);
  const auto waiting = MakeOther();
  waiting->call.request.clear_request_id();
  Script({Answers(204)});
  const auto result = world.Run(waiting->call);
  ASSERT_TRUE(result.ok());
  EXPECT_GT(result.value().report().queued().nanos(), 100'000'000);
  EXPECT_LE(result.value().report().queued().nanos(), 250'000'000);
}

TEST_F(OverlappingCallsTest, AnAccountBeyondItsQueueIsRefusedUnsentAndOthersAreNot) {
  Delete(10);
  std::vector<std::unique_ptr<Other>> calls;
  for (int i = 0; i < 40; ++i) {
    calls.push_back(MakeOther());
    calls.back()->call.request.clear_request_id();
    world.Begin(calls.back()->call, calls.back()->result);
    Script({Answers(204)});
  }
  const auto stranger = MakeOther();
  stranger->call.request.clear_request_id();
  stranger->call.request.set_integrated_account_id(kOtherAccount);
  world.Begin(stranger->call, stranger->result);
  Script({Answers(204)});
  std::vector<Other*> all = {stranger.get()};
  for (const auto& other : calls) all.push_back(other.get());
  RunAll(all);
  EXPECT_TRUE(stranger->result->ok());
  std::size_t refused = 0;
  for (const auto& other : calls) {
    if (other->result->ok()) continue;
    ++refused;
    EXPECT_EQ(other->result->error().reason, ErrorReason::kRateLimited);
    EXPECT_EQ(other->result->error().origin, core::Origin::kService);
    EXPECT_EQ(other->result->error().delivery, Delivery::kNotSent);
    EXPECT_TRUE(other->result->error().retry_after.has_value());
    EXPECT_EQ(other->call.attempts, 0U);
  }
  EXPECT_GE(refused, 20U);
  EXPECT_LT(refused, 40U);
}

TEST_F(OverlappingCallsTest, A429ClosesTheAccountForOthersToo) {
  Script({Answers(429, "{}", {{"retry-after", "50"}})});
  ExpectFailure();
  const auto other = MakeOther();
  other->call.request.clear_request_id();
  const auto result = world.Run(other->call);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().reason, ErrorReason::kRateLimited);
  EXPECT_EQ(result.error().origin, core::Origin::kService);
  EXPECT_EQ(world.requests.size(), 1U);
}

TEST_F(OverlappingCallsTest, ABlockedAccountIsAnsweredLocallyForThirtySeconds) {
  Script({Answers(503, R"({"statusCode":503,"error":"Service Unavailable","message":"blocked"})"), Answers(204)});
  ExpectFailure();
  const auto early = MakeOther();
  const auto result = world.Run(early->call);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().reason, ErrorReason::kAccountBlocked);
  EXPECT_EQ(result.error().origin, core::Origin::kService);
  EXPECT_EQ(result.error().delivery, Delivery::kNotSent);
  EXPECT_EQ(world.requests.size(), 1U);
  world.Advance(seconds{31});
  EXPECT_TRUE(world.Run(MakeOther()->call).ok());
}

TEST_F(OverlappingCallsTest, WithTheUpstreamGoneCallsAreAnsweredWithoutTrying) {
  ExpectFailure();                                  // three attempts
  EXPECT_FALSE(world.Run(MakeOther()->call).ok());  // two more open the circuit; the third is not made
  const auto tried = world.requests.size();
  EXPECT_EQ(tried, 5U);
  const auto late = MakeOther();
  const auto result = world.Run(late->call);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, StatusCode::kUnavailable);
  EXPECT_EQ(result.error().reason, ErrorReason::kUpstreamUnreachable);
  EXPECT_EQ(late->call.attempts, 0U);
  EXPECT_EQ(world.requests.size(), tried);
}

TEST_F(OverlappingCallsTest, ARetryThatMayNotBeMadeLeavesWhatTheLastAttemptMet) {
  world.Admit({.rates = {.account_rate = 0.1, .account_burst = 1}, .max_in_flight = 200});
  Script({Answers(502)});
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.reason, ErrorReason::kOutcomeUnknown);
  EXPECT_EQ(failure.http_status, 502);
  EXPECT_EQ(failure.attempts, 1U);
}

TEST_F(OverlappingCallsTest, WithoutBudgetNothingIsSentAgain) {
  while (world.policies.retry_budget.Take(Delivery::kNotSent, 100)) {
  }
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.reason, ErrorReason::kUpstreamUnreachable);
  EXPECT_EQ(failure.attempts, 1U);
}

TEST_F(OverlappingCallsTest, MoreCallsThanThereIsRoomForAreShedUnsent) {
  world.Admit({.rates = {.token_rate = 0, .account_rate = 0}, .max_in_flight = 20});
  std::vector<std::unique_ptr<Other>> calls;
  std::vector<Other*> all;
  for (int i = 0; i < 25; ++i) {
    calls.push_back(MakeOther());
    calls.back()->call.request.clear_request_id();
    all.push_back(calls.back().get());
    world.Begin(calls.back()->call, calls.back()->result);
    Script({Answers(204)});
  }
  RunAll(all);
  std::size_t shed = 0;
  for (const auto& other : calls) {
    if (other->result->ok()) continue;
    ++shed;
    EXPECT_EQ(other->result->error().code, StatusCode::kUnavailable);
    EXPECT_EQ(other->result->error().reason, ErrorReason::kOverloaded);
    EXPECT_EQ(other->call.attempts, 0U);
  }
  EXPECT_EQ(shed, 25U - 16U);  // one account alone gets 80 %
  EXPECT_EQ(world.policies.calls, 0U);
}

TEST_F(OverlappingCallsTest, OneAccountsStreamsLeaveRoomForOthers) {
  world.Admit({.rates = {.token_rate = 0, .account_rate = 0}, .max_in_flight = 200});
  class Hanging final : public BodySink {
   public:
    Hanging(FakeWorld& world, Cancellation& cancellation) : world_(world), cancellation_(cancellation) {}
    boost::asio::awaitable<bool> Begin(const core::ResponseHead& /*head*/, TimePoint deadline) override {
      begun = true;
      co_await world_.SleepUntil(deadline, cancellation_);
      co_return false;
    }
    boost::asio::awaitable<bool> Write(std::string /*bytes*/, TimePoint /*deadline*/) override { co_return false; }

    bool begun = false;

   private:
    FakeWorld& world_;
    Cancellation& cancellation_;
  };
  std::vector<std::unique_ptr<Other>> calls;
  std::vector<std::unique_ptr<Hanging>> sinks;
  std::vector<Other*> all;
  for (std::size_t i = 0; i < 18; ++i) {
    calls.push_back(MakeOther());
    all.push_back(calls.back().get());
    DeleteUserCall& stream = calls.back()->call;
    stream.request.clear_request_id();
    if (i == 17) stream.request.set_integrated_account_id(kOtherAccount);
    sinks.push_back(std::make_unique<Hanging>(world, stream.cancellation));
    stream.sink = sinks.back().get();
    world.Begin(stream, calls.back()->result);
    Script({{.head = core::ResponseHead{.status = 200, .headers = {}}, .body = {{.bytes = {}, .end = true}}}});
    // One after the other, so that it is their bodies and not their attempts that are too many.
    world.RunUntil([&] { return sinks.back()->begun || calls.back()->result.has_value(); });
  }
  RunAll(all);
  for (std::size_t i = 0; i < 18; ++i) EXPECT_EQ(calls.at(i)->result->ok(), i != 16) << i;
  EXPECT_EQ(calls.at(16)->result->error().reason, ErrorReason::kOverloaded);
}

TEST_F(OverlappingCallsTest, ACancelWhileWaitingForTheRateIsNeverSent) {
  Delete(10);
  const std::size_t sent = world.requests.size();
  const auto waiting = MakeOther();
  waiting->call.request.clear_request_id();
  world.during_sleep = [&] { waiting->call.cancellation.Request(Cancellation::Cause::kCaller); };
  world.Begin(waiting->call, waiting->result);
  world.RunUntil([] { return true; });
  waiting->call.cancellation.Request(Cancellation::Cause::kCaller);
  RunAll({waiting.get()});
  EXPECT_EQ(waiting->result->error().reason, ErrorReason::kCallerCancelled);
  EXPECT_EQ(world.requests.size(), sent);
}

TEST_F(OverlappingCallsTest, AtMost256DeletesOutliveTheirCallers) {
  world.Admit({.rates = {.token_rate = 0, .account_rate = 0}, .max_in_flight = 1000});
  world.policies.detached = 256;
  ScriptedAttempt in_flight = Answers(204);
  in_flight.before_head = [this] { call.cancellation.Request(Cancellation::Cause::kCaller); };
  Script({std::move(in_flight)});
  const auto failure = ExpectFailure();
  EXPECT_EQ(failure.delivery, Delivery::kUnknown);
  EXPECT_EQ(world.last_exchange_deadline, world.Now());
}

// Takes a streamed body down.
class RecordingSink final : public BodySink {
 public:
  boost::asio::awaitable<bool> Begin(const core::ResponseHead& head, TimePoint /*deadline*/) override {
    statuses.push_back(head.status);
    co_return true;
  }
  boost::asio::awaitable<bool> Write(std::string bytes, TimePoint /*deadline*/) override {
    chunks.push_back(std::move(bytes));
    co_return chunks.size() < takes;
  }

  std::vector<int> statuses;
  std::vector<std::string> chunks;
  std::size_t takes = 100;  // the caller goes when it has this many
};

class StreamTest : public DeleteUserTest {
 protected:
  StreamTest() { call.sink = &sink; }
  static ScriptedAttempt Streams(std::vector<BodyPiece> pieces) {
    return {.head = core::ResponseHead{.status = 200, .headers = {{"ratelimit-limit", "110;w=10"}}},
            .body = std::move(pieces)};
  }
  RecordingSink sink;
};

TEST_F(StreamTest, HandsTheBodyOnAsItArrives) {
  Script({Streams({{.bytes = "one"}, {.bytes = "two"}, {.bytes = "three", .end = true}})});
  const auto summary = ExpectSuccess();
  EXPECT_THAT(sink.statuses, testing::ElementsAre(200));
  EXPECT_THAT(sink.chunks, testing::ElementsAre("one", "two", "three"));
  EXPECT_EQ(summary.outcome(), v1::DELETE_OUTCOME_DELETED);
  EXPECT_EQ(summary.result_case(), v1::DeleteTicketingUserResponse::RESULT_NOT_SET);
  EXPECT_EQ(summary.report().rate_limit().limit(), 110U);
  EXPECT_EQ(summary.report().notes_size(), 0);
  EXPECT_TRUE(world.attempt_options.at(0).streaming);
}

TEST_F(StreamTest, TheSpanOfAnAttemptEndsWithItsBody) {
  RecordedTrace trace;
  call.trace = &trace;
  ScriptedAttempt attempt = Streams({{.bytes = "one"}, {.bytes = "two", .end = true}});
  attempt.before_piece = [&](std::size_t piece) { trace.events.push_back("piece " + std::to_string(piece)); };
  Script({std::move(attempt)});
  ExpectSuccess();
  EXPECT_THAT(trace.events, testing::ElementsAre("begin 1", "piece 0", "piece 1", "end 200 DONE"));
}

TEST_F(StreamTest, ABodyThatBreaksOffIsOkWithANote) {
  Script({Streams({{.bytes = "one"}, {.bytes = {}, .end = true, .complete = false}})});
  const auto summary = ExpectSuccess();
  EXPECT_EQ(summary.outcome(), v1::DELETE_OUTCOME_DELETED);
  EXPECT_EQ(summary.report().notes(0).reason(), "TRUNCATED");
}

TEST_F(StreamTest, WaitsThirtySecondsAtMostForTheNextPiece) {
  ScriptedAttempt attempt = Streams({{.bytes = "one"}, {.bytes = "two", .end = true}});
  std::vector<TimePoint> deadlines;
  attempt.before_piece = [&](std::size_t) {
    deadlines.push_back(world.last_exchange_deadline - world.Now().time_since_epoch());
  };
  Script({std::move(attempt)});
  ExpectSuccess();
  EXPECT_THAT(deadlines, testing::ElementsAre(TimePoint{seconds{30}}, TimePoint{seconds{30}}));
}

TEST_F(StreamTest, ACancelAfterThe2xxStopsTheTransfer) {
  sink.takes = 1;
  Script({Streams({{.bytes = "one"}, {.bytes = "two"}, {.bytes = "three", .end = true}})});
  ExpectSuccess();
  EXPECT_THAT(sink.chunks, testing::ElementsAre("one"));
}

TEST_F(StreamTest, AnErrorEndsTheCallBeforeAHeader) {
  Script({Answers(404, kNotFound)});
  EXPECT_EQ(ExpectFailure().reason, ErrorReason::kUserNotFound);
  EXPECT_TRUE(sink.statuses.empty());
}

TEST_F(StreamTest, RetriesBeforeTheHeaderLikeAnyCall) {
  Script({Breaks(Kind::kUnreachable, false), Streams({{.bytes = "x", .end = true}})});
  ExpectSuccess();
  EXPECT_THAT(sink.statuses, testing::ElementsAre(200));
}

TEST_F(StreamTest, AReplayedStreamHasNoBodyAndSaysSo) {
  call.request.set_request_id(kRequestId);
  Script({Streams({{.bytes = "one", .end = true}})});
  ExpectSuccess();
  DeleteUserCall repeat;
  repeat.request = call.request;
  repeat.started = world.Now();
  repeat.deadline = world.Now() + seconds{30};
  repeat.stream_deadline = repeat.deadline;
  RecordingSink other_sink;
  repeat.sink = &other_sink;
  const auto result = world.Run(repeat);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result.value().report().replayed());
  EXPECT_EQ(result.value().report().notes(0).reason(), "TRUNCATED");
  EXPECT_THAT(other_sink.statuses, testing::ElementsAre(200));
  EXPECT_TRUE(other_sink.chunks.empty());
}

}  // namespace
}  // namespace ticketing::call
