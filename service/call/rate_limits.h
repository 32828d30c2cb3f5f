// When a call may be sent by the limits of its token and its account. Decisions only: nothing here waits or reads a
// clock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "call/time_point.h"
#include "core/failure.h"

namespace ticketing::call {

// Rates per second; 0: no such limit, and none of what belongs to it.
struct RateLimitOptions {
  double token_rate = 45;
  std::uint32_t token_burst = 50;
  double account_rate = 4;
  std::uint32_t account_burst = 10;
  std::size_t most_tokens = 1'000;
  std::size_t most_accounts = 10'000;
};

// Token buckets (in the form of the generic cell rate algorithm, ITU-T I.371: one point in time each), one for each
// token and one for each account of a token. An attempt takes a permit of both, or waits in the queue:
// - at most 2 s and a quarter of the time to its deadline, and at most 20 calls for one account; a call that would wait
//   longer, or does because others came between, is refused;
// - first come, first served within an account; among the accounts of a token in turn, one call each. So an account
//   with many calls never keeps one with few from being served: those wait for one turn of the others at most.
//
// A 429 closes the account's bucket until its reset, and then leaves one permit in it. Truto's own 429s (a provider's
// say nothing of the token) to two accounts of a token within 10 s close the token's, for 10 s at most: such is the
// window of Truto's limit.
//
// A queue and not a reservation of points in time, because a call that is promised a time can't give way to one of an
// account that came later and has had nothing yet.
//
// Memory is bounded. A bucket that is full again is forgotten, which changes nothing. Beyond the most accounts or
// tokens, the one that is nearest to full gives way, unless it is empty or closed; then the newcomer goes without a
// bucket of its own (an account's call is still subject to its token's).
//
// Used on the loop thread; outlives its places.
class RateLimits {
 public:
  static constexpr std::chrono::milliseconds kLongestWait{2000};
  static constexpr std::size_t kLongestQueue = 20;
  static constexpr std::chrono::seconds kTokenWindow{10};
  // A provider may lock an account for half an hour; a Retry-After of days is taken as a mistake.
  static constexpr std::chrono::hours kLongestClosing{1};

  enum class Limit { kToken, kAccount };

  // The call must not be sent now.
  struct Refusal {
    Limit limit = Limit::kAccount;
    std::chrono::milliseconds retry_after{0};  // until there is room, as far as is known now
  };

  // A call's place, from its arrival until it may go or is refused. Destroyed before, the call leaves the queue.
  class [[nodiscard]] Place {
   public:
    Place(Place&& other) noexcept;
    Place& operator=(Place&& other) noexcept;
    ~Place();

    bool decided() const;
    // Only when decided: why it must not go; nothing when it may.
    const std::optional<Refusal>& refusal() const;
    // Calls `listener` once, when it is decided; an empty one ends that. It is called from within Enter(),
    // OnRateLimited() or Advance(), so it must not touch a Place or RateLimits but only wake who waits. Not called when
    // it is decided already.
    void Listen(std::function<void()> listener);

   private:
    friend class RateLimits;
    struct Waiting;
    explicit Place(std::optional<Refusal> refusal);
    explicit Place(std::unique_ptr<Waiting> waiting);

    std::unique_ptr<Waiting> waiting_;  // none when it was decided at once
    std::optional<Refusal> refusal_;
  };

  explicit RateLimits(const RateLimitOptions& options);
  RateLimits(const RateLimits&) = delete;
  RateLimits& operator=(const RateLimits&) = delete;
  ~RateLimits();

  // An attempt wants to go. `token` names the token (never the token itself), `account` one of its accounts, empty
  // where the token implies it; `remaining`: time to the call's deadline.
  Place Enter(std::string_view token, std::string_view account, TimePoint now, std::chrono::milliseconds remaining);

  // A 429 came, from Truto or the provider, that asks for `retry_after`.
  void OnRateLimited(std::string_view token, std::string_view account, core::Origin origin,
                     std::chrono::milliseconds retry_after, TimePoint now);

  // Decides about those that wait, as far as can be done at `now`.
  void Advance(TimePoint now);

  // When Advance() should be called next; nothing while nobody waits. Earlier calls do no harm.
  std::optional<TimePoint> NextChange() const;

  std::size_t waiting() const;
  std::size_t tracked_accounts() const;
  std::size_t tracked_tokens() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

// RATE_LIMITED by the service itself: nothing was sent.
core::Failure RateLimited(const RateLimits::Refusal& refusal, std::string_view integrated_account_id);

}  // namespace ticketing::call
