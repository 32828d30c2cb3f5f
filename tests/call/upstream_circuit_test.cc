#include "call/upstream_circuit.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <vector>

namespace ticketing::call {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Pass = UpstreamCircuit::Pass;

constexpr TimePoint kStart{std::chrono::hours{1}};

void Fail(UpstreamCircuit& circuit, TimePoint now, double random = 0.5) {
  circuit.Enter(now)->Unreachable(now, random);
}

// Opens it; the first probe is due 500 ms after `now`.
void Open(UpstreamCircuit& circuit, TimePoint now) {
  for (int i = 0; i < 5; ++i) Fail(circuit, now);
  ASSERT_TRUE(circuit.open());
}

TEST(UpstreamCircuit, OpensAfterFiveAttemptsInARowThatWereNotSent) {
  UpstreamCircuit circuit;
  for (int i = 0; i < 4; ++i) Fail(circuit, kStart);
  EXPECT_FALSE(circuit.open());
  Fail(circuit, kStart);
  EXPECT_TRUE(circuit.open());
  EXPECT_FALSE(circuit.Enter(kStart));
}

TEST(UpstreamCircuit, AnAnswerOrABrokenConnectionInterruptsTheRow) {
  UpstreamCircuit circuit;
  for (int i = 0; i < 4; ++i) Fail(circuit, kStart);
  circuit.Enter(kStart)->Answered();
  for (int i = 0; i < 4; ++i) Fail(circuit, kStart);
  circuit.Enter(kStart)->Broken();
  for (int i = 0; i < 4; ++i) Fail(circuit, kStart);
  EXPECT_FALSE(circuit.open());
}

TEST(UpstreamCircuit, AnAttemptThatSaysNothingDoesNotInterruptTheRow) {
  UpstreamCircuit circuit;
  for (int i = 0; i < 4; ++i) Fail(circuit, kStart);
  circuit.Enter(kStart).reset();
  Fail(circuit, kStart);
  EXPECT_TRUE(circuit.open());
}

TEST(UpstreamCircuit, LetsOneProbeThroughAtATime) {
  UpstreamCircuit circuit;
  Open(circuit, kStart);
  EXPECT_FALSE(circuit.Enter(kStart + milliseconds{499}));
  auto probe = circuit.Enter(kStart + milliseconds{500});
  ASSERT_TRUE(probe);
  EXPECT_FALSE(circuit.Enter(kStart + milliseconds{500}));
  EXPECT_FALSE(circuit.Enter(kStart + milliseconds{3999}));
  probe->Unreachable(kStart + milliseconds{3500}, 0.5);
  EXPECT_FALSE(circuit.Enter(kStart + milliseconds{4499}));
  EXPECT_TRUE(circuit.Enter(kStart + milliseconds{4500}));
}

TEST(UpstreamCircuit, ClosesWhenTheProbeIsAnsweredOrWasSent) {
  for (const bool answered : {true, false}) {
    UpstreamCircuit circuit;
    Open(circuit, kStart);
    auto probe = circuit.Enter(kStart + seconds{1});
    answered ? probe->Answered() : probe->Broken();
    EXPECT_FALSE(circuit.open());
    for (int i = 0; i < 4; ++i) Fail(circuit, kStart + seconds{1});
    EXPECT_FALSE(circuit.open());
  }
}

TEST(UpstreamCircuit, AnAnswerToAnyAttemptClosesIt) {
  UpstreamCircuit circuit;
  auto earlier = circuit.Enter(kStart);
  Open(circuit, kStart);
  earlier->Answered();
  EXPECT_FALSE(circuit.open());
}

TEST(UpstreamCircuit, WhatWasLostInTheOutageDoesNotCloseIt) {
  UpstreamCircuit circuit;
  auto earlier = circuit.Enter(kStart);
  Open(circuit, kStart);
  earlier->Broken();
  EXPECT_TRUE(circuit.open());
}

TEST(UpstreamCircuit, WhatFailedInTheSameOutageDoesNotPutTheProbeOff) {
  UpstreamCircuit circuit;
  auto earlier = circuit.Enter(kStart);
  Open(circuit, kStart);
  earlier->Unreachable(kStart + milliseconds{400}, 0.999);
  EXPECT_TRUE(circuit.Enter(kStart + milliseconds{500}));
}

TEST(UpstreamCircuit, AProbeThatIsGivenUpMakesWayForAnother) {
  UpstreamCircuit circuit;
  Open(circuit, kStart);
  auto probe = circuit.Enter(kStart + seconds{1});
  ASSERT_TRUE(probe);
  probe.reset();
  EXPECT_TRUE(circuit.open());
  EXPECT_TRUE(circuit.Enter(kStart + seconds{1}));
}

TEST(UpstreamCircuit, AProbeThatTakesLongerThanAConnectionMayWasSent) {
  UpstreamCircuit circuit;
  Open(circuit, kStart);
  auto slow = circuit.Enter(kStart + seconds{1});
  ASSERT_TRUE(slow);
  EXPECT_FALSE(circuit.Enter(kStart + milliseconds{4499}));
  EXPECT_TRUE(circuit.Enter(kStart + milliseconds{4500}));
  EXPECT_FALSE(circuit.open());
  // What becomes of it then counts like any other's.
  Open(circuit, kStart + seconds{5});
  slow->Unreachable(kStart + seconds{5}, 0);
  EXPECT_FALSE(circuit.Enter(kStart + milliseconds{5499}));
}

TEST(UpstreamCircuit, WaitsOneTwoThenThreeSecondsAtMostWithFullJitter) {
  for (const double random : {0.0, 0.25, 0.999}) {
    UpstreamCircuit circuit;
    TimePoint now = kStart;
    for (int i = 0; i < 4; ++i) Fail(circuit, now);
    for (const int longest : {1000, 2000, 3000, 3000, 3000}) {
      auto probe = circuit.Enter(now);
      ASSERT_TRUE(probe);
      probe->Unreachable(now, random);
      const auto wait = std::chrono::duration_cast<milliseconds>(milliseconds{longest} * random);
      if (wait > milliseconds{0}) EXPECT_FALSE(circuit.Enter(now + wait - milliseconds{1}));
      now += wait;
    }
  }
}

TEST(UpstreamCircuit, TheNextOutageBeginsWithShortWaitsAgain) {
  UpstreamCircuit circuit;
  Open(circuit, kStart);
  for (const int at : {1, 5, 10}) circuit.Enter(kStart + seconds{at})->Unreachable(kStart + seconds{at}, 0.5);
  circuit.Enter(kStart + seconds{15})->Answered();
  Open(circuit, kStart + seconds{20});
  EXPECT_TRUE(circuit.Enter(kStart + milliseconds{20'500}));
}

TEST(UpstreamCircuit, TellsCallersToComeBackAfterTheProbeSpreadOverASecond) {
  UpstreamCircuit circuit;
  Open(circuit, kStart);
  EXPECT_EQ(circuit.RetryAfter(kStart, 0), milliseconds{501});
  EXPECT_EQ(circuit.RetryAfter(kStart, 0.5), milliseconds{1001});
  EXPECT_EQ(circuit.RetryAfter(kStart + seconds{10}, 0), milliseconds{1});
  auto probe = circuit.Enter(kStart + seconds{1});
  EXPECT_EQ(circuit.RetryAfter(kStart + seconds{1}, 0), milliseconds{3501});
}

TEST(NotTried, IsUnavailableWithNothingSent) {
  const core::Failure failure = NotTried(milliseconds{700});
  EXPECT_EQ(failure.code, core::StatusCode::kUnavailable);
  EXPECT_EQ(failure.reason, core::ErrorReason::kUpstreamUnreachable);
  EXPECT_EQ(failure.origin, core::Origin::kService);
  EXPECT_EQ(failure.delivery, core::Delivery::kNotSent);
  EXPECT_EQ(failure.resend, core::Resend::kNever);
  EXPECT_EQ(failure.retry_after, milliseconds{700});
}

// 40 calls in a second through an outage of a minute whose connections take 0 to 3 s to fail.
TEST(UpstreamCircuit, AnOutageIsProbedSeldomAndItsEndNoticedWithinTenSeconds) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> uniform(0, 1);
    UpstreamCircuit circuit;
    const TimePoint recovery = kStart + seconds{60} + milliseconds{random() % 5000};
    const milliseconds takes{random() % 3001};
    const milliseconds answer_takes{random() % 30'000};
    std::multimap<TimePoint, std::pair<Pass, bool>> endings;
    int attempts = 0;
    std::optional<TimePoint> noticed;
    for (TimePoint now = kStart; now < recovery + seconds{30}; now += milliseconds{25}) {
      while (!endings.empty() && endings.begin()->first <= now) {
        auto& [pass, reaches] = endings.begin()->second;
        reaches ? pass.Answered() : pass.Unreachable(now, uniform(random));
        endings.erase(endings.begin());
      }
      auto pass = circuit.Enter(now);
      if (!pass) continue;
      const bool reaches = now >= recovery;
      if (!reaches) ++attempts;
      if (reaches && !circuit.open() && !noticed) noticed = now;
      endings.emplace(now + (reaches ? answer_takes : takes), std::pair(std::move(*pass), reaches));
    }
    // Those before it opened (40/s for up to 3 s), then one probe in more than a second on average.
    EXPECT_LE(attempts, 5 + (3 * 40) + 120) << "seed " << seed;
    ASSERT_TRUE(noticed) << "seed " << seed;
    EXPECT_LE(*noticed - recovery, seconds{10}) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ticketing::call
