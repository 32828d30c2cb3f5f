#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "cli/run.h"

namespace {

// Written by the handler alone.
// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): a signal handler can reach nothing else
volatile std::sig_atomic_t interrupt_count = 0;
volatile std::sig_atomic_t interrupt_signal = 0;
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

void CountInterrupt(int signal) {
  interrupt_signal = signal;
  interrupt_count = interrupt_count + 1;
  // Whatever hangs then, the next one ends the program.
  if (interrupt_count > 1) std::signal(signal, SIG_DFL);
}

ticketing::cli::Interrupts WatchInterrupts() {
  static const bool kWatching = [] {
    struct sigaction action{};
    action.sa_handler = CountInterrupt;
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    return true;
  }();
  (void)kWatching;
  return {.count = interrupt_count, .signal = interrupt_signal};
}

std::size_t TerminalWidth() {
  constexpr std::size_t kUsual = 80;
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsual;
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that went away must not end the program before it has said what became of the user.
  std::signal(SIGPIPE, SIG_IGN);
  // gRPC's own log lines would stand between ours; whatever they tell of a call is in its status, too.
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is no other thread yet
  ::setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);

  const ticketing::cli::Process process{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .in_is_terminal = ::isatty(STDIN_FILENO) == 1,
      .out_is_terminal = ::isatty(STDOUT_FILENO) == 1,
      .err_is_terminal = ::isatty(STDERR_FILENO) == 1,
      .environment = [](const std::string& name) -> std::optional<std::string> {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment any more
        const char* const value = std::getenv(name.c_str());
        if (value == nullptr) return std::nullopt;
        return value;
      },
      .width = TerminalWidth,
      .interrupts = WatchInterrupts,
  };
  return ticketing::cli::Run(argc, argv, process);
}
