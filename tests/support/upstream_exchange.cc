#include "tests/support/upstream_exchange.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstring>
#include <string>
#include <utility>

namespace ticketing::support {
namespace {

constexpr std::size_t kFillerPeriod = 26;

const std::string& FillerBlock() {
  static const std::string block = [] {
    std::string bytes(kFillerPeriod * 1024, ' ');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = FillerByte(i);
    return bytes;
  }();
  return block;
}

}  // namespace

UpstreamExchange::UpstreamExchange(UpstreamConnection& connection, AnswerSink& sink, UpstreamLedger::Ticket ticket,
                                   std::int32_t stream_id)
    : connection_(connection), sink_(sink), ticket_(std::move(ticket)), stream_id_(stream_id) {}

void UpstreamExchange::Advance() {
  const auto self = shared_from_this();
  const auto& steps = ticket_.script->steps();
  while (!stopped_ && step_ < steps.size()) {
    if (!std::visit([this](const auto& step) { return Do(step); }, steps[step_])) return;
    ++step_;
  }
  if (stopped_ || finished()) connection_.Release(self);
}

void UpstreamExchange::Resume() {
  if (stopped_) return;
  ++step_;
  Advance();
  connection_.Service();
}

bool UpstreamExchange::NextIsEnd(std::size_t step) const {
  const auto& steps = ticket_.script->steps();
  return step + 1 < steps.size() && std::holds_alternative<Script::EndStep>(steps[step + 1]);
}

bool UpstreamExchange::Do(const Script::InformationalStep& step) {
  if (!finished()) sink_.SendInformational(*this, step.status, step.headers);
  return true;
}

bool UpstreamExchange::Do(const Script::HeadStep& step) {
  if (finished()) return true;
  sink_.SendHead(*this, step.status, step.headers, NextIsEnd(step_));
  progress_ = ReceivedRequest::Progress::kAnswering;
  connection_.ledger().BeginAnswer(ticket_, step.status);
  return true;
}

bool UpstreamExchange::Do(const Script::BodyStep& step) {
  if (step.bytes.empty() || finished()) return true;
  body_ = step.bytes.data();
  body_left_ = step.bytes.size();
  sink_.OfferBody(*this);
  return false;
}

bool UpstreamExchange::Do(const Script::FillerStep& step) {
  if (step.size == 0 || finished()) return true;
  body_ = nullptr;
  body_left_ = step.size;
  filler_offset_ = 0;
  sink_.OfferBody(*this);
  return false;
}

std::size_t UpstreamExchange::TakeBody(char* target, std::size_t size) {
  if (connection_.behavior().frame_size != 0) size = std::min(size, connection_.behavior().frame_size);
  size = static_cast<std::size_t>(std::min<std::uint64_t>(size, body_left_));
  if (body_ != nullptr) {
    std::memcpy(target, body_, size);
    body_ += size;
  } else {
    for (std::size_t copied = 0; copied < size;) {
      const std::size_t begin = filler_offset_ % kFillerPeriod;
      const std::size_t count = std::min(size - copied, FillerBlock().size() - begin);
      // NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes
      std::memcpy(target + copied, FillerBlock().data() + begin, count);
      copied += count;
      filler_offset_ += count;
    }
  }
  body_left_ -= size;
  connection_.ledger().AddBodyBytes(ticket_, size);
  return size;
}

bool UpstreamExchange::TakeEnd() {
  if (has_body() || !NextIsEnd(step_)) return false;
  step_ += 1;  // ContinueAfterBody() goes on after the end
  Finish(ReceivedRequest::Progress::kAnswered);
  return true;
}

void UpstreamExchange::ContinueAfterBody() {
  if (stopped_) return;
  ++step_;
  Advance();
}

bool UpstreamExchange::Do(const Script::EndStep& /*step*/) {
  if (finished()) return true;
  sink_.SendEnd(*this);
  Finish(ReceivedRequest::Progress::kAnswered);
  return true;
}

bool UpstreamExchange::Do(const Script::WaitStep& step) {
  // The gate may open on any thread, and after the server's end.
  step.gate.WhenOpen([loop = std::weak_ptr(connection_.loop()), self = weak_from_this()] {
    const auto context = loop.lock();
    if (!context) return;
    boost::asio::post(*context, [self] {
      if (const auto exchange = self.lock()) exchange->Resume();
    });
  });
  return false;
}

bool UpstreamExchange::Do(const Script::DelayStep& step) {
  timer_.emplace(*connection_.loop(), step.time);
  timer_->async_wait([self = weak_from_this()](const boost::system::error_code& error) {
    const auto exchange = self.lock();
    if (!error && exchange) exchange->Resume();
  });
  return false;
}

bool UpstreamExchange::Do(const Script::ResetStreamStep& step) {
  sink_.Settle();
  if (!finished()) Finish(ReceivedRequest::Progress::kBroken);
  sink_.ResetStream(*this, step.code);
  return true;
}

bool UpstreamExchange::Do(const Script::GoAwayStep& step) {
  std::int32_t last = step.last_stream_id;
  if (step.last == Script::GoAwayStep::Last::kBelow) last = std::max(0, stream_id_ - 2);
  if (step.last == Script::GoAwayStep::Last::kCovering) last = stream_id_;
  sink_.Settle();
  if (last < stream_id_ && !finished()) Finish(ReceivedRequest::Progress::kBroken);
  sink_.SendGoAway(*this, last, step.code);
  return true;
}

bool UpstreamExchange::Do(const Script::CloseStep& /*step*/) {
  sink_.Settle();
  if (!finished()) Finish(ReceivedRequest::Progress::kBroken);
  connection_.End(UpstreamConnection::Ending::kClose);
  return true;
}

bool UpstreamExchange::Do(const Script::ResetConnectionStep& /*step*/) {
  sink_.Settle();
  if (!finished()) Finish(ReceivedRequest::Progress::kBroken);
  connection_.End(UpstreamConnection::Ending::kReset);
  return true;
}

bool UpstreamExchange::Do(const Script::RawStep& step) {
  sink_.Settle();
  connection_.Write(step.bytes);
  return true;
}

void UpstreamExchange::Finish(ReceivedRequest::Progress progress) {
  progress_ = progress;
  connection_.ledger().SetProgress(ticket_, progress);
}

void UpstreamExchange::OnStreamEnd(bool broken) {
  if (finished()) return;  // what the script says beyond the answer is still to be done
  stopped_ = true;
  Finish(broken ? ReceivedRequest::Progress::kBroken : ReceivedRequest::Progress::kAbandoned);
  connection_.Release(shared_from_this());
}

void UpstreamExchange::OnConnectionEnd() {
  stopped_ = true;
  timer_.reset();
  if (finished()) return;
  Finish(connection_.ending() ? ReceivedRequest::Progress::kBroken : ReceivedRequest::Progress::kAbandoned);
}

}  // namespace ticketing::support
