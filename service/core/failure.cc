#include "core/failure.h"

#include <utility>

namespace ticketing::core {

std::string_view ToString(ErrorReason reason) {
  switch (reason) {
    case ErrorReason::kUnspecified: return "UNSPECIFIED";
    case ErrorReason::kInvalidRequest: return "INVALID_REQUEST";
    case ErrorReason::kRequestIdReused: return "REQUEST_ID_REUSED";
    case ErrorReason::kCallerUnauthenticated: return "CALLER_UNAUTHENTICATED";
    case ErrorReason::kCallerNotAllowed: return "CALLER_NOT_ALLOWED";
    case ErrorReason::kRejectedAsInvalid: return "REJECTED_AS_INVALID";
    case ErrorReason::kCallerTokenRejected: return "CALLER_TOKEN_REJECTED";
    case ErrorReason::kServiceTokenRejected: return "SERVICE_TOKEN_REJECTED";
    case ErrorReason::kAccountNeedsReauth: return "ACCOUNT_NEEDS_REAUTH";
    case ErrorReason::kAccountBlocked: return "ACCOUNT_BLOCKED";
    case ErrorReason::kAccountReadOnly: return "ACCOUNT_READ_ONLY";
    case ErrorReason::kAccessForbidden: return "ACCESS_FORBIDDEN";
    case ErrorReason::kUserNotFound: return "USER_NOT_FOUND";
    case ErrorReason::kAbsentAfterAmbiguousAttempt: return "ABSENT_AFTER_AMBIGUOUS_ATTEMPT";
    case ErrorReason::kConflict: return "CONFLICT";
    case ErrorReason::kRateLimited: return "RATE_LIMITED";
    case ErrorReason::kOverloaded: return "OVERLOADED";
    case ErrorReason::kShuttingDown: return "SHUTTING_DOWN";
    case ErrorReason::kUpstreamUnreachable: return "UPSTREAM_UNREACHABLE";
    case ErrorReason::kUpstreamMisconfigured: return "UPSTREAM_MISCONFIGURED";
    case ErrorReason::kOutcomeUnknown: return "OUTCOME_UNKNOWN";
    case ErrorReason::kDeadlineExceededUnsent: return "DEADLINE_EXCEEDED_UNSENT";
    case ErrorReason::kDeadlineExceededOutcomeUnknown: return "DEADLINE_EXCEEDED_OUTCOME_UNKNOWN";
    case ErrorReason::kUnexpectedResponse: return "UNEXPECTED_RESPONSE";
    case ErrorReason::kCallerCancelled: return "CALLER_CANCELLED";
    case ErrorReason::kInternalFault: return "INTERNAL_FAULT";
    case ErrorReason::kNotSupportedByProvider: return "NOT_SUPPORTED_BY_PROVIDER";
  }
  return "UNSPECIFIED";
}

std::string_view ToString(Delivery delivery) {
  switch (delivery) {
    case Delivery::kNotSent: return "NOT_SENT";
    case Delivery::kRejected: return "REJECTED";
    case Delivery::kUnknown: return "UNKNOWN";
  }
  return "UNKNOWN";
}

std::string_view ToString(std::optional<Delivery> delivery) {
  return delivery ? ToString(*delivery) : "DONE";
}

std::string_view ToString(Origin origin) {
  switch (origin) {
    case Origin::kService: return "SERVICE";
    case Origin::kTruto: return "TRUTO";
    case Origin::kProvider: return "PROVIDER";
  }
  return "SERVICE";
}

Failure MakeServiceFailure(StatusCode code, ErrorReason reason, std::string message) {
  Failure failure;
  failure.code = code;
  failure.reason = reason;
  failure.message = std::move(message);
  return failure;
}

}  // namespace ticketing::core
