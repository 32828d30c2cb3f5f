#include "serve.h"

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "call/delete_user_call.h"
#include "call/loop_runtime.h"
#include "core/result.h"
#include "core/token_source.h"
#include "http/curl_client.h"
#include "ops/process.h"
#include "ops/token_file.h"
#include "rpc/grpc_log.h"
#include "rpc/server.h"

namespace ticketing {
namespace {

// From the settings to what each room takes.

call::CallOptions CallOptionsOf(const ops::Settings& settings) {
  return {
      .endpoint = {.base_url = settings.truto_base_url,
                   .query_arrays = settings.truto_query_arrays == ops::QueryArrays::kIndices
                                       ? truto::QueryArrays::kIndices
                                       : truto::QueryArrays::kBrackets,
                   .user_agent = "ticketing-user-service/" TICKETING_VERSION},
      // Only an integrated-account token implies its account; a caller's own token may be one.
      .account_required = settings.auth == ops::AuthMode::kService && settings.truto_token_kind == ops::TokenKind::kApi,
      .max_attempts = settings.max_attempts,
      .max_body_bytes = settings.max_body_bytes};
}

call::AdmissionOptions AdmissionOptionsOf(const ops::Settings& settings) {
  return {.rates = {.token_rate = settings.token_rate,
                    .token_burst = settings.token_burst,
                    .account_rate = settings.account_rate,
                    .account_burst = settings.account_burst},
          .max_in_flight = settings.max_in_flight};
}

http::CurlOptions CurlOptionsOf(const ops::Settings& settings) {
  return {.allow_plaintext = settings.truto_base_url.starts_with("http://"),
          .ca_file = settings.truto_ca_file,
          .max_connections = settings.max_connections};
}

rpc::ServerOptions ServerOptionsOf(const ops::Settings& settings) {
  return {.listen = settings.listen,
          .tls = {.certificate = settings.tls_cert_file,
                  .key = settings.tls_key_file,
                  .client_ca = settings.tls_client_ca_file},
          .callers = {.token_required = settings.auth == ops::AuthMode::kCaller,
                      .allowed_clients = settings.allowed_clients},
          .deadlines = {.without = settings.default_deadline, .longest = settings.max_deadline},
          .reflection = settings.reflection,
          .drain_delay = settings.drain_delay,
          .drain_timeout = settings.drain_timeout};
}

// The service's own token; a null one where every call brings its caller's. An error says why there is none.
core::Result<std::unique_ptr<core::TokenSource>, std::string> OpenToken(const ops::Settings& settings, ops::Log& log) {
  if (settings.auth == ops::AuthMode::kCaller) return std::unique_ptr<core::TokenSource>();
  auto token = settings.truto_token_file.empty()
                   ? ops::TokenFile::Fixed(settings.truto_token)
                   : ops::TokenFile::Open(settings.truto_token_file, [&log](const std::string& problem) {
                       log.Write(ops::LogLevel::kError, "keeping the old token", {{"error", problem}});
                     });
  if (!token.ok()) return std::move(token).error();
  return std::unique_ptr<core::TokenSource>(std::move(token).value());
}

// Of every setting that differs from its default and that this version does not act on.
void WarnOfSettingsWithoutEffect(const ops::Settings& settings, ops::Log& log) {
  if (settings.admin_listen != ops::Settings{}.admin_listen) {
    log.Write(ops::LogLevel::kWarn, "this version does not act on a setting", {{"setting", "TICKETING_ADMIN_LISTEN"}});
  }
}

bool ListensOnLoopback(std::string_view listen) {
  return listen.starts_with("127.") || listen.starts_with("[::1]") || listen.starts_with("localhost:");
}

int CannotStart(ops::Log& log, const std::string& why) {
  log.Write(ops::LogLevel::kError, "can't start", {{"error", why}});
  return 1;
}

}  // namespace

int Serve(const ops::Settings& settings, ops::Log& log) {
  WarnOfSettingsWithoutEffect(settings, log);
  if (settings.auth == ops::AuthMode::kService && settings.tls_client_ca_file.empty() &&
      !ListensOnLoopback(settings.listen)) {
    log.Write(ops::LogLevel::kWarn, "whoever reaches this port can delete users with the service's token",
              {{"listen", settings.listen}, {"see", "TICKETING_TLS_CLIENT_CA_FILE, TICKETING_AUTH"}});
  }
  const rpc::GrpcLog grpc_log(
      [&log](std::string_view message) { log.Write(ops::LogLevel::kDebug, "gRPC", {{"text", message}}); });
  const auto token = OpenToken(settings, log);
  if (!token.ok()) return CannotStart(log, token.error());

  call::Policies policies(AdmissionOptionsOf(settings), call::ReplayOptions{});
  boost::asio::io_context loop(1);
  call::LoopRuntime runtime(loop);
  http::CurlClient http(loop, CurlOptionsOf(settings));
  call::CallWorld world{.options = CallOptionsOf(settings),
                        .runtime = runtime,
                        .http = http,
                        .policies = policies,
                        .token = token.value().get()};
  const auto server = rpc::Server::Start(ServerOptionsOf(settings), loop, world, log);
  if (!server.ok()) return CannotStart(log, server.error());
  log.Write(ops::LogLevel::kInfo, "listening",
            {{"address", server.value()->address()}, {"truto", settings.truto_base_url}});

  const ops::TerminationSignals signals(loop, [&] {
    server.value()->Shutdown([&log](std::string_view step) { log.Write(ops::LogLevel::kInfo, step); },
                             [&loop] { loop.stop(); });
  });
  loop.run();
  log.Write(ops::LogLevel::kInfo, "stopped");
  return 0;
}

}  // namespace ticketing
