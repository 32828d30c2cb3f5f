// An HTTP server for tests, inside the test program: it does to each request what a script says and writes down what it
// saw.
//
//   ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls});
//   upstream.Enqueue(Script().SendHead(200).ResetStream(Http2Error::kInternalError));
//   ... send a DELETE to upstream.url() + "/x", trusting upstream.ca_file() ...
//   ASSERT_TRUE(upstream.WaitForRequests(1));
//   EXPECT_EQ(upstream.requests()[0].method, "DELETE");
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/http_message.h"
#include "core/source.h"
#include "tests/support/script.h"

namespace ticketing::support {

enum class Protocol {
  kHttp1,     // plain HTTP/1.1
  kHttp1Tls,  // HTTP/1.1 over TLS; ALPN offers "http/1.1" alone
  kHttp2Tls,  // HTTP/2 over TLS; a client that does not offer "h2" gets HTTP/1.1
};

// How a connection is served. Read when the connection is accepted.
struct ConnectionBehavior {
  enum class Opening {
    kServe,
    kStall,  // accepted, but nothing is ever sent: a TLS handshake does not get on
    kClose,  // closed as soon as it is accepted
    kReset,  // reset as soon as it is accepted
  };
  enum class Certificate {
    kValid,      // for 127.0.0.1, localhost and upstream.test, by the authority in ca_file()
    kExpired,    // a day ago
    kWrongHost,  // for wrong.example
    kUnknownCa,  // by another authority than the one in ca_file(): the one in other_ca_file()
  };
  Opening opening = Opening::kServe;
  Certificate certificate = Certificate::kValid;
  std::uint32_t max_concurrent_streams = 100;  // SETTINGS_MAX_CONCURRENT_STREAMS
  std::size_t write_size = 0;                  // at most so many bytes in one write to the socket; 0: any number
  std::size_t frame_size = 0;                  // at most so many bytes in one DATA frame or chunk; 0: any number
  int send_buffer = 256 * 1024;                // SO_SNDBUF in bytes: what the system takes although nobody reads it
};

// A request that has come in completely, and what became of it.
struct ReceivedRequest {
  enum class Progress {
    kReceived,   // nothing of the final answer has been sent
    kAnswering,  // its head has
    kAnswered,   // all of it has been given to the connection
    kBroken,     // the script ended it otherwise
    kAbandoned,  // the client reset the stream or closed the connection first
  };
  std::string method;
  std::string path;           // as it came: with the query, nothing decoded
  core::HttpHeaders headers;  // names in lower case; HTTP/2's :authority is the first, as "host"
  std::string body;
  std::uint64_t connection = 0;  // connections are counted from 1
  std::int32_t stream_id = 0;    // 0 over HTTP/1.1
  std::string http_version;      // "1.1" or "2"
  Progress progress = Progress::kReceived;
  int status = 0;                // of the final answer, from kAnswering on; 0: none was sent
  std::uint64_t body_bytes = 0;  // of the answer, given to the connection: the system has all but the last 128 KiB
};

// All that was seen up to one moment.
struct Facts {
  std::vector<ReceivedRequest> requests;  // in the order of their arrival; empty when they are not recorded
  std::uint64_t request_count = 0;
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t connections_peak = 0;  // the most that were open at once
};

struct UpstreamOptions {
  Protocol protocol = Protocol::kHttp1;
  ConnectionBehavior behavior{};
  // Whether requests are kept in Facts::requests. Off for load, where counting them has to be enough.
  bool record_requests = true;
};

// Listens on 127.0.0.1, on a port that the system chooses, from construction to destruction; serves all connections on
// one thread of its own. Ends the program when it can't listen. Every function may be called from any thread, but the
// Wait functions not from a handler.
class ScriptedUpstream {
 public:
  explicit ScriptedUpstream(UpstreamOptions options);
  ~ScriptedUpstream();
  ScriptedUpstream(const ScriptedUpstream&) = delete;
  ScriptedUpstream& operator=(const ScriptedUpstream&) = delete;

  std::uint16_t port() const;
  // "http://127.0.0.1:4711" or "https://127.0.0.1:4711", without a slash at the end.
  std::string url() const;
  // The certificate of the authority, a PEM file that lives as long as the server. There is one without TLS, too.
  const std::string& ca_file() const;
  // The same of the authority of ConnectionBehavior::Certificate::kUnknownCa.
  const std::string& other_ca_file() const;
  // The same two, as what a client trusts.
  const core::Source<core::TlsAuthorities>& authorities() const;
  const core::Source<core::TlsAuthorities>& other_authorities() const;

  // What is done with a request: the oldest script that Enqueue() left is used up; when there is none, the handler is
  // asked; without a handler the default script is used: at first an answer 200 with `{}`.
  void Enqueue(Script script);
  // The handler runs on the server's thread and must not block. A null one is no handler.
  using Handler = std::function<Script(const ReceivedRequest&)>;
  void SetHandler(Handler handler);
  void SetDefault(Script script);

  // For the connections that are accepted from now on.
  void SetBehavior(const ConnectionBehavior& behavior);

  // Ends every open connection, in order or with a TCP reset; returns when that is done on the server's side. A
  // connection that was closed in order counts as open until its client has closed it, too.
  void CloseConnections();
  void ResetConnections();

  // Stops listening, so that new connections are refused and open ones go on; and listens again on the same port.
  void StopListening();
  void StartListening();

  Facts facts() const;
  std::vector<ReceivedRequest> requests() const;

  // Waits until what was seen satisfies `condition`, which must be quick. False when it did not within 30 seconds,
  // which is to be a failure of the test.
  [[nodiscard]] bool WaitUntil(const std::function<bool(const Facts&)>& condition) const;
  // At least `count` requests have come in.
  [[nodiscard]] bool WaitForRequests(std::uint64_t count) const;
  // At least `count` connections have been accepted.
  [[nodiscard]] bool WaitForConnections(std::uint64_t count) const;
  // Exactly `count` connections are open.
  [[nodiscard]] bool WaitForOpenConnections(std::uint64_t count) const;
  // Request `index` (in the order of arrival, from 0) has come in and got to `progress`.
  [[nodiscard]] bool WaitForProgress(std::size_t index, ReceivedRequest::Progress progress) const;

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

}  // namespace ticketing::support
