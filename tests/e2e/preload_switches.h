// The memory that a test shares with the library preloaded into the program under test.
#pragma once

#include <atomic>
#include <cstdint>

namespace ticketing::e2e {

// All zero at first: nothing is changed.
struct PreloadSwitches {
  std::atomic<std::int32_t> resolver;         // a Resolver
  std::atomic<std::int32_t> hanging_lookups;  // how many do now
  std::atomic<std::int64_t> clock_shift;      // nanoseconds
};

}  // namespace ticketing::e2e
