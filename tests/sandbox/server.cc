#include "tests/sandbox/server.h"

#include <httplib.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "tests/sandbox/connections.h"

namespace ticketing::sandbox {
namespace {

// A connection keeps its thread; more connections than threads would wait for each other.
constexpr std::size_t kThreads = 128;

// As long as servers on the internet keep idle connections, so that clients meet no close that those would not show.
constexpr std::chrono::seconds kIdleTime{75};
constexpr std::size_t kMaxRequestsOnConnection = 1'000'000;

// A body whose length is told is read by cpp-httplib before the handler runs; one in chunks is not.
bool HasReadableBody(const httplib::Request& request) {
  const std::string length = request.get_header_value("Content-Length");
  return !length.empty() && length != "0";
}

Request ToRequest(const httplib::Request& received) {
  Request request{.method = received.method,
                  .target = received.target,
                  .has_body = HasReadableBody(received) || received.has_header("Transfer-Encoding"),
                  .peer = received.remote_addr + ":" + std::to_string(received.remote_port)};
  for (const auto& [name, value] : received.headers) {
    // cpp-httplib's own additions.
    if (name == "REMOTE_ADDR" || name == "REMOTE_PORT" || name == "LOCAL_ADDR" || name == "LOCAL_PORT") continue;
    request.headers.emplace_back(ToLower(name), value);
  }
  return request;
}

// Sends `body` as the beginning of an answer of `length` bytes, and closes the connection.
void SendAndClose(httplib::Response& response, const Answer& answer, std::size_t length) {
  response.set_content_provider(length, answer.content_type,
                                [body = answer.body](std::size_t, std::size_t, httplib::DataSink& sink) {
                                  sink.write(body.data(), body.size());
                                  return false;
                                });
}

void SendStream(httplib::Response& response, const std::string& content_type, std::size_t total) {
  response.set_chunked_content_provider(content_type, [total](std::size_t offset, httplib::DataSink& sink) {
    constexpr std::size_t kChunk = std::size_t{16} * 1024;
    if (offset == total) {
      sink.done();
      return true;
    }
    const std::string chunk = StreamedBytes(offset, std::min(kChunk, total - offset));
    return sink.write(chunk.data(), chunk.size());
  });
}

void Serve(Sandbox& sandbox, const httplib::Request& received, httplib::Response& response) {
  const Request request = ToRequest(received);
  const Answer answer = sandbox.Handle(request);
  using Ending = Answer::Ending;

  const bool answers = answer.ending == Ending::kComplete || answer.ending == Ending::kBreaksOff;
  if (!answers || answer.delay.count() > 0) {
    if (const auto connection = FindConnection(received.local_port, received.remote_port)) {
      if (answer.delay.count() > 0) WaitForClose(*connection, answer.delay);
      if (answer.ending == Ending::kNever) WaitForClose(*connection, std::nullopt);
      // cpp-httplib then fails to write its answer.
      if (!answers) shutdown(*connection, SHUT_RDWR);
    }
  }

  response.status = answer.status;
  for (const auto& [name, value] : answer.headers) response.set_header(name, value);
  if (answer.streamed_bytes) {
    SendStream(response, answer.content_type, *answer.streamed_bytes);
  } else if (answer.ending == Ending::kBreaksOff) {
    SendAndClose(response, answer, answer.body.size() + 1000);
  } else if (received.has_header("Transfer-Encoding") && !answer.body.empty()) {
    // The rest of the request is still there; it must not be taken for another one.
    response.set_header("Connection", "close");
    SendAndClose(response, answer, answer.body.size());
  } else if (!answer.body.empty()) {
    response.set_content(answer.body, answer.content_type);
  }
}

// Not cpp-httplib's default, which lets several servers share a port.
void SetSocketOptions(int socket) {
  const int on = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

}  // namespace

Server::Server(Sandbox& sandbox) : http_(std::make_unique<httplib::Server>()) {
  const auto serve = [&sandbox](const httplib::Request& request, httplib::Response& response) {
    Serve(sandbox, request, response);
  };
  // Before cpp-httplib's own routing, which would wait for a body of requests that have none.
  http_->set_pre_routing_handler([serve](const httplib::Request& request, httplib::Response& response) {
    if (HasReadableBody(request)) return httplib::Server::HandlerResponse::Unhandled;
    serve(request, response);
    return httplib::Server::HandlerResponse::Handled;
  });
  const std::string any_path = "[\\s\\S]*";
  http_->Get(any_path, serve).Post(any_path, serve).Put(any_path, serve).Patch(any_path, serve);
  http_->Delete(any_path, serve).Options(any_path, serve);
  http_->set_post_routing_handler([](const httplib::Request&, httplib::Response& response) {
    // RFC 9110, 8.6: a 204 has no Content-Length.
    if (response.status == 204) response.headers.erase("Content-Length");
  });

  // cpp-httplib deletes it.  NOLINTNEXTLINE(cppcoreguidelines-owning-memory)
  http_->new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  http_->set_socket_options(SetSocketOptions);
  http_->set_tcp_nodelay(true);
  http_->set_keep_alive_timeout(kIdleTime.count());
  http_->set_keep_alive_max_count(kMaxRequestsOnConnection);
  http_->set_write_timeout(kIdleTime.count());
}

Server::~Server() {
  if (!finished_.valid()) return;
  http_->stop();
  // Again and again: a connection may just have been accepted.
  while (finished_.wait_for(std::chrono::milliseconds(10)) != std::future_status::ready) ShutDownConnections(port_);
}

bool Server::Listen(const std::string& host, int port) {
  if (port == 0) {
    port_ = http_->bind_to_any_port(host);
  } else {
    port_ = http_->bind_to_port(host, port) ? port : -1;
  }
  if (port_ <= 0) return false;
  url_ = "http://" + (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port_);
  finished_ = std::async(std::launch::async, [this] { return http_->listen_after_bind(); });
  // stop() has no effect before.
  while (!http_->is_running()) std::this_thread::yield();
  return true;
}

}  // namespace ticketing::sandbox
