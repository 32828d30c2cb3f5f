// ticketing-user-service: reads the settings, wires the rooms and runs the loop.
#include <boost/asio/io_context.hpp>
#include <iostream>

#include "call/loop_runtime.h"
#include "http/curl_client.h"
#include "ops/log.h"
#include "ops/process.h"
#include "ops/settings.h"
#include "rpc/server.h"
#include "wiring.h"

using namespace ticketing;

namespace {

int CannotStart(ops::Log& log, const std::string& why) {
  log.Write(ops::LogLevel::kError, "can't start", {{"error", why}});
  return 1;
}

int Serve(const ops::Settings& settings, ops::Log& log) {
  WarnOfSettingsWithoutEffect(settings, log);
  const auto token = OpenToken(settings, log);
  if (!token.ok()) return CannotStart(log, token.error());

  boost::asio::io_context loop(1);
  call::LoopRuntime runtime(loop);
  http::CurlClient http(loop, CurlOptionsOf(settings));
  call::CallWorld world{
      .options = CallOptionsOf(settings), .runtime = runtime, .http = http, .token = token.value().get()};
  const auto server = rpc::Server::Start(ServerOptionsOf(settings), loop, world, log);
  if (!server.ok()) return CannotStart(log, server.error());
  log.Write(ops::LogLevel::kInfo, "listening",
            {{"address", server.value()->address()}, {"truto", settings.truto_base_url}});

  ops::TerminationSignals signals(loop, [&] {
    server.value()->Shutdown([&log](std::string_view step) { log.Write(ops::LogLevel::kInfo, step); },
                             [&loop] { loop.stop(); });
  });
  loop.run();
  log.Write(ops::LogLevel::kInfo, "stopped");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  ops::SetProcessLimits();
  const auto settings = ops::ParseSettings(argc, argv, ops::ProcessEnvironment());
  if (!settings.ok()) {
    (settings.error().exit_code == 0 ? std::cout : std::cerr) << settings.error().text;
    return settings.error().exit_code;
  }
  ops::Log log(settings.value().log_level, settings.value().log_format);
  return Serve(settings.value(), log);
}
