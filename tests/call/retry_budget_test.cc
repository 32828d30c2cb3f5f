#include "call/retry_budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

namespace ticketing::call {
namespace {

using core::Delivery;

constexpr std::size_t kManyCalls = 1'000'000;

// Takes a permit and fails with it.
bool Waste(RetryBudget& budget, Delivery failed, std::size_t calls = kManyCalls) {
  return budget.Take(failed, calls).has_value();
}

TEST(RetryBudget, CostsFiveForWhatWasNotExecutedAndTenForWhatMayHaveBeen) {
  RetryBudget budget;
  EXPECT_EQ(budget.balance(), 500);
  EXPECT_TRUE(Waste(budget, Delivery::kNotSent));
  EXPECT_EQ(budget.balance(), 495);
  EXPECT_TRUE(Waste(budget, Delivery::kRejected));
  EXPECT_EQ(budget.balance(), 490);
  EXPECT_TRUE(Waste(budget, Delivery::kUnknown));
  EXPECT_EQ(budget.balance(), 480);
}

TEST(RetryBudget, GivesTheCostBackOnSuccessAndOnlyThen) {
  RetryBudget budget;
  auto succeeds = budget.Take(Delivery::kUnknown, kManyCalls);
  auto fails = budget.Take(Delivery::kNotSent, kManyCalls);
  EXPECT_EQ(budget.balance(), 485);
  succeeds->Succeeded();
  fails.reset();
  EXPECT_EQ(budget.balance(), 495);
}

TEST(RetryBudget, GivesTheCostBackOnceAtMost) {
  RetryBudget budget;
  EXPECT_TRUE(Waste(budget, Delivery::kUnknown));
  auto permit = budget.Take(Delivery::kNotSent, kManyCalls);
  permit->Succeeded();
  permit->Succeeded();
  permit.reset();
  EXPECT_EQ(budget.balance(), 490);
  EXPECT_EQ(budget.retrying(), 0U);
}

TEST(RetryBudget, AllowsNoRetryWhenItIsEmpty) {
  RetryBudget budget;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(Waste(budget, Delivery::kNotSent));
  EXPECT_EQ(budget.balance(), 0);
  EXPECT_FALSE(Waste(budget, Delivery::kNotSent));
  for (int i = 0; i < 5; ++i) budget.OnCleanSuccess();
  EXPECT_FALSE(Waste(budget, Delivery::kUnknown));
  EXPECT_TRUE(Waste(budget, Delivery::kNotSent));
  EXPECT_FALSE(Waste(budget, Delivery::kNotSent));
}

TEST(RetryBudget, NeverHoldsMoreThan500) {
  RetryBudget budget;
  auto permit = budget.Take(Delivery::kNotSent, kManyCalls);
  for (int i = 0; i < 10; ++i) budget.OnCleanSuccess();
  permit->Succeeded();
  EXPECT_EQ(budget.balance(), 500);
}

TEST(RetryBudget, LetsAFifthOfTheCallsInFlightRetryAtATimeAndThreeAtLeast) {
  for (const std::size_t calls : {0U, 1U, 3U, 15U, 19U, 20U, 99U, 100U, 200U}) {
    RetryBudget budget;
    std::vector<RetryBudget::Permit> permits;
    while (auto permit = budget.Take(Delivery::kNotSent, calls)) permits.push_back(std::move(*permit));
    EXPECT_EQ(permits.size(), std::max<std::size_t>(3, calls / 5)) << calls;
    permits.pop_back();
    EXPECT_TRUE(budget.Take(Delivery::kNotSent, calls)) << calls;
  }
}

TEST(RetryBudget, APermitThatIsMovedCountsOnce) {
  RetryBudget budget;
  auto first = budget.Take(Delivery::kNotSent, kManyCalls);
  {
    const RetryBudget::Permit second = std::move(*first);
    EXPECT_EQ(budget.retrying(), 1U);
  }
  EXPECT_EQ(budget.retrying(), 0U);
  first.reset();
  first = budget.Take(Delivery::kUnknown, kManyCalls);
  EXPECT_EQ(budget.retrying(), 1U);
  first->Succeeded();
  EXPECT_EQ(budget.balance(), 495);
}

TEST(RetryBudget, InATotalOutageRetriesEndAfterAHundred) {
  RetryBudget budget;
  int attempts = 0;
  for (int call = 0; call < 1000; ++call) {
    ++attempts;
    while (attempts < 10'000 && Waste(budget, Delivery::kNotSent)) ++attempts;
  }
  EXPECT_EQ(attempts, 1100);
}

TEST(RetryBudget, WhateverHappensRetriesThatFailAreFewerThanAFifthOfTheSuccessesAndAHundred) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    RetryBudget budget;
    std::vector<RetryBudget::Permit> permits;
    int failed = 0;
    int clean = 0;
    for (int step = 0; step < 5000; ++step) {
      switch (random() % 4) {
        case 0:
          if (auto permit = budget.Take(random() % 2 == 0 ? Delivery::kUnknown : Delivery::kNotSent, 100)) {
            permits.push_back(std::move(*permit));
          }
          break;
        case 1:
          budget.OnCleanSuccess();
          ++clean;
          break;
        default:
          if (permits.empty()) break;
          std::swap(permits[random() % permits.size()], permits.back());
          if (random() % 4 == 0) {
            permits.back().Succeeded();
          } else {
            ++failed;
          }
          permits.pop_back();
      }
      ASSERT_GE(budget.balance(), 0) << "seed " << seed;
      ASSERT_LE(budget.balance(), 500) << "seed " << seed;
      ASSERT_EQ(budget.retrying(), permits.size()) << "seed " << seed;
      ASSERT_LE(permits.size(), 20U) << "seed " << seed;
      ASSERT_LE(failed * 5, 500 + clean) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace ticketing::call
