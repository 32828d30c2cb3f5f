// The manual page, from the table of commands and options and the texts of --help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace ticketing::cli {

// For man, in the macros of man(7).
std::string ManualPage(const CLI::App& app);

}  // namespace ticketing::cli
