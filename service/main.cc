// ticketing-user-service: reads the settings and serves.
#include <cstdio>
#include <exception>
#include <iostream>

#include "ops/log.h"
#include "ops/process.h"
#include "ops/settings.h"
#include "serve.h"

int main(int argc, char** argv) {
  namespace ops = ticketing::ops;
  try {
    ops::SetProcessLimits();
    const auto settings = ops::ParseSettings(argc, argv, ops::ProcessEnvironment());
    if (!settings.ok()) {
      (settings.error().exit_code == 0 ? std::cout : std::cerr) << settings.error().text;
      return settings.error().exit_code;
    }
    ops::Log log(settings.value().log_level, settings.value().log_format);
    return ticketing::Serve(settings.value(), log);
  } catch (const std::exception& error) {
    // Out of memory or descriptors, before anything was served.
    std::fprintf(stderr, "ticketing-user-service: %s\n", error.what());
    return 1;
  }
}
