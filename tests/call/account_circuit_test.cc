#include "call/account_circuit.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace ticketing::call {
namespace {

using core::ErrorReason;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{std::chrono::hours{1}};

core::Failure Blocked() {
  core::Failure failure;
  failure.code = core::StatusCode::kFailedPrecondition;
  failure.reason = ErrorReason::kAccountBlocked;
  failure.origin = core::Origin::kTruto;
  failure.delivery = core::Delivery::kRejected;
  failure.http_status = 503;
  failure.precondition_violations = {{"ACCOUNT_BLOCKED", "account", "The account must not be blocked at Truto."}};
  return failure;
}

core::Failure NeedsReauth() {
  core::Failure failure = Blocked();
  failure.reason = ErrorReason::kAccountNeedsReauth;
  failure.origin = core::Origin::kProvider;
  failure.http_status = 401;
  return failure;
}

TEST(AccountCircuit, AnswersForABlockedAccountForThirtySeconds) {
  AccountCircuit circuit;
  EXPECT_EQ(circuit.Check("token", "account", kStart), std::nullopt);
  circuit.OnFailure("token", "account", Blocked(), kStart);

  const auto failure = circuit.Check("token", "account", kStart + seconds{10});
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, core::StatusCode::kFailedPrecondition);
  EXPECT_EQ(failure->reason, ErrorReason::kAccountBlocked);
  EXPECT_EQ(failure->origin, core::Origin::kService);
  EXPECT_EQ(failure->delivery, core::Delivery::kNotSent);
  EXPECT_EQ(failure->resend, core::Resend::kNever);
  EXPECT_EQ(failure->retry_after, seconds{20});
  EXPECT_EQ(failure->http_status, std::nullopt);
  EXPECT_EQ(failure->precondition_violations, Blocked().precondition_violations);

  EXPECT_EQ(circuit.Check("token", "account", kStart + milliseconds{29'999})->retry_after, milliseconds{1});
  EXPECT_EQ(circuit.Check("token", "account", kStart + seconds{30}), std::nullopt);
}

TEST(AccountCircuit, AnswersForAnAccountThatNeedsReauthentication) {
  AccountCircuit circuit;
  circuit.OnFailure("token", "account", NeedsReauth(), kStart);
  const auto failure = circuit.Check("token", "account", kStart);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->reason, ErrorReason::kAccountNeedsReauth);
  EXPECT_EQ(failure->retry_after, seconds{30});
}

TEST(AccountCircuit, NoOtherFailureOpensIt) {
  for (int reason = 0; reason <= static_cast<int>(ErrorReason::kNotSupportedByProvider); ++reason) {
    AccountCircuit circuit;
    core::Failure failure = Blocked();
    failure.reason = static_cast<ErrorReason>(reason);
    circuit.OnFailure("token", "account", failure, kStart);
    EXPECT_EQ(circuit.Check("token", "account", kStart).has_value(),
              failure.reason == ErrorReason::kAccountBlocked || failure.reason == ErrorReason::kAccountNeedsReauth)
        << reason;
  }
}

TEST(AccountCircuit, LeavesOtherAccountsAndOtherTokensAlone) {
  AccountCircuit circuit;
  circuit.OnFailure("token", "account", Blocked(), kStart);
  EXPECT_FALSE(circuit.Check("token", "other", kStart));
  EXPECT_FALSE(circuit.Check("other", "account", kStart));
  EXPECT_FALSE(circuit.Check("token", "", kStart));
}

TEST(AccountCircuit, TheLastFailureCounts) {
  AccountCircuit circuit;
  circuit.OnFailure("token", "account", Blocked(), kStart);
  circuit.OnFailure("token", "account", NeedsReauth(), kStart + seconds{10});
  EXPECT_EQ(circuit.size(), 1U);
  const auto failure = circuit.Check("token", "account", kStart + seconds{35});
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->reason, ErrorReason::kAccountNeedsReauth);
  EXPECT_EQ(failure->retry_after, seconds{5});
}

TEST(AccountCircuit, ASuccessClosesIt) {
  AccountCircuit circuit;
  circuit.OnFailure("token", "account", Blocked(), kStart);
  circuit.OnSuccess("token", "other");
  EXPECT_TRUE(circuit.Check("token", "account", kStart));
  circuit.OnSuccess("token", "account");
  EXPECT_FALSE(circuit.Check("token", "account", kStart));
  EXPECT_EQ(circuit.size(), 0U);
}

TEST(AccountCircuit, ForgetsWhatIsOverAndTheOldestWhenThereAreTooMany) {
  AccountCircuit circuit;
  for (std::size_t i = 0; i < 2 * AccountCircuit::kMostAccounts; ++i) {
    circuit.OnFailure("token", std::to_string(i), Blocked(), kStart + milliseconds{i / 10});
    ASSERT_LE(circuit.size(), AccountCircuit::kMostAccounts);
  }
  EXPECT_FALSE(circuit.Check("token", "0", kStart + seconds{3}));
  EXPECT_TRUE(circuit.Check("token", std::to_string((2 * AccountCircuit::kMostAccounts) - 1), kStart + seconds{3}));
  circuit.OnFailure("token", "later", Blocked(), kStart + seconds{60});
  EXPECT_EQ(circuit.size(), 1U);
}

}  // namespace
}  // namespace ticketing::call
