// The sandbox over HTTP/1.1.
#pragma once

#include <future>
#include <memory>
#include <string>

#include "tests/sandbox/sandbox.h"

namespace httplib {
class Server;
}

namespace ticketing::sandbox {

// Serves a sandbox from threads of its own until it is destroyed.
class Server {
 public:
  // `sandbox` must outlive the server.
  explicit Server(Sandbox& sandbox);
  // Ends all connections, also those that wait for an answer, and all threads.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Listens; port 0 is any free one. Once at most. False when the address can't be had.
  bool Listen(const std::string& host, int port);

  // "http://127.0.0.1:8080"; only after Listen().
  const std::string& url() const { return url_; }

 private:
  std::unique_ptr<httplib::Server> http_;
  std::future<bool> finished_;
  int port_ = 0;
  std::string url_;
};

}  // namespace ticketing::sandbox
