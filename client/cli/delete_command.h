// The subcommands `delete` and `validate`.
#pragma once

#include "cli/command_line.h"
#include "cli/process.h"

namespace ticketing::cli {

// Makes the call, writes the answer or the error, and returns the exit code. A request without a request_id gets a new
// one, so that a delete whose answer is lost can be repeated under its name. `validate` is always the unary call.
int RunDelete(const DeleteCommand& command, const Process& process);

}  // namespace ticketing::cli
