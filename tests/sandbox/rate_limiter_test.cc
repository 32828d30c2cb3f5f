#include "tests/sandbox/rate_limiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ticketing::sandbox {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(RateLimiter, AllowsTheLimitInEachWindow) {
  RateLimiter limiter(2);
  const Time start;
  EXPECT_TRUE(limiter.Count("a", start).allowed);
  EXPECT_TRUE(limiter.Count("a", start + milliseconds(9'998)).allowed);
  EXPECT_FALSE(limiter.Count("a", start + milliseconds(9'999)).allowed);
  EXPECT_TRUE(limiter.Count("a", start + milliseconds(10'000)).allowed);
}

TEST(RateLimiter, CountsEachKeyOnItsOwn) {
  RateLimiter limiter(1);
  EXPECT_TRUE(limiter.Count("a", Time()).allowed);
  EXPECT_TRUE(limiter.Count("b", Time()).allowed);
  EXPECT_FALSE(limiter.Count("a", Time()).allowed);
}

TEST(RateLimiter, TellsLimitRestAndSecondsToTheReset) {
  RateLimiter limiter(50);
  limiter.Count("a", Time());
  EXPECT_THAT(
      limiter.Count("a", Time() + milliseconds(2'500)).headers,
      ElementsAre(Pair("ratelimit-limit", "50;w=10"), Pair("ratelimit-remaining", "48"), Pair("ratelimit-reset", "8")));
}

TEST(RateLimiter, AllowsEverythingWithoutALimit) {
  RateLimiter limiter(0);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(limiter.Count("a", Time()).allowed);
  EXPECT_THAT(limiter.Count("a", Time()).headers, IsEmpty());
}

}  // namespace
}  // namespace ticketing::sandbox
