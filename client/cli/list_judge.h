// What the end of a call means for its line: whether it is at its end, and when it may be sent again.
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <optional>
#include <string>

#include "cli/list_result.h"
#include "ticketing/v1/ticketing_user_service.pb.h"

namespace ticketing::cli {

// How often a line is sent again after a failure that is no rate limit. After a rate limit it waits as long as the
// service says, however often.
inline constexpr int kMaxRepeats = 5;

struct CallEnd {
  grpc::Status status;
  ticketing::v1::DeleteTicketingUserResponse response;  // when the status is OK
  std::optional<std::string> pushback;                  // the trailer grpc-retry-pushback-ms
  bool validate_only = false;
  int repeats = 0;  // of this line so far, after failures that are no rate limit
};

// The line is to be sent again under the same request_id, since nothing was executed.
struct Repeat {
  enum class Pause { kAccount, kEverything };
  std::chrono::milliseconds after{0};
  Pause pause = Pause::kEverything;
  bool rate_limit = false;
  bool told = false;  // the service said for how long
};

struct Judgement {
  // Outcome and the facts of an error; which line it is, the caller knows.
  LineResult result;
  std::optional<Repeat> repeat;
  // Every other line would fail in the same way.
  bool stop = false;
};

Judgement Judge(const CallEnd& call);

}  // namespace ticketing::cli
