// The subcommand `delete-list`.
#pragma once

#include "cli/command_line.h"
#include "cli/process.h"

namespace ticketing::cli {

// Reads the whole list, sends what the results file does not know as done, and returns the exit code. Progress and what
// fails go to `process.err`, the table at the end to `process.out`.
int RunDeleteList(const DeleteListCommand& command, const Process& process);

// What is asked before anything is deleted: how many users, of which accounts, through which service.
std::string ConfirmationQuestion(const std::vector<const ListLine*>& lines, const std::string& server);

}  // namespace ticketing::cli
