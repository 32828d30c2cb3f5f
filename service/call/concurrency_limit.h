// How many attempts may be under way at a time: as many as Truto keeps up with. Decisions only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "call/time_point.h"
#include "core/failure.h"

namespace ticketing::call {

// An adaptive limit, from 20 up to `max_in_flight` (sources: RFC 5681 for the rules, AIMDLimit of Netflix's
// concurrency-limits for their use on requests):
// - An answer, of any status, raises it while at least half of it is in use: by 1 up to the first sign of overload,
//   after that by 1 for each `limit` answers, so that it does not shoot past what Truto bears.
// - A sign of overload halves it, but never below 20. Attempts that were sent before the last cut don't count: what
//   they say is known already.
// - Signs are an attempt that got no answer in its time, and a 503 of the edge. Latency is none: it is the provider's,
//   and differs by orders of magnitude from one provider to the next.
// - The signs of one account alone don't count while calls of others are under way: then its provider is ill, not
//   Truto. A second account within 10 s makes them count.
// - An account may hold at most 4 times what is left free, 80 % when it is alone (source: Choudhury and Hahne, "Dynamic
//   Queue Length Thresholds", 1998). So one whose provider hangs can't take the others' room.
//
// Used on the loop thread; outlives its slots. Remembers nothing of an account that holds no slot.
class ConcurrencyLimit {
 public:
  static constexpr std::uint32_t kFloor = 20;
  static constexpr std::uint32_t kShareOfFree = 4;
  // An attempt with less time than this would have been hasty on a good day, too.
  static constexpr std::chrono::seconds kShortestTelling{1};
  static constexpr std::chrono::seconds kSuspicion{10};

 private:
  using HeldByAccount = std::map<std::string, std::uint32_t, std::less<>>;

 public:
  // Room for one attempt, from admission until it has ended. What it says of Truto is told by one of its functions; by
  // none when it was not sent, or ended for a reason of its own (cancelled, shut down).
  class [[nodiscard]] Slot {
   public:
    Slot(Slot&& other) noexcept : limit_(std::exchange(other.limit_, nullptr)), account_(other.account_) {}
    Slot& operator=(Slot&& other) noexcept {
      std::swap(limit_, other.limit_);
      std::swap(account_, other.account_);
      return *this;
    }
    ~Slot() { Release(); }

    // An answer came, of any status but those of EdgeOverloaded().
    void Answered();
    // It was sent at `sent`, and no answer had come when its time was up.
    void TimedOut(TimePoint sent, TimePoint now);
    // A 503 without Truto's envelope.
    void EdgeOverloaded(TimePoint sent, TimePoint now);

   private:
    friend class ConcurrencyLimit;
    Slot(ConcurrencyLimit& limit, HeldByAccount::iterator account) : limit_(&limit), account_(account) {}
    void Release();

    ConcurrencyLimit* limit_;
    HeldByAccount::iterator account_;
  };

  // `max_in_flight`: at least 1; below 20 it is the limit, once and for all.
  explicit ConcurrencyLimit(std::uint32_t max_in_flight);

  // A slot for an attempt of `account`, any name that tells accounts apart; nothing when there is no room.
  std::optional<Slot> Enter(std::string_view account);

  std::uint32_t limit() const { return static_cast<std::uint32_t>(limit_); }
  std::uint32_t in_flight() const { return in_flight_; }

 private:
  void OnSign(const std::string& account, std::uint32_t held, TimePoint sent, TimePoint now);

  double highest_;
  double floor_;
  double limit_;
  std::uint32_t in_flight_ = 0;
  HeldByAccount held_;
  std::optional<TimePoint> cut_at_;  // the last cut
  std::string suspect_;              // whose sign was the last that did not count
  std::optional<TimePoint> suspected_at_;
};

// OVERLOADED, with a RetryInfo of 0.5 to 1.5 s; `random` is uniform in [0, 1).
core::Failure Overloaded(double random);

}  // namespace ticketing::call
