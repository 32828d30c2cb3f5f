// One connection of a scripted upstream: bytes, TLS and their ends. What the bytes mean is a session's business.
#pragma once

#include <openssl/ssl.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "tests/support/upstream_ledger.h"

namespace ticketing::support {

class UpstreamExchange;

// What speaks HTTP on a connection. On the server's thread.
class UpstreamSession {
 public:
  virtual ~UpstreamSession() = default;
  // Takes in what the client sent. False when that can't be understood and the connection is to end.
  virtual bool Receive(std::string_view bytes) = 0;
  // Writes what there is to write, as long as the connection's backlog is below its limit.
  virtual void Produce() = 0;
  // Whether all has been said and the connection may be closed once it is written.
  virtual bool finished() const = 0;
};

// On the server's thread.
class UpstreamConnection : public std::enable_shared_from_this<UpstreamConnection> {
 public:
  struct Environment {
    std::shared_ptr<boost::asio::io_context> loop;
    UpstreamLedger* ledger = nullptr;
    SSL_CTX* tls = nullptr;  // null: plain
    ConnectionBehavior behavior;
    std::function<void(std::uint64_t number)> on_closed;  // asks for the connection's removal, later
  };
  UpstreamConnection(boost::asio::ip::tcp::socket socket, Environment environment);
  ~UpstreamConnection();
  UpstreamConnection(const UpstreamConnection&) = delete;
  UpstreamConnection& operator=(const UpstreamConnection&) = delete;

  void Start();

  enum class Ending { kNone, kClose, kReset };
  // Ends the connection as soon as all that was written has been given to the system.
  void End(Ending ending);
  // Ends it now.
  void Abort(Ending ending);

  // For sessions and exchanges:
  // Adds bytes to what is to be sent; Service() sends it.
  void Write(std::string_view bytes) { plain_.append(bytes); }
  // Whether enough is waiting to be sent.
  bool backlogged() const { return plain_.size() + (out_.size() - out_position_) >= kBacklogLimit; }
  // Lets the session produce, and sends. To be called after whatever made something to send.
  void Service();
  // Writes the request down and begins to do what its script says.
  std::shared_ptr<UpstreamExchange> Open(const ReceivedRequest& request, class AnswerSink& sink);
  void Release(const std::shared_ptr<UpstreamExchange>& exchange) { exchanges_.erase(exchange); }

  const ConnectionBehavior& behavior() const { return environment_.behavior; }
  UpstreamLedger& ledger() const { return *environment_.ledger; }
  const std::shared_ptr<boost::asio::io_context>& loop() const { return environment_.loop; }
  bool ending() const { return ending_ != Ending::kNone; }

 private:
  static constexpr std::size_t kBacklogLimit = 64 * 1024;
  enum class State { kOpen, kDraining, kClosed };

  void AwaitReadable();
  void OnReadable();
  void Take(std::string_view bytes);
  bool TakeEncrypted(std::string_view bytes);
  void StartSession(bool http2);
  void Encrypt();
  bool Flush();
  void AwaitWritable();
  void FinishWriting();
  void Close(bool reset);

  boost::asio::ip::tcp::socket socket_;
  Environment environment_;
  const std::uint64_t number_;
  State state_ = State::kOpen;
  Ending ending_ = Ending::kNone;
  std::unique_ptr<SSL, void (*)(SSL*)> tls_;
  bool established_ = false;  // TLS: the handshake is over
  std::unique_ptr<UpstreamSession> session_;
  std::unordered_set<std::shared_ptr<UpstreamExchange>> exchanges_;
  std::string plain_;  // not yet encrypted, when there is TLS
  std::string out_;    // as it goes to the socket
  std::size_t out_position_ = 0;
  bool awaiting_writable_ = false;
  bool in_service_ = false;
};

}  // namespace ticketing::support
