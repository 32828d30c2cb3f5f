// The meaning of everything that is not a 2xx: one table, each row with its source.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "core/failure.h"
#include "core/http_message.h"

namespace ticketing::truto {

// What the table needs to know of the call.
struct ErrorContext {
  std::string_view user_id;
  std::string_view integrated_account_id;     // empty where the token implies it
  bool caller_token = false;                  // the token is the caller's, not the service's own
  std::string_view token;                     // what was sent; never part of a text, when it has 8 bytes or more
  std::chrono::system_clock::time_point now;  // for a Retry-After that is a date
};

// The failure that an answer with a status other than 2xx means, for a single attempt. Its body may be anything.
// Pure; never fails. `delivery` says whether it proves that nothing was executed, `resend` whether it may be repeated.
//
// The answer is
// - the provider's, when its JSON says `"truto_is_remote_error": true`;
// - else Truto's, when it has Truto's envelope: `statusCode` (the same number as the status), `error` and `message`;
// - else of some edge or proxy in front of Truto; so is a JSON body that broke off. Its origin is told as Truto's, for
//   it is not the provider's.
//
// `message` is Truto's own; when that is empty, the provider's words from `raw_response`; without an envelope, what
// came, with an excerpt. BadRequest comes from `details.failures` and from the missing_required_… insights, with the
// paths of our request. Every text is valid UTF-8 on one line, of bounded length, with bearer tokens masked. Metadata:
// - `raw_response`: the provider's own answer, as Truto hands it on, cut after 1 KiB;
// - `missing_scopes`: the OAuth scopes that the account lacks, separated by spaces (as RFC 6749, 3.3, writes them);
// - `hints`: Truto's conditional rules, JSON cut short, only with REJECTED_AS_INVALID: Truto adds them to any error, so
//   they are never a cause.
//
//   503, {"statusCode": 503, "error": "Service Unavailable", "message": "blocked"}
//   -> FAILED_PRECONDITION, ACCOUNT_BLOCKED, origin TRUTO, delivery REJECTED, never again
core::Failure MapHttpError(const core::HttpResponse& response, const ErrorContext& context);

// The failure that an attempt without an answer means. Its origin is the service: nobody else decided anything.
core::Failure MapTransportError(const core::TransportError& error);

// The delay that Retry-After asks for: seconds or an HTTP date (RFC 9110, 10.2.3), in the past is zero; where it is
// missing or malformed, ratelimit-reset (seconds); else nothing. At most 24 hours.
std::optional<std::chrono::milliseconds> ParseRetryAfter(const core::HttpHeaders& headers,
                                                         std::chrono::system_clock::time_point now);

}  // namespace ticketing::truto
