#include "cli/run.h"

#include <variant>

#include "cli/command_line.h"
#include "cli/delete_command.h"
#include "cli/delete_list_command.h"
#include "cli/health_command.h"

namespace ticketing::cli {
namespace {

// One function for each alternative of CommandLine.
struct Runner {
  const Process& process;

  int operator()(const EarlyExit& exit) const {
    (exit.code == kExitDone ? process.out : process.err) << exit.text << std::flush;
    return exit.code;
  }
  int operator()(const DeleteCommand& command) const { return RunDelete(command, process); }
  int operator()(const DeleteListCommand& command) const { return RunDeleteList(command, process); }
  int operator()(const HealthCommand& command) const { return RunHealth(command, process); }
};

}  // namespace

int Run(int argc, const char* const* argv, const Process& process) {
  return std::visit(Runner{process}, ParseCommandLine(argc, argv, process.environment));
}

}  // namespace ticketing::cli
