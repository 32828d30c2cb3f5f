// What the program has of the process that it runs in; tests hand in their own.
#pragma once

#include <cstddef>
#include <functional>
#include <istream>
#include <optional>
#include <ostream>
#include <string>

namespace ticketing::cli {

// Reads an environment variable; nothing when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

// The signals that asked the program to end, so far.
struct Interrupts {
  int count = 0;
  int signal = 0;  // the last one
};

struct Process {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  Environment environment;
  // Columns of the terminal that `err` is.
  std::function<std::size_t()> width = [] { return std::size_t{80}; };
  // From the first call on, SIGINT and SIGTERM don't end the program, but are counted.
  std::function<Interrupts()> interrupts = [] { return Interrupts(); };
};

// Whether text for a terminal has colours.
inline bool ColoursWanted(const Process& process, bool terminal) {
  return terminal && process.environment("NO_COLOR").value_or("").empty();
}

// Exit codes; the others are 64 + the code of a gRPC status, as grpcurl has it, and 128 + a signal that ended a list.
inline constexpr int kExitDone = 0;        // deleted, already absent with --allow-missing, or valid
inline constexpr int kExitNotWritten = 1;  // the answer, or what became of a list, could not be written completely
inline constexpr int kExitUsage = 2;       // nothing was sent
inline constexpr int kExitNotAll = 3;      // not every line of a list is done; the service is not serving
inline constexpr int kExitStatusBase = 64;
inline constexpr int kExitSignalBase = 128;

// Says why nothing is sent, and returns the exit code.
inline int Refuse(const Process& process, const std::string& message) {
  process.err << "ticketing-user: " << message << "\n" << std::flush;
  return kExitUsage;
}

}  // namespace ticketing::cli
