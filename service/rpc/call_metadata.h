// What a call brings besides its message, and how long it may take.
#pragma once

#include <grpcpp/server_context.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "core/http_message.h"

namespace ticketing::rpc {

// The W3C trace context that goes on to Truto: `traceparent` when it is well-formed, and then `tracestate`
// (https://www.w3.org/TR/trace-context/). Empty otherwise: a broken context is dropped, as that document asks.
core::HttpHeaders ReadTraceContext(const grpc::ServerContext& context);

// The trace id of those headers, 32 hexadecimal digits; empty without one.
std::string TraceId(const core::HttpHeaders& trace_context);

// The caller's correlation id `x-request-id`: at most 128 characters of visible ASCII; empty otherwise.
std::string ReadCorrelationId(const grpc::ServerContext& context);

// How often the caller's gRPC has sent the call before: `grpc-previous-rpc-attempts`, which its retries set (gRFC A6).
// 0 when it is absent or no number.
std::uint32_t ReadPreviousRpcAttempts(const grpc::ServerContext& context);

// The time that is left to the client's deadline, possibly negative; nothing without a deadline.
std::optional<std::chrono::nanoseconds> ReadTimeLeft(const grpc::ServerContext& context);

// Whether the call's metadata is more than it may be: 8 KiB, counted as RFC 9113, 6.5.2 counts a header list.
bool HasTooMuchMetadata(const grpc::ServerContext& context);

}  // namespace ticketing::rpc
