// The subcommand `health`.
#pragma once

#include "cli/command_line.h"
#include "cli/process.h"

namespace ticketing::cli {

// Asks the service whether it is serving (grpc.health.v1.Health/Check), says what it answered, and returns the exit
// code.
int RunHealth(const HealthCommand& command, const Process& process);

}  // namespace ticketing::cli
