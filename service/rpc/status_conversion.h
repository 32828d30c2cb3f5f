// From a Failure to what a gRPC client receives.
#pragma once

#include <grpcpp/support/status.h>

#include <cstddef>
#include <string>

#include "core/failure.h"

namespace ticketing::rpc {

// All of a status that crosses the wire, base64 apart: more than 7 to 8 KiB would make a C-core client lose the code.
inline constexpr std::size_t kMaxStatusDetailsBytes = 3 * 1024;
inline constexpr std::size_t kMaxStatusMessageBytes = 1024;

// The message crosses the wire a second time, percent-encoded, which makes three bytes of each one beyond ASCII.
inline constexpr std::size_t kMaxEncodedMessageBytes = 2 * 1024;

// The `domain` of every google.rpc.ErrorInfo.
inline constexpr char kErrorDomain[] = "ticketing.v1.TicketingUserService";

// The status with its google.rpc.Status in the details:
// - ErrorInfo, always; reason, domain and the metadata request_id, attempts, delivery, origin and http_status are never
//   cut (a request_id is a UUID; one that is not ends at 128 bytes);
// - BadRequest, QuotaFailure and PreconditionFailure where there are violations;
// - RetryInfo where there is a `retry_after`, and with 1 s for every other UNAVAILABLE. Not when the user may have been
//   deleted, except for a rate limit;
// - ResourceInfo for a missing user, RequestInfo with the request_id, and Help: what to do about this reason.
//
// Valid UTF-8 and within the limits above, whatever the failure holds: longest texts are cut first and end in
// "… (cut)"; when that is not enough, the last entries of a list give way to one that tells how many. Never changes the
// code. Takes time for what fits, not for what is there.
grpc::Status ToGrpcStatus(const core::Failure& failure);

// The value of the trailer `grpc-retry-pushback-ms`: RetryInfo's delay in milliseconds, else "-1", which tells clients
// not to repeat by themselves (gRFC A6). Always "-1" when the user may have been deleted.
std::string RetryPushback(const core::Failure& failure);

}  // namespace ticketing::rpc
