// One delete, from its request to its answer.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "call/policies.h"
#include "call/ports.h"
#include "core/call_record.h"
#include "core/call_trace.h"
#include "core/failure.h"
#include "core/http_message.h"
#include "core/result.h"
#include "core/token_source.h"
#include "ticketing/v1/ticketing_user_service.pb.h"
#include "truto/delete_user_request.h"

namespace ticketing::call {

// What is the same for all calls.
struct CallOptions {
  truto::Endpoint endpoint;
  bool account_required = true;  // false where the token may be an integrated-account token
  std::uint32_t max_attempts = 3;
  std::size_t max_body_bytes = 1024 * 1024;
};

// The world that calls live in. Used on the loop thread.
struct CallWorld {
  CallOptions options;
  Runtime& runtime;
  HttpClient& http;
  Policies& policies;
  core::CallObserver& observer;
  core::TokenSource* token = nullptr;  // the service's own; null where every call brings its caller's
  core::Tracer* tracer = nullptr;      // null: no traces
};

// One call as it came, and what became known of it on the way. Lives until the coroutine has ended.
struct DeleteUserCall {
  ticketing::v1::DeleteTicketingUserRequest request;
  std::optional<std::string> caller_token;  // goes to Truto instead of the service's own; without control characters
  std::string token_name;  // tells callers' tokens apart without being one; empty for the service's own
  std::string caller;      // who calls, as far as is known: the same name for the same caller
  // How often the caller's gRPC has sent this call before, to any replica, after an UNAVAILABLE or a broken connection:
  // what became of those is not known here (gRFC A6).
  std::uint32_t previous_rpc_attempts = 0;
  core::HttpHeaders trace_headers;   // traceparent, tracestate: the caller's
  core::CallTrace* trace = nullptr;  // set: its headers go to Truto instead
  TimePoint started;
  TimePoint deadline;         // for everything up to the answer's headers
  TimePoint stream_deadline;  // for a streamed body
  BodySink* sink = nullptr;   // set: the body goes there as it arrives, and the result has none
  Cancellation cancellation;

  // Written by DeleteUser.
  std::uint32_t attempts = 0;  // HTTP requests of this call itself
  std::optional<int> http_status;
  std::chrono::steady_clock::duration queued{0};
  std::chrono::steady_clock::duration upstream{0};
};

// Sets the request's request_id to a new one unless it has a usable one.
void EnsureRequestId(Runtime& runtime, ticketing::v1::DeleteTicketingUserRequest& request);

using DeleteUserResult = core::Result<ticketing::v1::DeleteTicketingUserResponse, core::Failure>;

// Deletes the user: checks the request, joins or replays a delete of the same request_id (see ReplayCache), waits until
// it may go (see Admission), sends it, and sends it again where that is safe (see RetryPolicy and RetryBudget). Every
// end of it is a result; request_id is set in `call.request` and in the result, also when the caller gave none.
boost::asio::awaitable<DeleteUserResult> DeleteUser(CallWorld& world, DeleteUserCall& call);

}  // namespace ticketing::call
