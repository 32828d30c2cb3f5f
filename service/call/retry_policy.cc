#include "call/retry_policy.h"

#include <algorithm>

namespace ticketing::call {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstBackoff{100};
constexpr milliseconds kLongestBackoff{2000};

bool Allowed(const core::Failure& failure, const AttemptHistory& history) {
  // One re-send at most once the delete may have been executed, whatever that re-send meets.
  if (history.ambiguous && history.attempts_since_ambiguous >= 1) return false;
  switch (failure.resend) {
    case core::Resend::kNever: return false;
    case core::Resend::kSafely:
    case core::Resend::kOnceAmbiguously: return true;
    case core::Resend::kAfterRetryAfter: return history.rate_limit_retries < 1;
    case core::Resend::kWithNewToken: return history.new_token_retries < 1;
  }
  return false;
}

milliseconds Scale(milliseconds span, double factor) {
  return std::chrono::duration_cast<milliseconds>(span * factor);
}

milliseconds Backoff(std::uint32_t attempts, double random) {
  // n counts retries from 0; beyond 2^5 the longest back-off is reached.
  const std::uint32_t n = std::min(attempts == 0 ? 0 : attempts - 1, 5U);
  return Scale(std::min(kLongestBackoff, kFirstBackoff * (1U << n)), random);
}

}  // namespace

void AttemptHistory::Add(const core::Failure& failure) {
  ++attempts;
  if (ambiguous) ++attempts_since_ambiguous;
  if (failure.delivery == core::Delivery::kUnknown) ambiguous = true;
}

std::optional<milliseconds> RetryPolicy::DelayBeforeRetry(const core::Failure& failure, const AttemptHistory& history,
                                                          milliseconds remaining, double random) const {
  if (history.attempts >= max_attempts_ || !Allowed(failure, history)) return std::nullopt;
  milliseconds delay{0};
  if (failure.resend == core::Resend::kWithNewToken) {
    // The new token is there already: nothing to wait for.
  } else if (failure.retry_after && *failure.retry_after > milliseconds{0}) {
    if (*failure.retry_after > kLongestRetryAfter) return std::nullopt;
    delay = *failure.retry_after + Scale(*failure.retry_after, random / 2);
  } else {
    delay = Backoff(history.attempts, random);
  }
  if (delay + kDeadlineReserve > remaining) return std::nullopt;
  return delay;
}

}  // namespace ticketing::call
