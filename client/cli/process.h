// What the program has of the process that it runs in; tests hand in their own.
#pragma once

#include <functional>
#include <optional>
#include <ostream>
#include <string>

namespace ticketing::cli {

// Reads an environment variable; nothing when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

struct Process {
  std::ostream& out;
  std::ostream& err;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  Environment environment;
};

// Exit codes; the others are 64 + the code of a gRPC status, as grpcurl has it.
inline constexpr int kExitDone = 0;        // deleted, already absent with --allow-missing, or valid
inline constexpr int kExitNotWritten = 1;  // as 0, but the answer could not be written completely
inline constexpr int kExitUsage = 2;       // nothing was sent
inline constexpr int kExitStatusBase = 64;

}  // namespace ticketing::cli
