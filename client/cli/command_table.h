// The table of commands and options: what the arguments, --help, completion and the manual page are made from.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ticketing::cli {

std::unique_ptr<CLI::App> MakeCommandTable();

// Two columns of the help's end and of the manual page.
struct Explanation {
  std::string term;
  std::string text;
};
const std::vector<Explanation>& EnvironmentVariables();
const std::vector<Explanation>& ExitCodes();
// What is written where, and of lists; a paragraph each.
const std::vector<std::string>& Notes();
const std::vector<std::string>& ListNotes();

}  // namespace ticketing::cli
