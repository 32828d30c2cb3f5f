// Retry-After and the rate limit's headers: any text is a sensible delay, a limit, or nothing.
#include <chrono>

#include "tests/fuzz/fuzz.h"
#include "truto/delete_user_response.h"
#include "truto/error_mapping.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ticketing;  // NOLINT(google-build-using-namespace)
  using fuzz::Require;
  fuzz::Input input(data, size);
  const core::HttpHeaders headers = {{"retry-after", input.TakeLine()},
                                     {"ratelimit-limit", input.TakeLine()},
                                     {"ratelimit-remaining", input.TakeLine()},
                                     {"ratelimit-reset", input.TakeRest()}};
  const auto delay =
      truto::ParseRetryAfter(headers, std::chrono::system_clock::time_point{std::chrono::seconds{1'800'000'000}});
  Require(!delay || (*delay >= std::chrono::milliseconds{0} && *delay <= std::chrono::hours{24}),
          "a delay is between nothing and a day");
  v1::RateLimit limit;
  const bool found = truto::ParseRateLimit(headers, limit);
  Require(found == (limit.has_limit() || limit.has_remaining() || limit.has_reset_after()), "found is what is there");
  Require(limit.reset_after().seconds() >= 0, "a reset is not in the past");
  return 0;
}
