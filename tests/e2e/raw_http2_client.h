// A gRPC client that misbehaves: HTTP/2 frame by frame, without TLS.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ticketing::e2e {

// One connection. Not for several threads at once.
class RawHttp2Client {
 public:
  // Connects to "127.0.0.1:4711" and sends the preface. Ends the program when nobody listens there.
  explicit RawHttp2Client(const std::string& address);
  ~RawHttp2Client();
  RawHttp2Client(const RawHttp2Client&) = delete;
  RawHttp2Client& operator=(const RawHttp2Client&) = delete;

  // Each hands a frame to the connection; the next Send() or WaitUntil() sends it.
  //
  // A call of DeleteTicketingUser with `headers` besides: its whole request, or without `message` the headers alone.
  // Returns its stream.
  std::int32_t StartCall(const std::optional<std::string>& message,
                         const std::vector<std::pair<std::string, std::string>>& headers = {});
  void ResetStream(std::int32_t stream);
  void Ping();

  // Sends what there is, and reads what there is to read; false when the server has ended the connection.
  bool Send();

  // Reads until `condition` holds; false when it did not within 30 seconds, or the connection ended before.
  [[nodiscard]] bool WaitUntil(const std::function<bool()>& condition);

  // What the server has said.
  bool StreamEnded(std::int32_t stream) const;
  // A header or trailer of the stream's answer; empty when there was none.
  std::string Header(std::int32_t stream, const std::string& name) const;
  std::uint64_t pings_answered() const;
  // The error code of its GOAWAY.
  std::optional<std::uint32_t> go_away() const;

 private:
  struct Session;
  std::unique_ptr<Session> session_;
};

// The whole answer to a GET at "127.0.0.1:4711"; empty when nobody listens there.
std::string HttpGet(const std::string& address, const std::string& path);

// Connections that say nothing, and are closed at the end.
class IdleConnections {
 public:
  // Opens `count` to "127.0.0.1:4711" and sends `beginning` on each.
  IdleConnections(const std::string& address, int count, const std::string& beginning);
  ~IdleConnections();
  IdleConnections(const IdleConnections&) = delete;
  IdleConnections& operator=(const IdleConnections&) = delete;

 private:
  std::vector<int> sockets_;
};

}  // namespace ticketing::e2e
