// One libcurl multi handle, driven by the loop.
#pragma once

#include <curl/curl.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>

namespace ticketing::http {

// What CurlMulti has to do with a transfer. Runs on the loop thread.
class TransferListener {
 public:
  virtual ~TransferListener() = default;
  // The transfer has ended by itself. Called outside of libcurl's callbacks.
  virtual void OnTransferEnd(CURLcode code) = 0;
  // Whether the transfer stands still until its body is read.
  virtual bool paused() const = 0;
};

// Runs transfers on the loop of `context`. All sockets of libcurl are in one epoll set of its own, and the loop waits
// for that set alone: no object per socket, nothing to release when libcurl closes one behind our back.
class CurlMulti {
 public:
  // `multiplex`: whether transfers may share an HTTP/2 connection, and `settle_time`: see CurlOptions. At most
  // `max_connections` are open to a host; further transfers wait for one inside libcurl, before their request is sent.
  CurlMulti(boost::asio::io_context& context, bool multiplex, std::uint32_t max_connections,
            std::chrono::milliseconds settle_time);
  ~CurlMulti();
  CurlMulti(const CurlMulti&) = delete;
  CurlMulti& operator=(const CurlMulti&) = delete;

  // Starts the transfer of `easy`, whose CURLOPT_PRIVATE is set here. `listener` must live until Remove().
  void Add(CURL* easy, TransferListener& listener);

  // Ends the transfer of `easy`, whether it was complete or not. Not from within a libcurl callback. With
  // CURLOPT_FORBID_REUSE, its connection is closed unless others use it.
  void Remove(CURL* easy);

 private:
  static int OnSocket(CURL* easy, curl_socket_t socket, int what, void* self, void* socket_data);
  static int OnTimer(CURLM* multi, long timeout_ms, void* self);
  static CURLcode OnHandshake(CURL* easy, void* tls_context, void* self);
  void WaitForSockets();
  void HandleSockets();
  void HandleTimeout();
  void SetTimer(long timeout_ms);
  void Act(curl_socket_t socket, int events);
  void TellListeners();
  void UpdateSharing();
  void AwaitSettling();

  boost::asio::io_context& context_;
  CURLM* multi_;
  int epoll_;
  boost::asio::posix::stream_descriptor sockets_;
  boost::asio::steady_timer timer_;
  bool timeout_posted_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what is posted

  // Transfers on new connections whose server may not have said yet how many streams it takes.
  std::map<CURL*, std::chrono::steady_clock::time_point> newcomers_;  // with the start of the TLS handshake
  const std::chrono::milliseconds settle_time_;
  boost::asio::steady_timer settled_;
  bool sharing_ = true;
};

}  // namespace ticketing::http
