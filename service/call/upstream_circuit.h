// Spares a Truto that can't be reached, and the callers the waiting. Decisions only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "call/time_point.h"
#include "core/failure.h"

namespace ticketing::call {

// Opens after 5 attempts in a row, whoever made them, for which Truto could not be reached. Open, it lets one attempt
// through at a time, the probe; any answer closes it.
//
// The wait before each probe has full jitter, U(0, w) with w = 1, 2, 3, 3, ... s, so that replicas don't probe in step.
// Calls get through within 10 s of Truto's recovery: a probe that just missed it (a connection may take 3 s), the wait
// (3 s), and a probe whose answer is slow (taken as sent after 3.5 s).
//
// Used on the loop thread; outlives its passes.
class UpstreamCircuit {
 public:
  static constexpr std::uint32_t kFailuresToOpen = 5;
  static constexpr std::chrono::milliseconds kFirstWait{1000};
  static constexpr std::chrono::milliseconds kLongestWait{3000};
  // After this an attempt has been sent, or has failed: connecting takes 3 s at most.
  static constexpr std::chrono::milliseconds kProbeTime{3500};

  // Allows one attempt. What it says of the way to Truto is told by one of its functions; by none when it says nothing
  // (cancelled, or its time was up before it was sent): then the next call may probe.
  class [[nodiscard]] Pass {
   public:
    Pass(Pass&& other) noexcept
        : circuit_(std::exchange(other.circuit_, nullptr)), probe_(std::exchange(other.probe_, 0)) {}
    Pass& operator=(Pass&& other) noexcept {
      std::swap(circuit_, other.circuit_);
      std::swap(probe_, other.probe_);
      return *this;
    }
    ~Pass();

    // An answer came, of any status.
    void Answered();
    // It was sent, and no answer came: there was a connection, at least when it was made.
    void Broken();
    // It was not sent: name, connection or TLS handshake failed. `random` is uniform in [0, 1).
    void Unreachable(TimePoint now, double random);

   private:
    friend class UpstreamCircuit;
    Pass(UpstreamCircuit& circuit, std::uint64_t probe) : circuit_(&circuit), probe_(probe) {}
    bool IsProbe() const { return probe_ != 0 && probe_ == circuit_->probe_; }

    UpstreamCircuit* circuit_;
    std::uint64_t probe_;  // 0: not a probe
  };

  // A pass for an attempt; nothing while the circuit is open.
  std::optional<Pass> Enter(TimePoint now);

  // When a call that got no pass should come back: after the next probe, spread over a second so that not all come at
  // once. `random` is uniform in [0, 1).
  std::chrono::milliseconds RetryAfter(TimePoint now, double random) const;

  bool open() const { return open_; }

 private:
  void Open(TimePoint now, double random);
  void Close();

  bool open_ = false;
  std::uint32_t failures_ = 0;  // in a row, while closed
  std::chrono::milliseconds longest_wait_{0};
  TimePoint probe_at_;       // when the next probe may start, or when the current one did
  std::uint64_t probe_ = 0;  // the current one; 0: none
  std::uint64_t last_probe_ = 0;
};

// UPSTREAM_UNREACHABLE, for a call that was not even tried.
core::Failure NotTried(std::chrono::milliseconds retry_after);

}  // namespace ticketing::call
