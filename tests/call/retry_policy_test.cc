#include "call/retry_policy.h"

#include <gtest/gtest.h>

#include <optional>

namespace ticketing::call {
namespace {

using core::Delivery;
using core::Failure;
using core::Resend;
using std::chrono::milliseconds;

constexpr milliseconds kPlenty{30'000};

Failure MakeFailure(Resend resend, Delivery delivery) {
  Failure failure;
  failure.resend = resend;
  failure.delivery = delivery;
  return failure;
}

AttemptHistory HistoryOf(std::initializer_list<Failure> failures) {
  AttemptHistory history;
  for (const Failure& failure : failures) history.Add(failure);
  return history;
}

std::optional<milliseconds> Delay(const Failure& failure, const AttemptHistory& history,
                                  milliseconds remaining = kPlenty, double random = 0.5) {
  return RetryPolicy(3).DelayBeforeRetry(failure, history, remaining, random);
}

const Failure kUnsent = MakeFailure(Resend::kSafely, Delivery::kNotSent);
const Failure kAmbiguous = MakeFailure(Resend::kOnceAmbiguously, Delivery::kUnknown);
const Failure kBlocked = MakeFailure(Resend::kNever, Delivery::kRejected);
const Failure kLimited = MakeFailure(Resend::kAfterRetryAfter, Delivery::kRejected);

TEST(RetryPolicy, NeverResendsWhatTheTableForbids) {
  EXPECT_EQ(Delay(kBlocked, HistoryOf({kBlocked})), std::nullopt);
}

TEST(RetryPolicy, ResendsWhatWasNotSentUpToTheMostAttempts) {
  EXPECT_TRUE(Delay(kUnsent, HistoryOf({kUnsent})));
  EXPECT_TRUE(Delay(kUnsent, HistoryOf({kUnsent, kUnsent})));
  EXPECT_FALSE(Delay(kUnsent, HistoryOf({kUnsent, kUnsent, kUnsent})));
}

TEST(RetryPolicy, OneAttemptMeansNeverAgain) {
  EXPECT_EQ(RetryPolicy(1).DelayBeforeRetry(kUnsent, HistoryOf({kUnsent}), kPlenty, 0), std::nullopt);
}

TEST(RetryPolicy, ResendsOnceAtMostAfterAnAmbiguousAttempt) {
  EXPECT_TRUE(Delay(kAmbiguous, HistoryOf({kAmbiguous})));
  EXPECT_FALSE(Delay(kAmbiguous, HistoryOf({kAmbiguous, kAmbiguous})));
  EXPECT_FALSE(Delay(kUnsent, HistoryOf({kAmbiguous, kUnsent})));
  EXPECT_TRUE(Delay(kAmbiguous, HistoryOf({kUnsent, kAmbiguous})));
}

TEST(RetryPolicy, BacksOffWithFullJitterFrom100MillisecondsTo2Seconds) {
  const RetryPolicy policy(10);
  AttemptHistory history;
  for (const int longest : {100, 200, 400, 800, 1600, 2000, 2000}) {
    history.Add(kUnsent);
    EXPECT_EQ(policy.DelayBeforeRetry(kUnsent, history, kPlenty, 0.0), milliseconds{0});
    EXPECT_EQ(policy.DelayBeforeRetry(kUnsent, history, kPlenty, 0.5), milliseconds{longest / 2});
    EXPECT_EQ(policy.DelayBeforeRetry(kUnsent, history, kPlenty, 0.999), milliseconds(longest * 999 / 1000));
  }
}

TEST(RetryPolicy, WaitsForRetryAfterUpToHalfAsLongAgain) {
  Failure limited = kLimited;
  limited.retry_after = milliseconds{4000};
  EXPECT_EQ(Delay(limited, HistoryOf({limited}), kPlenty, 0.0), milliseconds{4000});
  EXPECT_EQ(Delay(limited, HistoryOf({limited}), kPlenty, 0.5), milliseconds{5000});
}

TEST(RetryPolicy, ResendsOnceAtMostAfterARateLimit) {
  AttemptHistory history = HistoryOf({kLimited});
  EXPECT_TRUE(Delay(kLimited, history));
  history.rate_limit_retries = 1;
  EXPECT_FALSE(Delay(kLimited, history));
}

TEST(RetryPolicy, DoesNotWaitLongerThanAMinute) {
  Failure limited = kLimited;
  limited.retry_after = milliseconds{60'000};
  EXPECT_TRUE(Delay(limited, HistoryOf({limited}), milliseconds{600'000}));
  limited.retry_after = milliseconds{60'001};
  EXPECT_FALSE(Delay(limited, HistoryOf({limited}), milliseconds{600'000}));
}

TEST(RetryPolicy, NeverPlansAnAttemptThatTheDeadlineWouldNotLeaveTimeFor) {
  EXPECT_TRUE(Delay(kUnsent, HistoryOf({kUnsent}), milliseconds{150}, 0.5));
  EXPECT_FALSE(Delay(kUnsent, HistoryOf({kUnsent}), milliseconds{149}, 0.5));
  Failure limited = kLimited;
  limited.retry_after = milliseconds{10'000};
  EXPECT_FALSE(Delay(limited, HistoryOf({limited}), milliseconds{10'099}, 0.0));
}

TEST(RetryPolicy, TriesANewTokenOnceAndAtOnce) {
  const Failure refused = MakeFailure(Resend::kWithNewToken, Delivery::kRejected);
  AttemptHistory history = HistoryOf({refused});
  EXPECT_EQ(Delay(refused, history, kPlenty, 0.9), milliseconds{0});
  history.new_token_retries = 1;
  EXPECT_FALSE(Delay(refused, history));
}

}  // namespace
}  // namespace ticketing::call
