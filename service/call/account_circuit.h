// Answers for accounts that can't be served for now, without asking Truto again. Decisions only.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "call/time_point.h"
#include "core/failure.h"

namespace ticketing::call {

// For 30 s after Truto said that an account is blocked, or the provider that it needs re-authentication, calls for the
// account get that answer from here. After that the next call asks Truto again.
//
// Used on the loop thread. Remembers 10,000 accounts at most; the one whose time ends first gives way.
class AccountCircuit {
 public:
  static constexpr std::chrono::seconds kOpenTime{30};
  static constexpr std::size_t kMostAccounts = 10'000;

  // The failure to answer a call for `account` with, when it must not be sent: the same code and reason, origin
  // SERVICE, delivery NOT_SENT, RetryInfo with the time that is left. `token` names whose token it is (see RateLimits).
  std::optional<core::Failure> Check(std::string_view token, std::string_view account, TimePoint now) const;

  // An attempt ended in `failure`; only ACCOUNT_BLOCKED and ACCOUNT_NEEDS_REAUTH count.
  void OnFailure(std::string_view token, std::string_view account, const core::Failure& failure, TimePoint now);

  // An attempt succeeded: whatever was wrong with the account no longer is.
  void OnSuccess(std::string_view token, std::string_view account);

  // Those that calls are answered for at `now`.
  std::size_t CountOpen(TimePoint now) const;

  std::size_t size() const { return open_.size(); }

 private:
  struct Open {
    std::string key;
    TimePoint until;
    core::ErrorReason reason;
    std::vector<core::PreconditionViolation> violations;
  };

  std::list<Open> open_;  // in the order in which they end
  std::map<std::string, std::list<Open>::iterator, std::less<>> by_key_;
};

}  // namespace ticketing::call
