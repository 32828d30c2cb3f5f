// The way from Truto's 2xx answer to the response message.
#pragma once

#include <cstddef>
#include <string>

#include "core/http_message.h"
#include "ticketing/v1/ticketing_user_service.pb.h"

namespace ticketing::truto {

// An encoded answer never exceeds this: clients refuse 4 MiB by default.
inline constexpr std::size_t kMaxEncodedAnswerBytes = 3 * 1024 * 1024;

// What the request says about how to read the answer.
struct ResponseOptions {
  ticketing::v1::TrutoResponseFormat format = ticketing::v1::TRUTO_RESPONSE_FORMAT_UNSPECIFIED;
  bool include_http_body = false;
};

// The response message for a 2xx answer, whatever its body: outcome DELETED, the result by its format, and in `report`
// the HTTP status, the rate limit and the notes. Pure; never fails.
//
// Nothing that the body says is lost. A value is
// - in the field of its name, when it has the type that the endpoint's page documents;
// - else, under its JSON name, in the `additional_fields` of the message around it: with a note when its type is not
//   the documented one; without one when the page does not know the name, and for null and the empty list, which are
//   normal but which a field can't tell from absence. A list goes there as a whole when one element does not fit, so
//   that its order stays.
// Whatever values and notes together don't tell (INVALID_UTF8, DUPLICATE_KEY, TOO_LARGE, MORE_NOTES, or an envelope of
// format debug that has more than `result` and `debug`) is in the exact bytes, `http_body.data` or `raw.data`, also
// without `include_http_body`.
//
// Dates become Timestamps when they are points in time that one holds exactly: RFC 3339 with a zone, years 1 to 9999,
// at most nine digits of a second, no leap second.
//
// `raw.json` is used for objects and lists, and for other JSON when the content type is JSON or missing: the text
// "1.50" of type text/plain is no number.
ticketing::v1::DeleteTicketingUserResponse ParseDeleteUserResponse(const core::HttpResponse& response,
                                                                   const ResponseOptions& options);

// The exact bytes of an answer's body, whatever its status: content type, `data` (at most what fits a
// kMaxEncodedAnswerBytes answer) and `truncated`.
ticketing::v1::HttpBody ExactBody(const core::HttpResponse& response);

// The first 1 KiB of the Content-Type, as valid UTF-8; empty when there is none.
std::string ContentType(const core::HttpHeaders& headers);

// The rate limit that the headers ratelimit-limit ("110;w=10"), -remaining and -reset (seconds from now) report; false
// when there is none. Malformed values are passed over.
bool ParseRateLimit(const core::HttpHeaders& headers, ticketing::v1::RateLimit& rate_limit);

}  // namespace ticketing::truto
