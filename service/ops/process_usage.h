// What the process uses of its machine.
#pragma once

#include <cstdint>

namespace ticketing::ops {

// Read from /proc; what can't be read is 0.
struct ProcessUsage {
  double cpu_seconds = 0;         // user and system
  double start_time_seconds = 0;  // since the Unix epoch
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t threads = 0;
  std::uint64_t open_descriptors = 0;
  std::uint64_t max_descriptors = 0;
};

ProcessUsage ReadProcessUsage();

}  // namespace ticketing::ops
