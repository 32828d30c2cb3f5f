#include "call/upstream_circuit.h"

#include <algorithm>

namespace ticketing::call {

using std::chrono::milliseconds;

std::optional<UpstreamCircuit::Pass> UpstreamCircuit::Enter(TimePoint now) {
  if (open_ && probe_ != 0 && now - probe_at_ >= kProbeTime) Close();
  if (!open_) return Pass(*this, 0);
  if (probe_ != 0 || now < probe_at_) return std::nullopt;
  probe_ = ++last_probe_;
  probe_at_ = now;
  return Pass(*this, probe_);
}

milliseconds UpstreamCircuit::RetryAfter(TimePoint now, double random) const {
  const TimePoint decided = probe_ != 0 ? probe_at_ + kProbeTime : probe_at_;
  const milliseconds left = std::chrono::ceil<milliseconds>(std::max(decided - now, TimePoint::duration{0}));
  return left + milliseconds{1} + std::chrono::duration_cast<milliseconds>(milliseconds{1000} * random);
}

void UpstreamCircuit::Open(TimePoint now, double random) {
  open_ = true;
  probe_ = 0;
  if (longest_wait_ < kLongestWait) longest_wait_ += kFirstWait;
  probe_at_ = now + std::chrono::duration_cast<TimePoint::duration>(longest_wait_ * random);
}

void UpstreamCircuit::Close() {
  open_ = false;
  failures_ = 0;
  longest_wait_ = milliseconds{0};
  probe_ = 0;
}

UpstreamCircuit::Pass::~Pass() {
  if (circuit_ != nullptr && IsProbe()) circuit_->probe_ = 0;
}

void UpstreamCircuit::Pass::Answered() {
  if (circuit_ != nullptr) circuit_->Close();
  circuit_ = nullptr;
}

void UpstreamCircuit::Pass::Broken() {
  // What was sent before an outage and lost in it must not close the circuit.
  if (circuit_ != nullptr && (!circuit_->open_ || IsProbe())) circuit_->Close();
  circuit_ = nullptr;
}

void UpstreamCircuit::Pass::Unreachable(TimePoint now, double random) {
  if (circuit_ != nullptr) {
    // Open already: the others of the same outage say nothing new.
    const bool news = circuit_->open_ ? IsProbe() : ++circuit_->failures_ >= kFailuresToOpen;
    if (news) circuit_->Open(now, random);
  }
  circuit_ = nullptr;
}

core::Failure NotTried(milliseconds retry_after) {
  core::Failure failure =
      core::MakeServiceFailure(core::StatusCode::kUnavailable, core::ErrorReason::kUpstreamUnreachable,
                               "Truto could not be reached by the calls before; the delete was not sent.");
  failure.retry_after = retry_after;
  return failure;
}

}  // namespace ticketing::call
