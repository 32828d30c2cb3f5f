#include "tests/e2e/preload.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "tests/e2e/preload_switches.h"
#include "tests/e2e/programs.h"

namespace ticketing::e2e {

Preload::Preload() : file_(directory_.WriteFile("switches", std::string(sizeof(PreloadSwitches), '\0'))) {
  const int file = ::open(file_.c_str(), O_RDWR | O_CLOEXEC);  // NOLINT(*-vararg)
  void* memory = ::mmap(nullptr, sizeof(PreloadSwitches), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (file < 0 || memory == MAP_FAILED) {
    std::perror(file_.c_str());
    std::abort();
  }
  ::close(file);
  switches_ = static_cast<PreloadSwitches*>(memory);
}

Preload::~Preload() {
  ::munmap(switches_, sizeof(PreloadSwitches));
}

std::map<std::string, std::string> Preload::Environment() const {
  return {{"LD_PRELOAD", PreloadedLibrary()}, {kPreloadVariable, file_}};
}

void Preload::SetResolver(Resolver resolver) {
  switches_->resolver = static_cast<std::int32_t>(resolver);
}

bool Preload::WaitForHangingLookups(int count) const {
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (switches_->hanging_lookups < count) {
    if (std::chrono::steady_clock::now() > patience) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // memory that is shared wakes nobody
  }
  return true;
}

void Preload::ShiftClock(std::chrono::nanoseconds time) {
  switches_->clock_shift = time.count();
}

}  // namespace ticketing::e2e
