// What the sandbox has received: for people on standard output, for tests as JSON.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>

#include "tests/sandbox/message.h"

namespace ticketing::sandbox {

// Remembers the last 10,000 requests and prints each as one line, tokens masked. Not safe for several threads.
class RequestLog {
 public:
  using Print = std::function<void(const std::string& line)>;

  explicit RequestLog(Print print) : print_(std::move(print)) {}

  // `caller`: whose token it was, "" for none that is known; `note`: what the sandbox did, e.g. "deleted".
  void Add(Time time, const Request& request, const std::string& caller, const std::string& note, const Answer& answer);

  // {"requests": [{"number", "time", "method", "path", "query", "target", "headers", "peer", "caller", "note",
  // "status"}]}, the oldest first; `path` and `query` are decoded, `target` is what was received, `status` is null
  // where no answer is sent.
  Json ToJson() const;

  void Clear() { entries_.clear(); }

 private:
  Print print_;
  std::deque<Json> entries_;
  std::size_t count_ = 0;
};

}  // namespace ticketing::sandbox
