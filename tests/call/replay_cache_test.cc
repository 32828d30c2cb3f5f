#include "call/replay_cache.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace ticketing::call {
namespace {

using core::Delivery;
using core::ErrorReason;
using core::StatusCode;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Answer = ReplayCache::Answer;
using Join = ReplayCache::Join;
using Lead = ReplayCache::Lead;
using Verdict = ReplayCache::Verdict;

constexpr TimePoint kStart{std::chrono::hours{1}};
constexpr char kUrl[] = "https://api.truto.one/unified/ticketing/users/42";

FinalAnswer Deleted(std::string body = "{}") {
  return {.response = {.status = 200,
                       .headers = {{"content-type", "application/json"}, {"set-cookie", "c"}, {"ratelimit-limit", "5"}},
                       .body = std::move(body)},
          .attempts = 2};
}
FinalAnswer Absent() {
  return {.response = {.status = 404, .headers = {}, .body = R"({"statusCode":404})"}, .attempts = 1};
}
core::Failure MakeFailure(ErrorReason reason, Delivery delivery) {
  core::Failure failure = core::MakeServiceFailure(StatusCode::kUnavailable, reason, "scripted");
  failure.delivery = delivery;
  failure.attempts = 1;
  return failure;
}

struct ReplayCacheTest : testing::Test {
  Verdict Begin(const std::string& id = "id", const std::string& url = kUrl, const std::string& caller = "caller") {
    return cache.Begin(caller, id, url, now);
  }
  Lead BeginAsLead(const std::string& id = "id") { return std::get<Lead>(Begin(id)); }
  Join BeginAsJoin(const std::string& id = "id") { return std::get<Join>(Begin(id)); }

  ReplayCache cache;
  TimePoint now = kStart;
};

ErrorReason ReasonOf(const Verdict& verdict) {
  const auto* failure = std::get_if<core::Failure>(&verdict);
  return failure == nullptr ? ErrorReason::kUnspecified : failure->reason;
}

// ---------------------------------------------------------------------------------------------------------------------
// Repeats
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(ReplayCacheTest, ReplaysAnOkForFifteenMinutes) {
  BeginAsLead().Answered(Deleted("body"), true, now);
  now += minutes{15} - milliseconds{1};
  const Verdict repeat = Begin();
  ASSERT_TRUE(std::holds_alternative<Answer>(repeat));
  const FinalAnswer& answer = *std::get<Answer>(repeat);
  EXPECT_EQ(answer.response.status, 200);
  EXPECT_EQ(answer.response.body, "body");
  EXPECT_EQ(answer.attempts, 2U);
  now += milliseconds{1};
  Lead const anew = BeginAsLead();
  EXPECT_FALSE(anew.ambiguous_before());
}

TEST_F(ReplayCacheTest, KeepsTheHeadersThatAnAnswerIsRenderedFromAndNoOthers) {
  BeginAsLead().Answered(Deleted(), true, now);
  const core::HttpHeaders expected = {{"content-type", "application/json"}, {"ratelimit-limit", "5"}};
  EXPECT_EQ(std::get<Answer>(Begin())->response.headers, expected);
}

TEST_F(ReplayCacheTest, ReplaysAnAbsentUserThatWasASuccess) {
  FinalAnswer absent = Absent();
  absent.ambiguous_before = true;
  BeginAsLead().Answered(std::move(absent), true, now);
  const Verdict repeat = Begin();
  EXPECT_EQ(std::get<Answer>(repeat)->response.status, 404);
  EXPECT_TRUE(std::get<Answer>(repeat)->ambiguous_before);
}

TEST_F(ReplayCacheTest, RunsAnewAfterAnyOtherEnd) {
  BeginAsLead("absent").Answered(Absent(), false, now);
  EXPECT_TRUE(std::holds_alternative<Lead>(Begin("absent")));
  for (const Delivery delivery : {Delivery::kNotSent, Delivery::kRejected, Delivery::kUnknown}) {
    BeginAsLead().Failed(MakeFailure(ErrorReason::kConflict, delivery), now);
    EXPECT_TRUE(std::holds_alternative<Lead>(Begin()));
  }
}

TEST_F(ReplayCacheTest, RemembersAnAmbiguousAttemptOverAllRepeatsUntilAnOk) {
  BeginAsLead().Failed(MakeFailure(ErrorReason::kOutcomeUnknown, Delivery::kUnknown), now);
  for (const Delivery delivery : {Delivery::kNotSent, Delivery::kRejected}) {
    now += minutes{14};
    Lead repeat = BeginAsLead();
    EXPECT_TRUE(repeat.ambiguous_before());
    repeat.Failed(MakeFailure(ErrorReason::kUpstreamUnreachable, delivery), now);
  }
  Lead absent = BeginAsLead();
  EXPECT_TRUE(absent.ambiguous_before());
  absent.Answered(Absent(), false, now);
  Lead last = BeginAsLead();
  EXPECT_TRUE(last.ambiguous_before());
  last.Answered(Deleted(), true, now);
  EXPECT_TRUE(std::holds_alternative<Answer>(Begin()));
}

TEST_F(ReplayCacheTest, AnAnswerAfterAnAmbiguousAttemptOfItsOwnCallIsRememberedAsThat) {
  FinalAnswer absent = Absent();
  absent.ambiguous_before = true;
  BeginAsLead().Answered(std::move(absent), false, now);
  EXPECT_TRUE(BeginAsLead().ambiguous_before());
}

TEST_F(ReplayCacheTest, ForgetsWhatEndedBeforeAnythingWasSent) {
  BeginAsLead().Failed(MakeFailure(ErrorReason::kUpstreamUnreachable, Delivery::kNotSent), now);
  EXPECT_EQ(cache.entries(), 0U);
  EXPECT_EQ(cache.bytes(), 0U);
  EXPECT_TRUE(std::holds_alternative<Lead>(Begin("id", "another url")));
}

TEST_F(ReplayCacheTest, RefusesOtherParametersUnderTheSameRequestId) {
  {
    Lead lead = BeginAsLead();
    EXPECT_EQ(ReasonOf(Begin("id", "other")), ErrorReason::kRequestIdReused);
    lead.Answered(Deleted(), true, now);
  }
  const Verdict reused = Begin("id", "other");
  EXPECT_EQ(ReasonOf(reused), ErrorReason::kRequestIdReused);
  const auto& failure = std::get<core::Failure>(reused);
  EXPECT_EQ(failure.code, StatusCode::kInvalidArgument);
  EXPECT_EQ(failure.delivery, Delivery::kNotSent);
  EXPECT_EQ(failure.field_violations.at(0).field, "request_id");

  BeginAsLead("failed").Failed(MakeFailure(ErrorReason::kConflict, Delivery::kRejected), now);
  EXPECT_EQ(ReasonOf(Begin("failed", "other")), ErrorReason::kRequestIdReused);
  now += minutes{15};
  EXPECT_TRUE(std::holds_alternative<Lead>(Begin("failed", "other")));
}

TEST_F(ReplayCacheTest, TheRequestIdOfAnotherCallerIsAnotherDelete) {
  BeginAsLead().Answered(Deleted(), true, now);
  EXPECT_TRUE(std::holds_alternative<Lead>(Begin("id", "other url", "other caller")));
  EXPECT_TRUE(std::holds_alternative<Lead>(Begin("id", kUrl, "")));
  EXPECT_TRUE(std::holds_alternative<Lead>(Begin("rid", kUrl, "calle")));
}

// ---------------------------------------------------------------------------------------------------------------------
// Joining
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(ReplayCacheTest, ACallJoinsTheOneInFlightAndGetsItsAnswer) {
  Lead lead = BeginAsLead();
  Join first = BeginAsJoin();
  Join second = BeginAsJoin();
  int told = 0;
  first.Listen([&told] { ++told; });
  second.Listen([&told] { ++told; });
  EXPECT_FALSE(first.ended());
  lead.Answered(Deleted("body"), true, now);
  EXPECT_EQ(told, 2);
  ASSERT_TRUE(first.ended());
  EXPECT_EQ(std::get<Answer>(first.end())->response.body, "body");
  EXPECT_EQ(std::get<Answer>(second.end()), std::get<Answer>(first.end()));
}

TEST_F(ReplayCacheTest, JoinersGetAnAbsentUserWhetherOrNotThatIsASuccessForTheOneTheyJoined) {
  Lead lead = BeginAsLead();
  Join const join = BeginAsJoin();
  lead.Answered(Absent(), false, now);
  EXPECT_EQ(std::get<Answer>(join.end())->response.status, 404);
}

TEST_F(ReplayCacheTest, JoinersShareWhateverFailureTrutoOrTheServiceDecided) {
  for (int reason = 0; reason <= static_cast<int>(ErrorReason::kNotSupportedByProvider); ++reason) {
    const auto value = static_cast<ErrorReason>(reason);
    if (value == ErrorReason::kCallerCancelled || value == ErrorReason::kDeadlineExceededUnsent ||
        value == ErrorReason::kDeadlineExceededOutcomeUnknown) {
      continue;
    }
    Lead lead = BeginAsLead();
    Join const join = BeginAsJoin();
    lead.Failed(MakeFailure(value, Delivery::kRejected), now);
    ASSERT_TRUE(std::holds_alternative<core::Failure>(join.end())) << reason;
    EXPECT_EQ(std::get<core::Failure>(join.end()).reason, value);
  }
}

TEST_F(ReplayCacheTest, WhenTheOneTheyJoinedGivesUpBeforeAnythingWasExecutedOneOfThemLeads) {
  for (const ErrorReason reason : {ErrorReason::kCallerCancelled, ErrorReason::kDeadlineExceededUnsent}) {
    for (const Delivery delivery : {Delivery::kNotSent, Delivery::kRejected}) {
      const std::string id = std::to_string(static_cast<int>(reason)) + std::to_string(static_cast<int>(delivery));
      Lead lead = BeginAsLead(id);
      Join const first = BeginAsJoin(id);
      Join const second = BeginAsJoin(id);
      lead.Failed(MakeFailure(reason, delivery), now);
      EXPECT_TRUE(std::holds_alternative<Join::BeginAgain>(first.end()));
      EXPECT_TRUE(std::holds_alternative<Join::BeginAgain>(second.end()));
      Lead next = BeginAsLead(id);
      Join const last = BeginAsJoin(id);
      next.Answered(Deleted(), true, now);
      EXPECT_TRUE(std::holds_alternative<Answer>(last.end()));
    }
  }
}

TEST_F(ReplayCacheTest, WhenTheOneTheyJoinedGivesUpAfterItWasSentNobodySendsItAgainUnasked) {
  for (const ErrorReason reason : {ErrorReason::kCallerCancelled, ErrorReason::kDeadlineExceededOutcomeUnknown}) {
    Lead lead = BeginAsLead();
    Join const join = BeginAsJoin();
    lead.Failed(MakeFailure(reason, Delivery::kUnknown), now);
    const auto& failure = std::get<core::Failure>(join.end());
    EXPECT_EQ(failure.code, StatusCode::kUnknown);
    EXPECT_EQ(failure.reason, ErrorReason::kOutcomeUnknown);
    EXPECT_EQ(failure.delivery, Delivery::kUnknown);
    EXPECT_EQ(failure.attempts, 1U);
    EXPECT_TRUE(BeginAsLead().ambiguous_before());
  }
}

TEST_F(ReplayCacheTest, ALeadThatIsLostHasAnUnknownOutcome) {
  std::optional<Lead> lead = BeginAsLead();
  Join const join = BeginAsJoin();
  lead.reset();
  EXPECT_EQ(std::get<core::Failure>(join.end()).reason, ErrorReason::kOutcomeUnknown);
  EXPECT_TRUE(BeginAsLead().ambiguous_before());
}

TEST_F(ReplayCacheTest, AJoinerThatLeavesIsNotTold) {
  Lead lead = BeginAsLead();
  std::optional<Join> join = BeginAsJoin();
  join->Listen([] { FAIL() << "told"; });
  join.reset();
  lead.Answered(Deleted(), true, now);
}

TEST_F(ReplayCacheTest, SixteenCallsMayJoinOne) {
  Lead const lead = BeginAsLead();
  std::vector<Join> joins;
  joins.reserve(16);
  for (int i = 0; i < 16; ++i) joins.push_back(BeginAsJoin());
  const Verdict refused = Begin();
  ASSERT_EQ(ReasonOf(refused), ErrorReason::kRateLimited);
  const auto& failure = std::get<core::Failure>(refused);
  EXPECT_EQ(failure.code, StatusCode::kResourceExhausted);  // never UNAVAILABLE: the delete may be executed
  EXPECT_EQ(failure.delivery, Delivery::kNotSent);
  EXPECT_TRUE(failure.retry_after);
  joins.pop_back();
  EXPECT_TRUE(std::holds_alternative<Join>(Begin()));
}

// ---------------------------------------------------------------------------------------------------------------------
// Bounds
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(ReplayCacheTest, TheOldestThatEndedGivesWayNeverOneInFlight) {
  ReplayCache small({.most_entries = 3});
  const auto begin = [&](const std::string& id) { return small.Begin("caller", id, kUrl, now); };
  Lead const in_flight = std::get<Lead>(begin("in flight"));
  std::get<Lead>(begin("a")).Answered(Deleted(), true, now);
  std::get<Lead>(begin("b")).Answered(Deleted(), true, now);
  std::get<Lead>(begin("c")).Answered(Deleted(), true, now);
  EXPECT_EQ(small.entries(), 3U);
  EXPECT_TRUE(std::holds_alternative<Answer>(begin("b")));
  EXPECT_TRUE(std::holds_alternative<Answer>(begin("c")));
  EXPECT_TRUE(std::holds_alternative<Join>(begin("in flight")));
  Lead const a = std::get<Lead>(begin("a"));
  EXPECT_TRUE(std::holds_alternative<Answer>(begin("c")));
}

TEST_F(ReplayCacheTest, ShedsWhenAllItsEntriesAreInFlight) {
  ReplayCache small({.most_entries = 2});
  Lead const a = std::get<Lead>(small.Begin("caller", "a", kUrl, now));
  Lead const b = std::get<Lead>(small.Begin("caller", "b", kUrl, now));
  const Verdict refused = small.Begin("caller", "c", kUrl, now);
  ASSERT_EQ(ReasonOf(refused), ErrorReason::kOverloaded);
  EXPECT_EQ(std::get<core::Failure>(refused).code, StatusCode::kUnavailable);
  EXPECT_TRUE(std::get<core::Failure>(refused).retry_after);
  EXPECT_TRUE(std::holds_alternative<Join>(small.Begin("caller", "a", kUrl, now)));
}

TEST_F(ReplayCacheTest, StaysWithinItsBytes) {
  ReplayCache small({.most_bytes = 100'000});
  for (int i = 0; i < 1000; ++i) {
    std::get<Lead>(small.Begin("caller", std::to_string(i), kUrl, now))
        .Answered(Deleted(std::string(5000, 'x')), true, now);
    ASSERT_LE(small.bytes(), 100'000U);
  }
  EXPECT_GE(small.entries(), 15U);
  EXPECT_TRUE(std::holds_alternative<Answer>(small.Begin("caller", "999", kUrl, now)));
}

TEST_F(ReplayCacheTest, AnAnswerThatIsTooLargeIsKeptWithoutItsBodySoThatARepeatDoesNotExecuteItAgain) {
  ReplayCache small({.most_bytes = 80'000});
  Lead lead = std::get<Lead>(small.Begin("caller", "id", kUrl, now));
  Join const join = std::get<Join>(small.Begin("caller", "id", kUrl, now));
  lead.Answered(Deleted(std::string(50'000, 'x')), true, now);
  EXPECT_EQ(std::get<Answer>(join.end())->response.body.size(), 50'000U);
  const Verdict repeat = small.Begin("caller", "id", kUrl, now);
  const FinalAnswer& kept = *std::get<Answer>(repeat);
  EXPECT_EQ(kept.response.status, 200);
  EXPECT_TRUE(kept.response.truncated);
  EXPECT_EQ(kept.response.body, "");
  EXPECT_EQ(kept.attempts, 2U);
  EXPECT_LT(small.bytes(), 10'000U);
}

TEST_F(ReplayCacheTest, IsEmptyAgainWhenAllIsOver) {
  for (int i = 0; i < 100; ++i) BeginAsLead(std::to_string(i)).Answered(Deleted(), true, now);
  EXPECT_EQ(cache.entries(), 100U);
  now += minutes{15};
  BeginAsLead().Failed(MakeFailure(ErrorReason::kOverloaded, Delivery::kNotSent), now);
  EXPECT_EQ(cache.entries(), 0U);
  EXPECT_EQ(cache.bytes(), 0U);
}

// What the cache must know of one delete, if nothing had to give way.
struct Expected {
  enum class State { kInFlight, kAnswered, kFailed } state = State::kInFlight;
  std::string url;
  bool ambiguous = false;
  TimePoint ended;
};

TEST_F(ReplayCacheTest, WhateverHappensItSaysWhatASimpleModelSays) {
  for (unsigned seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    ReplayCache all({.keep = milliseconds{1000}, .most_joiners = 1000});
    std::map<std::string, Expected> model;
    std::map<std::string, Lead> leads;
    std::vector<std::pair<std::string, Join>> joins;
    for (int step = 0; step < 3000; ++step) {
      now += milliseconds{random() % 20};
      std::erase_if(model, [&](const auto& item) {
        return item.second.state != Expected::State::kInFlight && item.second.ended + milliseconds{1000} <= now;
      });
      const std::string caller = std::to_string(random() % 2);
      const std::string id = std::to_string(random() % 30);
      std::string key = caller;
      key.append("/").append(id);
      if (random() % 3 != 0) {
        const std::string url = random() % 10 == 0 ? "other" : "url";
        Verdict verdict = all.Begin(caller, id, url, now);
        const auto known = model.find(key);
        if (known == model.end()) {
          ASSERT_TRUE(std::holds_alternative<Lead>(verdict));
          EXPECT_FALSE(std::get<Lead>(verdict).ambiguous_before());
          model.emplace(key, Expected{.url = url});
          leads.emplace(key, std::get<Lead>(std::move(verdict)));
        } else if (known->second.url != url) {
          EXPECT_EQ(ReasonOf(verdict), ErrorReason::kRequestIdReused);
        } else if (known->second.state == Expected::State::kInFlight) {
          ASSERT_TRUE(std::holds_alternative<Join>(verdict));
          joins.emplace_back(key, std::get<Join>(std::move(verdict)));
        } else if (known->second.state == Expected::State::kAnswered) {
          ASSERT_TRUE(std::holds_alternative<Answer>(verdict));
          EXPECT_EQ(std::get<Answer>(verdict)->response.body, key);
        } else {
          ASSERT_TRUE(std::holds_alternative<Lead>(verdict));
          EXPECT_EQ(std::get<Lead>(verdict).ambiguous_before(), known->second.ambiguous);
          known->second.state = Expected::State::kInFlight;
          leads.emplace(key, std::get<Lead>(std::move(verdict)));
        }
      } else if (const auto lead = leads.find(key); lead != leads.end()) {
        Expected& expected = model.at(key);
        expected.ended = now;
        const auto delivery = static_cast<Delivery>(random() % 3);
        if (random() % 2 == 0) {
          expected.state = Expected::State::kAnswered;
          lead->second.Answered(Deleted(key), true, now);
        } else {
          expected.state = Expected::State::kFailed;
          expected.ambiguous = expected.ambiguous || delivery == Delivery::kUnknown;
          if (!expected.ambiguous && delivery == Delivery::kNotSent) model.erase(key);
          lead->second.Failed(MakeFailure(ErrorReason::kConflict, delivery), now);
        }
        leads.erase(lead);
        std::erase_if(joins, [&](const auto& join) {
          EXPECT_EQ(join.second.ended(), join.first == key);
          return join.second.ended();
        });
      } else if (!joins.empty() && random() % 4 == 0) {
        joins.erase(joins.begin() + static_cast<int>(random() % joins.size()));
      }
      ASSERT_GE(all.entries(), leads.size());
    }
  }
}

TEST_F(ReplayCacheTest, WhateverHappensItStaysWithinItsBounds) {
  for (unsigned seed = 0; seed < 5; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    ReplayCache small({.most_entries = 40, .most_bytes = 60'000});
    std::map<std::string, Lead> leads;
    for (int step = 0; step < 3000; ++step) {
      now += milliseconds{random() % 20};
      const std::string id = std::to_string(random() % 200);
      if (leads.size() < 10 && random() % 2 == 0) {
        Verdict verdict = small.Begin("caller", id, kUrl, now);
        if (auto* lead = std::get_if<Lead>(&verdict)) leads.emplace(id, std::move(*lead));
      } else if (!leads.empty()) {
        leads.begin()->second.Answered(Deleted(std::string(random() % 20'000, 'x')), random() % 2 == 0, now);
        leads.erase(leads.begin());
      }
      ASSERT_LE(small.entries(), 40U);
      ASSERT_LE(small.bytes(), 60'000U + (leads.size() * 2'000));
      // Whoever is in flight can still be joined.
      for (const auto& [in_flight, lead] : leads) {
        ASSERT_TRUE(std::holds_alternative<Join>(small.Begin("caller", in_flight, kUrl, now)));
      }
    }
  }
}

}  // namespace
}  // namespace ticketing::call
