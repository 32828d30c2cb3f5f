// Completion of the arguments in a shell, from the table of commands and options.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace ticketing::cli {

std::string BashCompletion(const CLI::App& app);
std::string ZshCompletion(const CLI::App& app);

// What an option takes; the manual page asks, too.
enum class Takes { kNothing, kMaybeBoolean, kValue };
Takes WhatItTakes(const CLI::App& command, const CLI::Option& option);

// The options of a command in their order, without --help.
std::vector<const CLI::Option*> OptionsOf(const CLI::App& command);

}  // namespace ticketing::cli
