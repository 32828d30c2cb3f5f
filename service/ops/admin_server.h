// HTTP for operators: probes, metrics, the log's level.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/result.h"
#include "ops/log.h"

namespace ticketing::ops {

// What is told there. Each runs on one of the server's threads, and may block for a few seconds.
struct AdminPages {
  std::function<std::optional<std::string>()> why_not_alive;  // nothing: it is
  std::function<std::optional<std::string>()> why_not_ready;  // nothing: it is
  std::function<std::string()> metrics;                       // Prometheus' text format
};

// Serves on threads of its own, one request for each connection. A client has 5 s to send its request, 16 may be
// connected at a time, and none of them delays the others or the end:
// - GET /livez: 200 "alive", or 503 and why not;
// - GET /readyz: 200 "ready", or 503 and why not;
// - GET /metrics;
// - GET /log-level: the level, "info"; PUT with a level as the body changes it until the process ends.
class AdminServer {
 public:
  // Listens on `listen`, "0.0.0.0:9090", at once; port 0 takes any. An error says why it can't.
  static core::Result<std::unique_ptr<AdminServer>, std::string> Start(const std::string& listen, AdminPages pages,
                                                                       Log& log);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  // The address with the port that it really listens on.
  const std::string& address() const;

 private:
  class State;
  explicit AdminServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ticketing::ops
