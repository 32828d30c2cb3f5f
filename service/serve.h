// Wires the rooms and runs the loop.
#pragma once

#include "ops/log.h"
#include "ops/settings.h"

namespace ticketing {

// Serves calls until a signal ends it; then, or when it can't start, returns the process's exit code. What there is to
// say is in `log`.
int Serve(const ops::Settings& settings, ops::Log& log);

}  // namespace ticketing
