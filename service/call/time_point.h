// The clock of everything that decides about time.
#pragma once

#include <chrono>

namespace ticketing::call {

// Steady: a jump of the wall clock changes nothing.
using TimePoint = std::chrono::steady_clock::time_point;

}  // namespace ticketing::call
