#include "tests/support/upstream_connection.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "tests/support/upstream_exchange.h"
#include "tests/support/upstream_http1.h"
#include "tests/support/upstream_http2.h"

namespace ticketing::support {
namespace {

using boost::asio::ip::tcp;

// How often in a row a connection may fill the socket before the others get their turn.
constexpr int kTurns = 32;

}  // namespace

UpstreamConnection::UpstreamConnection(tcp::socket socket, Environment environment)
    : socket_(std::move(socket)),
      environment_(std::move(environment)),
      number_(environment_.ledger->OpenConnection()),
      tls_(environment_.tls == nullptr ? nullptr : SSL_new(environment_.tls), SSL_free) {
  boost::system::error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.set_option(tcp::socket::send_buffer_size(behavior().send_buffer), ignored);
  socket_.non_blocking(true, ignored);
  if (tls_) {
    SSL_set_bio(tls_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(tls_.get());
  }
}

UpstreamConnection::~UpstreamConnection() = default;

void UpstreamConnection::Start() {
  switch (behavior().opening) {
    case ConnectionBehavior::Opening::kClose: return Abort(Ending::kClose);
    case ConnectionBehavior::Opening::kReset: return Abort(Ending::kReset);
    case ConnectionBehavior::Opening::kStall: state_ = State::kDraining; break;
    case ConnectionBehavior::Opening::kServe:
      if (!tls_) StartSession(false);
      break;
  }
  AwaitReadable();
}

void UpstreamConnection::StartSession(bool http2) {
  if (http2) {
    session_ = std::make_unique<UpstreamHttp2>(*this, number_);
  } else {
    session_ = std::make_unique<UpstreamHttp1>(*this, number_);
  }
}

std::shared_ptr<UpstreamExchange> UpstreamConnection::Open(const ReceivedRequest& request, AnswerSink& sink) {
  const std::int32_t stream_id = request.stream_id;
  auto exchange = std::make_shared<UpstreamExchange>(*this, sink, ledger().Receive(request), stream_id);
  exchanges_.insert(exchange);
  return exchange;
}

void UpstreamConnection::AwaitReadable() {
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->OnReadable();
  });
}

void UpstreamConnection::OnReadable() {
  std::array<char, 64 * 1024> buffer;
  while (state_ != State::kClosed) {
    const ssize_t count = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (count <= 0) return Close(false);
    Take({buffer.data(), static_cast<std::size_t>(count)});
    if (static_cast<std::size_t>(count) < buffer.size()) break;
  }
  if (state_ != State::kClosed) AwaitReadable();
}

void UpstreamConnection::Take(std::string_view bytes) {
  if (state_ != State::kOpen) return;  // draining: only the client's end matters
  const bool understood = tls_ ? TakeEncrypted(bytes) : session_->Receive(bytes);
  if (!understood) End(Ending::kClose);
  Service();
}

bool UpstreamConnection::TakeEncrypted(std::string_view bytes) {
  ERR_clear_error();
  BIO_write(SSL_get_rbio(tls_.get()), bytes.data(), static_cast<int>(bytes.size()));
  if (!established_) {
    const int result = SSL_do_handshake(tls_.get());
    if (result != 1) return SSL_get_error(tls_.get(), result) == SSL_ERROR_WANT_READ;
    established_ = true;
    const unsigned char* alpn = nullptr;
    unsigned alpn_size = 0;
    SSL_get0_alpn_selected(tls_.get(), &alpn, &alpn_size);
    StartSession(std::string_view(reinterpret_cast<const char*>(alpn), alpn_size) == "h2");
  }
  std::array<char, 16 * 1024> buffer;
  while (state_ == State::kOpen) {
    const int count = SSL_read(tls_.get(), buffer.data(), buffer.size());
    if (count <= 0) {
      const int error = SSL_get_error(tls_.get(), count);
      if (error == SSL_ERROR_ZERO_RETURN) Close(false);
      return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_ZERO_RETURN;
    }
    if (!session_->Receive({buffer.data(), static_cast<std::size_t>(count)})) return false;
  }
  return true;
}

void UpstreamConnection::Encrypt() {
  if (!tls_) {
    if (out_.empty()) {
      out_.swap(plain_);
    } else {
      out_.append(plain_);
    }
    plain_.clear();
    return;
  }
  if (established_ && !plain_.empty()) {
    ERR_clear_error();
    SSL_write(tls_.get(), plain_.data(), static_cast<int>(plain_.size()));
    plain_.clear();
  }
  BIO* encrypted = SSL_get_wbio(tls_.get());
  if (const std::size_t size = BIO_ctrl_pending(encrypted); size > 0) {
    const std::size_t before = out_.size();
    out_.resize(before + size);
    BIO_read(encrypted, out_.data() + before, static_cast<int>(size));
  }
}

// True when everything has been given to the system.
bool UpstreamConnection::Flush() {
  Encrypt();
  while (out_position_ < out_.size()) {
    std::size_t size = out_.size() - out_position_;
    if (behavior().write_size != 0) size = std::min(size, behavior().write_size);
    const ssize_t count = ::send(socket_.native_handle(), out_.data() + out_position_, size, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      AwaitWritable();
      return false;
    }
    if (count < 0) {
      Close(false);
      return false;
    }
    out_position_ += static_cast<std::size_t>(count);
  }
  out_.clear();
  out_position_ = 0;
  return true;
}

void UpstreamConnection::AwaitWritable() {
  if (std::exchange(awaiting_writable_, true)) return;
  socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](const boost::system::error_code& error) {
    self->awaiting_writable_ = false;
    if (!error) self->Service();
  });
}

void UpstreamConnection::Service() {
  // What producing leads to may call for service again: the loop below sees what that wrote.
  if (state_ != State::kOpen || in_service_) return;
  in_service_ = true;
  bool more = true;
  for (int turn = 0; more && turn < kTurns; ++turn) {
    if (session_) session_->Produce();
    Encrypt();
    const bool produced = out_position_ < out_.size();
    if (!Flush()) {
      in_service_ = false;
      return;
    }
    more = produced;
  }
  in_service_ = false;
  if (more) {
    boost::asio::post(*loop(), [self = shared_from_this()] { self->Service(); });
  } else if (ending() || (session_ && session_->finished())) {
    FinishWriting();
  }
}

void UpstreamConnection::FinishWriting() {
  if (ending_ == Ending::kReset) return Close(true);
  ending_ = Ending::kClose;
  if (tls_) {
    ERR_clear_error();
    SSL_shutdown(tls_.get());
    Flush();  // a few bytes on a socket that has just taken all
  }
  // Closing a socket with unread bytes would send a reset, and lose what the client has not read yet: so only our
  // direction ends, until the client has ended its own.
  if (state_ == State::kClosed) return;
  ::shutdown(socket_.native_handle(), SHUT_WR);
  state_ = State::kDraining;
  for (const auto& exchange : std::exchange(exchanges_, {})) exchange->OnConnectionEnd();
}

void UpstreamConnection::End(Ending ending) {
  if (ending_ == Ending::kNone) ending_ = ending;
}

void UpstreamConnection::Abort(Ending ending) {
  if (state_ == State::kClosed) return;
  if (ending_ == Ending::kNone) ending_ = ending;
  if (ending == Ending::kReset) return Close(true);
  if (state_ == State::kOpen) FinishWriting();
}

void UpstreamConnection::Close(bool reset) {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  boost::system::error_code ignored;
  if (reset) socket_.set_option(tcp::socket::linger(true, 0), ignored);
  socket_.close(ignored);
  for (const auto& exchange : std::exchange(exchanges_, {})) exchange->OnConnectionEnd();
  ledger().CloseConnection();
  environment_.on_closed(number_);
}

}  // namespace ticketing::support
