// The service's two RPCs on a completion queue: from gRPC's events to a call on the loop, and back.
#pragma once

#include <grpcpp/completion_queue.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <unordered_set>

#include "call/delete_user_call.h"
#include "call/ports.h"
#include "rpc/caller.h"
#include "rpc/live_rpcs.h"
#include "ticketing/v1/ticketing_user_service.grpc.pb.h"

namespace ticketing::rpc {

// How long calls may take.
struct DeadlineRules {
  std::chrono::milliseconds without{30'000};              // for a call without a deadline
  std::chrono::milliseconds longest{60'000};              // a longer one is clamped
  std::chrono::milliseconds stream_without{10 * 60'000};  // the same for the body of a streamed answer
  std::chrono::milliseconds stream_longest{60 * 60'000};
};

class DeleteUserRpc;

// What all calls share. `active` and `refusing` belong to the loop thread; the rest does not change while calls run.
struct Door {
  ticketing::v1::TicketingUserService::AsyncService service;
  grpc::ServerCompletionQueue* queue = nullptr;
  LiveRpcs& rpcs;
  boost::asio::io_context& loop;
  call::CallWorld& world;
  CallerRules callers;
  DeadlineRules deadlines;

  std::unordered_set<DeleteUserRpc*> active;
  bool refusing = false;          // new calls end in SHUTTING_DOWN
  std::function<void()> on_idle;  // told when the last active call has ended
};

// Begins to accept calls of both RPCs; for each that arrives, the next is asked for. On the gRPC thread, or before it
// runs.
void AcceptCalls(Door& door);

// Ends every active call: what was not sent with SHUTTING_DOWN, what was with OUTCOME_UNKNOWN. On the loop thread.
void AbortActiveCalls(Door& door);

}  // namespace ticketing::rpc
