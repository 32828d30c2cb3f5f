// What a scripted upstream has seen and what it is to do next: the part that its thread and the tests' threads share.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "tests/support/scripted_upstream.h"

namespace ticketing::support {

// For any thread.
class UpstreamLedger {
 public:
  explicit UpstreamLedger(const UpstreamOptions& options);

  void Enqueue(Script script);
  void SetHandler(ScriptedUpstream::Handler handler);
  void SetDefault(Script script);
  void SetBehavior(const ConnectionBehavior& behavior);
  ConnectionBehavior behavior() const;

  // A request that has been written down: where, if it was recorded, and what to do with it.
  struct Ticket {
    std::optional<std::size_t> index;
    std::shared_ptr<const Script> script;
  };
  Ticket Receive(const ReceivedRequest& request);
  void SetProgress(const Ticket& ticket, ReceivedRequest::Progress progress);
  // The head of the final answer goes out.
  void BeginAnswer(const Ticket& ticket, int status);
  void AddBodyBytes(const Ticket& ticket, std::uint64_t count);

  // Returns the number of the connection.
  std::uint64_t OpenConnection();
  void CloseConnection();

  Facts facts() const;
  bool WaitUntil(const std::function<bool(const Facts&)>& condition) const;

 private:
  const bool record_requests_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  Facts facts_;
  ConnectionBehavior behavior_;
  std::deque<std::shared_ptr<const Script>> queue_;
  std::shared_ptr<const ScriptedUpstream::Handler> handler_;
  std::shared_ptr<const Script> default_script_;
};

}  // namespace ticketing::support
