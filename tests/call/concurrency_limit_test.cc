#include "call/concurrency_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace ticketing::call {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Slot = ConcurrencyLimit::Slot;

constexpr TimePoint kStart{std::chrono::hours{1}};

// Slots of `count` accounts, one each.
std::vector<Slot> EnterMany(ConcurrencyLimit& limit, std::uint32_t count) {
  std::vector<Slot> slots;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (auto slot = limit.Enter("account " + std::to_string(i))) slots.push_back(std::move(*slot));
  }
  return slots;
}

// Answers to `count` attempts while the limit is in use.
void AnswerMany(ConcurrencyLimit& limit, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::vector<Slot> busy = EnterMany(limit, limit.limit() / 2);
    limit.Enter("answered")->Answered();
  }
}

// Cuts the limit: two accounts' attempts time out.
void Cut(ConcurrencyLimit& limit, TimePoint sent, TimePoint now) {
  auto first = limit.Enter("first");
  auto second = limit.Enter("second");
  first->TimedOut(sent, now);
  second->TimedOut(sent, now);
}

TEST(ConcurrencyLimit, ShedsWhatIsMoreThanTwentyAtFirst) {
  ConcurrencyLimit limit(200);
  std::vector<Slot> slots = EnterMany(limit, 100);
  EXPECT_EQ(slots.size(), 20U);
  EXPECT_FALSE(limit.Enter("one more"));
  slots.pop_back();
  EXPECT_TRUE(limit.Enter("one more"));
}

TEST(ConcurrencyLimit, GrowsByOneWithEachAnswerUpToTheMaximum) {
  ConcurrencyLimit limit(200);
  AnswerMany(limit, 1);
  EXPECT_EQ(limit.limit(), 21U);
  AnswerMany(limit, 500);
  EXPECT_EQ(limit.limit(), 200U);
}

TEST(ConcurrencyLimit, DoesNotGrowWhileLessThanHalfIsInUse) {
  ConcurrencyLimit limit(200);
  std::vector<Slot> const busy = EnterMany(limit, 8);
  for (int i = 0; i < 100; ++i) limit.Enter("answered")->Answered();
  EXPECT_EQ(limit.limit(), 20U);
  auto tenth = limit.Enter("tenth");
  limit.Enter("answered")->Answered();
  EXPECT_EQ(limit.limit(), 21U);
}

TEST(ConcurrencyLimit, IsHalvedByASignOfOverloadAndGrowsSlowlyAfterThat) {
  ConcurrencyLimit limit(200);
  AnswerMany(limit, 80);
  ASSERT_EQ(limit.limit(), 100U);
  Cut(limit, kStart, kStart + seconds{5});
  EXPECT_EQ(limit.limit(), 50U);
  AnswerMany(limit, 49);
  EXPECT_EQ(limit.limit(), 50U);
  AnswerMany(limit, 2);
  EXPECT_EQ(limit.limit(), 51U);
}

TEST(ConcurrencyLimit, CountsWhatOneRoundSaysOnce) {
  ConcurrencyLimit limit(200);
  AnswerMany(limit, 180);
  std::vector<Slot> slots = EnterMany(limit, 100);
  for (Slot& slot : slots) slot.TimedOut(kStart, kStart + seconds{5});
  EXPECT_EQ(limit.limit(), 100U);
  Cut(limit, kStart + seconds{4}, kStart + seconds{9});
  EXPECT_EQ(limit.limit(), 100U);
  Cut(limit, kStart + seconds{5}, kStart + seconds{10});
  EXPECT_EQ(limit.limit(), 50U);
}

TEST(ConcurrencyLimit, NeverFallsBelowTwenty) {
  ConcurrencyLimit limit(200);
  TimePoint now = kStart;
  for (int i = 0; i < 50; ++i) {
    Cut(limit, now, now + seconds{5});
    now += seconds{5};
  }
  EXPECT_EQ(limit.limit(), 20U);
}

TEST(ConcurrencyLimit, AMaximumBelowTwentyIsTheLimit) {
  ConcurrencyLimit limit(5);
  EXPECT_EQ(EnterMany(limit, 100).size(), 5U);
  AnswerMany(limit, 100);
  Cut(limit, kStart, kStart + seconds{5});
  EXPECT_EQ(limit.limit(), 5U);
}

TEST(ConcurrencyLimit, The503OfTheEdgeIsASignWhateverTimeItTook) {
  ConcurrencyLimit limit(200);
  AnswerMany(limit, 20);
  auto first = limit.Enter("first");
  auto second = limit.Enter("second");
  first->EdgeOverloaded(kStart, kStart + milliseconds{50});
  second->EdgeOverloaded(kStart, kStart + milliseconds{50});
  EXPECT_EQ(limit.limit(), 20U);
}

TEST(ConcurrencyLimit, AnAttemptThatHadLittleTimeSaysNothing) {
  ConcurrencyLimit limit(200);
  AnswerMany(limit, 20);
  Cut(limit, kStart, kStart + milliseconds{999});
  EXPECT_EQ(limit.limit(), 40U);
  Cut(limit, kStart, kStart + milliseconds{1000});
  EXPECT_EQ(limit.limit(), 20U);
}

TEST(ConcurrencyLimit, AnAttemptThatTellsNothingChangesNothing) {
  ConcurrencyLimit limit(200);
  AnswerMany(limit, 20);
  EnterMany(limit, 40).clear();
  EXPECT_EQ(limit.limit(), 40U);
  EXPECT_EQ(limit.in_flight(), 0U);
}

TEST(ConcurrencyLimit, TheTimeOutsOfOneAccountDontCountWhileOthersAreServed) {
  ConcurrencyLimit limit(200);
  AnswerMany(limit, 20);
  auto busy = limit.Enter("busy");
  auto other = limit.Enter("other");
  TimePoint now = kStart;
  for (int i = 0; i < 20; ++i) {
    limit.Enter("hangs")->TimedOut(now, now + seconds{5});
    now += seconds{5};
  }
  EXPECT_EQ(limit.limit(), 40U);
  other->TimedOut(now, now + seconds{5});
  EXPECT_EQ(limit.limit(), 20U);
}

TEST(ConcurrencyLimit, ASecondAccountConfirmsWithinTenSecondsOnly) {
  ConcurrencyLimit limit(200);
  AnswerMany(limit, 20);
  auto busy = limit.Enter("busy");
  limit.Enter("first")->TimedOut(kStart, kStart + seconds{5});
  limit.Enter("second")->TimedOut(kStart, kStart + milliseconds{15'001});
  EXPECT_EQ(limit.limit(), 40U);
  limit.Enter("first")->TimedOut(kStart, kStart + milliseconds{25'001});
  EXPECT_EQ(limit.limit(), 20U);
}

TEST(ConcurrencyLimit, TheTimeOutsOfTheOnlyAccountCount) {
  ConcurrencyLimit limit(200);
  AnswerMany(limit, 20);
  limit.Enter("only")->TimedOut(kStart, kStart + seconds{5});
  EXPECT_EQ(limit.limit(), 20U);
}

TEST(ConcurrencyLimit, OneAccountLeavesAFifthToTheOthers) {
  for (const std::uint32_t most : {20U, 100U, 200U}) {
    ConcurrencyLimit limit(most);
    AnswerMany(limit, 200);
    std::vector<Slot> hot;
    while (auto slot = limit.Enter("hot")) hot.push_back(std::move(*slot));
    EXPECT_EQ(hot.size(), limit.limit() * 4 / 5) << most;
    EXPECT_TRUE(limit.Enter("cold")) << most;
  }
}

TEST(ConcurrencyLimit, SeveralHungryAccountsLeaveRoomToo) {
  for (std::uint32_t accounts = 1; accounts <= 10; ++accounts) {
    ConcurrencyLimit limit(200);
    AnswerMany(limit, 200);
    std::vector<Slot> slots;
    for (int round = 0; round < 200; ++round) {
      for (std::uint32_t i = 0; i < accounts; ++i) {
        if (auto slot = limit.Enter("hungry " + std::to_string(i))) slots.push_back(std::move(*slot));
      }
    }
    EXPECT_TRUE(limit.Enter("cold")) << accounts;
    EXPECT_GE(slots.size(), 160U) << accounts;
  }
}

TEST(ConcurrencyLimit, WhateverHappensItStaysWithinItsBoundsAndLosesNoSlot) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    std::mt19937 random(seed);
    const auto most = static_cast<std::uint32_t>(1 + (random() % 300));
    ConcurrencyLimit limit(most);
    std::vector<Slot> slots;
    TimePoint now = kStart;
    for (int step = 0; step < 5000; ++step) {
      now += milliseconds{random() % 200};
      if (random() % 2 == 0) {
        if (auto slot = limit.Enter(std::to_string(random() % 7))) {
          ASSERT_LT(slots.size(), limit.limit());
          slots.push_back(std::move(*slot));
        }
      } else if (!slots.empty()) {
        std::swap(slots[random() % slots.size()], slots.back());
        switch (random() % 4) {
          case 0: slots.back().TimedOut(now - milliseconds{random() % 3000}, now); break;
          case 1: slots.back().EdgeOverloaded(now - milliseconds{random() % 3000}, now); break;
          case 2: slots.back().Answered(); break;
          default: break;
        }
        slots.pop_back();
      }
      ASSERT_EQ(limit.in_flight(), slots.size()) << "seed " << seed;
      ASSERT_GE(limit.limit(), std::min(most, 20U)) << "seed " << seed;
      ASSERT_LE(limit.limit(), most) << "seed " << seed;
    }
    slots.clear();
    EXPECT_EQ(EnterMany(limit, 1000).size(), limit.limit()) << "seed " << seed;
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Simulations
// ---------------------------------------------------------------------------------------------------------------------

// An attempt that ends at some time.
struct Ending {
  Slot slot;
  TimePoint sent;
  bool answered;
};

struct Served {
  int offered = 0;
  int admitted = 0;
  int answered = 0;
};

// A server that does one delete in `service_time` after the other, also those that nobody waits for any more.
TEST(ConcurrencyLimit, AtTwiceTheCapacityNineTenthsOfItIsStillServed) {
  constexpr milliseconds kServiceTime{20};
  constexpr milliseconds kPatience{2000};
  for (unsigned seed = 0; seed < 2; ++seed) {
    std::mt19937 random(seed);
    std::exponential_distribution<double> gap(2.0 / kServiceTime.count());
    ConcurrencyLimit limit(200);
    std::multimap<TimePoint, Ending> endings;
    TimePoint server_free = kStart;
    TimePoint now = kStart;
    int answered = 0;
    const TimePoint end = kStart + std::chrono::minutes{5};
    while (now < end) {
      now += std::chrono::microseconds(static_cast<int>(gap(random) * 1000));
      while (!endings.empty() && endings.begin()->first <= now) {
        Ending& ending = endings.begin()->second;
        if (ending.answered) {
          ++answered;
          ending.slot.Answered();
        } else {
          ending.slot.TimedOut(ending.sent, endings.begin()->first);
        }
        endings.erase(endings.begin());
      }
      if (auto slot = limit.Enter(std::to_string(random() % 20))) {
        server_free = std::max(server_free, now) + kServiceTime;
        const bool in_time = server_free - now <= kPatience;
        endings.emplace(in_time ? server_free : now + kPatience, Ending{std::move(*slot), now, in_time});
      }
    }
    const auto capacity = static_cast<double>((end - kStart) / kServiceTime);
    EXPECT_GE(answered, 0.9 * capacity) << "seed " << seed;
  }
}

TEST(ConcurrencyLimit, AnAccountWhoseProviderHangsDoesNotStopTheOthers) {
  for (unsigned seed = 0; seed < 2; ++seed) {
    std::mt19937 random(seed);
    ConcurrencyLimit limit(200);
    std::multimap<TimePoint, Ending> endings;
    Served others;
    for (TimePoint now = kStart; now < kStart + std::chrono::minutes{5}; now += milliseconds{5}) {
      while (!endings.empty() && endings.begin()->first <= now) {
        Ending& ending = endings.begin()->second;
        if (ending.answered) {
          ending.slot.Answered();
        } else {
          ending.slot.TimedOut(ending.sent, now);
        }
        endings.erase(endings.begin());
      }
      if (random() % 50 == 0) {  // 4 in a second
        if (auto slot = limit.Enter("hangs")) endings.emplace(now + seconds{30}, Ending{std::move(*slot), now, false});
      }
      if (random() % 5 == 0) {  // 40 in a second
        ++others.offered;
        if (auto slot = limit.Enter(std::to_string(random() % 10))) {
          ++others.admitted;
          endings.emplace(now + milliseconds{100 + (random() % 200)}, Ending{std::move(*slot), now, true});
        }
      }
    }
    EXPECT_GE(others.admitted, 0.97 * others.offered) << "seed " << seed;
  }
}

TEST(Overloaded, IsUnavailableWithNothingSentAndSaysWhenToComeBack) {
  const core::Failure failure = Overloaded(0.5);
  EXPECT_EQ(failure.code, core::StatusCode::kUnavailable);
  EXPECT_EQ(failure.reason, core::ErrorReason::kOverloaded);
  EXPECT_EQ(failure.origin, core::Origin::kService);
  EXPECT_EQ(failure.delivery, core::Delivery::kNotSent);
  EXPECT_EQ(failure.resend, core::Resend::kNever);
  EXPECT_EQ(failure.retry_after, milliseconds{1000});
  EXPECT_EQ(Overloaded(0).retry_after, milliseconds{500});
  EXPECT_EQ(Overloaded(0.999).retry_after, milliseconds{1499});
}

}  // namespace
}  // namespace ticketing::call
