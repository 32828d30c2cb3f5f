#include "call/delete_user_call.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <variant>

#include "call/retry_policy.h"
#include "truto/delete_user_response.h"
#include "truto/delete_user_validation.h"
#include "truto/error_mapping.h"
#include "truto/json_to_struct.h"

namespace ticketing::call {
namespace {

using boost::asio::awaitable;
using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ticketing::v1::DeleteTicketingUserResponse;

// How long a delete whose caller has gone may still take to tell what became of it.
constexpr std::chrono::seconds kDetachedTime{10};

// A streamed body that pauses for longer has ended.
constexpr std::chrono::seconds kStreamIdleTime{30};

bool IsSuccess(int status) {
  return status >= 200 && status < 300;
}

void AddNote(v1::CallReport& report, std::string_view reason) {
  report.add_notes()->set_reason(std::string(reason));
}

void SetDuration(google::protobuf::Duration& field, steady_clock::duration span) {
  const auto seconds = duration_cast<std::chrono::seconds>(span);
  field.set_seconds(seconds.count());
  field.set_nanos(static_cast<std::int32_t>(duration_cast<std::chrono::nanoseconds>(span - seconds).count()));
}

core::Failure InvalidRequest(std::vector<core::FieldViolation> violations) {
  std::string message =
      "The request is invalid, nothing was sent: " + violations.front().field + ": " + violations.front().description;
  if (violations.size() > 1) message += " (and " + std::to_string(violations.size() - 1) + " more)";
  core::Failure failure = core::MakeServiceFailure(core::StatusCode::kInvalidArgument,
                                                   core::ErrorReason::kInvalidRequest, std::move(message));
  failure.field_violations = std::move(violations);
  return failure;
}

core::Failure Cancelled(Cancellation::Cause cause) {
  if (cause == Cancellation::Cause::kShutdown) {
    return core::MakeServiceFailure(core::StatusCode::kUnavailable, core::ErrorReason::kShuttingDown,
                                    "The service is shutting down; no request was sent any more.");
  }
  return core::MakeServiceFailure(core::StatusCode::kCancelled, core::ErrorReason::kCallerCancelled,
                                  "The caller cancelled the call.");
}

core::Failure OutOfTime() {
  return core::MakeServiceFailure(core::StatusCode::kDeadlineExceeded, core::ErrorReason::kDeadlineExceededUnsent,
                                  "Too little time was left before the deadline to send the delete.");
}

DeleteTicketingUserResponse Plan(const CallWorld& world, const DeleteUserCall& call) {
  DeleteTicketingUserResponse response;
  response.set_outcome(v1::DELETE_OUTCOME_NOT_SENT);
  v1::PlannedRequest& planned = *response.mutable_planned_request();
  planned = truto::PlanDeleteUserRequest(call.request, world.options.endpoint);
  for (const auto& [name, value] : call.trace_headers) (*planned.mutable_headers())[name] = value;
  return response;
}

// A call on its way through its attempts.
class Attempts {
 public:
  Attempts(CallWorld& world, DeleteUserCall& call) : world_(world), call_(call), policy_(world.options.max_attempts) {}

  awaitable<DeleteUserResult> Run() {
    for (;;) {
      if (const auto cause = call_.cancellation.cause()) co_return Give(Cancelled(*cause));
      if (Remaining() < kDeadlineReserve) co_return Give(OutOfTime());

      std::variant<DeleteTicketingUserResponse, core::Failure> outcome = co_await Attempt();
      if (auto* response = std::get_if<DeleteTicketingUserResponse>(&outcome)) co_return Answer(std::move(*response));
      auto& failure = std::get<core::Failure>(outcome);
      history_.Add(failure);
      worst_ = core::Worst(worst_, failure.delivery);

      const std::optional<milliseconds> delay = DelayBeforeRetry(failure);
      if (!delay) co_return Give(std::move(failure));
      co_await world_.runtime.SleepUntil(world_.runtime.Now() + *delay, call_.cancellation);
      last_ = std::move(failure);
    }
  }

  // The end of a call with success.
  DeleteUserResult Answer(DeleteTicketingUserResponse response) {
    v1::CallReport& report = *response.mutable_report();
    report.set_request_id(call_.request.request_id());
    report.set_attempts(call_.attempts);
    if (call_.http_status) report.set_http_status(static_cast<std::uint32_t>(*call_.http_status));
    SetDuration(*report.mutable_queued(), {});
    SetDuration(*report.mutable_upstream(), call_.upstream);
    SetDuration(*report.mutable_total(), world_.runtime.Now() - call_.started);
    // Truto's 2xx then says nothing of the provider.
    if (call_.request.truto_skip_api_call() && response.outcome() == v1::DELETE_OUTCOME_DELETED) {
      AddNote(report, truto::note_reason::kApiCallSkipped);
    }
    return response;
  }

  // The end of a call without success: the last failure, with the worst that is known of all attempts.
  DeleteUserResult Give(core::Failure failure) {
    failure.request_id = call_.request.request_id();
    failure.attempts = call_.attempts;
    failure.delivery = core::Worst(worst_, failure.delivery);
    if (!failure.http_status && last_) failure.http_status = last_->http_status;
    if (failure.delivery == core::Delivery::kUnknown) {
      // UNAVAILABLE tells clients and meshes to repeat by themselves (AIP-194); this must not be repeated unawares.
      if (failure.code == core::StatusCode::kUnavailable) {
        failure.code = core::StatusCode::kUnknown;
        failure.reason = core::ErrorReason::kOutcomeUnknown;
        failure.retry_after.reset();
        failure.message = "An earlier attempt may have been executed; the last one: " + failure.message;
      }
      // The time that the shutdown sets is not the caller's deadline.
      if (failure.reason == core::ErrorReason::kDeadlineExceededOutcomeUnknown &&
          call_.cancellation.cause() == Cancellation::Cause::kShutdown) {
        failure.code = core::StatusCode::kUnknown;
        failure.reason = core::ErrorReason::kOutcomeUnknown;
        failure.message = "The service shut down before the answer came.";
      }
      if (failure.reason == core::ErrorReason::kDeadlineExceededUnsent) {
        failure.reason = core::ErrorReason::kDeadlineExceededOutcomeUnknown;
        failure.message = "An earlier attempt may have been executed. " + failure.message;
      }
    }
    return failure;
  }

 private:
  milliseconds Remaining() const { return duration_cast<milliseconds>(call_.deadline - world_.runtime.Now()); }

  // One HTTP request and what it ended with.
  awaitable<std::variant<DeleteTicketingUserResponse, core::Failure>> Attempt() {
    token_ = call_.caller_token ? *call_.caller_token : world_.token->Current();
    core::HttpRequest request = truto::BuildDeleteUserRequest(call_.request, world_.options.endpoint, token_);
    request.headers.insert(request.headers.end(), call_.trace_headers.begin(), call_.trace_headers.end());

    ++call_.attempts;
    call_.http_status.reset();
    const TimePoint start = world_.runtime.Now();
    const auto exchange = world_.http.Start(
        std::move(request), {.deadline = call_.deadline - kDeadlineReserve, .streaming = call_.sink != nullptr});
    const auto guard = call_.cancellation.Listen([this, &exchange] {
      exchange->CancelUnlessSent();
      const bool shutdown = call_.cancellation.cause() == Cancellation::Cause::kShutdown;
      exchange->SetDeadline(shutdown
                                ? world_.runtime.Now()
                                : std::min(call_.deadline - kDeadlineReserve, world_.runtime.Now() + kDetachedTime));
    });

    auto head = co_await exchange->Head();
    if (const auto* error = std::get_if<core::TransportError>(&head)) {
      call_.upstream += world_.runtime.Now() - start;
      if (error->kind == core::TransportError::Kind::kCancelled) {
        co_return Cancelled(call_.cancellation.cause().value_or(Cancellation::Cause::kCaller));
      }
      co_return truto::MapTransportError(*error);
    }
    auto& answer = std::get<core::ResponseHead>(head);
    call_.http_status = answer.status;
    if (call_.sink != nullptr && IsSuccess(answer.status)) {
      auto response = co_await StreamBody(*exchange, answer);
      call_.upstream += world_.runtime.Now() - start;
      co_return response;
    }
    const core::HttpResponse response = co_await ReadBody(*exchange, std::move(answer));
    call_.upstream += world_.runtime.Now() - start;
    if (!IsSuccess(response.status)) co_return Fail(response);
    co_return truto::ParseDeleteUserResponse(response, {.format = call_.request.truto_response_format(),
                                                        .include_http_body = call_.request.include_http_body()});
  }

  awaitable<core::HttpResponse> ReadBody(HttpExchange& exchange, core::ResponseHead head) const {
    core::HttpResponse response{.status = head.status, .headers = std::move(head.headers), .body = {}};
    for (;;) {
      const BodyPiece piece = co_await exchange.Read();
      response.body.append(piece.bytes);
      if (response.body.size() > world_.options.max_body_bytes) {
        response.body.resize(world_.options.max_body_bytes);
        response.truncated = true;
        co_return response;
      }
      if (piece.end) {
        response.truncated = !piece.complete;
        co_return response;
      }
    }
  }

  // The delete is done: whatever happens to the body, the answer is OK.
  awaitable<DeleteTicketingUserResponse> StreamBody(HttpExchange& exchange, const core::ResponseHead& head) {
    DeleteTicketingUserResponse summary;
    summary.set_outcome(v1::DELETE_OUTCOME_DELETED);
    v1::CallReport& report = *summary.mutable_report();
    if (v1::RateLimit limit; truto::ParseRateLimit(head.headers, limit)) *report.mutable_rate_limit() = limit;

    // The summary is to reach a caller whose deadline this is.
    const TimePoint deadline = call_.stream_deadline - kDeadlineReserve;
    bool caller_there = co_await call_.sink->Begin(head, deadline);
    bool complete = false;
    while (caller_there && !call_.cancellation.requested()) {
      exchange.SetDeadline(std::min(deadline, world_.runtime.Now() + kStreamIdleTime));
      const auto guard = call_.cancellation.Listen([&] { exchange.SetDeadline(world_.runtime.Now()); });
      BodyPiece piece = co_await exchange.Read();
      if (!piece.bytes.empty()) {
        caller_there = co_await call_.sink->Write(std::move(piece.bytes), deadline);
      }
      if (piece.end) {
        complete = piece.complete;
        break;
      }
    }
    if (!complete) AddNote(report, truto::note_reason::kTruncated);
    co_return summary;
  }

  // A status other than 2xx: a failure, but for an absent user where that is what the caller wants.
  std::variant<DeleteTicketingUserResponse, core::Failure> Fail(const core::HttpResponse& response) const {
    core::Failure failure =
        truto::MapHttpError(response, {.user_id = call_.request.id(),
                                       .integrated_account_id = call_.request.integrated_account_id(),
                                       .caller_token = call_.caller_token.has_value(),
                                       .token = token_,
                                       .now = world_.runtime.WallNow()});
    if (failure.reason != core::ErrorReason::kUserNotFound) return failure;
    if (!call_.request.allow_missing()) {
      if (history_.ambiguous) {
        failure.reason = core::ErrorReason::kAbsentAfterAmbiguousAttempt;
        failure.message = "The user is absent, perhaps deleted by an earlier attempt of this call: " + failure.message;
      }
      return failure;
    }
    DeleteTicketingUserResponse absent;
    absent.set_outcome(v1::DELETE_OUTCOME_ALREADY_ABSENT);
    if (v1::RateLimit limit; truto::ParseRateLimit(response.headers, limit)) {
      *absent.mutable_report()->mutable_rate_limit() = limit;
    }
    if (history_.ambiguous) AddNote(*absent.mutable_report(), truto::note_reason::kDeletedByEarlierAttempt);
    if (call_.request.include_http_body()) *absent.mutable_http_body() = truto::ExactBody(response);
    return absent;
  }

  std::optional<milliseconds> DelayBeforeRetry(const core::Failure& failure) {
    if (call_.cancellation.requested()) return std::nullopt;
    const std::optional<milliseconds> delay =
        policy_.DelayBeforeRetry(failure, history_, Remaining(), world_.runtime.Random());
    if (!delay) return std::nullopt;
    if (failure.resend == core::Resend::kWithNewToken) {
      // Whoever has read it again: what counts is that it isn't the one that was refused.
      world_.token->Reload();
      if (world_.token->Current() == token_) return std::nullopt;
      ++history_.new_token_retries;
    }
    if (failure.resend == core::Resend::kAfterRetryAfter) ++history_.rate_limit_retries;
    return delay;
  }

  CallWorld& world_;
  DeleteUserCall& call_;
  RetryPolicy policy_;
  AttemptHistory history_;
  std::string token_;  // of the last attempt
  core::Delivery worst_ = core::Delivery::kNotSent;
  std::optional<core::Failure> last_;
};

}  // namespace

void EnsureRequestId(Runtime& runtime, v1::DeleteTicketingUserRequest& request) {
  if (!truto::IsUuid(request.request_id())) request.set_request_id(runtime.NewRequestId());
}

awaitable<DeleteUserResult> DeleteUser(CallWorld& world, DeleteUserCall& call) {
  auto violations = truto::ValidateDeleteUser(call.request, world.options.endpoint, world.options.account_required);
  EnsureRequestId(world.runtime, call.request);

  Attempts attempts(world, call);
  if (!violations.empty()) co_return attempts.Give(InvalidRequest(std::move(violations)));
  if (call.request.validate_only()) co_return attempts.Answer(Plan(world, call));
  // Replay, admission, rate limits and the account's circuit take their place here: they decide before anything is
  // sent.
  co_return co_await attempts.Run();
}

}  // namespace ticketing::call
