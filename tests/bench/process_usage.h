// What a process uses of the machine, as the system counts it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>

namespace ticketing::bench {

// CPU time, user and system, of all threads that process `pid` has had, in nanoseconds; 0 is this process. Ends the
// program when there is no such process.
std::chrono::nanoseconds CpuTime(pid_t pid);

// Resident memory of process `pid` in KiB; 0 when there is no such process.
std::uint64_t ResidentKiB(pid_t pid);

}  // namespace ticketing::bench
