#include "call/admission.h"

#include <optional>

namespace ticketing::call {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

boost::asio::awaitable<Admission::Verdict> Admission::Enter(Runtime& runtime, AttemptOwner owner, TimePoint deadline,
                                                            Cancellation& cancellation,
                                                            std::chrono::steady_clock::duration& queued) {
  const TimePoint arrived = runtime.Now();
  if (auto failure = accounts_.Check(owner.token, owner.account, arrived)) co_return std::move(*failure);

  // The slot comes first: those that wait for a rate are part of the load.
  const std::string name = owner.token + ' ' + owner.account;
  auto slot = concurrency_.Enter(name);
  auto stream_slot = owner.streaming ? streams_.Enter(name) : std::nullopt;
  if (!slot || (owner.streaming && !stream_slot)) co_return Overloaded(runtime.Random());

  {
    RateLimits::Place place =
        rates_.Enter(owner.token, owner.account, arrived, duration_cast<milliseconds>(deadline - arrived));
    if (!place.decided()) {
      SetAlarm(runtime);
      place.Listen([&cancellation] { cancellation.Wake(); });
      while (!place.decided() && !cancellation.requested() && runtime.Now() < deadline) {
        co_await runtime.SleepUntil(deadline, cancellation);
      }
      queued += runtime.Now() - arrived;
      place.Listen({});
    }
    if (!place.decided() || cancellation.requested()) co_return Interrupted{};
    if (const auto& refusal = place.refusal()) co_return RateLimited(*refusal, owner.account);
  }

  // Another call may have found out meanwhile.
  const TimePoint now = runtime.Now();
  if (auto failure = accounts_.Check(owner.token, owner.account, now)) co_return std::move(*failure);
  // Last, since a pass may be the only probe.
  auto pass = upstream_.Enter(now);
  if (!pass) co_return NotTried(upstream_.RetryAfter(now, runtime.Random()));
  co_return Ticket(*this, std::move(owner), *std::move(slot), std::move(stream_slot), *std::move(pass), now);
}

void Admission::SetAlarm(Runtime& runtime) {
  const auto next = rates_.NextChange();
  if (!next) return;
  runtime.SetAlarm(*next, [this, &runtime] {
    rates_.Advance(runtime.Now());
    SetAlarm(runtime);
  });
}

void Admission::Ticket::Succeeded() {
  slot_.Answered();
  pass_.Answered();
  admission_->accounts_.OnSuccess(owner_.token, owner_.account);
}

void Admission::Ticket::Failed(const core::Failure& failure, Runtime& runtime) {
  const TimePoint now = runtime.Now();
  pass_.Answered();
  // A 503 that isn't Truto's own word is its edge's.
  if (failure.http_status == 503 && failure.origin == core::Origin::kTruto &&
      failure.reason == core::ErrorReason::kOutcomeUnknown) {
    slot_.EdgeOverloaded(start_, now);
    return;
  }
  slot_.Answered();
  admission_->accounts_.OnFailure(owner_.token, owner_.account, failure, now);
  if (failure.reason == core::ErrorReason::kRateLimited) {
    admission_->rates_.OnRateLimited(owner_.token, owner_.account, failure.origin,
                                     failure.retry_after.value_or(milliseconds{0}), now);
    admission_->SetAlarm(runtime);
  }
}

void Admission::Ticket::Lost(const core::TransportError& error, bool cancelled, Runtime& runtime) {
  using Kind = core::TransportError::Kind;
  const TimePoint now = runtime.Now();
  if (error.kind == Kind::kUnreachable) {
    pass_.Unreachable(now, runtime.Random());
  } else if (error.request_sent) {
    pass_.Broken();
    // One whose caller has gone had less time than it should have had.
    if (error.kind == Kind::kTimedOut && !cancelled) slot_.TimedOut(start_, now);
  }
}

}  // namespace ticketing::call
