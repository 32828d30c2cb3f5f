#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/option_values.h"
#include "cli/terminal_text.h"

namespace ticketing::cli {
namespace {

using ticketing::v1::DeleteTicketingUserRequest;
using ticketing::v1::TrutoResponseFormat;

constexpr const char* kServerVariable = "TICKETING_SERVER";

constexpr std::string_view kFooter = R"(
Environment:
  TICKETING_SERVER   default of --server
  TICKETING_TOKEN    bearer token for a service that takes its callers' tokens; --token-file wins
  NO_COLOR           when set and not empty: no colours

Exit codes:
  0        deleted, already absent with --allow-missing, or valid
  1        the same, but the answer could not be written completely
  2        wrong usage; nothing was sent
  64 + N   the call ended with the gRPC status N, such as 69 for NOT_FOUND; standard error tells what is known

Answers go to standard output, errors to standard error. With --json each is one JSON document: the response message,
or an object with code, code_name, message, request_id and details. With --stream standard output has the body alone;
header and summary go to standard error.)";

const std::map<std::string, TrutoResponseFormat>& Formats() {
  static const std::map<std::string, TrutoResponseFormat> kFormats = {
      {"unified", v1::TRUTO_RESPONSE_FORMAT_UNIFIED},
      {"raw", v1::TRUTO_RESPONSE_FORMAT_RAW},
      {"normalized", v1::TRUTO_RESPONSE_FORMAT_NORMALIZED},
      {"stream", v1::TRUTO_RESPONSE_FORMAT_STREAM},
      {"debug", v1::TRUTO_RESPONSE_FORMAT_DEBUG}};
  return kFormats;
}

std::string CheckFormat(const std::string& text) {
  return Formats().contains(text) ? "" : "'" + text + "' is none of unified, raw, normalized, stream and debug";
}

std::string CheckBoolean(const std::string& text) {
  return text == "true" || text == "false" ? "" : "'" + text + "' is neither true nor false";
}

// ---------------------------------------------------------------------------------------------------------------------
// The options. None is bound to a variable: CLI11 would take "{}" for an empty list and such; its results are the
// arguments as they were typed. Descriptions are no literals, since CLI11 2.1 mistakes those for counters in C++20.
// ---------------------------------------------------------------------------------------------------------------------

CLI::Option* AddRepeatable(CLI::App& app, const std::string& name, const std::string& description) {
  return app.add_option(name, description)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

// A flag that is there or not; `--name=false` is refused.
CLI::Option* AddSwitch(CLI::App& app, const std::string& name, const std::string& description) {
  return app.add_flag(name, description)->disable_flag_override();
}

// A flag with three states: absent, true and false.
CLI::Option* AddTristate(CLI::App& app, const std::string& name, const std::string& description) {
  return app.add_flag(name, description)
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw)
      ->check(CLI::Validator(CheckBoolean, ""));
}

void AddParameterOptions(CLI::App& app) {
  const std::string group = "Parameters of the endpoint (what is absent here is absent from the HTTP request)";
  app.add_option("ID", "The user to delete. After '--' it may begin with a hyphen")->required()->type_name("");
  app.add_option("--account", "The integrated account of the user; may be absent only where the token implies it")
      ->type_name("UUID")
      ->check(CLI::Validator(CheckNotEmpty, ""))
      ->group(group);
  AddRepeatable(app, "--collection", "A collection, such as a project; repeatable. Pivotal Tracker requires one")
      ->type_name("ID")
      ->group(group);
  app.add_option("--organization", "The organization, such as a Zoho portal")->type_name("ID")->group(group);
  app.add_option("--format", "How Truto answers: unified, raw, normalized, stream or debug")
      ->type_name("FORMAT")
      ->check(CLI::Validator(CheckFormat, ""))
      ->group(group);
  AddTristate(app, "--ignore-remote-data", "[=true|false] Leave remote_data out of the answer")->group(group);
  AddRepeatable(app, "--exclude-field", "A field that Truto leaves out of the answer; repeatable")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--remote-query", "A JSON object of query parameters for the provider, or @FILE with one")
      ->type_name("JSON")
      ->check(CLI::Validator(CheckRemoteQuery, ""))
      ->group(group);
  AddTristate(app, "--skip-api-call", "[=true|false] Ask Truto not to call the provider")->group(group);
}

void AddCallOptions(CLI::App& app) {
  const std::string group = "The call";
  AddSwitch(app, "--allow-missing", "A user that does not exist is a success")->group(group);
  app.add_option("--request-id", "The name of this delete over all its repeats; a new one when absent")
      ->type_name("UUID")
      ->check(CLI::Validator(CheckNotEmpty, ""))
      ->group(group);
  AddSwitch(app, "--include-http-body", "Return the exact bytes of the HTTP answer, too")->group(group);
  auto* const stream = AddSwitch(app, "--stream", "Write the answer's body to standard output as it arrives");
  stream->group(group);
  app.add_option("--output", "Write the body to this file instead; '-' is standard output, even a terminal")
      ->type_name("FILE")
      ->check(CLI::Validator(CheckNotEmpty, ""))
      ->needs(stream)
      ->group(group);
  app.add_option("--deadline", "When to give up, such as 250ms, 10s or 2m; 35s when absent, 10m with --stream")
      ->type_name("DURATION")
      ->check(CLI::Validator(CheckDuration, ""))
      ->group(group);
  AddSwitch(app, "--json", "Print the answer or error as one JSON document")->group(group);
}

void AddConnectionOptions(CLI::App& app) {
  const std::string group = "Connection";
  app.add_option("--server", "Where the service listens; localhost:50051 when absent")
      ->type_name("HOST:PORT")
      ->check(CLI::Validator(CheckServer, ""))
      ->group(group);
  AddSwitch(app, "--tls", "TLS, trusting the system's certificates; each of the next four implies it")->group(group);
  const auto add_text = [&](const char* name, const char* type, const std::string& description) {
    return app.add_option(name, description)->type_name(type)->check(CLI::Validator(CheckNotEmpty, ""))->group(group);
  };
  add_text("--ca-file", "FILE", "Trust these certificates (PEM) and nothing else");
  auto* const cert = add_text("--cert-file", "FILE", "The client's certificate chain (PEM), for mTLS");
  auto* const key = add_text("--key-file", "FILE", "Its private key (PEM)");
  cert->needs(key);
  key->needs(cert);
  add_text("--server-name", "NAME", "The name that the server's certificate must have, when not HOST");
  add_text("--token-file", "FILE", "A file with the bearer token; never sent without TLS but to a loopback host");
  app.add_option("--correlation-id", "Sent as x-request-id, for the service's log")
      ->type_name("TEXT")
      ->check(CLI::Validator(CheckCorrelationId, ""))
      ->group(group);
  app.add_option("--traceparent", "The W3C trace context that the call belongs to")
      ->type_name("CONTEXT")
      ->check(CLI::Validator(CheckTraceparent, ""))
      ->group(group);
}

CLI::App* AddDeleteCommand(CLI::App& app, const char* name, const char* description) {
  CLI::App* const command = app.add_subcommand(name, description);
  AddParameterOptions(*command);
  AddCallOptions(*command);
  AddConnectionOptions(*command);
  command->footer(std::string(kFooter));
  return command;
}

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
  if (const auto format = Value(app, "--format")) request.set_truto_response_format(Formats().at(*format));
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

EarlyExit WrongUsage(const std::string& message, const std::string& command_name) {
  const std::string help =
      command_name.empty() ? "ticketing-user --help" : "ticketing-user " + command_name + " --help";
  return {.code = kExitUsage, .text = "ticketing-user: " + message + "\nTry '" + help + "'.\n"};
}

}  // namespace

CommandLine ParseCommandLine(int argc, const char* const* argv, const Environment& environment) {
  const auto given = std::span(argv, static_cast<std::size_t>(argc)).subspan(argc > 0 ? 1 : 0);
  const std::vector<std::string> arguments(given.begin(), given.end());
  CLI::App app("Deletes users from ticketing systems through the ticketing-user service.", "ticketing-user");
  app.require_subcommand(1);
  app.set_version_flag("--version", TICKETING_VERSION);
  const CLI::App* const erase = AddDeleteCommand(app, "delete", "Delete one user.");
  const CLI::App* const validate = AddDeleteCommand(
      app, "validate", "Check a delete and show the HTTP request that it would be; nothing is deleted.");

  std::string command_name;
  const auto commands = app.get_subcommands(nullptr);
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
    app.parse(argc, argv);
    const bool validate_only = validate->parsed();
    return MakeDeleteCommand(validate_only ? *validate : *erase, validate_only, environment);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return WrongUsage(error.what(), command_name);
    std::ostringstream text;
    app.exit(error, text, text);
    return EarlyExit{.code = kExitDone, .text = text.str()};
  }
}

}  // namespace ticketing::cli
