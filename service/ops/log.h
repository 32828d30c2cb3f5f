// The log: one line for each event, on standard output.
#pragma once

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>

#include "core/call_record.h"
#include "ops/settings.h"

namespace ticketing::ops {

// A number that JSON can't write, an infinite one or none at all, becomes null.
using LogValue = std::variant<std::string_view, bool, std::int64_t, double>;

struct LogField {
  std::string_view key;
  LogValue value;
};

// "info".
std::string_view ToString(LogLevel level);

// The level of that name.
std::optional<LogLevel> ParseLogLevel(std::string_view name);

// The level of a call's line:
// - error: INTERNAL_FAULT, a defect of the service;
// - warn, what an operator should see: a delete that may have been executed though its caller got an error, and every
//   INTERNAL, UNAVAILABLE or UNKNOWN, unless the service is shutting down;
// - info: success, and what its caller, the account or the provider is the cause of.
LogLevel LevelOfCall(const core::CallRecord& record);

// The label of a code in logs and metrics, by gRPC's convention: "OK", "NotFound", "Canceled"
// (https://github.com/grpc/grpc-go/blob/master/codes/code_string.go).
std::string_view CodeLabel(core::StatusCode code);

// Writes lines from a thread of its own; any thread may hand them in, and never waits for the output. At most 4,096
// lines are waiting: then the oldest gives way, and the next line is preceded by one that says how many were lost.
// Audit lines are written whatever the level, wait in a queue of their own, and are never lost: with 4,096 of them
// waiting, the next one waits for the output.
//
// Format json: `time` (RFC 3339, UTC), `level`, `message`, then the event's fields. Format text: the same for people,
// with colours on a terminal. Both are plain ASCII on one line whatever bytes a value has: control characters and
// everything beyond ASCII are escaped, invalid UTF-8 is replaced, and what is longer than 2 KiB is cut and ends in
// "...".
//
//   log.Write(LogLevel::kInfo, "listening", {{"address", "0.0.0.0:50051"}});
//   {"time":"2025-01-31T12:00:00.000Z","level":"info","message":"listening","address":"0.0.0.0:50051"}
class Log final {
 public:
  // `output` must outlive the log.
  Log(LogLevel level, LogFormat format, std::FILE* output = stdout);
  // Writes what is waiting.
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // From now on, lines below `level` are left out.
  void SetLevel(LogLevel level);
  LogLevel level() const;

  // Neither a token nor a body may be among the fields.
  void Write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

  // Writes the line "audit" of a delete that may have reached Truto: `caller`, `integrated_account_id`, `user_id`,
  // `request_id`, `delivery` ("DONE", "REJECTED" or "UNKNOWN"), `outcome` (that of a success, or the reason of an
  // error), `attempts`, `http_status`.
  //
  // Writes the line "finished call" with `grpc.method`, `grpc.code`, `grpc.time_ms`, `outcome`, `reason`, `delivery`,
  // `origin`, `error`, `request_id`, `x_request_id`, `trace_id`, `caller`, `integrated_account_id`, `cancelled`,
  // `attempts`, `replayed`, `http_status`, `queued_ms` and `upstream_ms`; what is empty, unknown or took no time is
  // left out.
  void OnCallEnd(const core::CallRecord& record);

  // Waits until every line handed in so far is written or lost.
  void Flush();

  // How many lines were lost so far.
  std::uint64_t lost() const;

 private:
  void WriteAudit(const core::CallRecord& record);

  class State;
  std::unique_ptr<State> state_;
};

}  // namespace ticketing::ops
