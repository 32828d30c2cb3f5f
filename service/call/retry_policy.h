// Whether a delete is sent again, and when. Decisions only: nothing here waits or reads a clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "core/failure.h"

namespace ticketing::call {

// The shortest time in which an attempt is worth starting; also kept back from each attempt for the answer's way home.
inline constexpr std::chrono::milliseconds kDeadlineReserve{100};

// A Retry-After beyond this is told to the caller instead of waited for.
inline constexpr std::chrono::seconds kLongestRetryAfter{60};

// What a call has done so far.
struct AttemptHistory {
  std::uint32_t attempts = 0;
  bool ambiguous = false;  // an attempt may have been executed
  std::uint32_t attempts_since_ambiguous = 0;
  std::uint32_t rate_limit_retries = 0;
  std::uint32_t new_token_retries = 0;

  // Adds an attempt that ended in `failure`.
  void Add(const core::Failure& failure);
};

// Decides about retries by the rules of the README's section "Retries":
// - at most `max_attempts` HTTP requests for one call;
// - at most one re-send once an attempt may have been executed;
// - at most one re-send after a rate limit, and one with a new token;
// - never when less than kDeadlineReserve would be left for it.
class RetryPolicy {
 public:
  explicit RetryPolicy(std::uint32_t max_attempts) : max_attempts_(max_attempts) {}

  // How long to wait before the delete is sent again; nothing when it must not be. `remaining`: time to the deadline.
  // `random` is uniform in [0, 1). Back-off is full jitter, U(0, min(2 s, 100 ms * 2^n)); a Retry-After of x is
  // U(x, 1.5 x).
  std::optional<std::chrono::milliseconds> DelayBeforeRetry(const core::Failure& failure, const AttemptHistory& history,
                                                            std::chrono::milliseconds remaining, double random) const;

 private:
  std::uint32_t max_attempts_;
};

}  // namespace ticketing::call
