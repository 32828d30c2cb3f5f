#include "tests/sandbox/rate_limiter.h"

namespace ticketing::sandbox {

RateLimiter::Verdict RateLimiter::Count(const std::string& key, Time now) {
  if (limit_ == 0) return {};
  Window& window = windows_.try_emplace(key, Window{.start = now}).first->second;
  if (now - window.start >= kWindow) window = {.start = now};

  Verdict verdict{.allowed = window.used < limit_};
  if (verdict.allowed) ++window.used;
  const auto reset = std::chrono::ceil<std::chrono::seconds>(window.start + kWindow - now);
  verdict.headers = {
      {"ratelimit-limit", std::to_string(limit_) + ";w=" + std::to_string(kWindow.count())},
      {"ratelimit-remaining", std::to_string(limit_ - window.used)},
      {"ratelimit-reset", std::to_string(reset.count())},
  };
  return verdict;
}

}  // namespace ticketing::sandbox
