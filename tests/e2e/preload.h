// The name resolver and the clock of a program under test, in the hands of the test.
//
//   Preload preload;
//   ... start the service with preload.Environment() besides, in front of https://upstream.test:4711 ...
//   preload.SetResolver(Resolver::kHangs);
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "tests/support/temporary_directory.h"

namespace ticketing::e2e {

// How the name kPreloadedHost is looked up; other names are none of its business.
enum class Resolver : std::int32_t {
  kFinds,   // 127.0.0.1
  kDenies,  // there is no such name
  kHangs,   // no answer until the resolver is set to something else
};

// The certificate of a scripted upstream is good for it.
inline constexpr char kPreloadedHost[] = "upstream.test";

// Where the library finds the file that it shares with the test.
inline constexpr char kPreloadVariable[] = "TICKETING_TEST_PRELOAD";

struct PreloadSwitches;  // what the file holds, see preload_switches.h

// Switches for one program, thrown while it runs.
class Preload {
 public:
  Preload();
  ~Preload();
  Preload(const Preload&) = delete;
  Preload& operator=(const Preload&) = delete;

  // What the program's environment needs.
  std::map<std::string, std::string> Environment() const;

  void SetResolver(Resolver resolver);
  // Waits until `count` look-ups hang; false when they don't within 30 seconds.
  [[nodiscard]] bool WaitForHangingLookups(int count) const;

  // Sets the system's clock (not the steady one) forward by `time`, or back, from where it really is.
  void ShiftClock(std::chrono::nanoseconds time);

 private:
  support::TemporaryDirectory directory_;
  std::string file_;
  PreloadSwitches* switches_ = nullptr;
};

}  // namespace ticketing::e2e
