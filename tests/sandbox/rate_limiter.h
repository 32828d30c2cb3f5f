// Truto's rate limits (reference: its page on rate limits: 500 requests in 10 s for each API token, 50 for each
// integrated account).
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "tests/sandbox/message.h"

namespace ticketing::sandbox {

// Counts requests by key, in windows of 10 s that begin with a key's first request. Not safe for several threads.
class RateLimiter {
 public:
  static constexpr std::chrono::seconds kWindow{10};

  // `limit` requests in each window; 0: as many as come.
  explicit RateLimiter(unsigned limit) : limit_(limit) {}

  struct Verdict {
    bool allowed = true;
    // ratelimit-limit, ratelimit-remaining and ratelimit-reset (seconds from now); none without a limit.
    core::HttpHeaders headers;
  };

  // Counts a request at `now`, unless it is refused.
  Verdict Count(const std::string& key, Time now);

  void Reset() { windows_.clear(); }

 private:
  struct Window {
    Time start;
    unsigned used = 0;
  };
  unsigned limit_;
  std::map<std::string, Window> windows_;
};

}  // namespace ticketing::sandbox
