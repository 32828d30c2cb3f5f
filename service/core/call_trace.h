// The trace of a call, for rooms that don't know how traces are made.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/call_record.h"
#include "core/http_message.h"

namespace ticketing::core {

// One call's part in a trace: a span of its own, and one below it for each HTTP attempt. Whatever has not ended when it
// is destroyed ends then. Used on the loop thread; never blocks.
class CallTrace {
 public:
  virtual ~CallTrace() = default;
  // 32 hexadecimal digits.
  virtual std::string trace_id() const = 0;
  // Begins the span of the attempt `number`, counted from 1; returns the headers that carry it to Truto: `traceparent`
  // and, where there is one, `tracestate`. One attempt at a time.
  virtual HttpHeaders BeginAttempt(const HttpRequest& request, std::uint32_t number) = 0;
  virtual void EndAttempt(const AttemptRecord& record) = 0;
  virtual void End(const CallRecord& record) = 0;
};

// Makes traces. Used on the loop thread; never blocks.
class Tracer {
 public:
  virtual ~Tracer() = default;
  // Begins the span of a call of `method` ("DeleteTicketingUser"), below the one that `trace_context` names: the
  // headers `traceparent` and `tracestate`, well-formed, or none.
  virtual std::unique_ptr<CallTrace> Begin(std::string_view method, const HttpHeaders& trace_context) = 0;
};

}  // namespace ticketing::core
