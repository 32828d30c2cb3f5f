#include "ops/process_usage.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <thread>

namespace ticketing::ops {
namespace {

TEST(ProcessUsage, TellsOfThisProcess) {
  const ProcessUsage usage = ReadProcessUsage();
  EXPECT_GT(usage.resident_bytes, 1'000'000U);
  EXPECT_GT(usage.virtual_bytes, usage.resident_bytes);
  EXPECT_GE(usage.threads, 1U);
  EXPECT_GE(usage.open_descriptors, 3U);
  EXPECT_GE(usage.max_descriptors, usage.open_descriptors);
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_LE(usage.start_time_seconds, now + 2);
  EXPECT_GT(usage.start_time_seconds, now - 24 * 3600);
}

TEST(ProcessUsage, CountsWhatIsOpened) {
  const auto before = ReadProcessUsage().open_descriptors;
  const std::ifstream file("/proc/self/stat");
  EXPECT_EQ(ReadProcessUsage().open_descriptors, before + 1);
}

TEST(ProcessUsage, CpuTimeGrowsWithWork) {
  const double before = ReadProcessUsage().cpu_seconds;
  volatile std::uint64_t work = 0;
  // A tick of the kernel's clock is 10 ms.
  while (ReadProcessUsage().cpu_seconds == before) work = work + 1;
  EXPECT_GT(ReadProcessUsage().cpu_seconds, before);
}

}  // namespace
}  // namespace ticketing::ops
