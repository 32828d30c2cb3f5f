#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/command_table.h"
#include "cli/completion.h"
#include "cli/manual_page.h"
#include "cli/option_values.h"
#include "cli/terminal_text.h"

namespace ticketing::cli {
namespace {

using ticketing::v1::DeleteTicketingUserRequest;

constexpr const char* kServerVariable = "TICKETING_SERVER";

// ---------------------------------------------------------------------------------------------------------------------
// What CLI11 lets pass
// ---------------------------------------------------------------------------------------------------------------------

// CLI11 takes the next option as the value of one that has none (`--collection= --allow-missing`), which would change
// what a delete asks for without a word.
std::string FindWrongValue(const CLI::App& command, const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    const std::string& argument = arguments[i];
    if (!argument.starts_with("--")) continue;
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const CLI::Option* const option = command.get_option_no_throw(name);
    if (option == nullptr) continue;
    if (equals != std::string::npos) {
      if (option->get_disable_flag_override()) return name + ": takes no value";
      if (equals + 1 == argument.size()) return name + ": no value after '='";
      continue;
    }
    if (option->get_items_expected_max() == 0) continue;
    ++i;
    if (i < arguments.size() && arguments[i].starts_with("--")) {
      return name + ": no value; one that begins with '--' is written behind '='";
    }
  }
  return {};
}

// ---------------------------------------------------------------------------------------------------------------------
// From options to the command
// ---------------------------------------------------------------------------------------------------------------------

std::vector<std::string> Values(const CLI::App& app, const std::string& name) {
  return app.get_option(name)->results();
}

std::optional<std::string> Value(const CLI::App& app, const std::string& name) {
  const auto values = Values(app, name);
  return values.empty() ? std::nullopt : std::optional(values.front());
}

DeleteTicketingUserRequest MakeRequest(const CLI::App& app, bool validate_only) {
  DeleteTicketingUserRequest request;
  request.set_id(Value(app, "ID").value_or(""));
  request.set_integrated_account_id(Value(app, "--account").value_or(""));
  for (const std::string& id : Values(app, "--collection")) request.add_collections()->set_id(id);
  if (const auto id = Value(app, "--organization")) request.mutable_organization()->set_id(*id);
  if (const auto format = Value(app, "--format")) request.set_truto_response_format(ResponseFormats().at(*format));
  if (const auto ignore = Value(app, "--ignore-remote-data")) request.set_truto_ignore_remote_data(*ignore == "true");
  for (const std::string& name : Values(app, "--exclude-field")) request.add_truto_exclude_fields(name);
  if (const auto text = Value(app, "--remote-query")) {
    auto query = ParseRemoteQuery(*text);
    // The check of the option has read the same file; it may have changed since.
    if (const auto* const error = std::get_if<std::string>(&query))
      throw CLI::ValidationError("--remote-query", *error);
    *request.mutable_remote_query() = std::get<google::protobuf::Struct>(std::move(query));
  }
  if (const auto skip = Value(app, "--skip-api-call")) request.set_truto_skip_api_call(*skip == "true");
  request.set_allow_missing(Value(app, "--allow-missing").has_value());
  request.set_validate_only(validate_only);
  request.set_request_id(Value(app, "--request-id").value_or(""));
  request.set_include_http_body(Value(app, "--include-http-body").has_value());
  return request;
}

ConnectionOptions MakeConnectionOptions(const CLI::App& app, const Environment& environment) {
  ConnectionOptions options;
  if (const auto server = Value(app, "--server")) {
    options.server = *server;
  } else if (const auto from_environment = environment(kServerVariable)) {
    options.server = *from_environment;
    if (const auto error = CheckServer(options.server); !error.empty()) {
      throw CLI::ValidationError(kServerVariable, error);
    }
  }
  options.ca_file = Value(app, "--ca-file").value_or("");
  options.cert_file = Value(app, "--cert-file").value_or("");
  options.key_file = Value(app, "--key-file").value_or("");
  options.server_name = Value(app, "--server-name").value_or("");
  options.tls = Value(app, "--tls").has_value() || !options.ca_file.empty() || !options.cert_file.empty() ||
                !options.server_name.empty();
  options.token_file = Value(app, "--token-file").value_or("");
  options.correlation_id = Value(app, "--correlation-id").value_or("");
  options.traceparent = Value(app, "--traceparent").value_or("");
  return options;
}

DeleteCommand MakeDeleteCommand(const CLI::App& app, bool validate_only, const Environment& environment) {
  DeleteCommand command;
  command.request = MakeRequest(app, validate_only);
  command.stream = Value(app, "--stream").has_value();
  command.output = Value(app, "--output").value_or("");
  command.json = Value(app, "--json").has_value();
  if (command.stream) command.deadline = kDefaultStreamDeadline;
  if (const auto deadline = Value(app, "--deadline")) {
    command.deadline = ParseDuration(*deadline).value_or(command.deadline);
  }
  command.connection = MakeConnectionOptions(app, environment);
  return command;
}

DeleteListCommand MakeDeleteListCommand(const CLI::App& app, const Environment& environment) {
  DeleteListCommand command;
  command.file = Value(app, "FILE").value_or("");
  command.results = Value(app, "--results").value_or("");
  command.failures = Value(app, "--failures").value_or("");
  if (const auto text = Value(app, "--concurrency")) {
    command.concurrency = ParseConcurrency(*text).value_or(command.concurrency);
  }
  command.dry_run = Value(app, "--dry-run").has_value();
  command.yes = Value(app, "--yes").has_value();
  command.repeat_unknown = Value(app, "--repeat-unknown").has_value();
  command.defaults.account = Value(app, "--account").value_or("");
  command.defaults.allow_missing = Value(app, "--allow-missing").has_value();
  if (const auto text = Value(app, "--deadline")) command.deadline = ParseDuration(*text).value_or(command.deadline);
  command.connection = MakeConnectionOptions(app, environment);
  return command;
}

HealthCommand MakeHealthCommand(const CLI::App& app, const Environment& environment) {
  HealthCommand command;
  command.service = Value(app, "--service").value_or("");
  if (const auto text = Value(app, "--deadline")) command.deadline = ParseDuration(*text).value_or(command.deadline);
  command.connection = MakeConnectionOptions(app, environment);
  return command;
}

CommandLine MakeCommand(const CLI::App& app, const Environment& environment) {
  const CLI::App& command = *app.get_subcommands().front();
  const std::string& name = command.get_name();
  if (name == "delete-list") return MakeDeleteListCommand(command, environment);
  if (name == "health") return MakeHealthCommand(command, environment);
  if (name == "manual") return EarlyExit{.code = kExitDone, .text = ManualPage(app)};
  if (name == "completion") {
    const bool bash = Value(command, "SHELL") == "bash";
    return EarlyExit{.code = kExitDone, .text = bash ? BashCompletion(app) : ZshCompletion(app)};
  }
  return MakeDeleteCommand(command, /*validate_only=*/name == "validate", environment);
}

EarlyExit WrongUsage(const std::string& message, const std::string& command_name) {
  const std::string help =
      command_name.empty() ? "ticketing-user --help" : "ticketing-user " + command_name + " --help";
  return {.code = kExitUsage, .text = "ticketing-user: " + message + "\nTry '" + help + "'.\n"};
}

}  // namespace

CommandLine ParseCommandLine(int argc, const char* const* argv, const Environment& environment) {
  const auto given = std::span(argv, static_cast<std::size_t>(argc)).subspan(argc > 0 ? 1 : 0);
  const std::vector<std::string> arguments(given.begin(), given.end());
  const std::unique_ptr<CLI::App> app = MakeCommandTable();

  std::string command_name;
  const auto commands = app->get_subcommands(nullptr);
  const auto command = std::ranges::find(commands, arguments.empty() ? "" : arguments.front(), &CLI::App::get_name);
  if (command != commands.end()) {
    command_name = (*command)->get_name();
    if (const auto wrong = FindWrongValue(**command, arguments); !wrong.empty()) return WrongUsage(wrong, command_name);
  } else if (!arguments.empty() && !arguments.front().starts_with('-')) {
    return WrongUsage("there is no command '" + Escaped(arguments.front()) + "'", "");
  }
  if (const auto broken = std::ranges::find_if_not(arguments, IsUtf8); broken != arguments.end()) {
    return WrongUsage("the argument '" + Escaped(*broken) + "' is not UTF-8", command_name);
  }

  try {
    app->parse(argc, argv);
    return MakeCommand(*app, environment);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return WrongUsage(error.what(), command_name);
    std::ostringstream text;
    app->exit(error, text, text);
    return EarlyExit{.code = kExitDone, .text = text.str()};
  }
}

}  // namespace ticketing::cli
