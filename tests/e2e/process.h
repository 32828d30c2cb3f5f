// A program that a test starts, reads and ends.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace ticketing::e2e {

// Starts a program with nothing in its environment but `environment` and PATH; kills it on destruction if it still
// runs.
class Process {
 public:
  Process(std::vector<std::string> command, const std::map<std::string, std::string>& environment);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Waits for the first line of standard output or error, from the beginning, that contains `text`, or for the one with
  // so many of them before it; nothing when the program has ended without it.
  std::optional<std::string> WaitForLine(std::string_view text, int number = 1);

  void Signal(int signal) const;
  pid_t pid() const { return pid_; }

  // Waits for the end: the exit code, or 128 + the signal that ended it.
  int Wait();

  // What it has written so far. After Wait(): all of it.
  std::string output() const;
  std::string errors() const;

 private:
  class Capture;
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
  std::shared_ptr<Capture> capture_;
  std::thread output_reader_;
  std::thread error_reader_;
};

// Runs a program to its end.
struct Finished {
  int exit_code;
  std::string output;
  std::string errors;
};
Finished RunProgram(std::vector<std::string> command, const std::map<std::string, std::string>& environment = {});

}  // namespace ticketing::e2e
