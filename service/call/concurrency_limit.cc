#include "call/concurrency_limit.h"

#include <algorithm>

namespace ticketing::call {

using std::chrono::milliseconds;

ConcurrencyLimit::ConcurrencyLimit(std::uint32_t max_in_flight)
    : highest_(std::max(max_in_flight, 1U)), floor_(std::min<double>(highest_, kFloor)), limit_(floor_) {}

std::optional<ConcurrencyLimit::Slot> ConcurrencyLimit::Enter(std::string_view account) {
  const std::uint32_t whole = limit();
  if (in_flight_ >= whole) return std::nullopt;
  auto held = held_.find(account);
  if (held == held_.end()) {
    held = held_.emplace(account, 0).first;
  } else if (held->second >= kShareOfFree * (whole - in_flight_)) {
    return std::nullopt;
  }
  ++held->second;
  ++in_flight_;
  return Slot(*this, held);
}

void ConcurrencyLimit::OnSign(const std::string& account, std::uint32_t held, TimePoint sent, TimePoint now) {
  if (cut_at_ && sent < *cut_at_) return;
  const bool alone = held == in_flight_;
  const bool confirmed = suspected_at_ && suspect_ != account && now - *suspected_at_ <= kSuspicion;
  if (!alone && !confirmed) {
    suspect_ = account;
    suspected_at_ = now;
    return;
  }
  limit_ = std::max(floor_, limit_ / 2);
  cut_at_ = now;
  suspected_at_.reset();
}

void ConcurrencyLimit::Slot::Answered() {
  if (limit_ == nullptr) return;
  if (limit_->in_flight_ * 2 >= limit_->limit()) {
    const double step = limit_->cut_at_ ? 1 / limit_->limit_ : 1;
    limit_->limit_ = std::min(limit_->highest_, limit_->limit_ + step);
  }
  Release();
}

void ConcurrencyLimit::Slot::TimedOut(TimePoint sent, TimePoint now) {
  if (limit_ != nullptr && now - sent >= kShortestTelling) limit_->OnSign(account_->first, account_->second, sent, now);
  Release();
}

void ConcurrencyLimit::Slot::EdgeOverloaded(TimePoint sent, TimePoint now) {
  if (limit_ != nullptr) limit_->OnSign(account_->first, account_->second, sent, now);
  Release();
}

void ConcurrencyLimit::Slot::Release() {
  ConcurrencyLimit* limit = std::exchange(limit_, nullptr);
  if (limit == nullptr) return;
  --limit->in_flight_;
  if (--account_->second == 0) limit->held_.erase(account_);
}

core::Failure Overloaded(double random) {
  core::Failure failure = core::MakeServiceFailure(core::StatusCode::kUnavailable, core::ErrorReason::kOverloaded,
                                                   "The service has too much to do; the delete was not sent.");
  failure.retry_after = milliseconds{500} + std::chrono::duration_cast<milliseconds>(milliseconds{1000} * random);
  return failure;
}

}  // namespace ticketing::call
