#include "cli/command_table.h"

#include <algorithm>
#include <cstddef>

#include "cli/option_values.h"

namespace ticketing::cli {
namespace {

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

std::string Wrapped(const std::string& text) {
  constexpr std::size_t kWidth = 118;
  std::string wrapped;
  std::size_t column = 0;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find(' ', start), text.size());
    const std::size_t length = end - start;
    if (column > 0 && column + 1 + length > kWidth) {
      wrapped += '\n';
      column = 0;
    }
    if (column > 0) wrapped += ' ';
    wrapped += text.substr(start, length);
    column += length + 1;
    start = end + 1;
  }
  return wrapped;
}

std::string Footer(const std::vector<std::string>& notes) {
  std::string text;
  const auto add = [&](const char* title, const std::vector<Explanation>& explanations) {
    std::size_t width = 0;
    for (const Explanation& explanation : explanations) width = std::max(width, explanation.term.size());
    text.append("\n").append(title).append(":\n");
    for (const Explanation& explanation : explanations) {
      text += "  " + explanation.term + std::string(width - explanation.term.size() + 3, ' ') + explanation.text + "\n";
    }
  };
  add("Environment", EnvironmentVariables());
  add("Exit codes", ExitCodes());
  for (const std::string& note : notes) text += "\n" + Wrapped(note) + "\n";
  text.pop_back();
  return text;
}

std::string CheckShell(const std::string& text) {
  return text == "bash" || text == "zsh" ? "" : "'" + text + "' is neither bash nor zsh";
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
  app.add_option("--format", "How Truto answers")
      ->type_name("unified|raw|normalized|stream|debug")
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

CLI::App* AddCommand(CLI::App& app, const char* name, const std::string& description,
                     const std::vector<std::string>& notes = Notes()) {
  CLI::App* const command = app.add_subcommand(name, description);
  command->footer(Footer(notes));
  return command;
}

void AddDeleteCommand(CLI::App& app, const char* name, const char* description) {
  CLI::App* const command = AddCommand(app, name, description);
  AddParameterOptions(*command);
  AddCallOptions(*command);
  AddConnectionOptions(*command);
}

void AddDeleteListCommand(CLI::App& app) {
  CLI::App* const command =
      AddCommand(app, "delete-list", "Delete the users of a list, CSV or JSON lines.", ListNotes());
  const std::string lines = "The list";
  command->add_option("FILE", "The list; '-' is standard input")->required()->type_name("");
  command->add_option("--account", "The integrated account of lines that name none")
      ->type_name("UUID")
      ->check(CLI::Validator(CheckUuid, ""))
      ->group(lines);
  AddSwitch(*command, "--allow-missing", "A user that does not exist is a success")->group(lines);
  auto* const results = command->add_option(
      "--results", "Where it is written what became of each line, and read what is done; FILE.results when absent");
  results->type_name("FILE")->check(CLI::Validator(CheckNotEmpty, ""))->group(lines);
  command->add_option("--failures", "Where the lines that failed are written, as a list again; FILE.failed when absent")
      ->type_name("FILE")
      ->check(CLI::Validator(CheckNotEmpty, ""))
      ->group(lines);
  const std::string run = "The run";
  auto* const dry_run = AddSwitch(*command, "--dry-run", "Have every line checked; nothing is deleted");
  dry_run->group(run)->excludes(results);
  AddSwitch(*command, "--yes", "Don't ask before the users are deleted")->group(run);
  AddSwitch(*command, "--repeat-unknown",
            "Also send what ended with an unknown outcome before, under the same request_id")
      ->group(run);
  command->add_option("--concurrency", "How many calls may be under way at a time, 1 to 100; 8 when absent")
      ->type_name("NUMBER")
      ->check(CLI::Validator(CheckConcurrency, ""))
      ->group(run);
  command->add_option("--deadline", "When to give up one call, such as 10s or 2m; 35s when absent")
      ->type_name("DURATION")
      ->check(CLI::Validator(CheckDuration, ""))
      ->group(run);
  AddConnectionOptions(*command);
}

void AddHealthCommand(CLI::App& app) {
  CLI::App* const command = AddCommand(app, "health", "Ask the service whether it is serving.");
  command->add_option("--service", "A gRPC service's full name; the server as a whole when absent")
      ->type_name("NAME")
      ->check(CLI::Validator(CheckNotEmpty, ""));
  command->add_option("--deadline", "When to give up, such as 250ms or 2s; 5s when absent")
      ->type_name("DURATION")
      ->check(CLI::Validator(CheckDuration, ""));
  AddConnectionOptions(*command);
}

void AddCompletionCommand(CLI::App& app) {
  CLI::App* const command =
      AddCommand(app, "completion", "Print the script that completes this program's arguments in a shell.");
  command->add_option("SHELL", "The shell; load the script with: source <(ticketing-user completion bash)")
      ->required()
      ->type_name("bash|zsh")
      ->check(CLI::Validator(CheckShell, ""));
}

}  // namespace

std::unique_ptr<CLI::App> MakeCommandTable() {
  auto app = std::make_unique<CLI::App>("Deletes users from ticketing systems through the ticketing-user service.",
                                        "ticketing-user");
  app->require_subcommand(1);
  app->set_version_flag("--version", TICKETING_VERSION);
  AddDeleteCommand(*app, "delete", "Delete one user.");
  AddDeleteCommand(*app, "validate", "Check a delete and show the HTTP request that it would be; nothing is deleted.");
  AddDeleteListCommand(*app);
  AddHealthCommand(*app);
  AddCompletionCommand(*app);
  AddCommand(*app, "manual", "Print the manual page, for man.");
  return app;
}

const std::vector<Explanation>& EnvironmentVariables() {
  static const std::vector<Explanation> kVariables = {
      {"TICKETING_SERVER", "default of --server"},
      {"TICKETING_TOKEN", "bearer token for a service that takes its callers' tokens; --token-file wins"},
      {"NO_COLOR", "when set and not empty: no colours"}};
  return kVariables;
}

const std::vector<Explanation>& ExitCodes() {
  static const std::vector<Explanation> kCodes = {
      {"0", "deleted, already absent with --allow-missing, valid, or serving; of a list: every line"},
      {"1", "the answer, or what became of a list, could not be written completely"},
      {"2", "wrong usage, or a mistake in a list; nothing was sent"},
      {"3", "not every line of the list is done; the service is not serving"},
      {"64 + N", "the call ended with the gRPC status N, such as 69 for NOT_FOUND; standard error tells what is known"},
      {"128 + N", "signal N ended the list before its last line, such as 130 for Ctrl-C"}};
  return kCodes;
}

const std::vector<std::string>& Notes() {
  static const std::vector<std::string> kNotes = {
      "Answers go to standard output, errors to standard error. With --json each is one JSON document: the response "
      "message, or an object with code, code_name, message, request_id and details. With --stream standard output has "
      "the "
      "body alone; header and summary go to standard error."};
  return kNotes;
}

const std::vector<std::string>& ListNotes() {
  static const std::vector<std::string> kNotes = {
      "A list is CSV (RFC 4180) whose header line names its columns, or JSON lines, one object in each. The columns or "
      "keys "
      "are id, integrated_account_id (or account), collections, organization, truto_response_format, "
      "truto_ignore_remote_data, truto_exclude_fields, remote_query, truto_skip_api_call, allow_missing and "
      "request_id; "
      "all but id are optional. An empty cell is an absent parameter; for several collections or fields to exclude "
      "their "
      "column stands several times. Every mistake in the list is reported before anything is sent.",
      "Each line's request_id is derived from its content, so that a second run with the same list can't delete a user "
      "twice. That run sends what is not done by the results file, which has a JSON object for each line that has "
      "ended. "
      "A line whose outcome is unknown is reported and left alone, unless --repeat-unknown is there. Lines that failed "
      "were provably not executed; the failures file has them as a list again.",
      "The run waits when the service says so, and repeats by itself only what was provably not executed; it stops "
      "after ten unknown outcomes in a row. Ctrl-C "
      "finishes "
      "what is under way; a second one cancels it. Progress and failures go to standard error, the table at the end to "
      "standard output."};
  return kNotes;
}

}  // namespace ticketing::cli
