#include "call/rate_limits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace ticketing::call {
namespace {

using core::Origin;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Limit = RateLimits::Limit;
using Place = RateLimits::Place;

constexpr TimePoint kStart{std::chrono::hours{1}};
constexpr milliseconds kPlenty{60'000};

// Only one of the limits, the other one out of the way.
RateLimitOptions AccountOnly(double rate, std::uint32_t burst) {
  return {.token_rate = 0, .account_rate = rate, .account_burst = burst};
}
RateLimitOptions TokenOnly(double rate, std::uint32_t burst) {
  return {.token_rate = rate, .token_burst = burst, .account_rate = 0};
}

bool Goes(const Place& place) {
  return place.decided() && !place.refusal();
}
bool Waits(const Place& place) {
  return !place.decided();
}
bool Refused(const Place& place) {
  return place.decided() && place.refusal();
}

// Rate limits, and a clock that stops wherever they have something to decide.
struct RateLimitsTest : testing::Test {
  void Make(const RateLimitOptions& options) { limits = std::make_unique<RateLimits>(options); }

  Place Enter(const std::string& account, milliseconds remaining = kPlenty, const std::string& token = "token") const {
    return limits->Enter(token, account, now, remaining);
  }

  void RunUntil(TimePoint time) {
    while (const auto next = limits->NextChange()) {
      if (*next > time) break;
      now = std::max(now, *next);
      limits->Advance(now);
    }
    now = time;
  }
  void Run(milliseconds span) { RunUntil(now + span); }

  void Limited(const std::string& account, milliseconds retry_after, Origin origin = Origin::kTruto) const {
    limits->OnRateLimited("token", account, origin, retry_after, now);
  }

  // How many calls of `account` go at once.
  int GoingAtOnce(const std::string& account, const std::string& token = "token") const {
    int count = 0;
    while (count < 1000 && Goes(Enter(account, milliseconds{0}, token))) ++count;
    return count;
  }

  std::unique_ptr<RateLimits> limits = std::make_unique<RateLimits>(RateLimitOptions{});
  TimePoint now = kStart;
};

TEST_F(RateLimitsTest, ABurstGoesAtOnceThenOneCallForEachInterval) {
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Goes(Enter("account"))) << i;
  Place const first = Enter("account");
  Place const second = Enter("account");
  EXPECT_TRUE(Waits(first));
  Run(milliseconds{249});
  EXPECT_TRUE(Waits(first));
  Run(milliseconds{1});
  EXPECT_TRUE(Goes(first));
  EXPECT_TRUE(Waits(second));
  Run(milliseconds{250});
  EXPECT_TRUE(Goes(second));
}

TEST_F(RateLimitsTest, TheTokenLimitsAllItsAccountsTogether) {
  int going = 0;
  for (int i = 0; i < 60; ++i) going += Goes(Enter("account " + std::to_string(i), milliseconds{0})) ? 1 : 0;
  EXPECT_EQ(going, 50);
  EXPECT_EQ(GoingAtOnce("account", "other token"), 10);
}

TEST_F(RateLimitsTest, FirstComeFirstServedWithinAnAccount) {
  Make(AccountOnly(10, 1));
  EXPECT_TRUE(Goes(Enter("account")));
  std::vector<int> order;
  std::vector<Place> places;
  for (int i = 0; i < 15; ++i) {
    places.push_back(Enter("account"));
    places.back().Listen([&order, i] { order.push_back(i); });
  }
  Run(seconds{2});
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}));
}

TEST_F(RateLimitsTest, ANewcomerDoesNotOvertakeThoseWhoWait) {
  Make(TokenOnly(10, 1));
  EXPECT_TRUE(Goes(Enter("a")));
  Place const waiting = Enter("a");
  now += milliseconds{100};  // the permit is due, and nobody has told
  EXPECT_TRUE(Waits(Enter("b")));
  EXPECT_TRUE(Goes(waiting));
}

TEST_F(RateLimitsTest, WaitsTwoSecondsAtMost) {
  GoingAtOnce("account");
  std::vector<Place> places;
  places.reserve(12);
  for (int i = 0; i < 12; ++i) places.push_back(Enter("account"));
  for (int i = 0; i < 12; ++i) EXPECT_EQ(Waits(places[i]), i < 8) << i;
  EXPECT_EQ(places[8].refusal()->limit, Limit::kAccount);
  EXPECT_EQ(places[8].refusal()->retry_after, milliseconds{2250});
}

TEST_F(RateLimitsTest, WaitsAQuarterOfTheRemainingTimeAtMost) {
  GoingAtOnce("account");
  EXPECT_TRUE(Refused(Enter("account", milliseconds{999})));
  EXPECT_TRUE(Waits(Enter("account", milliseconds{1000})));
  EXPECT_TRUE(Refused(Enter("account", milliseconds{-5})));
}

TEST_F(RateLimitsTest, QueuesTwentyCallsOfAnAccount) {
  Make(AccountOnly(100, 1));
  EXPECT_TRUE(Goes(Enter("account")));
  std::vector<Place> places;
  places.reserve(21);
  for (int i = 0; i < 21; ++i) places.push_back(Enter("account"));
  EXPECT_TRUE(Waits(places[19]));
  EXPECT_TRUE(Refused(places[20]));
  EXPECT_EQ(limits->waiting(), 20U);
  Place const other = Enter("other");
  EXPECT_TRUE(Goes(other));
}

TEST_F(RateLimitsTest, RefusesAtOnceWhoseTurnWouldComeTooLate) {
  Make(TokenOnly(10, 1));
  EXPECT_TRUE(Goes(Enter("first")));
  std::vector<Place> places;
  places.reserve(21);
  for (int i = 0; i < 21; ++i) places.push_back(Enter("account " + std::to_string(i)));
  EXPECT_TRUE(Waits(places[19]));
  ASSERT_TRUE(Refused(places[20]));
  EXPECT_EQ(places[20].refusal()->limit, Limit::kToken);
  EXPECT_EQ(places[20].refusal()->retry_after, milliseconds{2100});
}

TEST_F(RateLimitsTest, ACallThatIsOvertakenTooOftenIsRefusedWhenItsTimeIsUp) {
  Make(TokenOnly(10, 1));
  EXPECT_TRUE(Goes(Enter("patient")));
  std::vector<Place> first;
  first.reserve(10);
  for (int i = 0; i < 10; ++i) first.push_back(Enter("patient"));
  Place const last = Enter("patient", milliseconds{5000});
  EXPECT_TRUE(Waits(last));  // its turn would be in 1.1 s
  std::vector<Place> others;
  others.reserve(10);
  for (int i = 0; i < 10; ++i) others.push_back(Enter("other " + std::to_string(i)));
  Run(milliseconds{1249});
  EXPECT_TRUE(Waits(last));
  Run(milliseconds{1});
  EXPECT_TRUE(Refused(last));
  EXPECT_EQ(last.refusal()->limit, Limit::kToken);
}

TEST_F(RateLimitsTest, ALateClockLetsNoCallGoAfterItsTime) {
  GoingAtOnce("account");
  Place const place = Enter("account", milliseconds{2000});
  EXPECT_TRUE(Waits(place));
  now += milliseconds{501};
  limits->Advance(now);
  EXPECT_TRUE(Refused(place));
}

TEST_F(RateLimitsTest, ACallGoesWhenItsPermitComesInTheLastMoment) {
  GoingAtOnce("account");
  Place const place = Enter("account", milliseconds{1000});
  Run(milliseconds{250});
  EXPECT_TRUE(Goes(place));
}

TEST_F(RateLimitsTest, WhoeverComesBackWhenToldIsServed) {
  GoingAtOnce("account");
  const Place refused = Enter("account", milliseconds{0});
  ASSERT_TRUE(Refused(refused));
  now += refused.refusal()->retry_after - milliseconds{1};
  EXPECT_TRUE(Refused(Enter("account", milliseconds{0})));
  now += milliseconds{1};
  EXPECT_TRUE(Goes(Enter("account", milliseconds{0})));
}

TEST_F(RateLimitsTest, ACallThatLeavesTheQueueMakesRoom) {
  GoingAtOnce("account");
  std::optional<Place> first = Enter("account");
  Place const second = Enter("account");
  first.reset();
  EXPECT_EQ(limits->waiting(), 1U);
  Run(milliseconds{250});
  EXPECT_TRUE(Goes(second));
  std::optional<Place> last = Enter("account");
  last.reset();
  EXPECT_EQ(limits->waiting(), 0U);
  EXPECT_EQ(limits->NextChange(), std::nullopt);
}

TEST_F(RateLimitsTest, TellsOnceWhenACallIsDecided) {
  GoingAtOnce("account");
  int told = 0;
  Place place = Enter("account");
  place.Listen([&told] { ++told; });
  Place const moved = std::move(place);
  Run(milliseconds{249});
  EXPECT_EQ(told, 0);
  Run(seconds{5});
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(Goes(moved));
}

// ---------------------------------------------------------------------------------------------------------------------
// Fairness
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(RateLimitsTest, AHotAccountDoesNotKeepFiftyColdOnesFromBeingServed) {
  // The account's own limit is off, so that nothing but the turn holds the hot one back.
  Make(TokenOnly(45, 50));
  std::mt19937 random(1);
  struct Cold {
    Place place;
    TimePoint arrived;
  };
  std::list<Cold> cold;
  std::vector<Place> hot;
  int served = 0;
  int hot_served = 0;
  for (int step = 0; step < 6000; ++step) {  // a minute
    Run(milliseconds{10});
    for (int i = 0; i < 3; ++i) {
      hot.push_back(Enter("hot"));
      hot.back().Listen([] {});
    }
    std::erase_if(hot, [&](const Place& place) {
      hot_served += Goes(place) ? 1 : 0;
      return place.decided();
    });
    if (random() % 5 == 0) cold.push_back({Enter("cold " + std::to_string(random() % 50)), now});  // 20 in a second
    std::erase_if(cold, [&](const Cold& call) {
      if (Waits(call.place)) {
        EXPECT_LE(now - call.arrived, milliseconds{500});
        return false;
      }
      EXPECT_TRUE(Goes(call.place));
      ++served;
      return true;
    });
  }
  EXPECT_GT(served, 1000);
  // Nothing is wasted either: the rest is the hot one's.
  EXPECT_GE(served + hot_served, 45 * 60);
}

TEST_F(RateLimitsTest, AccountsThatWantMoreThanThereIsGetTheSame) {
  Make(TokenOnly(45, 1));
  std::map<std::string, int> served;
  std::map<std::string, std::list<Place>> places;
  for (int step = 0; step < 2000; ++step) {  // 20 seconds
    Run(milliseconds{10});
    for (const auto& [account, demand] : std::map<std::string, int>{{"a", 1}, {"b", 5}, {"c", 20}}) {
      for (int i = 0; i < demand; ++i) places[account].push_back(Enter(account));
      std::erase_if(places[account], [&, name = account](const Place& place) {
        served[name] += Goes(place) ? 1 : 0;
        return place.decided();
      });
    }
  }
  EXPECT_NEAR(served["a"], 300, 2);
  EXPECT_NEAR(served["b"], 300, 2);
  EXPECT_NEAR(served["c"], 300, 2);
}

TEST_F(RateLimitsTest, AnAccountWaitsForOneTurnOfTheOthersAtMost) {
  Make(TokenOnly(10, 1));
  EXPECT_TRUE(Goes(Enter("hot 0")));
  std::vector<Place> hot;
  hot.reserve(30);
  for (int i = 0; i < 30; ++i) hot.push_back(Enter("hot " + std::to_string(i % 3)));
  Place const cold = Enter("cold");
  Run(milliseconds{399});
  EXPECT_TRUE(Waits(cold));
  Run(milliseconds{1});
  EXPECT_TRUE(Goes(cold));
}

TEST_F(RateLimitsTest, AnAccountThatWaitsForItsOwnPermitHoldsUpNobody) {
  Make({.token_rate = 10, .token_burst = 1, .account_rate = 1, .account_burst = 1});
  EXPECT_TRUE(Goes(Enter("slow")));
  Place const slow = Enter("slow");
  Run(milliseconds{100});
  for (int i = 0; i < 9; ++i) {
    EXPECT_TRUE(Goes(Enter("other " + std::to_string(i)))) << i;
    Run(milliseconds{100});
  }
  EXPECT_TRUE(Goes(slow));
}

// ---------------------------------------------------------------------------------------------------------------------
// 429
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(RateLimitsTest, A429ClosesTheAccountUntilItsReset) {
  Limited("account", milliseconds{10'000});
  const Place refused = Enter("account");
  ASSERT_TRUE(Refused(refused));
  EXPECT_EQ(refused.refusal()->limit, Limit::kAccount);
  EXPECT_EQ(refused.refusal()->retry_after, milliseconds{10'000});
  EXPECT_EQ(GoingAtOnce("other"), 10);
  Run(milliseconds{9'999});
  EXPECT_EQ(GoingAtOnce("account"), 0);
  Run(milliseconds{1});
  EXPECT_EQ(GoingAtOnce("account"), 1);  // and not all that have been waiting for it
}

TEST_F(RateLimitsTest, CallsWaitForAResetThatIsNear) {
  Limited("account", milliseconds{1500});
  Place const place = Enter("account");
  EXPECT_TRUE(Waits(place));
  Run(milliseconds{1499});
  EXPECT_TRUE(Waits(place));
  Run(milliseconds{1});
  EXPECT_TRUE(Goes(place));
}

TEST_F(RateLimitsTest, A429ThatComesWhileCallsWaitPutsThemOff) {
  GoingAtOnce("account");
  Place const place = Enter("account");
  Place const other = Enter("account");
  Run(milliseconds{100});
  Limited("account", milliseconds{1200});
  Run(milliseconds{1199});
  EXPECT_TRUE(Waits(place));
  Run(milliseconds{1});
  EXPECT_TRUE(Goes(place));
  Run(seconds{2});
  EXPECT_TRUE(Goes(other));
}

TEST_F(RateLimitsTest, AShorterResetDoesNotOpenWhatALongerOneClosed) {
  Limited("account", milliseconds{10'000});
  Limited("account", milliseconds{0});
  Run(milliseconds{9'999});
  EXPECT_EQ(GoingAtOnce("account"), 0);
}

TEST_F(RateLimitsTest, AResetOfDaysCostsAnHourAtMost) {
  Limited("account", std::chrono::hours{24});
  EXPECT_EQ(Enter("account").refusal()->retry_after, std::chrono::hours{1});
}

TEST_F(RateLimitsTest, A429WithoutDelayStillEndsTheBurst) {
  Limited("account", milliseconds{0});
  EXPECT_EQ(GoingAtOnce("account"), 1);
}

TEST_F(RateLimitsTest, TheTokenIsClosedWhenTwoOfItsAccountsAreLimitedWithinTenSeconds) {
  Limited("a", milliseconds{10'000});
  EXPECT_EQ(GoingAtOnce("c"), 10);
  Run(seconds{10});
  Limited("b", milliseconds{5'000});
  const Place refused = Enter("d");
  ASSERT_TRUE(Refused(refused));
  EXPECT_EQ(refused.refusal()->limit, Limit::kToken);
  EXPECT_EQ(refused.refusal()->retry_after, milliseconds{5'000});
  EXPECT_EQ(GoingAtOnce("a", "other token"), 10);
  Run(seconds{5});
  EXPECT_EQ(GoingAtOnce("d"), 1);
}

TEST_F(RateLimitsTest, TheTokenStaysOpenWhenOneAccountIsLimitedTwiceOrTwoFarApart) {
  Limited("a", milliseconds{1'000});
  Limited("a", milliseconds{1'000});
  EXPECT_EQ(GoingAtOnce("c"), 10);
  Run(milliseconds{9'900});
  EXPECT_TRUE(Goes(Enter("d")));
  Run(milliseconds{101});
  Limited("b", milliseconds{1'000});
  EXPECT_EQ(GoingAtOnce("c"), 10);
}

TEST_F(RateLimitsTest, AProvidersLimitSaysNothingOfTheToken) {
  Limited("a", milliseconds{10'000}, Origin::kProvider);
  Limited("b", milliseconds{10'000}, Origin::kProvider);
  EXPECT_EQ(GoingAtOnce("c"), 10);
  EXPECT_EQ(GoingAtOnce("a"), 0);
}

TEST_F(RateLimitsTest, TheTokenIsClosedForItsOwnWindowAtMost) {
  Limited("a", std::chrono::hours{1});
  Limited("b", std::chrono::hours{1});
  EXPECT_EQ(GoingAtOnce("c"), 0);
  Run(seconds{10});
  EXPECT_EQ(GoingAtOnce("c"), 1);
}

TEST_F(RateLimitsTest, A429StormLeavesOtherAccountsUntouchedAndKeepsTheRate) {
  // Every call of one account meets the provider's 429.
  std::vector<TimePoint> sent;
  int others = 0;
  std::list<Place> waiting;
  for (int step = 0; step < 6000; ++step) {
    Run(milliseconds{10});
    waiting.push_back(Enter("storm"));
    std::erase_if(waiting, [&](const Place& place) {
      if (!place.decided()) return false;
      if (Goes(place)) {
        sent.push_back(now);
        Limited("storm", milliseconds{10'000}, Origin::kProvider);
      }
      return true;
    });
    if (step % 30 == 0) {
      EXPECT_TRUE(Goes(Enter("other")));
      ++others;
    }
  }
  EXPECT_EQ(others, 200);
  EXPECT_LE(sent.size(), 7U);  // one for each reset in a minute
}

// ---------------------------------------------------------------------------------------------------------------------
// Off
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(RateLimitsTest, RateZeroSwitchesAllOff) {
  Make({.token_rate = 0, .account_rate = 0});
  Limited("a", milliseconds{10'000});
  Limited("b", milliseconds{10'000});
  EXPECT_EQ(GoingAtOnce("a"), 1000);
  EXPECT_EQ(limits->tracked_accounts(), 0U);
  EXPECT_EQ(limits->tracked_tokens(), 0U);
}

TEST_F(RateLimitsTest, AccountRateZeroLeavesTheTokensLimit) {
  Make(TokenOnly(45, 50));
  Limited("a", milliseconds{10'000});
  EXPECT_EQ(GoingAtOnce("a"), 50);
}

TEST_F(RateLimitsTest, TokenRateZeroLeavesTheAccountsLimit) {
  Make(AccountOnly(4, 10));
  Limited("a", milliseconds{10'000});
  Limited("b", milliseconds{10'000});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(GoingAtOnce("other " + std::to_string(i)), 10);
  EXPECT_EQ(GoingAtOnce("a"), 0);
}

TEST_F(RateLimitsTest, ExtremeRatesDoNotOverflow) {
  for (const double rate : {1e-300, 1e-6, 1e12, 1e300}) {
    Make({.token_rate = rate, .token_burst = 4'000'000'000, .account_rate = rate, .account_burst = 4'000'000'000});
    EXPECT_TRUE(Goes(Enter("account")));
    Limited("account", std::chrono::hours{10'000});
    EXPECT_TRUE(Refused(Enter("account")));
    Run(std::chrono::hours{1});
    EXPECT_TRUE(Goes(Enter("account")));
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Memory
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(RateLimitsTest, ForgetsBucketsThatAreFullAgain) {
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Goes(Enter("account " + std::to_string(i))));
  EXPECT_EQ(limits->tracked_accounts(), 5U);
  Run(seconds{5});
  EXPECT_TRUE(Goes(Enter("another")));
  EXPECT_EQ(limits->tracked_accounts(), 1U);
  EXPECT_EQ(limits->tracked_tokens(), 1U);
  Run(seconds{5});
  EXPECT_TRUE(Goes(Enter("another", kPlenty, "other token")));
  EXPECT_EQ(limits->tracked_accounts(), 1U);
  EXPECT_EQ(limits->tracked_tokens(), 1U);
}

TEST_F(RateLimitsTest, TenThousandAccountsNeitherGrowTheMemoryNorOpenWhatA429Closed) {
  RateLimitOptions options = AccountOnly(4, 10);
  options.most_accounts = 100;
  Make(options);
  Limited("victim", milliseconds{60'000});
  GoingAtOnce("empty");
  Place const waiting = Enter("empty");
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_TRUE(Goes(Enter("attacker " + std::to_string(i))));
    ASSERT_LE(limits->tracked_accounts(), 100U);
  }
  EXPECT_TRUE(Refused(Enter("victim")));
  EXPECT_EQ(GoingAtOnce("empty"), 0);
  Run(milliseconds{250});
  EXPECT_TRUE(Goes(waiting));
}

TEST_F(RateLimitsTest, BeyondTheMostClosedAccountsNewcomersAreLimitedByTheTokenAlone) {
  Make({.token_rate = 45, .token_burst = 50, .account_rate = 4, .account_burst = 10, .most_accounts = 3});
  for (const char* account : {"a", "b", "c"}) Limited(account, milliseconds{60'000}, Origin::kProvider);
  EXPECT_EQ(GoingAtOnce("d"), 50);
  EXPECT_TRUE(Refused(Enter("e")));  // there is no place to wait in
  for (const char* account : {"a", "b", "c"}) EXPECT_TRUE(Refused(Enter(account)));
  EXPECT_EQ(limits->tracked_accounts(), 3U);
}

TEST_F(RateLimitsTest, TenThousandTokensNeitherGrowTheMemoryNorOpenWhatA429Closed) {
  RateLimitOptions options;
  options.most_tokens = 100;
  Make(options);
  Limited("a", milliseconds{10'000});
  Limited("b", milliseconds{10'000});
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_TRUE(Goes(Enter("account", kPlenty, "attacker " + std::to_string(i))));
    ASSERT_LE(limits->tracked_tokens(), 100U);
    ASSERT_LE(limits->tracked_accounts(), 10'000U);
  }
  EXPECT_TRUE(Refused(Enter("c")));
}

TEST_F(RateLimitsTest, BeyondTheMostClosedTokensNewcomersGoUnlimited) {
  RateLimitOptions options = TokenOnly(45, 50);
  options.most_tokens = 1;
  Make(options);
  Limited("a", milliseconds{10'000});
  Limited("b", milliseconds{10'000});
  EXPECT_EQ(GoingAtOnce("account", "other token"), 1000);
  EXPECT_TRUE(Refused(Enter("c")));
  EXPECT_EQ(limits->tracked_tokens(), 1U);
}

TEST_F(RateLimitsTest, RefusedCallsOfUnknownAccountsLeaveNoTrace) {
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(Goes(Enter("account " + std::to_string(i))));
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(Refused(Enter("attacker " + std::to_string(i), milliseconds{0})));
  EXPECT_EQ(limits->tracked_accounts(), 50U);
}

// ---------------------------------------------------------------------------------------------------------------------
// Whatever happens
// ---------------------------------------------------------------------------------------------------------------------

// Whether no window of time has more than `burst` and what the rate brings in it.
void ExpectWithinRate(const std::vector<TimePoint>& grants, double rate, std::uint32_t burst) {
  for (std::size_t i = 0; i < grants.size(); ++i) {
    for (std::size_t j = i; j < grants.size(); ++j) {
      const double window = std::chrono::duration<double>(grants[j] - grants[i]).count();
      ASSERT_LE(static_cast<double>(j - i + 1), burst + (rate * window) + 1e-6) << i << " to " << j;
    }
  }
}

TEST_F(RateLimitsTest, NoWindowHasMoreThanTheBurstAndTheRateAndNoCallWaitsTooLong) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const RateLimitOptions options{.token_rate = 1.5 + static_cast<double>(random() % 60),
                                   .token_burst = static_cast<std::uint32_t>(1 + (random() % 60)),
                                   .account_rate = 0.3 + static_cast<double>(random() % 10),
                                   .account_burst = static_cast<std::uint32_t>(1 + (random() % 15)),
                                   .most_tokens = 10,
                                   .most_accounts = 1000};
    Make(options);
    now = kStart;
    const auto accounts = 1 + (random() % 40);
    const auto gap = 1 + (random() % 60);

    struct Call {
      std::string token;
      std::string account;
      TimePoint latest;
      std::optional<Place> place;
    };
    std::list<Call> calls;
    std::map<std::string, std::vector<TimePoint>> by_token;
    std::map<std::string, std::vector<TimePoint>> by_account;
    const auto collect = [&] {
      std::erase_if(calls, [&](const Call& call) {
        if (Waits(*call.place)) {
          EXPECT_LE(now, call.latest);
          return false;
        }
        if (Goes(*call.place)) {
          EXPECT_LE(now, call.latest);
          by_token[call.token].push_back(now);
          by_account[call.token + "/" + call.account].push_back(now);
        } else {
          EXPECT_GT(call.place->refusal()->retry_after, milliseconds{0});
        }
        return true;
      });
    };
    for (int step = 0; step < 1500; ++step) {
      const TimePoint next = now + milliseconds{random() % gap};
      while (limits->NextChange() && *limits->NextChange() <= next) {
        now = std::max(now, *limits->NextChange());
        limits->Advance(now);
        collect();
      }
      now = next;
      const auto what = random() % 100;
      if (what < 90) {
        const milliseconds remaining{random() % 20'000};
        Call call{.token = "token " + std::to_string(random() % 2),
                  .account = std::to_string(random() % accounts),
                  .latest = now + std::min(milliseconds{2000}, remaining / 4),
                  .place = std::nullopt};
        call.place = limits->Enter(call.token, call.account, now, remaining);
        calls.push_back(std::move(call));
      } else if (what < 96) {
        if (!calls.empty()) calls.erase(std::next(calls.begin(), static_cast<int>(random() % calls.size())));
      } else {
        limits->OnRateLimited("token " + std::to_string(random() % 2), std::to_string(random() % accounts),
                              random() % 2 == 0 ? Origin::kTruto : Origin::kProvider, milliseconds{random() % 3000},
                              now);
      }
      collect();
      ASSERT_EQ(limits->waiting(), calls.size());
    }
    for (const auto& [token, grants] : by_token) ExpectWithinRate(grants, options.token_rate, options.token_burst);
    for (const auto& [account, grants] : by_account) {
      ExpectWithinRate(grants, options.account_rate, options.account_burst);
    }
    calls.clear();
    EXPECT_EQ(limits->waiting(), 0U);
    EXPECT_EQ(limits->NextChange(), std::nullopt);
  }
}

TEST_F(RateLimitsTest, WhileCallsWaitNoPermitIsLost) {
  for (unsigned seed = 0; seed < 3; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Make({});
    now = kStart;
    std::list<Place> places;
    int granted = 0;
    for (int step = 0; step < 2000; ++step) {  // 20 seconds, 100 calls in each
      Run(milliseconds{10});
      places.push_back(Enter("account " + std::to_string(random() % 60)));
      std::erase_if(places, [&](const Place& place) {
        granted += Goes(place) ? 1 : 0;
        return place.decided();
      });
    }
    EXPECT_GE(granted, 50 + (45 * 20) - 2);
    EXPECT_LE(granted, 50 + (45 * 20));
  }
}

TEST(RateLimited, IsResourceExhaustedByTheServiceWithNothingSent) {
  const core::Failure account = RateLimited({.limit = Limit::kAccount, .retry_after = milliseconds{2250}}, "62f4");
  EXPECT_EQ(account.code, core::StatusCode::kResourceExhausted);
  EXPECT_EQ(account.reason, core::ErrorReason::kRateLimited);
  EXPECT_EQ(account.origin, Origin::kService);
  EXPECT_EQ(account.delivery, core::Delivery::kNotSent);
  EXPECT_EQ(account.resend, core::Resend::kNever);
  EXPECT_EQ(account.retry_after, milliseconds{2250});
  ASSERT_EQ(account.quota_violations.size(), 1U);
  EXPECT_EQ(account.quota_violations[0].subject, "62f4");
  EXPECT_EQ(RateLimited({.limit = Limit::kAccount}, "").quota_violations[0].subject, "the token's integrated account");
  EXPECT_EQ(RateLimited({.limit = Limit::kToken}, "62f4").quota_violations[0].subject, "API token");
}

}  // namespace
}  // namespace ticketing::call
