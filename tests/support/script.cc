#include "tests/support/script.h"

#include <strings.h>

#include <algorithm>
#include <utility>

namespace ticketing::support {
namespace {

bool Names(const core::HttpHeaders& headers, const char* name) {
  return std::ranges::any_of(headers,
                             [&](const auto& header) { return ::strcasecmp(header.first.c_str(), name) == 0; });
}

}  // namespace

Gate::Gate() : state_(std::make_shared<State>()) {}

void Gate::Open() {
  std::vector<std::function<void()>> waiting;
  {
    const std::lock_guard lock(state_->mutex);
    state_->open = true;
    waiting.swap(state_->waiting);
  }
  for (const auto& callback : waiting) callback();
}

void Gate::WhenOpen(std::function<void()> callback) const {
  {
    const std::lock_guard lock(state_->mutex);
    if (!state_->open) {
      state_->waiting.push_back(std::move(callback));
      return;
    }
  }
  callback();
}

Script& Script::Add(Step step) {
  steps_.push_back(std::move(step));
  return *this;
}

Script& Script::Answer(int status, core::HttpHeaders headers, std::string body) {
  if (status != 204 && status != 304 && !Names(headers, "content-length")) {
    headers.emplace_back("content-length", std::to_string(body.size()));
  }
  SendHead(status, std::move(headers));
  if (!body.empty()) SendBody(std::move(body));
  return End();
}

Script& Script::SendInformational(int status, core::HttpHeaders headers) {
  return Add(InformationalStep{status, std::move(headers)});
}
Script& Script::SendHead(int status, core::HttpHeaders headers) {
  return Add(HeadStep{status, std::move(headers)});
}
Script& Script::SendBody(std::string bytes) {
  return Add(BodyStep{std::move(bytes)});
}
Script& Script::SendFiller(std::uint64_t size) {
  return Add(FillerStep{size});
}
Script& Script::End() {
  return Add(EndStep{});
}
Script& Script::WaitFor(const Gate& gate) {
  return Add(WaitStep{gate});
}
Script& Script::Delay(std::chrono::milliseconds time) {
  return Add(DelayStep{time});
}
Script& Script::ResetStream(Http2Error code) {
  return Add(ResetStreamStep{code});
}
Script& Script::GoAwayBelow(Http2Error code) {
  return Add(GoAwayStep{GoAwayStep::Last::kBelow, 0, code});
}
Script& Script::GoAwayCovering(Http2Error code) {
  return Add(GoAwayStep{GoAwayStep::Last::kCovering, 0, code});
}
Script& Script::GoAway(std::int32_t last_stream_id, Http2Error code) {
  return Add(GoAwayStep{GoAwayStep::Last::kGiven, last_stream_id, code});
}
Script& Script::Close() {
  return Add(CloseStep{});
}
Script& Script::ResetConnection() {
  return Add(ResetConnectionStep{});
}
Script& Script::SendRaw(std::string bytes) {
  return Add(RawStep{std::move(bytes)});
}
Script& Script::Append(const Script& more) {
  steps_.insert(steps_.end(), more.steps_.begin(), more.steps_.end());
  return *this;
}

core::HttpHeaders LargeHeaders(std::size_t size) {
  constexpr std::size_t kFieldSize = 4096;
  core::HttpHeaders headers;
  for (std::size_t made = 0; made < size;) {
    std::string name = "x-large-" + std::to_string(headers.size());
    const std::size_t left = std::min(kFieldSize, size - made);
    std::string value(left > name.size() ? left - name.size() : 1, 'v');
    made += name.size() + value.size();
    headers.emplace_back(std::move(name), std::move(value));
  }
  return headers;
}

}  // namespace ticketing::support
