// One HTTP request and its answer on a libcurl easy handle.
#pragma once

#include <curl/curl.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "call/ports.h"
#include "core/http_message.h"
#include "http/curl_multi.h"

namespace ticketing::http {

struct EasyCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using EasyHandle = std::unique_ptr<CURL, EasyCleanup>;

struct ListCleanup {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// Takes handles back that ended well, for the next request: their options stay.
class EasyHandlePool {
 public:
  virtual ~EasyHandlePool() = default;
  virtual void Release(EasyHandle easy) = 0;
};

// The error that a transfer without a final status ended with. `sent`: whether the request may have reached the server.
core::TransportError ClassifyTransportError(CURLcode code, bool sent, std::string_view detail);

// See call::HttpExchange. Lives and dies on the loop thread.
class CurlExchange final : public call::HttpExchange, private TransferListener {
 public:
  // Starts `request` on `easy`, which has every option that is the same for all requests.
  CurlExchange(boost::asio::io_context& context, CurlMulti& multi, EasyHandlePool& pool, EasyHandle easy,
               const core::HttpRequest& request, const call::AttemptOptions& options);
  ~CurlExchange() override;
  CurlExchange(const CurlExchange&) = delete;
  CurlExchange& operator=(const CurlExchange&) = delete;

  boost::asio::awaitable<std::variant<core::ResponseHead, core::TransportError>> Head() override;
  boost::asio::awaitable<call::BodyPiece> Read() override;
  void SetDeadline(call::TimePoint deadline) override;
  bool request_sent() const override { return times_sent_ > 0; }
  core::HttpTimings timings() const override;
  void CancelUnlessSent() override;

 private:
  static std::size_t OnHeader(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t OnBody(char* data, std::size_t size, std::size_t count, void* self);
  static int OnBeforeRequest(void* self, char* remote_ip, char* local_ip, int remote_port, int local_port);

  void OnTransferEnd(CURLcode code) override;
  bool paused() const override { return paused_; }
  void TakeHeaderLine(std::string_view line);
  boost::asio::awaitable<void> WaitForChange();
  void Stop(core::TransportError::Kind kind, std::string message);
  void Detach();

  CurlMulti& multi_;
  EasyHandlePool& pool_;
  EasyHandle easy_;
  std::unique_ptr<curl_slist, ListCleanup> request_headers_;
  boost::asio::steady_timer change_;  // expires at the deadline; cancelled to tell of a change
  call::TimePoint deadline_;
  const bool streaming_;

  int times_sent_ = 0;
  core::ResponseHead head_;
  bool head_complete_ = false;
  std::size_t header_bytes_ = 0;
  std::string body_;
  bool paused_ = false;
  bool ended_ = false;
  bool attached_ = true;   // to the multi handle
  bool complete_ = false;  // the whole answer arrived
  core::TransportError error_;
  char error_text_[CURL_ERROR_SIZE] = {};  // NOLINT(modernize-avoid-c-arrays): libcurl's interface
};

}  // namespace ticketing::http
