// libcurl on the loop: HTTP/2 over TLS with connection reuse, HTTP/1.1 where that is all there is.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>

#include "call/ports.h"
#include "core/http_message.h"
#include "core/source.h"

namespace ticketing::http {

// How connections are made. Fixed for the life of the process.
struct CurlOptions {
  bool allow_plaintext = false;  // "http://" URLs; the settings allow them for loopback only
  // When set, nothing else is trusted; asked for each request. Without it, the system's authorities.
  const core::Source<core::TlsAuthorities>* authorities = nullptr;
  std::uint32_t max_connections = 4;
  std::uint32_t max_stream_connections = 32;  // for streaming bodies, besides
  std::chrono::milliseconds connect_timeout{3000};
  // A new HTTP/2 connection has one request until its first answer begins, and at the longest so long from the start of
  // its TLS handshake: by then its server will have said how many it takes at a time.
  std::chrono::milliseconds settle_time{250};
};

// Sends requests with libcurl's multi interface. Created, used and destroyed on the thread that runs `context`;
// exchanges must not outlive it. Each exchange sends its request at most once: libcurl's own re-send on a reused
// connection is stopped and reported as kBroken with request_sent. Redirects and proxies are never followed, TLS is
// always verified.
class CurlClient final : public call::HttpClient {
 public:
  CurlClient(boost::asio::io_context& context, const CurlOptions& options);
  ~CurlClient() override;
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;

  std::unique_ptr<call::HttpExchange> Start(core::HttpRequest request, const call::AttemptOptions& options) override;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace ticketing::http
