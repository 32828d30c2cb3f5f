// bench-upstream: answers every request the same, as an upstream of benchmarks and end-to-end tests.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <map>
#include <string>
#include <utility>

#include "tests/support/scripted_upstream.h"

int main(int argc, char** argv) {
  using namespace ticketing::support;  // NOLINT(google-build-using-namespace)
  UpstreamOptions options{.protocol = Protocol::kHttp2Tls, .record_requests = false};
  int status = 200;
  std::string body = R"({"id":"23423523"})";
  std::string content_type = "application/json";

  CLI::App app("Answers every request with one answer, on 127.0.0.1 and a free port, until SIGTERM.");
  const std::map<std::string, Protocol> protocols{
      {"http1", Protocol::kHttp1}, {"http1-tls", Protocol::kHttp1Tls}, {"h2-tls", Protocol::kHttp2Tls}};
  app.add_option("--protocol", options.protocol, "http1, http1-tls or h2-tls (the default)")
      ->transform(CLI::CheckedTransformer(protocols));
  app.add_option("--status", status, "status of the answer")->check(CLI::Range(200, 599))->capture_default_str();
  app.add_option("--body", body, "body of the answer")->capture_default_str();
  app.add_option("--content-type", content_type, "content-type of the answer")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  // Blocked before the server's thread begins, so that it inherits the mask and sigwait() alone gets them.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  ScriptedUpstream upstream(options);
  ticketing::core::HttpHeaders headers;
  if (!body.empty()) headers.emplace_back("content-type", content_type);
  upstream.SetDefault(Script().Answer(status, std::move(headers), status == 204 || status == 304 ? "" : body));
  std::printf("listening on %s", upstream.url().c_str());
  if (options.protocol != Protocol::kHttp1) std::printf(" ca=%s", upstream.ca_file().c_str());
  std::printf("\n");
  std::fflush(stdout);

  int signal = 0;
  sigwait(&ends, &signal);
  const Facts facts = upstream.facts();
  std::printf("answered %llu requests on %llu connections\n", static_cast<unsigned long long>(facts.request_count),
              static_cast<unsigned long long>(facts.connections_accepted));
  return 0;
}
