// Whether an attempt may be sent now: all that holds attempts back, in the order in which it is asked.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "call/account_circuit.h"
#include "call/concurrency_limit.h"
#include "call/ports.h"
#include "call/rate_limits.h"
#include "call/upstream_circuit.h"
#include "core/failure.h"
#include "core/http_message.h"

namespace ticketing::call {

struct AdmissionOptions {
  RateLimitOptions rates;
  std::uint32_t max_in_flight = 200;
};

// Whose attempt it is. `token` names the token, and is no token; `account` is empty where the token implies it.
struct AttemptOwner {
  std::string token;
  std::string account;
  bool streaming = false;  // its body may last
};

// Used on the loop thread; outlives its tickets, and the runtime that it is given.
class Admission {
 public:
  // Room for one attempt. What the attempt met is told by one of its functions; by none when it was not made.
  class [[nodiscard]] Ticket {
   public:
    // A 2xx came.
    void Succeeded();
    // Another final status came, which means `failure`.
    void Failed(const core::Failure& failure, Runtime& runtime);
    // Room for a streamed body, to be held as long as that lasts.
    std::optional<ConcurrencyLimit::Slot> TakeStreamSlot() { return std::exchange(stream_slot_, std::nullopt); }
    // No final status came. `cancelled`: the time that it had left was cut short.
    void Lost(const core::TransportError& error, bool cancelled, Runtime& runtime);

   private:
    friend class Admission;
    Ticket(Admission& admission, AttemptOwner owner, ConcurrencyLimit::Slot slot,
           std::optional<ConcurrencyLimit::Slot> stream_slot, UpstreamCircuit::Pass pass, TimePoint start)
        : admission_(&admission),
          owner_(std::move(owner)),
          slot_(std::move(slot)),
          stream_slot_(std::move(stream_slot)),
          pass_(std::move(pass)),
          start_(start) {}

    Admission* admission_;
    AttemptOwner owner_;
    ConcurrencyLimit::Slot slot_;
    std::optional<ConcurrencyLimit::Slot> stream_slot_;
    UpstreamCircuit::Pass pass_;
    TimePoint start_;
  };

  // Streamed bodies at a time. An account may hold 80 % of them alone, and fewer beside others: see ConcurrencyLimit.
  static constexpr std::uint32_t kMostStreams = 20;

  // Cancelled, or the deadline passed, while it waited.
  struct Interrupted {};
  using Verdict = std::variant<Ticket, core::Failure, Interrupted>;

  explicit Admission(const AdmissionOptions& options) : rates_(options.rates), concurrency_(options.max_in_flight) {}

  // Waits for a place within the rate limits; a failure says why the attempt must not be made now, and that nothing was
  // sent. Adds the time that it waited to `queued`.
  boost::asio::awaitable<Verdict> Enter(Runtime& runtime, AttemptOwner owner, TimePoint deadline,
                                        Cancellation& cancellation, std::chrono::steady_clock::duration& queued);

  const RateLimits& rates() const { return rates_; }
  const ConcurrencyLimit& concurrency() const { return concurrency_; }
  const AccountCircuit& accounts() const { return accounts_; }
  const UpstreamCircuit& upstream() const { return upstream_; }

 private:
  void SetAlarm(Runtime& runtime);

  RateLimits rates_;
  ConcurrencyLimit concurrency_;
  ConcurrencyLimit streams_{kMostStreams};
  AccountCircuit accounts_;
  UpstreamCircuit upstream_;
};

}  // namespace ticketing::call
