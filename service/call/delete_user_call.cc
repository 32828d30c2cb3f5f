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

// How many of them at a time: what each still holds is small, but not nothing.
constexpr std::size_t kMostDetached = 256;

// A streamed body that pauses for longer has ended.
constexpr std::chrono::seconds kStreamIdleTime{30};

bool IsSuccess(int status) {
  return status >= 200 && status < 300;
}

void AddNote(v1::CallReport& report, std::string_view reason) {
  report.add_notes()->set_reason(std::string(reason));
}

void AddRateLimit(v1::CallReport& report, const core::HttpHeaders& headers) {
  if (v1::RateLimit limit; truto::ParseRateLimit(headers, limit)) *report.mutable_rate_limit() = limit;
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

// Counts as long as it lives.
class Counted {
 public:
  explicit Counted(std::size_t& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::size_t& count_;
};

// The end of a call with success.
DeleteUserResult Answer(const CallWorld& world, const DeleteUserCall& call, DeleteTicketingUserResponse response,
                        std::uint32_t attempts) {
  v1::CallReport& report = *response.mutable_report();
  report.set_request_id(call.request.request_id());
  report.set_attempts(attempts);
  if (call.http_status) report.set_http_status(static_cast<std::uint32_t>(*call.http_status));
  SetDuration(*report.mutable_queued(), call.queued);
  SetDuration(*report.mutable_upstream(), call.upstream);
  SetDuration(*report.mutable_total(), world.runtime.Now() - call.started);
  // Truto's 2xx then says nothing of the provider.
  if (call.request.truto_skip_api_call() && response.outcome() == v1::DELETE_OUTCOME_DELETED) {
    AddNote(report, truto::note_reason::kApiCallSkipped);
  }
  return response;
}

// The end of a call without success.
DeleteUserResult Give(const DeleteUserCall& call, core::Failure failure, std::uint32_t attempts) {
  failure.request_id = call.request.request_id();
  failure.attempts = attempts;
  return failure;
}

// The token that goes to Truto with the call as of now.
std::string CurrentToken(const CallWorld& world, const DeleteUserCall& call) {
  return call.caller_token ? *call.caller_token : world.token->Current();
}

core::Failure MapAnswer(const CallWorld& world, const DeleteUserCall& call, const core::HttpResponse& response,
                        std::string_view token) {
  return truto::MapHttpError(response, {.user_id = call.request.id(),
                                        .integrated_account_id = call.request.integrated_account_id(),
                                        .caller_token = call.caller_token.has_value(),
                                        .token = token,
                                        .now = world.runtime.WallNow()});
}

// The answer to `call` that `answer` means, whoever's call brought it: a function of the two.
DeleteUserResult Render(const CallWorld& world, DeleteUserCall& call, const FinalAnswer& answer) {
  call.http_status = answer.response.status;
  if (IsSuccess(answer.response.status)) {
    return Answer(
        world, call,
        truto::ParseDeleteUserResponse(answer.response, {.format = call.request.truto_response_format(),
                                                         .include_http_body = call.request.include_http_body()}),
        answer.attempts);
  }
  // The user is absent.
  if (!call.request.allow_missing()) {
    core::Failure failure = MapAnswer(world, call, answer.response, CurrentToken(world, call));
    if (answer.ambiguous_before) {
      failure.reason = core::ErrorReason::kAbsentAfterAmbiguousAttempt;
      failure.delivery = core::Delivery::kUnknown;
      failure.message = "The user is absent, perhaps deleted by an earlier attempt: " + failure.message;
    }
    return Give(call, std::move(failure), answer.attempts);
  }
  DeleteTicketingUserResponse absent;
  absent.set_outcome(v1::DELETE_OUTCOME_ALREADY_ABSENT);
  v1::CallReport& report = *absent.mutable_report();
  AddRateLimit(report, answer.response.headers);
  if (answer.ambiguous_before) AddNote(report, truto::note_reason::kDeletedByEarlierAttempt);
  if (call.request.include_http_body()) *absent.mutable_http_body() = truto::ExactBody(answer.response);
  return Answer(world, call, std::move(absent), answer.attempts);
}

// The summary of a streamed answer: the delete is done, whatever happened to the body.
DeleteTicketingUserResponse Summarize(const core::HttpHeaders& headers, bool complete) {
  DeleteTicketingUserResponse summary;
  summary.set_outcome(v1::DELETE_OUTCOME_DELETED);
  v1::CallReport& report = *summary.mutable_report();
  AddRateLimit(report, headers);
  if (!complete) AddNote(report, truto::note_reason::kTruncated);
  return summary;
}

// A call on its way through its attempts, until what it ended with is told to `lead`.
class Attempts {
 public:
  Attempts(CallWorld& world, DeleteUserCall& call, ReplayCache::Lead lead)
      : world_(world), call_(call), lead_(std::move(lead)), policy_(world.options.max_attempts) {}

  awaitable<DeleteUserResult> Run() {
    for (;;) {
      if (const auto cause = call_.cancellation.cause()) co_return Fail(Cancelled(*cause));
      if (Remaining() < kDeadlineReserve) co_return Fail(OutOfTime());

      Admission::Verdict verdict =
          co_await world_.policies.admission.Enter(world_.runtime,
                                                   {.token = call_.token_name,
                                                    .account = call_.request.integrated_account_id(),
                                                    .streaming = call_.sink != nullptr},
                                                   call_.deadline - kDeadlineReserve, call_.cancellation, call_.queued);
      if (std::holds_alternative<Admission::Interrupted>(verdict)) continue;
      if (auto* refusal = std::get_if<core::Failure>(&verdict)) {
        // A retry that must not be made leaves the call with what the last attempt met.
        co_return Fail(last_ ? *std::move(last_) : std::move(*refusal));
      }

      Outcome outcome = co_await Attempt(std::get<Admission::Ticket>(std::move(verdict)));
      if (auto* response = std::get_if<core::HttpResponse>(&outcome)) co_return Succeed(std::move(*response));
      if (auto* summary = std::get_if<DeleteTicketingUserResponse>(&outcome)) {
        co_return Answer(world_, call_, std::move(*summary), call_.attempts);
      }
      auto& failure = std::get<core::Failure>(outcome);
      permit_.reset();
      history_.Add(failure);
      worst_ = core::Worst(worst_, failure.delivery);

      const std::optional<milliseconds> delay = DelayBeforeRetry(failure);
      if (!delay) co_return Fail(std::move(failure));
      last_ = std::move(failure);
      co_await world_.runtime.SleepUntil(world_.runtime.Now() + *delay, call_.cancellation);
    }
  }

 private:
  // A final answer (2xx, or 404 for an absent user); the summary of a streamed one; or what went wrong.
  using Outcome = std::variant<core::HttpResponse, DeleteTicketingUserResponse, core::Failure>;

  milliseconds Remaining() const { return duration_cast<milliseconds>(call_.deadline - world_.runtime.Now()); }

  bool AmbiguousBefore() const {
    return history_.ambiguous || lead_.ambiguous_before() || call_.previous_rpc_attempts > 0;
  }

  // Ends with the final answer.
  DeleteUserResult Succeed(core::HttpResponse response) {
    FinalAnswer answer{
        .response = std::move(response), .ambiguous_before = AmbiguousBefore(), .attempts = call_.attempts};
    DeleteUserResult result = Render(world_, call_, answer);
    lead_.Answered(std::move(answer), result.ok(), world_.runtime.Now());
    return result;
  }

  // Ends with the last failure, and the worst that is known of all attempts.
  DeleteUserResult Fail(core::Failure failure) {
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
    DeleteUserResult result = Give(call_, std::move(failure), call_.attempts);
    lead_.Failed(result.error(), world_.runtime.Now());
    return result;
  }

  // One HTTP request and what it ended with.
  awaitable<Outcome> Attempt(Admission::Ticket ticket) {
    token_ = CurrentToken(world_, call_);
    core::HttpRequest request = truto::BuildDeleteUserRequest(call_.request, world_.options.endpoint, token_);
    ++call_.attempts;
    const core::HttpHeaders trace_headers =
        call_.trace != nullptr ? call_.trace->BeginAttempt(request, call_.attempts) : call_.trace_headers;
    request.headers.insert(request.headers.end(), trace_headers.begin(), trace_headers.end());

    call_.http_status.reset();
    const TimePoint start = world_.runtime.Now();
    const auto exchange = world_.http.Start(
        std::move(request), {.deadline = call_.deadline - kDeadlineReserve, .streaming = call_.sink != nullptr});
    Outcome outcome = co_await Exchange(*exchange, std::move(ticket));
    const auto duration = world_.runtime.Now() - start;
    call_.upstream += duration;
    const auto* failure = std::get_if<core::Failure>(&outcome);
    const core::AttemptRecord record{.number = call_.attempts,
                                     .http_status = call_.http_status,
                                     .reason = failure != nullptr ? std::optional(failure->reason) : std::nullopt,
                                     .delivery = DeliveryOf(outcome),
                                     .delivery_before = last_ ? std::optional(last_->delivery) : std::nullopt,
                                     .duration = duration_cast<std::chrono::microseconds>(duration),
                                     .timings = exchange->timings()};
    world_.observer.OnAttemptEnd(record);
    if (call_.trace != nullptr) call_.trace->EndAttempt(record);
    co_return outcome;
  }

  // Of one attempt; nothing when the delete is done.
  static std::optional<core::Delivery> DeliveryOf(const Outcome& outcome) {
    if (const auto* failure = std::get_if<core::Failure>(&outcome)) return failure->delivery;
    const auto* response = std::get_if<core::HttpResponse>(&outcome);
    if (response == nullptr || IsSuccess(response->status)) return std::nullopt;
    return core::Delivery::kRejected;
  }

  // Waits for the answer to what is on its way in `exchange`.
  awaitable<Outcome> Exchange(HttpExchange& exchange, Admission::Ticket ticket) {
    std::optional<Counted> detached;
    const auto guard = call_.cancellation.Listen([this, &exchange, &detached] {
      const auto cause = call_.cancellation.cause();
      if (!cause) return;
      exchange.CancelUnlessSent();
      TimePoint deadline = world_.runtime.Now();
      if (cause == Cancellation::Cause::kCaller && exchange.request_sent() &&
          (detached || world_.policies.detached < kMostDetached)) {
        if (!detached) detached.emplace(world_.policies.detached);
        deadline = std::min(call_.deadline - kDeadlineReserve, deadline + kDetachedTime);
      }
      exchange.SetDeadline(deadline);
    });

    auto head = co_await exchange.Head();
    if (const auto* error = std::get_if<core::TransportError>(&head)) {
      ticket.Lost(*error, call_.cancellation.requested(), world_.runtime);
      if (error->kind == core::TransportError::Kind::kCancelled) {
        co_return Cancelled(call_.cancellation.cause().value_or(Cancellation::Cause::kCaller));
      }
      co_return truto::MapTransportError(*error);
    }
    auto& answer = std::get<core::ResponseHead>(head);
    call_.http_status = answer.status;
    if (IsSuccess(answer.status)) NoteSuccess(ticket);
    if (call_.sink != nullptr && IsSuccess(answer.status)) {
      // The delete is done: from here on the call is no part of the load on Truto.
      const auto stream_slot = ticket.TakeStreamSlot();
      std::optional<Admission::Ticket>(std::move(ticket)).reset();
      lead_.Answered({.response = {.status = answer.status, .headers = answer.headers, .body = {}, .truncated = true},
                      .ambiguous_before = AmbiguousBefore(),
                      .attempts = call_.attempts},
                     true, world_.runtime.Now());
      const bool complete = co_await StreamBody(exchange, answer);
      co_return Summarize(answer.headers, complete);
    }
    core::HttpResponse response = co_await ReadBody(exchange, std::move(answer));
    if (IsSuccess(response.status)) co_return response;
    core::Failure failure = MapAnswer(world_, call_, response, token_);
    ticket.Failed(failure, world_.runtime);
    if (failure.reason == core::ErrorReason::kUserNotFound) co_return response;
    co_return failure;
  }

  void NoteSuccess(Admission::Ticket& ticket) {
    ticket.Succeeded();
    if (permit_) {
      permit_->Succeeded();
    } else {
      world_.policies.retry_budget.OnCleanSuccess();
    }
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

  // Hands the body on; whether all of it.
  awaitable<bool> StreamBody(HttpExchange& exchange, const core::ResponseHead& head) {
    // The summary is to reach a caller whose deadline this is.
    const TimePoint deadline = call_.stream_deadline - kDeadlineReserve;
    bool caller_there = co_await call_.sink->Begin(head, deadline);
    while (caller_there && !call_.cancellation.requested()) {
      exchange.SetDeadline(std::min(deadline, world_.runtime.Now() + kStreamIdleTime));
      const auto guard = call_.cancellation.Listen([&] { exchange.SetDeadline(world_.runtime.Now()); });
      BodyPiece piece = co_await exchange.Read();
      if (!piece.bytes.empty()) {
        caller_there = co_await call_.sink->Write(std::move(piece.bytes), deadline);
      }
      if (piece.end) co_return piece.complete;
    }
    co_return false;
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
    }
    permit_ = world_.policies.retry_budget.Take(failure.delivery, world_.policies.calls);
    if (!permit_) return std::nullopt;
    if (failure.resend == core::Resend::kWithNewToken) ++history_.new_token_retries;
    if (failure.resend == core::Resend::kAfterRetryAfter) ++history_.rate_limit_retries;
    return delay;
  }

  CallWorld& world_;
  DeleteUserCall& call_;
  ReplayCache::Lead lead_;
  RetryPolicy policy_;
  AttemptHistory history_;
  std::optional<RetryBudget::Permit> permit_;  // for the attempt after the first
  std::string token_;                          // of the last attempt
  core::Delivery worst_ = core::Delivery::kNotSent;
  std::optional<core::Failure> last_;
};

// The answer of another call with the same request_id.
awaitable<DeleteUserResult> Replay(CallWorld& world, DeleteUserCall& call, const FinalAnswer& answer) {
  DeleteUserResult result = Render(world, call, answer);
  if (!result.ok()) co_return result;
  const core::HttpResponse& response = answer.response;
  if (call.sink != nullptr && IsSuccess(response.status)) {
    const TimePoint deadline = call.stream_deadline - kDeadlineReserve;
    bool there = co_await call.sink->Begin({.status = response.status, .headers = response.headers}, deadline);
    if (there && !response.body.empty()) there = co_await call.sink->Write(response.body, deadline);
    result = Answer(world, call, Summarize(response.headers, there && !response.truncated), answer.attempts);
  }
  result.value().mutable_report()->set_replayed(true);
  co_return result;
}

// Waits for the end of the call that this one has joined; nothing when that has not come in time.
awaitable<std::optional<ReplayCache::Join::End>> WaitForEnd(CallWorld& world, DeleteUserCall& call,
                                                            ReplayCache::Join join) {
  join.Listen([&call] { call.cancellation.Wake(); });
  while (!join.ended() && !call.cancellation.requested() && world.runtime.Now() < call.deadline) {
    co_await world.runtime.SleepUntil(call.deadline, call.cancellation);
  }
  if (!join.ended()) co_return std::nullopt;
  co_return join.end();
}

// For a call that has joined another one and ended before it: the delete may have been executed by that.
core::Failure LeftBehind(const DeleteUserCall& call) {
  core::Failure failure;
  if (call.cancellation.cause() == Cancellation::Cause::kCaller) {
    failure = Cancelled(Cancellation::Cause::kCaller);
  } else if (call.cancellation.cause() == Cancellation::Cause::kShutdown) {
    failure = core::MakeServiceFailure(core::StatusCode::kUnknown, core::ErrorReason::kOutcomeUnknown,
                                       "The service shut down before the answer came.");
  } else {
    failure = core::MakeServiceFailure(core::StatusCode::kDeadlineExceeded,
                                       core::ErrorReason::kDeadlineExceededOutcomeUnknown,
                                       "The deadline passed before the call with the same request_id had its answer.");
  }
  failure.delivery = core::Delivery::kUnknown;
  return failure;
}

}  // namespace

void EnsureRequestId(Runtime& runtime, v1::DeleteTicketingUserRequest& request) {
  if (!truto::IsUuid(request.request_id())) request.set_request_id(runtime.NewRequestId());
}

awaitable<DeleteUserResult> DeleteUser(CallWorld& world, DeleteUserCall& call) {
  const Counted counted(world.policies.calls);
  auto violations = truto::ValidateDeleteUser(call.request, world.options.endpoint, world.options.account_required);
  EnsureRequestId(world.runtime, call.request);
  if (!violations.empty()) co_return Give(call, InvalidRequest(std::move(violations)), 0);
  if (call.request.validate_only()) co_return Answer(world, call, Plan(world, call), 0);

  const std::string url = truto::DeleteUserUrl(call.request, world.options.endpoint);
  for (;;) {
    auto verdict = world.policies.replays.Begin(call.caller, call.request.request_id(), url, world.runtime.Now());
    if (auto* failure = std::get_if<core::Failure>(&verdict)) co_return Give(call, std::move(*failure), 0);
    if (const auto* answer = std::get_if<ReplayCache::Answer>(&verdict))
      co_return co_await Replay(world, call, **answer);
    if (auto* lead = std::get_if<ReplayCache::Lead>(&verdict)) {
      Attempts attempts(world, call, std::move(*lead));
      co_return co_await attempts.Run();
    }
    auto end = co_await WaitForEnd(world, call, std::get<ReplayCache::Join>(std::move(verdict)));
    if (!end) co_return Give(call, LeftBehind(call), 0);
    if (const auto* answer = std::get_if<ReplayCache::Answer>(&*end)) co_return co_await Replay(world, call, **answer);
    if (auto* failure = std::get_if<core::Failure>(&*end)) {
      const std::uint32_t attempts = failure->attempts;
      co_return Give(call, std::move(*failure), attempts);
    }
    // The other call ended with its caller's matters, before anything was executed: this one begins.
  }
}

}  // namespace ticketing::call
