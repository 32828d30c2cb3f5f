#include "tests/e2e/raw_http2_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace ticketing::e2e {
namespace {

constexpr char kPath[] = "/ticketing.v1.TicketingUserService/DeleteTicketingUser";

void Require(bool success, const char* what) {
  if (success) return;
  std::perror(what);
  std::abort();
}

// -1 when nobody listens there.
int TryToConnect(const std::string& address) {
  const auto colon = address.rfind(':');
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  Require(::inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr) == 1, "inet_pton");
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Require(socket >= 0, "socket");
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&peer), sizeof peer) == 0) return socket;
  ::close(socket);
  return -1;
}

int Connect(const std::string& address) {
  const int socket = TryToConnect(address);
  Require(socket >= 0, "connect");
  return socket;
}

nghttp2_nv Field(const std::string& name, const std::string& value) {
  // nghttp2 takes pointers to non-const and copies what they point at.
  const auto bytes = [](const std::string& text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

// gRPC's frame of one message: not compressed, its length, its bytes.
std::string Framed(const std::string& message) {
  std::string frame(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>(message.size() >> shift);
  return frame + message;
}

}  // namespace

struct RawHttp2Client::Session {
  struct Stream {
    std::string body;
    std::size_t sent = 0;
    std::map<std::string, std::string> headers;
    bool ended = false;
  };

  int socket = -1;
  nghttp2_session* http2 = nullptr;
  std::string out;
  std::map<std::int32_t, Stream> streams;
  std::uint64_t pings_answered = 0;
  std::optional<std::uint32_t> go_away;

  static Session& Self(void* user_data) { return *static_cast<Session*>(user_data); }

  static int OnHeader(nghttp2_session* /*session*/, const nghttp2_frame* frame, const std::uint8_t* name,
                      std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t /*flags*/,
                      void* user_data) {
    Self(user_data)
        .streams[frame->hd.stream_id]
        .headers[std::string(reinterpret_cast<const char*>(name), name_size)]
        .assign(reinterpret_cast<const char*>(value), value_size);
    return 0;
  }

  static int OnFrame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user_data) {
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) ++Self(user_data).pings_answered;
    if (frame->hd.type == NGHTTP2_GOAWAY) Self(user_data).go_away = frame->goaway.error_code;
    return 0;
  }

  static int OnStreamClose(nghttp2_session* /*session*/, std::int32_t stream, std::uint32_t /*code*/, void* user_data) {
    Self(user_data).streams[stream].ended = true;
    return 0;
  }

  static ssize_t ReadBody(nghttp2_session* /*session*/, std::int32_t stream_id, std::uint8_t* buffer, std::size_t size,
                          std::uint32_t* flags, nghttp2_data_source* /*source*/, void* user_data) {
    Stream& stream = Self(user_data).streams[stream_id];
    const std::size_t count = std::min(size, stream.body.size() - stream.sent);
    std::copy_n(stream.body.data() + stream.sent, count, buffer);
    stream.sent += count;
    if (stream.sent == stream.body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(count);
  }

  // Writes and reads as far as that goes at once.
  bool Exchange() {
    const std::uint8_t* frames = nullptr;
    for (ssize_t size = 0; (size = nghttp2_session_mem_send(http2, &frames)) > 0;) {
      out.append(reinterpret_cast<const char*>(frames), static_cast<std::size_t>(size));
    }
    while (!out.empty()) {
      const ssize_t count = ::send(socket, out.data(), out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0 && errno == EAGAIN) break;
      if (count < 0) {
        Receive();
        return false;
      }
      out.erase(0, static_cast<std::size_t>(count));
    }
    return Receive();
  }

  bool Receive() const {
    std::array<std::uint8_t, 16 * 1024> buffer;
    for (;;) {
      const ssize_t count = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count < 0) return errno == EAGAIN;
      if (count == 0) return false;
      if (nghttp2_session_mem_recv(http2, buffer.data(), static_cast<std::size_t>(count)) < 0) return false;
    }
  }
};

RawHttp2Client::RawHttp2Client(const std::string& address) : session_(std::make_unique<Session>()) {
  session_->socket = Connect(address);
  nghttp2_session_callbacks* callbacks = nullptr;
  Require(nghttp2_session_callbacks_new(&callbacks) == 0, "memory");
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Session::OnHeader);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Session::OnFrame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Session::OnStreamClose);
  Require(nghttp2_session_client_new(&session_->http2, callbacks, session_.get()) == 0, "nghttp2_session_client_new");
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_submit_settings(session_->http2, NGHTTP2_FLAG_NONE, nullptr, 0);
}

RawHttp2Client::~RawHttp2Client() {
  nghttp2_session_del(session_->http2);
  ::close(session_->socket);
}

std::int32_t RawHttp2Client::StartCall(const std::optional<std::string>& message,
                                       const std::vector<std::pair<std::string, std::string>>& headers) {
  std::vector<std::pair<std::string, std::string>> all = {{":method", "POST"}, {":scheme", "http"},
                                                          {":path", kPath},    {":authority", "localhost"},
                                                          {"te", "trailers"},  {"content-type", "application/grpc"}};
  all.insert(all.end(), headers.begin(), headers.end());
  std::vector<nghttp2_nv> fields;
  for (const auto& [name, value] : all) fields.push_back(Field(name, value));
  const nghttp2_data_provider body{.source = {.ptr = nullptr}, .read_callback = Session::ReadBody};
  std::int32_t stream = 0;
  if (message) {
    stream = nghttp2_submit_request(session_->http2, nullptr, fields.data(), fields.size(), &body, nullptr);
    session_->streams[stream].body = Framed(*message);
  } else {
    stream =
        nghttp2_submit_headers(session_->http2, NGHTTP2_FLAG_NONE, -1, nullptr, fields.data(), fields.size(), nullptr);
  }
  return stream;
}

void RawHttp2Client::ResetStream(std::int32_t stream) {
  nghttp2_submit_rst_stream(session_->http2, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
}

void RawHttp2Client::Ping() {
  nghttp2_submit_ping(session_->http2, NGHTTP2_FLAG_NONE, nullptr);
}

bool RawHttp2Client::Send() {
  return session_->Exchange();
}

bool RawHttp2Client::WaitUntil(const std::function<bool()>& condition) {
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (;;) {
    const bool open = session_->Exchange();
    if (condition()) return true;
    if (!open || std::chrono::steady_clock::now() > patience) return false;
    pollfd socket{.fd = session_->socket,
                  .events = static_cast<short>(session_->out.empty() ? POLLIN : POLLIN | POLLOUT),
                  .revents = 0};
    ::poll(&socket, 1, 1000);
  }
}

bool RawHttp2Client::StreamEnded(std::int32_t stream) const {
  const auto found = session_->streams.find(stream);
  return found != session_->streams.end() && found->second.ended;
}

std::string RawHttp2Client::Header(std::int32_t stream, const std::string& name) const {
  const auto found = session_->streams.find(stream);
  if (found == session_->streams.end()) return {};
  const auto header = found->second.headers.find(name);
  return header == found->second.headers.end() ? std::string() : header->second;
}

std::uint64_t RawHttp2Client::pings_answered() const {
  return session_->pings_answered;
}

std::optional<std::uint32_t> RawHttp2Client::go_away() const {
  return session_->go_away;
}

std::string HttpGet(const std::string& address, const std::string& path) {
  const int socket = TryToConnect(address);
  if (socket < 0) return {};
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\nConnection: close\r\n\r\n";
  Require(::send(socket, request.data(), request.size(), MSG_NOSIGNAL) >= 0, "send");
  std::string answer;
  std::array<char, 4096> buffer;
  for (ssize_t count = 0; (count = ::recv(socket, buffer.data(), buffer.size(), 0)) > 0;) {
    answer.append(buffer.data(), static_cast<std::size_t>(count));
  }
  ::close(socket);
  return answer;
}

IdleConnections::IdleConnections(const std::string& address, int count, const std::string& beginning) {
  for (int i = 0; i < count; ++i) {
    sockets_.push_back(Connect(address));
    Require(::send(sockets_.back(), beginning.data(), beginning.size(), MSG_NOSIGNAL) >= 0, "send");
  }
}

IdleConnections::~IdleConnections() {
  for (const int socket : sockets_) ::close(socket);
}

}  // namespace ticketing::e2e
