// The whole program but for its process.
#pragma once

#include "cli/process.h"

namespace ticketing::cli {

// Does what the command line asks for, and returns the exit code. Answers go to `process.out`, everything else to
// `process.err`. Blocks until the call has ended.
int Run(int argc, const char* const* argv, const Process& process);

}  // namespace ticketing::cli
