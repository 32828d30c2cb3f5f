// Sends the lines of a list over one channel, several at a time, and listens to what the service says about coming
// back.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/connection.h"
#include "cli/list_file.h"
#include "cli/list_result.h"

namespace ticketing::cli {

struct SenderOptions {
  int concurrency = 8;
  std::chrono::milliseconds deadline{0};  // of each call
  bool validate_only = false;
};

// How a run goes on after a look at what happens around it.
enum class Orders {
  kGoOn,
  kFinish,  // nothing new is sent; what is under way ends
  kCancel,  // what is under way is cancelled, too
};

// All are called on the thread of SendList().
struct SenderEvents {
  // A line is at its end.
  std::function<void(const LineResult&)> ended;
  // Nothing is sent for a while; of one account, or of everything when `account` is null. `problem` is why, and empty
  // when the service said for how long.
  std::function<void(std::chrono::milliseconds, const std::string* account, const std::string& problem)> paused;
  // Why nothing more is sent: every other line would end like this one.
  std::function<void(const LineResult&)> stopped;
  // At least ten times a second; with how long everything still waits.
  std::function<Orders(std::optional<std::chrono::milliseconds> pause)> tick;
};

// Returns when every line is at its end or, after orders to end, nothing is under way any more. A line that was pushed
// back by then has not been executed and is at no end.
void SendList(const std::vector<const ListLine*>& lines, const Connection& connection, const SenderOptions& options,
              const SenderEvents& events);

}  // namespace ticketing::cli
