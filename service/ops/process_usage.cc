#include "ops/process_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>

namespace ticketing::ops {
namespace {

// The seconds since the epoch at which the machine started.
double BootTime() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("btime ")) return std::strtod(line.c_str() + 6, nullptr);
  }
  return 0;
}

}  // namespace

ProcessUsage ReadProcessUsage() {
  ProcessUsage usage;
  std::ifstream file("/proc/self/stat");
  const std::string line((std::istreambuf_iterator<char>(file)), {});
  // The second field, the name in parentheses, may have blanks in it; the numbers are those of proc(5).
  if (const auto end = line.rfind(')'); end != std::string::npos) {
    std::istringstream fields(line.substr(end + 1));
    std::string skipped;
    const auto skip = [&](int count) {
      while (count-- > 0) fields >> skipped;
    };
    double user = 0;
    double system = 0;
    double start = 0;
    std::uint64_t pages = 0;
    skip(11);  // fields 3 to 13
    fields >> user >> system;
    skip(4);  // 16 to 19
    fields >> usage.threads;
    skip(1);  // 21
    fields >> start >> usage.virtual_bytes >> pages;
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    usage.cpu_seconds = (user + system) / ticks;
    usage.start_time_seconds = BootTime() + start / ticks;
    usage.resident_bytes = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end; !error && entry != end;
       entry.increment(error)) {
    ++usage.open_descriptors;
  }
  if (rlimit limit{}; getrlimit(RLIMIT_NOFILE, &limit) == 0) usage.max_descriptors = limit.rlim_cur;
  return usage;
}

}  // namespace ticketing::ops
