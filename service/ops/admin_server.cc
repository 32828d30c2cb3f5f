#include "ops/admin_server.h"

#include <httplib.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

namespace ticketing::ops {
namespace {

// A page takes little; more threads keep a slow reader of one page from holding up a probe.
constexpr std::size_t kThreads = 4;
constexpr std::chrono::seconds kReadTime{5};
constexpr std::size_t kMaxBodyBytes = 1024;

void Give(httplib::Response& response, int status, const std::string& text) {
  response.status = status;
  response.set_content(text + "\n", "text/plain; charset=utf-8");
}

void GiveHealth(httplib::Response& response, const std::string& well, const std::optional<std::string>& why_not) {
  Give(response, why_not ? 503 : 200, why_not ? *why_not : well);
}

}  // namespace

class AdminServer::State {
 public:
  State(AdminPages pages, Log& log) : pages_(std::move(pages)), log_(log) {
    server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    server_.set_read_timeout(kReadTime);
    server_.set_write_timeout(kReadTime);
    server_.set_keep_alive_timeout(kReadTime.count());
    server_.set_payload_max_length(kMaxBodyBytes);
    // A second instance on the same port must fail to start: only an address that nobody uses any more is taken.
    server_.set_socket_options([](socket_t socket) {
      const int on = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    server_.Get("/livez", [this](const httplib::Request&, httplib::Response& response) {
      GiveHealth(response, "alive", pages_.why_not_alive());
    });
    server_.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
      GiveHealth(response, "ready", pages_.why_not_ready());
    });
    server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(pages_.metrics(), "text/plain; version=0.0.4; charset=utf-8");
    });
    server_.Get("/log-level", [this](const httplib::Request&, httplib::Response& response) {
      Give(response, 200, std::string(ToString(log_.level())));
    });
    server_.Put("/log-level", [this](const httplib::Request& request, httplib::Response& response) {
      const auto level = ParseLogLevel(request.body.substr(0, request.body.find_last_not_of(" \r\n") + 1));
      if (!level) {
        Give(response, 400, "the body must be trace, debug, info, warn or error");
        return;
      }
      log_.SetLevel(*level);
      log_.Write(LogLevel::kWarn, "the log's level was changed", {{"level", ToString(*level)}});
      Give(response, 200, std::string(ToString(*level)));
    });
  }

  ~State() {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  bool Listen(const std::string& listen) {
    const auto colon = listen.rfind(':');
    std::string host = listen.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    int port = std::stoi(listen.substr(colon + 1));
    errno = 0;
    if (port == 0) {
      port = server_.bind_to_any_port(host);
      if (port <= 0) return false;
    } else if (!server_.bind_to_port(host, port)) {
      return false;
    }
    address_ = listen.substr(0, colon + 1) + std::to_string(port);
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    // stop() does nothing before it runs.
    while (!server_.is_running()) std::this_thread::yield();
    return true;
  }

  const std::string& address() const { return address_; }

 private:
  AdminPages pages_;
  Log& log_;
  httplib::Server server_;
  std::string address_;
  std::thread thread_;
};

AdminServer::AdminServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
AdminServer::~AdminServer() = default;

core::Result<std::unique_ptr<AdminServer>, std::string> AdminServer::Start(const std::string& listen, AdminPages pages,
                                                                           Log& log) {
  auto state = std::make_unique<State>(std::move(pages), log);
  if (!state->Listen(listen)) {
    return "can't listen on " + listen + ": " +
           (errno != 0 ? std::generic_category().message(errno) : std::string("the address is unknown"));
  }
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(state)));
}

const std::string& AdminServer::address() const {
  return state_->address();
}

}  // namespace ticketing::ops
