#include "call/delete_user_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
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

}  // namespace
}  // namespace ticketing::call
