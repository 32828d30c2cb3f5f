// What is known of a delete that did not succeed, as plain values that every room speaks.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ticketing::core {

// The canonical status codes of gRPC, with their numbers (https://grpc.io/docs/guides/status-codes/).
enum class StatusCode {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// `ticketing.v1.ErrorReason`, number for number (a test compares them), for rooms that don't know protobuf.
enum class ErrorReason {
  kUnspecified = 0,
  kInvalidRequest = 1,
  kRequestIdReused = 2,
  kCallerUnauthenticated = 3,
  kCallerNotAllowed = 4,
  kRejectedAsInvalid = 5,
  kCallerTokenRejected = 6,
  kServiceTokenRejected = 7,
  kAccountNeedsReauth = 8,
  kAccountBlocked = 9,
  kAccountReadOnly = 10,
  kAccessForbidden = 11,
  kUserNotFound = 12,
  kAbsentAfterAmbiguousAttempt = 13,
  kConflict = 14,
  kRateLimited = 15,
  kOverloaded = 16,
  kShuttingDown = 17,
  kUpstreamUnreachable = 18,
  kUpstreamMisconfigured = 19,
  kOutcomeUnknown = 20,
  kDeadlineExceededUnsent = 21,
  kDeadlineExceededOutcomeUnknown = 22,
  kUnexpectedResponse = 23,
  kCallerCancelled = 24,
  kInternalFault = 25,
  kNotSupportedByProvider = 26,
};

// The name on the wire, e.g. "USER_NOT_FOUND".
std::string_view ToString(ErrorReason reason);

// How far a delete got, from best known to least: a later value outweighs an earlier one when attempts are added up.
enum class Delivery {
  kNotSent,   // nothing can have been executed
  kRejected,  // it was sent, and the answer proves that nothing was executed
  kUnknown,   // it may have been executed
};

// The name on the wire: "NOT_SENT", "REJECTED" or "UNKNOWN".
std::string_view ToString(Delivery delivery);

// The worse of two deliveries: kUnknown over kRejected over kNotSent.
constexpr Delivery Worst(Delivery a, Delivery b) {
  return a < b ? b : a;
}

// The same for logs, metrics and traces, where none means that the delete is done: "DONE".
std::string_view ToString(std::optional<Delivery> delivery);

// Who decided that the delete failed.
enum class Origin { kService, kTruto, kProvider };

// The name on the wire: "SERVICE", "TRUTO" or "PROVIDER".
std::string_view ToString(Origin origin);

// Whether the same delete may be sent again after this failure. Attempts, budget and deadline are asked besides.
enum class Resend {
  kNever,
  kSafely,           // nothing was executed: with back-off
  kOnceAmbiguously,  // it may have been executed: at most one re-send in a call, under the same Idempotency-Key
  kAfterRetryAfter,  // rate limited: once, after `retry_after`
  kWithNewToken,     // only if the token has changed since
};

// One broken rule of the request. `field` is a path as AIP-193 writes it: "collections[0].id".
struct FieldViolation {
  std::string field;
  std::string description;
  bool operator==(const FieldViolation&) const = default;
};

// The meaning of google.rpc.QuotaFailure.Violation.
struct QuotaViolation {
  std::string subject;
  std::string description;
  bool operator==(const QuotaViolation&) const = default;
};

// The meaning of google.rpc.PreconditionFailure.Violation.
struct PreconditionViolation {
  std::string type;
  std::string subject;
  std::string description;
  bool operator==(const PreconditionViolation&) const = default;
};

// Why a delete failed, complete enough to build the status that its caller gets. All texts are valid UTF-8.
struct Failure {
  StatusCode code = StatusCode::kInternal;
  ErrorReason reason = ErrorReason::kInternalFault;
  std::string message;  // for people; the provider's own words where there are any
  Origin origin = Origin::kService;
  Delivery delivery = Delivery::kNotSent;  // worst of all attempts
  Resend resend = Resend::kNever;

  std::string request_id;          // filled by the call
  std::uint32_t attempts = 0;      // filled by the call
  std::optional<int> http_status;  // of the last answer

  std::optional<std::chrono::milliseconds> retry_after;  // google.rpc.RetryInfo
  std::vector<FieldViolation> field_violations;          // google.rpc.BadRequest
  std::vector<QuotaViolation> quota_violations;          // google.rpc.QuotaFailure
  std::vector<PreconditionViolation> precondition_violations;
  std::optional<std::string> missing_user;      // google.rpc.ResourceInfo: the id that does not exist
  std::map<std::string, std::string> metadata;  // further ErrorInfo metadata, e.g. missing_scopes
};

// A failure that the service itself decided before anything was sent.
Failure MakeServiceFailure(StatusCode code, ErrorReason reason, std::string message);

}  // namespace ticketing::core
