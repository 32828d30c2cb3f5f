// What is told of calls: to the log, to metrics.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/failure.h"
#include "core/http_message.h"

namespace ticketing::core {

// The facts of one RPC, without anything secret: no token, no body.
struct CallRecord {
  std::string_view method;  // "DeleteTicketingUser"
  StatusCode code = StatusCode::kOk;
  std::optional<ErrorReason> reason;  // of an error
  std::string_view outcome;           // of a success: "DELETED", "ALREADY_ABSENT" or "NOT_SENT"; else empty
  std::optional<Delivery> delivery;   // of an error
  std::optional<Origin> origin;       // of an error
  std::string error;                  // why Truto could not be reached, or what a defect said; for the log
  std::string request_id;             // the delete's
  std::string correlation_id;         // metadata x-request-id; empty when there was none
  std::string trace_id;               // 32 hexadecimal digits; empty without traceparent when there are no traces
  std::string caller;                 // who called, as far as is known
  std::string integrated_account_id;
  std::string user_id;         // for the audit line alone
  bool cancelled = false;      // the caller had gone before the end
  std::uint32_t attempts = 0;  // HTTP requests of this call itself
  bool replayed = false;       // the answer is another call's
  std::optional<int> http_status;
  std::chrono::microseconds queued{0};
  std::chrono::microseconds upstream{0};
  std::chrono::microseconds total{0};
};

// The facts of one HTTP request of a call.
struct AttemptRecord {
  std::uint32_t number = 1;                 // the first of its call is 1
  std::optional<int> http_status;           // none came when empty
  std::optional<ErrorReason> reason;        // of an attempt that failed
  std::optional<Delivery> delivery;         // empty: the delete is done
  std::optional<Delivery> delivery_before;  // of the attempt before; empty for the first
  std::chrono::microseconds duration{0};    // the body included
  HttpTimings timings;
};

// Told of each call and of its attempts, on the loop thread; must not block.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  virtual void OnCallStart(std::string_view method) = 0;
  virtual void OnAttemptEnd(const AttemptRecord& record) = 0;
  virtual void OnCallEnd(const CallRecord& record) = 0;
};

}  // namespace ticketing::core
