// One libcurl multi handle, driven by the loop.
#pragma once

#include <curl/curl.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>

namespace ticketing::http {

// Told when a transfer has ended by itself. Runs on the loop thread, outside of libcurl's callbacks.
class TransferListener {
 public:
  virtual ~TransferListener() = default;
  virtual void OnTransferEnd(CURLcode code) = 0;
};

// Runs transfers on the loop of `context`. All sockets of libcurl are in one epoll set of its own, and the loop waits
// for that set alone: no object per socket, nothing to release when libcurl closes one behind our back.
class CurlMulti {
 public:
  // `multiplex`: whether transfers may share an HTTP/2 connection. At most `max_connections` are open to a host;
  // further transfers wait for one inside libcurl, before their request is sent.
  CurlMulti(boost::asio::io_context& context, bool multiplex, std::uint32_t max_connections);
  ~CurlMulti();
  CurlMulti(const CurlMulti&) = delete;
  CurlMulti& operator=(const CurlMulti&) = delete;

  // Starts the transfer of `easy`, whose CURLOPT_PRIVATE is set here. `listener` must live until Remove().
  void Add(CURL* easy, TransferListener& listener);

  // Ends the transfer of `easy`, whether it was complete or not. Not from within a libcurl callback.
  void Remove(CURL* easy);

 private:
  static int OnSocket(CURL* easy, curl_socket_t socket, int what, void* self, void* socket_data);
  static int OnTimer(CURLM* multi, long timeout_ms, void* self);
  void WaitForSockets();
  void HandleSockets();
  void SetTimer(long timeout_ms);
  void TellListeners();

  CURLM* multi_;
  int epoll_;
  boost::asio::posix::stream_descriptor sockets_;
  boost::asio::steady_timer timer_;
};

}  // namespace ticketing::http
