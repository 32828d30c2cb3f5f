// An HTTP exchange as plain values.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ticketing::core {

// Header fields in the order in which they came; names are lower-case.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// The value of the first header `name` (lower-case); nothing when there is none.
std::optional<std::string_view> FindHeader(const HttpHeaders& headers, std::string_view name);

// A request without a body.
struct HttpRequest {
  std::string method;
  std::string url;
  HttpHeaders headers;
  bool operator==(const HttpRequest&) const = default;
};

// The status line and headers of a final (not 1xx) answer.
struct ResponseHead {
  int status = 0;
  HttpHeaders headers;
};

// An answer with as much of its body as arrived.
struct HttpResponse {
  int status = 0;
  HttpHeaders headers;
  std::string body;
  // The body broke off, stalled or exceeded the limit: `body` is what had arrived by then.
  bool truncated = false;
};

// How long the parts of an exchange took; what did not happen, or was not reached, is empty.
struct HttpTimings {
  bool connection_reused = false;
  std::optional<std::chrono::microseconds> dns;         // the look-up of the name
  std::optional<std::chrono::microseconds> connect;     // TCP's handshake
  std::optional<std::chrono::microseconds> tls;         // TLS's handshake
  std::optional<std::chrono::microseconds> first_byte;  // from the request to the first byte of the answer
};

// Why an attempt ended without a final status line.
struct TransportError {
  enum class Kind {
    kUnreachable,    // DNS, connection or TLS handshake; the request was not sent
    kMisconfigured,  // certificate or URL; the request was not sent
    kTimedOut,       // the attempt's deadline
    kCancelled,      // given up by the caller before the request was sent
    kBroken,         // the connection failed after the request was sent
  };
  Kind kind = Kind::kUnreachable;
  bool request_sent = false;  // whether the request may have reached the server
  std::string message;        // for people, e.g. "Couldn't connect to server"
};

// What one attempt ended with. A status of any value is an answer, not an error.
using HttpOutcome = std::variant<HttpResponse, TransportError>;

}  // namespace ticketing::core
