// HTTP/1.1 (RFC 9112) on a connection of a scripted upstream.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tests/support/upstream_exchange.h"

namespace ticketing::support {

// One request after the other; those that come early wait. Bodies of requests need a content-length.
class UpstreamHttp1 final : public UpstreamSession, public AnswerSink {
 public:
  UpstreamHttp1(UpstreamConnection& connection, std::uint64_t connection_number)
      : connection_(connection), connection_number_(connection_number) {}

  bool Receive(std::string_view bytes) override;
  void Produce() override;
  bool finished() const override { return close_after_answer_ && !current_; }

  void SendInformational(UpstreamExchange& exchange, int status, const core::HttpHeaders& headers) override;
  void SendHead(UpstreamExchange& exchange, int status, const core::HttpHeaders& headers, bool empty) override;
  void OfferBody(UpstreamExchange& /*exchange*/) override {}
  void SendEnd(UpstreamExchange& exchange) override;
  void ResetStream(UpstreamExchange& exchange, Http2Error code) override;
  void SendGoAway(UpstreamExchange& /*exchange*/, std::int32_t /*last*/, Http2Error /*code*/) override {
    close_after_answer_ = true;
  }
  void Settle() override {}

 private:
  enum class Parsed { kRequest, kIncomplete, kNonsense };
  Parsed ParseRequest(ReceivedRequest& request);
  bool Refuse(std::string_view status);
  bool StartNext();

  UpstreamConnection& connection_;
  const std::uint64_t connection_number_;
  std::string in_;
  std::shared_ptr<UpstreamExchange> current_;
  bool chunked_ = false;
  bool close_after_answer_ = false;
};

}  // namespace ticketing::support
