#include "serve.h"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "call/delete_user_call.h"
#include "call/loop_runtime.h"
#include "core/call_record.h"
#include "http/curl_client.h"
#include "ops/admin_server.h"
#include "ops/credentials.h"
#include "ops/metrics.h"
#include "ops/process.h"
#include "ops/traces.h"
#include "rpc/grpc_log.h"
#include "rpc/listener_probe.h"
#include "rpc/server.h"

namespace ticketing {
namespace {

using std::chrono::milliseconds;

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

http::CurlOptions CurlOptionsOf(const ops::Settings& settings, const ops::Credentials& credentials) {
  return {.allow_plaintext = settings.truto_base_url.starts_with("http://"),
          .authorities = credentials.truto_authorities(),
          .max_connections = settings.max_connections};
}

rpc::ServerOptions ServerOptionsOf(const ops::Settings& settings, const ops::Credentials& credentials) {
  return {.listen = settings.listen,
          .tls = {.identity = credentials.served(), .client_authorities = credentials.client_authorities()},
          .callers = {.token_required = settings.auth == ops::AuthMode::kCaller,
                      .allowed_clients = settings.allowed_clients},
          .deadlines = {.without = settings.default_deadline, .longest = settings.max_deadline},
          .reflection = settings.reflection,
          .drain_delay = settings.drain_delay,
          .drain_timeout = settings.drain_timeout};
}

// Tells the log and the metrics.
class Observers final : public core::CallObserver, public ops::CredentialListener {
 public:
  Observers(ops::Log& log, ops::Metrics& metrics) : log_(log), metrics_(metrics) {}

  void OnCallStart(std::string_view method) override { metrics_.OnCallStart(method); }
  void OnAttemptEnd(const core::AttemptRecord& record) override { metrics_.OnAttemptEnd(record); }
  void OnCallEnd(const core::CallRecord& record) override {
    metrics_.OnCallEnd(record);
    log_.OnCallEnd(record);
  }

  void OnLoaded(std::string_view name, Expiry expiry) override {
    metrics_.OnLoaded(name, expiry);
    log_.Write(ops::LogLevel::kInfo, "loaded a credential", {{"credential", name}});
  }
  void OnPassedOver(std::string_view name, const std::string& problem) override {
    metrics_.OnPassedOver(name, problem);
    log_.Write(ops::LogLevel::kError, "keeping the old credential", {{"credential", name}, {"error", problem}});
  }

 private:
  ops::Log& log_;
  ops::Metrics& metrics_;
};

// What operators ask for, on threads of the admin server. Outlives it.
class Operators {
 public:
  Operators(boost::asio::io_context& loop, const call::Policies& policies, call::Runtime& runtime, const ops::Log& log,
            ops::Metrics& metrics)
      : loop_(loop), policies_(policies), runtime_(runtime), log_(log), metrics_(metrics) {}

  void SetServing(rpc::Server& server, bool tls) {
    tls_ = tls;
    server_ = &server;
    SetReady(nullptr);
  }
  void SetDraining() { SetReady("draining"); }

  std::optional<std::string> WhyNotAlive() const {
    rpc::Server* server = server_;
    if (server == nullptr) return "starting";
    const auto beat = std::make_shared<std::promise<void>>();
    auto heard = beat->get_future();
    boost::asio::post(loop_, [server, beat] { server->Beat([beat] { beat->set_value(); }); });
    if (heard.wait_for(kPatience) != std::future_status::ready) return "a thread of the service hangs";
    // While it closes, the port is gone for good reason.
    if (why_not_ready_.load() != nullptr) return std::nullopt;
    return rpc::ProbeListener(server->address(), tls_, kPatience);
  }

  std::optional<std::string> WhyNotReady() const {
    const char* why = why_not_ready_;
    return why == nullptr ? std::nullopt : std::optional<std::string>(why);
  }

  std::string Metrics() const {
    const auto state = std::make_shared<std::promise<core::PolicyState>>();
    auto told = state->get_future();
    boost::asio::post(loop_, [this, state] { state->set_value(policies_.State(runtime_.Now())); });
    // Without it the page has what was known before: it is asked for most when something hangs.
    if (told.wait_for(kPatience) == std::future_status::ready) metrics_.Set(told.get());
    metrics_.SetLostLogLines(log_.lost());
    return metrics_.Page();
  }

 private:
  static constexpr milliseconds kPatience{2000};

  void SetReady(const char* why_not) {
    why_not_ready_ = why_not;
    metrics_.SetReady(why_not == nullptr);
  }

  boost::asio::io_context& loop_;
  const call::Policies& policies_;
  call::Runtime& runtime_;
  const ops::Log& log_;
  ops::Metrics& metrics_;
  std::atomic<rpc::Server*> server_{nullptr};
  std::atomic<bool> tls_{false};
  std::atomic<const char*> why_not_ready_{"starting"};
};

bool ListensOnLoopback(std::string_view listen) {
  return listen.starts_with("127.") || listen.starts_with("[::1]") || listen.starts_with("localhost:");
}

int CannotStart(ops::Log& log, const std::string& why) {
  log.Write(ops::LogLevel::kError, "can't start", {{"error", why}});
  return 1;
}

}  // namespace

int Serve(const ops::Settings& settings, ops::Log& log) {
  if (settings.auth == ops::AuthMode::kService && settings.tls_client_ca_file.empty() &&
      !ListensOnLoopback(settings.listen)) {
    log.Write(ops::LogLevel::kWarn, "whoever reaches this port can delete users with the service's token",
              {{"listen", settings.listen}, {"see", "TICKETING_TLS_CLIENT_CA_FILE, TICKETING_AUTH"}});
  }
  const rpc::GrpcLog grpc_log(
      [&log](std::string_view message) { log.Write(ops::LogLevel::kDebug, "gRPC", {{"text", message}}); });
  ops::Metrics metrics(TICKETING_VERSION);
  Observers observers(log, metrics);
  const auto credentials = ops::Credentials::Open(settings, observers);
  if (!credentials.ok()) return CannotStart(log, credentials.error());
  auto tracer = ops::OpenTraces(settings, log);

  call::Policies policies(AdmissionOptionsOf(settings), call::ReplayOptions{});
  boost::asio::io_context loop(1);
  call::LoopRuntime runtime(loop);
  http::CurlClient http(loop, CurlOptionsOf(settings, *credentials.value()));
  call::CallWorld world{.options = CallOptionsOf(settings),
                        .runtime = runtime,
                        .http = http,
                        .policies = policies,
                        .observer = observers,
                        .token = credentials.value()->token(),
                        .tracer = tracer.get()};
  Operators operators(loop, policies, runtime, log, metrics);
  auto admin = ops::AdminServer::Start(settings.admin_listen,
                                       {.why_not_alive = [&] { return operators.WhyNotAlive(); },
                                        .why_not_ready = [&] { return operators.WhyNotReady(); },
                                        .metrics = [&] { return operators.Metrics(); }},
                                       log);
  if (!admin.ok()) return CannotStart(log, admin.error());
  const auto server = rpc::Server::Start(ServerOptionsOf(settings, *credentials.value()), loop, world);
  if (!server.ok()) return CannotStart(log, server.error());
  operators.SetServing(*server.value(), credentials.value()->served() != nullptr);
  log.Write(ops::LogLevel::kInfo, "listening",
            {{"address", server.value()->address()},
             {"admin", admin.value()->address()},
             {"truto", settings.truto_base_url},
             {"traces", tracer != nullptr}});

  const ops::CredentialWatch watch(loop, *credentials.value());
  const ops::TerminationSignals signals(loop, [&] {
    operators.SetDraining();
    server.value()->Shutdown([&log](std::string_view step) { log.Write(ops::LogLevel::kInfo, step); },
                             [&loop] { loop.stop(); });
  });
  loop.run();
  // Nobody may ask for the server any more.
  admin.value().reset();
  tracer.reset();  // exports what still waits
  log.Write(ops::LogLevel::kInfo, "stopped");
  return 0;
}

}  // namespace ticketing
