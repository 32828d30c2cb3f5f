// One request of a scripted upstream on its way through its script.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <optional>

#include "tests/support/upstream_connection.h"

namespace ticketing::support {

// The protocol's side of an answer.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  virtual void SendInformational(UpstreamExchange& exchange, int status, const core::HttpHeaders& headers) = 0;
  // `empty`: the end comes right after the head.
  virtual void SendHead(UpstreamExchange& exchange, int status, const core::HttpHeaders& headers, bool empty) = 0;
  // There is body to take, with TakeBody(); when has_body() is false again, the sink calls ContinueAfterBody().
  virtual void OfferBody(UpstreamExchange& exchange) = 0;
  virtual void SendEnd(UpstreamExchange& exchange) = 0;
  virtual void ResetStream(UpstreamExchange& exchange, Http2Error code) = 0;
  virtual void SendGoAway(UpstreamExchange& exchange, std::int32_t last_stream_id, Http2Error code) = 0;
  // Gives all that was said so far to the connection.
  virtual void Settle() = 0;
};

// On the server's thread; owned by its connection until the script is done or the request has ended.
class UpstreamExchange : public std::enable_shared_from_this<UpstreamExchange> {
 public:
  UpstreamExchange(UpstreamConnection& connection, AnswerSink& sink, UpstreamLedger::Ticket ticket,
                   std::int32_t stream_id);

  std::int32_t stream_id() const { return stream_id_; }

  // Does the steps that can be done now. The caller calls UpstreamConnection::Service() after it.
  void Advance();

  bool has_body() const { return body_left_ > 0; }
  // Copies at most `size` bytes of the body to `target` and returns how many.
  std::size_t TakeBody(char* target, std::size_t size);
  // Whether the end comes next. Taking it does that step.
  bool TakeEnd();
  void ContinueAfterBody();

  // The stream was closed: by the client unless `broken`.
  void OnStreamEnd(bool broken);
  void OnConnectionEnd();

 private:
  void Resume();
  void Finish(ReceivedRequest::Progress progress);
  bool finished() const { return progress_ >= ReceivedRequest::Progress::kAnswered; }

  // Each does one step; false when the step takes time.
  bool Do(const Script::InformationalStep& step);
  bool Do(const Script::HeadStep& step);
  bool Do(const Script::BodyStep& step);
  bool Do(const Script::FillerStep& step);
  bool Do(const Script::EndStep& step);
  bool Do(const Script::WaitStep& step);
  bool Do(const Script::DelayStep& step);
  bool Do(const Script::ResetStreamStep& step);
  bool Do(const Script::GoAwayStep& step);
  bool Do(const Script::CloseStep& step);
  bool Do(const Script::ResetConnectionStep& step);
  bool Do(const Script::RawStep& step);
  bool NextIsEnd(std::size_t step) const;

  UpstreamConnection& connection_;
  AnswerSink& sink_;
  UpstreamLedger::Ticket ticket_;
  const std::int32_t stream_id_;
  std::size_t step_ = 0;
  bool stopped_ = false;
  ReceivedRequest::Progress progress_ = ReceivedRequest::Progress::kReceived;
  const char* body_ = nullptr;  // null: filler
  std::uint64_t body_left_ = 0;
  std::uint64_t filler_offset_ = 0;
  std::optional<boost::asio::steady_timer> timer_;
};

}  // namespace ticketing::support
