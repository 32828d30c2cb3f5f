#include "call/retry_budget.h"

#include <algorithm>

namespace ticketing::call {

std::optional<RetryBudget::Permit> RetryBudget::Take(core::Delivery failed, std::size_t calls_in_flight) {
  const int cost = failed == core::Delivery::kUnknown ? kAmbiguousCost : kCost;
  if (balance_ < cost || retrying_ >= std::max(kFewest, calls_in_flight / kShare)) {
    ++refused_;
    return std::nullopt;
  }
  balance_ -= cost;
  ++retrying_;
  return Permit(*this, cost);
}

void RetryBudget::Add(int amount) {
  balance_ = std::min(kCapacity, balance_ + amount);
}

void RetryBudget::Permit::End(int given_back) {
  RetryBudget* budget = std::exchange(budget_, nullptr);
  if (budget == nullptr) return;
  --budget->retrying_;
  budget->Add(given_back);
}

}  // namespace ticketing::call
