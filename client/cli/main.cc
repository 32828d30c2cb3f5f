#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "cli/run.h"

int main(int argc, char** argv) {
  // A reader that went away must not end the program before it has said what became of the user.
  std::signal(SIGPIPE, SIG_IGN);
  // gRPC's own log lines would stand between ours; whatever they tell of a call is in its status, too.
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is no other thread yet
  ::setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);

  const ticketing::cli::Process process{
      .out = std::cout,
      .err = std::cerr,
      .out_is_terminal = ::isatty(STDOUT_FILENO) == 1,
      .err_is_terminal = ::isatty(STDERR_FILENO) == 1,
      .environment = [](const std::string& name) -> std::optional<std::string> {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment any more
        const char* const value = std::getenv(name.c_str());
        if (value == nullptr) return std::nullopt;
        return value;
      },
  };
  return ticketing::cli::Run(argc, argv, process);
}
