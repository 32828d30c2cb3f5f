#include "tests/support/upstream_ledger.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace ticketing::support {
namespace {

// Long enough for the slowest machine: only a failing test ever waits so long.
constexpr std::chrono::seconds kPatience{30};

}  // namespace

UpstreamLedger::UpstreamLedger(const UpstreamOptions& options)
    : record_requests_(options.record_requests),
      behavior_(options.behavior),
      default_script_(
          std::make_shared<const Script>(Script().Answer(200, {{"content-type", "application/json"}}, "{}"))) {}

void UpstreamLedger::Enqueue(Script script) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::make_shared<const Script>(std::move(script)));
}

void UpstreamLedger::SetHandler(ScriptedUpstream::Handler handler) {
  const std::lock_guard lock(mutex_);
  handler_ = handler ? std::make_shared<const ScriptedUpstream::Handler>(std::move(handler)) : nullptr;
}

void UpstreamLedger::SetDefault(Script script) {
  const std::lock_guard lock(mutex_);
  default_script_ = std::make_shared<const Script>(std::move(script));
}

void UpstreamLedger::SetBehavior(const ConnectionBehavior& behavior) {
  const std::lock_guard lock(mutex_);
  behavior_ = behavior;
}

ConnectionBehavior UpstreamLedger::behavior() const {
  const std::lock_guard lock(mutex_);
  return behavior_;
}

UpstreamLedger::Ticket UpstreamLedger::Receive(const ReceivedRequest& request) {
  Ticket ticket;
  std::shared_ptr<const ScriptedUpstream::Handler> handler;
  {
    // One lock for both: a test that waits for this request and then changes the default means the next one.
    const std::lock_guard lock(mutex_);
    ++facts_.request_count;
    if (!queue_.empty()) {
      ticket.script = std::move(queue_.front());
      queue_.pop_front();
    } else if (handler_) {
      handler = handler_;
    } else {
      ticket.script = default_script_;
    }
    if (record_requests_) {
      ticket.index = facts_.requests.size();
      facts_.requests.push_back(request);
    }
  }
  changed_.notify_all();
  if (handler) ticket.script = std::make_shared<const Script>((*handler)(request));
  return ticket;
}

void UpstreamLedger::SetProgress(const Ticket& ticket, ReceivedRequest::Progress progress) {
  if (!ticket.index) return;
  {
    const std::lock_guard lock(mutex_);
    facts_.requests[*ticket.index].progress = progress;
  }
  changed_.notify_all();
}

void UpstreamLedger::BeginAnswer(const Ticket& ticket, int status) {
  if (!ticket.index) return;
  {
    const std::lock_guard lock(mutex_);
    facts_.requests[*ticket.index].progress = ReceivedRequest::Progress::kAnswering;
    facts_.requests[*ticket.index].status = status;
  }
  changed_.notify_all();
}

void UpstreamLedger::AddBodyBytes(const Ticket& ticket, std::uint64_t count) {
  if (!ticket.index) return;
  {
    const std::lock_guard lock(mutex_);
    facts_.requests[*ticket.index].body_bytes += count;
  }
  changed_.notify_all();
}

std::uint64_t UpstreamLedger::OpenConnection() {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = ++facts_.connections_accepted;
    facts_.connections_peak = std::max(facts_.connections_peak, ++facts_.connections_open);
  }
  changed_.notify_all();
  return number;
}

void UpstreamLedger::CloseConnection() {
  {
    const std::lock_guard lock(mutex_);
    --facts_.connections_open;
  }
  changed_.notify_all();
}

Facts UpstreamLedger::facts() const {
  const std::lock_guard lock(mutex_);
  return facts_;
}

bool UpstreamLedger::WaitUntil(const std::function<bool(const Facts&)>& condition) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return condition(facts_); });
}

}  // namespace ticketing::support
