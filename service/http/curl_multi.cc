#include "http/curl_multi.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/descriptor_base.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <span>
#include <stdexcept>
#include <utility>

namespace ticketing::http {
namespace {

// At most so many transfers share a connection, if its server takes as many: libcurl's default.
constexpr long kStreamLimit = 100;

// Marks the events of a connection that no transfer uses; the lower bits are the socket.
constexpr std::uint64_t kIdle = std::uint64_t{1} << 32;

int SocketOf(const epoll_event& event) {
  return static_cast<int>(event.data.u64 & ~kIdle);
}

// libcurl 7.88 takes an idle connection for alive while it has bytes to read, even if they are nothing but TLS's notice
// that it was closed. The request would be sent, get no answer and be in doubt. Without the bytes it sees the end.
void DiscardUnread(int socket) {
  std::array<char, 4096> unread{};
  while (recv(socket, unread.data(), unread.size(), MSG_DONTWAIT) > 0) {
  }
}

}  // namespace

CurlMulti::CurlMulti(boost::asio::io_context& context, bool multiplex, std::uint32_t max_connections,
                     std::chrono::milliseconds settle_time)
    : context_(context),
      multi_(curl_multi_init()),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      sockets_(context),
      timer_(context),
      settle_time_(settle_time),
      settled_(context) {
  // Only ever at start-up, before anything is served.
  if (multi_ == nullptr || epoll_ < 0) throw std::runtime_error("libcurl or epoll could not be set up");
  sockets_.assign(epoll_);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlMulti::OnSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlMulti::OnTimer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, multiplex ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING);
  // Without a limit, 500 transfers at once opened 401 connections although they could have shared five (measured).
  curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(max_connections));
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(max_connections));
  WaitForSockets();
}

CurlMulti::~CurlMulti() {
  // Closing the connections calls back for each socket and for the timer; neither means anything any more.
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, nullptr);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, nullptr);
  curl_multi_cleanup(multi_);
}

void CurlMulti::Add(CURL* easy, TransferListener& listener) {
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &listener);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, &CurlMulti::OnHandshake);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, this);
  curl_multi_add_handle(multi_, easy);
}

void CurlMulti::Remove(CURL* easy) {
  curl_multi_remove_handle(multi_, easy);
  newcomers_.erase(easy);
  UpdateSharing();
}

int CurlMulti::OnSocket(CURL* easy, curl_socket_t socket, int what, void* self, void* /*socket_data*/) {
  const int epoll = static_cast<CurlMulti*>(self)->epoll_;
  epoll_event event{};
  event.data.u64 = static_cast<std::uint64_t>(socket);
  if (what == CURL_POLL_REMOVE) {
    // A paused transfer's connection isn't idle: what is unread on it is the rest of the body.
    TransferListener* listener = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &listener);
    if (listener != nullptr && listener->paused()) {
      epoll_ctl(epoll, EPOLL_CTL_DEL, socket, nullptr);
      return 0;
    }
    event.data.u64 |= kIdle;
    event.events = EPOLLRDHUP | EPOLLONESHOT;
    epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event);  // fails when the socket is closed, which has removed it
    return 0;
  }
  if (what != CURL_POLL_OUT) event.events |= EPOLLIN;
  if (what != CURL_POLL_IN) event.events |= EPOLLOUT;
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event) != 0) epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event);
  return 0;
}

int CurlMulti::OnTimer(CURLM* /*multi*/, long timeout_ms, void* self) {
  static_cast<CurlMulti*>(self)->SetTimer(timeout_ms);
  return 0;
}

void CurlMulti::SetTimer(long timeout_ms) {
  if (timeout_ms < 0) {
    timer_.cancel();
    return;
  }
  if (timeout_ms > 0) {
    timer_.expires_after(std::chrono::milliseconds(timeout_ms));
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) HandleTimeout();
    });
    return;
  }
  // Each transfer begins so; the timer would take three calls of the system.
  if (std::exchange(timeout_posted_, true)) return;
  boost::asio::post(context_, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    timeout_posted_ = false;
    HandleTimeout();
  });
}

void CurlMulti::WaitForSockets() {
  sockets_.async_wait(boost::asio::posix::descriptor_base::wait_read, [this](const boost::system::error_code& error) {
    if (error == boost::asio::error::operation_aborted) return;
    HandleSockets();
    WaitForSockets();
  });
}

void CurlMulti::HandleSockets() {
  std::array<epoll_event, 64> events{};
  const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
  const std::span ready = std::span(events).first(static_cast<std::size_t>(std::max(count, 0)));
  // First, so that no transfer begins on a connection that was closed.
  for (const epoll_event& event : ready) {
    if ((event.data.u64 & kIdle) != 0) DiscardUnread(SocketOf(event));
  }
  for (const epoll_event& event : ready) {
    if ((event.data.u64 & kIdle) != 0) continue;
    int mask = 0;
    if ((event.events & EPOLLIN) != 0) mask |= CURL_CSELECT_IN;
    if ((event.events & EPOLLOUT) != 0) mask |= CURL_CSELECT_OUT;
    if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) mask |= CURL_CSELECT_ERR;
    Act(SocketOf(event), mask);
  }
  TellListeners();
}

void CurlMulti::HandleTimeout() {
  HandleSockets();  // what happened to connections before one is chosen
  Act(CURL_SOCKET_TIMEOUT, 0);
  TellListeners();
}

void CurlMulti::Act(curl_socket_t socket, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, socket, events, &running);
  // At once: the next action may bring a handshake that has begun to its end.
  UpdateSharing();
}

void CurlMulti::TellListeners() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    newcomers_.erase(message->easy_handle);
    TransferListener* listener = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &listener);
    listener->OnTransferEnd(code);
  }
  UpdateSharing();
}

// Called when the TLS handshake of a new connection begins.
CURLcode CurlMulti::OnHandshake(CURL* easy, void* /*tls_context*/, void* self) {
  auto& multi = *static_cast<CurlMulti*>(self);
  const bool first = multi.newcomers_.empty();
  multi.newcomers_.insert_or_assign(easy, std::chrono::steady_clock::now());
  if (first) multi.AwaitSettling();
  return CURLE_OK;
}

// Until the oldest newcomer has had its time.
void CurlMulti::AwaitSettling() {
  const auto oldest = std::ranges::min_element(newcomers_, {}, &decltype(newcomers_)::value_type::second);
  if (oldest == newcomers_.end()) return;
  settled_.expires_at(oldest->second + settle_time_);
  settled_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    HandleSockets();  // the servers' word may have come long ago
    const auto long_ago = std::chrono::steady_clock::now() - settle_time_;
    std::erase_if(newcomers_, [&](const auto& newcomer) { return newcomer.second <= long_ago; });
    UpdateSharing();
    AwaitSettling();
  });
}

// libcurl takes a new connection for good for 100 streams until the server has said otherwise. What it sends beyond the
// server's limit is refused, and can't be told from what was lost. So a connection is shared once it has brought the
// first answer, before which the limit must have come.
void CurlMulti::UpdateSharing() {
  std::erase_if(newcomers_, [](const auto& newcomer) {
    long answered = 0;  // bytes
    curl_easy_getinfo(newcomer.first, CURLINFO_HEADER_SIZE, &answered);
    return answered > 0;
  });
  if (sharing_ == newcomers_.empty()) return;
  sharing_ = newcomers_.empty();
  curl_multi_setopt(multi_, CURLMOPT_MAX_CONCURRENT_STREAMS, sharing_ ? kStreamLimit : 1L);
  if (!sharing_) return;
  // Only when a transfer has gone does libcurl look at those that wait.
  CURL* none = curl_easy_init();
  curl_multi_add_handle(multi_, none);
  curl_multi_remove_handle(multi_, none);
  curl_easy_cleanup(none);
}

}  // namespace ticketing::http
