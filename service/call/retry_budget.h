// How many retries the service as a whole may make, so that an outage is not answered with more load. Decisions only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "core/failure.h"

namespace ticketing::call {

// Asked besides RetryPolicy, which looks at one call alone. Two limits:
// - A bucket of 500: a retry takes 5, or 10 after an attempt that may have been executed; it gets them back when it
//   succeeds; a call that succeeds without a retry adds 1. So retries that don't help end after 100, and in the long
//   run come to at most a fifth of the calls that succeed (source: the retry quota of the AWS SDKs' standard mode).
// - At most a fifth of the calls in flight, 3 at least, may be retrying at a time (source: Envoy's retry budget).
//
// Used on the loop thread; outlives its permits.
class RetryBudget {
 public:
  static constexpr int kCapacity = 500;
  static constexpr int kCost = 5;
  static constexpr int kAmbiguousCost = 10;
  static constexpr std::size_t kFewest = 3;  // retries that are always allowed at a time
  static constexpr std::size_t kShare = 5;   // one in so many calls in flight may be retrying

  // Allows one retry, back-off and attempt; held until the attempt has ended.
  class [[nodiscard]] Permit {
   public:
    Permit(Permit&& other) noexcept : budget_(std::exchange(other.budget_, nullptr)), cost_(other.cost_) {}
    Permit& operator=(Permit&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(cost_, other.cost_);
      return *this;
    }
    ~Permit() { End(0); }

    // The attempt succeeded: gives back what it cost.
    void Succeeded() { End(cost_); }

   private:
    friend class RetryBudget;
    Permit(RetryBudget& budget, int cost) : budget_(&budget), cost_(cost) {}
    void End(int given_back);

    RetryBudget* budget_;
    int cost_;
  };

  // A permit to send again after an attempt that ended with `failed`; nothing when the budget does not allow it.
  // `calls_in_flight`: all calls that have not ended, those that wait included.
  std::optional<Permit> Take(core::Delivery failed, std::size_t calls_in_flight);

  // A call succeeded with its first attempt.
  void OnCleanSuccess() { Add(1); }

  int balance() const { return balance_; }
  std::size_t retrying() const { return retrying_; }
  std::uint64_t refused() const { return refused_; }  // by Take(), since the start

 private:
  void Add(int amount);

  int balance_ = kCapacity;
  std::size_t retrying_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace ticketing::call
