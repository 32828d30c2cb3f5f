#include "call/account_circuit.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace ticketing::call {
namespace {

std::string Key(std::string_view token, std::string_view account) {
  std::string key(token);
  key += '\0';
  key += account;
  return key;
}

}  // namespace

std::optional<core::Failure> AccountCircuit::Check(std::string_view token, std::string_view account,
                                                   TimePoint now) const {
  const auto found = by_key_.find(Key(token, account));
  if (found == by_key_.end() || found->second->until <= now) return std::nullopt;
  const Open& open = *found->second;
  core::Failure failure = core::MakeServiceFailure(
      core::StatusCode::kFailedPrecondition, open.reason,
      open.reason == core::ErrorReason::kAccountBlocked
          ? "The integrated account was blocked a moment ago; the delete was not sent."
          : "The integrated account needed re-authentication a moment ago; the delete was not sent.");
  failure.retry_after = std::chrono::ceil<std::chrono::milliseconds>(open.until - now);
  failure.precondition_violations = open.violations;
  return failure;
}

void AccountCircuit::OnFailure(std::string_view token, std::string_view account, const core::Failure& failure,
                               TimePoint now) {
  if (failure.reason != core::ErrorReason::kAccountBlocked &&
      failure.reason != core::ErrorReason::kAccountNeedsReauth) {
    return;
  }
  OnSuccess(token, account);
  while (!open_.empty() && (open_.front().until <= now || open_.size() >= kMostAccounts)) {
    by_key_.erase(open_.front().key);
    open_.pop_front();
  }
  std::string key = Key(token, account);
  open_.push_back({key, now + kOpenTime, failure.reason, failure.precondition_violations});
  by_key_.emplace(std::move(key), std::prev(open_.end()));
}

void AccountCircuit::OnSuccess(std::string_view token, std::string_view account) {
  const auto found = by_key_.find(Key(token, account));
  if (found == by_key_.end()) return;
  open_.erase(found->second);
  by_key_.erase(found);
}

std::size_t AccountCircuit::CountOpen(TimePoint now) const {
  const auto first = std::ranges::find_if(open_, [now](const Open& open) { return open.until > now; });
  return static_cast<std::size_t>(std::distance(first, open_.end()));
}

}  // namespace ticketing::call
