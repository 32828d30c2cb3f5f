// truto-sandbox: the sandbox as a program.
#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include "tests/sandbox/accounts.h"
#include "tests/sandbox/sandbox.h"
#include "tests/sandbox/scenarios.h"
#include "tests/sandbox/server.h"

namespace {

namespace sandbox = ticketing::sandbox;

struct Address {
  std::string host;
  int port = 0;
};

// "127.0.0.1:8080", "localhost:0", "[::1]:8080"
std::optional<Address> ParseAddress(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string port = text.substr(colon + 1);
  if (host.empty() || port.empty() || port.size() > 5) return std::nullopt;
  if (port.find_first_not_of("0123456789") != std::string::npos || std::stoi(port) > 65535) return std::nullopt;
  return Address{.host = std::move(host), .port = std::stoi(port)};
}

std::string DescribeForHelp() {
  std::string text =
      "What it stands in for:\n"
      "  DELETE /unified/ticketing/users/{id}?integrated_account_id=UUID, with\n"
      "  Authorization: Bearer sandbox-token, Accept: application/json, Content-Type: application/json.\n"
      "  A request that the endpoint's page does not describe is refused with 400 and says why.\n"
      "\n"
      "Accounts, each with some users (GET /sandbox/users), and the token that implies the account:\n";
  for (const sandbox::Account& account : sandbox::SeedAccounts()) {
    std::string name = account.name;
    name.resize(17, ' ');
    text += "  " + name + account.integrated_account_id + "  " + account.token + "\n";
  }
  text +=
      "  Pivotal Tracker requires a project (collections[][id]=99), Zoho Projects can be given an organization\n"
      "  (organization[id]=20063927), the others ignore both.\n"
      "\n"
      "Errors are provoked by ids such as provoke-503-blocked: see --list.\n"
      "\n"
      "How to look:\n"
      "  GET /sandbox/users         the accounts and the users that are left\n"
      "  GET /sandbox/requests      what was received, tokens masked; DELETE forgets it\n"
      "  GET /sandbox/scenarios     what can be provoked\n"
      "  POST /sandbox/reset        all users are back, limits and Idempotency-Keys forgotten\n"
      "Each request is also a line on standard output. SIGTERM or Ctrl-C ends the program.";
  return text;
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): what throws here has no better end
int main(int argc, char** argv) {
  sandbox::Options options;
  std::string listen = "127.0.0.1:8080";
  bool list = false;

  CLI::App app("A local stand-in for Truto's endpoint that deletes a user of a ticketing system.");
  app.footer(DescribeForHelp());
  app.add_option("--listen", listen, "host and port to listen on; port 0 is any free one")->capture_default_str();
  app.add_option("--token", options.token, "the API token that is accepted for every account")->capture_default_str();
  app.add_option("--account-limit", options.account_limit,
                 "requests in 10 s for each account before it answers 429; 0 is no limit")
      ->capture_default_str();
  app.add_option("--token-limit", options.token_limit,
                 "requests in 10 s for each token before it answers 429; 0 is no limit")
      ->capture_default_str();
  app.add_option("--extra-users", options.extra_users,
                 "so many more users of Help Scout, with the ids 1, 2 and so on, for long lists")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  app.add_flag("--list", list, "print the ids that provoke errors, and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (list) {
    std::cout << sandbox::DescribeScenarios();
    return 0;
  }
  const std::optional<Address> address = ParseAddress(listen);
  if (!address) {
    std::cerr << "--listen: " << listen << " is not host:port\n";
    return 2;
  }

  // Blocked before the server's threads begin, so that they inherit the mask and sigwait() alone gets them.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  sandbox::Sandbox endpoint(
      std::move(options), [] { return std::chrono::system_clock::now(); },
      [](const std::string& line) { std::cout << line << '\n'
                                              << std::flush; });
  sandbox::Server server(endpoint);
  if (!server.Listen(address->host, address->port)) {
    std::cerr << "can't listen on " << listen << ": is the port taken?\n";
    return 1;
  }
  std::cout << "listening on " << server.url() << '\n' << std::flush;

  int signal = 0;
  sigwait(&ends, &signal);
  return 0;
}
