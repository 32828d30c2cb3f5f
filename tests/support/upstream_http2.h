// HTTP/2 (RFC 9113) on a connection of a scripted upstream, with nghttp2.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/support/upstream_exchange.h"

namespace ticketing::support {

class UpstreamHttp2 final : public UpstreamSession, public AnswerSink {
 public:
  UpstreamHttp2(UpstreamConnection& connection, std::uint64_t connection_number);
  ~UpstreamHttp2() override;
  UpstreamHttp2(const UpstreamHttp2&) = delete;
  UpstreamHttp2& operator=(const UpstreamHttp2&) = delete;

  bool Receive(std::string_view bytes) override;
  void Produce() override;
  bool finished() const override;

  void SendInformational(UpstreamExchange& exchange, int status, const core::HttpHeaders& headers) override;
  void SendHead(UpstreamExchange& exchange, int status, const core::HttpHeaders& headers, bool empty) override;
  void OfferBody(UpstreamExchange& exchange) override;
  void SendEnd(UpstreamExchange& exchange) override;
  void ResetStream(UpstreamExchange& exchange, Http2Error code) override;
  void SendGoAway(UpstreamExchange& exchange, std::int32_t last_stream_id, Http2Error code) override;
  void Settle() override;

 private:
  struct Stream {
    ReceivedRequest request;  // while it comes in
    std::shared_ptr<UpstreamExchange> exchange;
    bool ended = false;  // nothing follows in the body
  };
  struct Callbacks;

  Stream* Find(std::int32_t stream_id);
  ssize_t ReadBody(std::int32_t stream_id, std::uint8_t* buffer, std::size_t size, std::uint32_t* flags);

  UpstreamConnection& connection_;
  const std::uint64_t connection_number_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<std::int32_t, Stream> streams_;
  // Nothing may be sent from within nghttp2's callbacks: what they begin goes on when they have returned.
  std::vector<std::shared_ptr<UpstreamExchange>> to_start_;
  std::vector<std::shared_ptr<UpstreamExchange>> to_continue_;
  std::int32_t lowest_refused_ = INT32_MAX;  // streams from here on were refused by a GOAWAY of ours
};

}  // namespace ticketing::support
