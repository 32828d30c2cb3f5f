// The library that is preloaded into the program under test (see preload.h): in place of libc's, a resolver and a clock
// that look at the switches first.
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "tests/e2e/preload.h"
#include "tests/e2e/preload_switches.h"

namespace {

using ticketing::e2e::PreloadSwitches;
using ticketing::e2e::Resolver;

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

// The test's switches; those that change nothing in a program that was started without.
PreloadSwitches& Switches() {
  static PreloadSwitches& switches = []() -> PreloadSwitches& {
    static PreloadSwitches none{};
    const char* file = std::getenv(ticketing::e2e::kPreloadVariable);  // NOLINT(concurrency-mt-unsafe): nothing sets it
    const int descriptor = file == nullptr ? -1 : ::open(file, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return none;
    void* memory = ::mmap(nullptr, sizeof(PreloadSwitches), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    ::close(descriptor);
    return memory == MAP_FAILED ? none : *static_cast<PreloadSwitches*>(memory);
  }();
  return switches;
}

template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

void Shift(timespec& time) {
  const std::int64_t shift = Switches().clock_shift;
  if (shift == 0) return;
  std::int64_t nanos = time.tv_nsec + shift % kNanosPerSecond;
  time.tv_sec += shift / kNanosPerSecond;
  if (nanos < 0) {
    nanos += kNanosPerSecond;
    time.tv_sec -= 1;
  } else if (nanos >= kNanosPerSecond) {
    nanos -= kNanosPerSecond;
    time.tv_sec += 1;
  }
  time.tv_nsec = nanos;
}

}  // namespace

extern "C" {
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the names of libc are reserved

int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  static const auto next = Next<decltype(::getaddrinfo)>("getaddrinfo");
  if (node == nullptr || std::strcmp(node, ticketing::e2e::kPreloadedHost) != 0) {
    return next(node, service, hints, result);
  }
  PreloadSwitches& switches = Switches();
  const auto hangs = [&] { return switches.resolver == static_cast<std::int32_t>(Resolver::kHangs); };
  if (hangs()) {
    ++switches.hanging_lookups;
    const timespec moment{.tv_sec = 0, .tv_nsec = 1'000'000};
    while (hangs()) ::nanosleep(&moment, nullptr);
    --switches.hanging_lookups;
  }
  if (switches.resolver == static_cast<std::int32_t>(Resolver::kDenies)) return EAI_NONAME;
  return next("127.0.0.1", service, hints, result);
}

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  static const auto next = Next<decltype(::clock_gettime)>("clock_gettime");
  const int result = next(clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) Shift(*time);
  return result;
}

int gettimeofday(timeval* time, void* /*zone*/) noexcept {
  timespec now{};
  if (::clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* result) noexcept {
  timespec now{};
  if (::clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  if (result != nullptr) *result = now.tv_sec;
  return now.tv_sec;
}

// NOLINTEND(readability-inconsistent-declaration-parameter-name)
}  // extern "C"
