// Errors for people and for programs.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

namespace ticketing::cli {

// The call that ended in an error.
struct FailedCall {
  grpc::Status status;     // not OK
  std::string request_id;  // as it was sent
  bool validate_only = false;
  // Whether the header of a stream had arrived: then the user is deleted, and only the body is incomplete.
  bool header_arrived = false;
};

// "NOT_FOUND"; the number for a code that gRPC does not define.
std::string CodeName(int code);

// Everything that the status tells, in readable lines: code, message, reason, how far the delete got, details, and
// advice. An error without the service's google.rpc.ErrorInfo (gRPC's own, a proxy's) says that the user may have been
// deleted, unless that can be ruled out.
std::string ErrorText(const FailedCall& call, bool coloured);

// One line: {"code":5,"code_name":"NOT_FOUND","message":"…","request_id":"…","details":[{"@type":"…",…}]}, a detail of
// unknown type as {"@type":"…","value":"<base64>"}. Beyond ASCII everything is escaped.
std::string ErrorJson(const FailedCall& call);

}  // namespace ticketing::cli
