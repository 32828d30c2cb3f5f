#include "ops/admin_server.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <list>
#include <thread>
#include <utility>

#include "core/host_port.h"

namespace ticketing::ops {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::awaitable;
using asio::ip::tcp;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

// Pages that are made at a time: a probe that waits for a thread that hangs must not hold up another one.
constexpr std::size_t kPageThreads = 2;
constexpr std::chrono::seconds kReadTime{5};
constexpr std::chrono::seconds kWriteTime{10};
constexpr std::size_t kMaxHeaderBytes = 8192;
constexpr std::size_t kMaxBodyBytes = 1024;

// Each holds a descriptor, which gRPC must never be short of. Beyond that the one that has waited longest without a
// request gives way, so that who only connects keeps nobody out.
constexpr std::size_t kMostConnections = 16;

Response Text(http::status status, std::string text) {
  Response response(status, 11);
  response.set(http::field::content_type, "text/plain; charset=utf-8");
  response.body() = std::move(text) + "\n";
  return response;
}

Response Health(std::string well, std::optional<std::string> why_not) {
  return why_not ? Text(http::status::service_unavailable, *std::move(why_not))
                 : Text(http::status::ok, std::move(well));
}

}  // namespace

class AdminServer::State {
 public:
  State(AdminPages pages, Log& log) : pages_(std::move(pages)), log_(log) {}

  ~State() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
    page_threads_.join();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  boost::system::error_code Listen(const std::string& listen) {
    const auto [host, port] = core::SplitHostPort(listen);
    boost::system::error_code error;
    const auto found = tcp::resolver(io_).resolve(host, port, tcp::resolver::passive, error);
    if (error) return error;
    const tcp::endpoint endpoint = found.begin()->endpoint();
    // NOLINTBEGIN(bugprone-unused-return-value): it is in `error`, too
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    // NOLINTEND(bugprone-unused-return-value)
    if (error) return error;
    address_ = core::WithPort(listen, acceptor_.local_endpoint().port());
    asio::co_spawn(io_, Accept(), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
    return error;
  }

  const std::string& address() const { return address_; }

 private:
  awaitable<void> Accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(kTuple);
      if (error) {
        // No descriptor is left: there may be one again soon.
        asio::steady_timer pause(io_, std::chrono::milliseconds{100});
        co_await pause.async_wait(kTuple);
        continue;
      }
      if (reading_.size() + answering_ >= kMostConnections && !reading_.empty()) reading_.front()->close();
      asio::co_spawn(io_, Serve(std::move(socket)), asio::detached);
    }
  }

  // One request and its answer: a client that comes again connects again, and none that idles delays the end.
  awaitable<void> Serve(tcp::socket socket) {
    boost::beast::tcp_stream stream(std::move(socket));
    const auto place = reading_.insert(reading_.end(), &stream);
    boost::beast::flat_buffer buffer;
    http::request_parser<http::string_body> parser;
    parser.header_limit(kMaxHeaderBytes);
    parser.body_limit(kMaxBodyBytes);
    stream.expires_after(kReadTime);
    const auto [error, bytes] = co_await http::async_read(stream, buffer, parser, kTuple);
    reading_.erase(place);
    if (error && error.category() != http::make_error_code(http::error::bad_method).category()) co_return;

    ++answering_;
    Response response;
    if (error == http::error::body_limit) {
      response = Text(http::status::payload_too_large, "the body is too large");
    } else if (error) {
      response = Text(http::status::bad_request, "this is no HTTP request");
    } else {
      response = co_await asio::co_spawn(page_threads_, Make(parser.get()), asio::use_awaitable);
    }
    response.keep_alive(false);
    response.prepare_payload();
    stream.expires_after(kWriteTime);
    co_await http::async_write(stream, response, kTuple);
    boost::system::error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_both, ignored);  // NOLINT(bugprone-unused-return-value)
    --answering_;
  }

  // On one of the threads for pages.
  awaitable<Response> Make(const Request& request) {
    const auto path = request.target().substr(0, request.target().find('?'));
    const bool get = request.method() == http::verb::get;
    if (path == "/livez" && get) co_return Health("alive", pages_.why_not_alive());
    if (path == "/readyz" && get) co_return Health("ready", pages_.why_not_ready());
    if (path == "/metrics" && get) {
      Response response(http::status::ok, 11);
      response.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
      response.body() = pages_.metrics();
      co_return response;
    }
    if (path == "/log-level" && get) co_return Text(http::status::ok, std::string(ToString(log_.level())));
    if (path == "/log-level" && request.method() == http::verb::put) co_return SetLogLevel(request.body());
    co_return Text(http::status::not_found, "there are /livez, /readyz, /metrics and /log-level");
  }

  Response SetLogLevel(const std::string& body) {
    const auto level = ParseLogLevel(body.substr(0, body.find_last_not_of(" \r\n") + 1));
    if (!level) return Text(http::status::bad_request, "the body must be trace, debug, info, warn or error");
    log_.SetLevel(*level);
    log_.Write(LogLevel::kWarn, "the log's level was changed", {{"level", ToString(*level)}});
    return Text(http::status::ok, std::string(ToString(*level)));
  }

  AdminPages pages_;
  Log& log_;
  asio::thread_pool page_threads_{kPageThreads};
  std::list<boost::beast::tcp_stream*> reading_;  // that have not sent a whole request, the oldest first
  std::size_t answering_ = 0;
  asio::io_context io_{1};
  tcp::acceptor acceptor_{io_};
  std::string address_;
  std::thread thread_;
};

AdminServer::AdminServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
AdminServer::~AdminServer() = default;

core::Result<std::unique_ptr<AdminServer>, std::string> AdminServer::Start(const std::string& listen, AdminPages pages,
                                                                           Log& log) {
  auto state = std::make_unique<State>(std::move(pages), log);
  if (const auto error = state->Listen(listen)) return "can't listen on " + listen + ": " + error.message();
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(state)));
}

const std::string& AdminServer::address() const {
  return state_->address();
}

}  // namespace ticketing::ops
