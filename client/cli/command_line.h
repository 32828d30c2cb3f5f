// From the program's arguments to what is to be done; nothing is sent here.
//
// A later subcommand adds an Add…Command to command_table.cc, a struct to CommandLine, a Make…Command to the .cc and a
// function to run.cc.
#pragma once

#include <chrono>
#include <string>
#include <variant>

#include "cli/connection.h"
#include "cli/list_file.h"
#include "cli/process.h"
#include "ticketing/v1/ticketing_user_service.pb.h"

namespace ticketing::cli {

// The service is told of it, and answers 100 ms before it is up: its answer about the time, which tells what became of
// the delete, comes before ours.
inline constexpr std::chrono::milliseconds kDefaultDeadline = std::chrono::seconds(35);
inline constexpr std::chrono::milliseconds kDefaultStreamDeadline = std::chrono::minutes(10);

// `delete`, and `validate` when the request says validate_only.
struct DeleteCommand {
  ticketing::v1::DeleteTicketingUserRequest request;
  bool stream = false;
  std::string output;  // a file for the stream's body; "-" and empty are standard output
  bool json = false;
  std::chrono::milliseconds deadline = kDefaultDeadline;
  ConnectionOptions connection;
};

struct DeleteListCommand {
  std::string file;      // "-" is standard input
  std::string results;   // empty: named after the list
  std::string failures;  // likewise
  int concurrency = 8;
  bool dry_run = false;
  bool yes = false;
  bool repeat_unknown = false;
  ListDefaults defaults;
  std::chrono::milliseconds deadline = kDefaultDeadline;
  ConnectionOptions connection;
};

struct HealthCommand {
  std::string service;
  std::chrono::milliseconds deadline = std::chrono::seconds(5);
  ConnectionOptions connection;
};

// The program ends here: with code 0 for --help, --version, completion and manual, whose text is for standard output,
// else with kExitUsage and a text that names the option and the rule, for standard error.
struct EarlyExit {
  int code = 0;
  std::string text;
};

using CommandLine = std::variant<EarlyExit, DeleteCommand, DeleteListCommand, HealthCommand>;

// Reads the files that --remote-query names; whether those of the connection are there is seen when it is opened.
CommandLine ParseCommandLine(int argc, const char* const* argv, const Environment& environment);

}  // namespace ticketing::cli
