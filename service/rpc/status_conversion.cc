#include "rpc/status_conversion.h"

#include <google/protobuf/message.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace ticketing::rpc {
namespace {

using std::chrono::milliseconds;
using Reason = core::ErrorReason;

// ---------------------------------------------------------------------------------------------------------------------
// Advice
// ---------------------------------------------------------------------------------------------------------------------

// Public pages that tell more.
constexpr std::string_view kEndpointPage = "https://truto.one/docs/api-reference/unified-ticketing-api/users/delete";
constexpr std::string_view kErrorsPage = "https://truto.one/docs/api-reference/overview/errors";
constexpr std::string_view kRateLimitsPage = "https://truto.one/docs/api-reference/overview/rate-limits";
constexpr std::string_view kAuthenticationPage = "https://truto.one/docs/api-reference/overview/authentication";
constexpr std::string_view kAccountsPage = "https://truto.one/docs/api-reference/admin/integrated-accounts";
constexpr std::string_view kReauthorizePage =
    "https://truto.one/docs/guides/integrated-accounts/reauthorizing-connections";
constexpr std::string_view kCodesPage = "https://grpc.io/docs/guides/status-codes/";
constexpr std::string_view kDeadlinesPage = "https://grpc.io/docs/guides/deadlines/";

struct Advice {
  Reason reason;
  std::string_view text;
  std::string_view url;
};

// What a caller should do, for every reason in its order.
constexpr Advice kAdvice[] = {
    {Reason::kUnspecified, "Report this with the request_id.", kCodesPage},
    {Reason::kInvalidRequest, "Correct the fields that are named, then call again.", kEndpointPage},
    {Reason::kRequestIdReused, "Use a new request_id for each delete, and the same one only for the same delete.",
     kEndpointPage},
    {Reason::kCallerUnauthenticated, "Call with exactly one metadata entry 'authorization: Bearer <token>'.",
     kAuthenticationPage},
    {Reason::kCallerNotAllowed, "Ask the service's operator to allow your certificate's name.", kCodesPage},
    {Reason::kRejectedAsInvalid, "Correct the request; some providers require collections or an organization.",
     kEndpointPage},
    {Reason::kCallerTokenRejected, "Pass a valid token of Truto.", kAuthenticationPage},
    {Reason::kServiceTokenRejected, "The service's operator must replace its token for Truto.", kAuthenticationPage},
    {Reason::kAccountNeedsReauth, "Ask the account's end user to connect it again; until then every call fails.",
     kReauthorizePage},
    {Reason::kAccountBlocked,
     "Ask Truto's support (support@truto.one) to unblock the account; repeating does not help before.", kErrorsPage},
    {Reason::kAccountReadOnly, "Use an integrated account that is not a sandbox account.", kAccountsPage},
    {Reason::kAccessForbidden,
     "The token or the account lacks the right to delete users. Where missing_scopes names scopes, connect the account "
     "again with them.",
     kReauthorizePage},
    {Reason::kUserNotFound, "Check the id and the account. Where an absent user is what you want, set allow_missing.",
     kEndpointPage},
    {Reason::kAbsentAfterAmbiguousAttempt, "Nothing: the user is gone. Set allow_missing to get this as a success.",
     kEndpointPage},
    {Reason::kConflict, "Resolve the conflict at the provider, then call again.", kErrorsPage},
    {Reason::kRateLimited, "Call again after the delay of RetryInfo, and less often.", kRateLimitsPage},
    {Reason::kOverloaded, "Call again after the delay of RetryInfo.", kCodesPage},
    {Reason::kShuttingDown, "Call again; another replica will answer.", kCodesPage},
    {Reason::kUpstreamUnreachable, "Call again, with back-off.", kErrorsPage},
    {Reason::kUpstreamMisconfigured, "The service's operator must check the address and certificates set for Truto.",
     kEndpointPage},
    {Reason::kOutcomeUnknown,
     "The user may have been deleted. Look, or repeat the call with the same request_id and allow_missing.",
     kErrorsPage},
    {Reason::kDeadlineExceededUnsent, "Call again with a longer deadline.", kDeadlinesPage},
    {Reason::kDeadlineExceededOutcomeUnknown,
     "The user may have been deleted. Look, or repeat the call with the same request_id, allow_missing and a longer "
     "deadline.",
     kDeadlinesPage},
    {Reason::kUnexpectedResponse,
     "Read delivery: with UNKNOWN the user may have been deleted. The service's operator should check the address set "
     "for Truto.",
     kErrorsPage},
    {Reason::kCallerCancelled,
     "Read delivery: with UNKNOWN the user may have been deleted. Look, or repeat the call with the same request_id "
     "and allow_missing.",
     kCodesPage},
    {Reason::kInternalFault, "This is a defect of the service. Report it with the request_id.", kCodesPage},
    {Reason::kNotSupportedByProvider, "Remove the user at the provider: it offers no deletes.", kEndpointPage},
};

const Advice& FindAdvice(Reason reason) {
  const auto* const advice = std::ranges::find(kAdvice, reason, &Advice::reason);
  return advice == std::end(kAdvice) ? kAdvice[0] : *advice;
}

// ---------------------------------------------------------------------------------------------------------------------
// Texts that fit
// ---------------------------------------------------------------------------------------------------------------------

constexpr std::string_view kCutMark = "… (cut)";
constexpr std::string_view kReplacement = "\uFFFD";

// Texts become shorter only to this length; then whole entries give way.
constexpr std::size_t kShortestCut = 160;

// More entries would help nobody, and an entry of any use takes 25 bytes.
constexpr std::size_t kMaxEntries = 128;

constexpr std::size_t kMaxRequestIdBytes = 128;
constexpr std::size_t kMaxMetadataKeyBytes = 64;  // as google.rpc.ErrorInfo says

// The length of the well-formed UTF-8 sequence at the beginning of `text` (Unicode 15, table 3-7); 0 when there is
// none.
std::size_t SequenceLength(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool overlong = lead == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = lead == 0xED && byte(1) > 0x9F;
    return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool overlong = lead == 0xF0 && byte(1) < 0x90;
    const bool beyond = lead == 0xF4 && byte(1) > 0x8F;
    return tail(1) && tail(2) && tail(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

// `text` as valid UTF-8 of at most `max_bytes`; a longer one is cut and ends in `mark`. Looks at no more than it keeps.
std::string Cut(std::string_view text, std::size_t max_bytes, std::string_view mark = kCutMark) {
  std::string kept;
  std::size_t with_mark = 0;  // how much of `kept` leaves room for the mark
  while (!text.empty()) {
    const std::size_t length = SequenceLength(text);
    const std::string_view piece = length == 0 ? kReplacement : text.substr(0, length);
    if (kept.size() + piece.size() > max_bytes) return kept.substr(0, with_mark).append(mark);
    kept += piece;
    if (kept.size() + mark.size() <= max_bytes) with_mark = kept.size();
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return kept;
}

// How many bytes of the (valid) message may stay, so that it is not too long once it is percent-encoded (gRPC over
// HTTP/2, Status-Message).
std::size_t MaxMessageBytes(std::string_view message) {
  std::size_t encoded = 3 * kCutMark.size();
  for (std::size_t bytes = 0; bytes < message.size(); ++bytes) {
    const char c = message[bytes];
    encoded += c >= ' ' && c <= '~' && c != '%' ? 1 : 3;
    if (encoded > kMaxEncodedMessageBytes) return bytes;
  }
  return kMaxStatusMessageBytes;
}

// ---------------------------------------------------------------------------------------------------------------------
// Details
// ---------------------------------------------------------------------------------------------------------------------

// The delay of RetryInfo. UNAVAILABLE means that a repeat is harmless, so there it always has one.
std::optional<milliseconds> RetryDelay(const core::Failure& failure) {
  constexpr milliseconds kLongest = std::chrono::seconds(315'576'000'000);  // of google.protobuf.Duration
  if (failure.delivery == core::Delivery::kUnknown && failure.reason != Reason::kRateLimited) return std::nullopt;
  if (failure.retry_after) return std::clamp(*failure.retry_after, milliseconds(0), kLongest);
  if (failure.code == core::StatusCode::kUnavailable) return std::chrono::seconds(1);
  return std::nullopt;
}

// How much of a failure goes into its status.
struct Fit {
  std::size_t text_bytes;  // of each text, at most
  std::size_t entries;     // of all lists together, in the order in which they are added
};

// Adds the first of `entries` by add(entry), as many as `left` allows, and by add_more(text) how many there would be.
template <typename Entries, typename Add, typename AddMore>
void AddEntries(const Entries& entries, std::size_t& left, Add add, AddMore add_more) {
  std::size_t added = 0;
  for (const auto& entry : entries) {
    if (left == 0) {
      add_more(std::to_string(entries.size() - added) + " more");
      return;
    }
    add(entry);
    ++added;
    --left;
  }
}

google::rpc::ErrorInfo MakeErrorInfo(const core::Failure& failure, const Fit& fit, std::size_t& left) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(core::ToString(failure.reason)));
  info.set_domain(kErrorDomain);
  auto& metadata = *info.mutable_metadata();
  AddEntries(
      failure.metadata, left,
      [&](const auto& entry) {
        metadata[Cut(entry.first, kMaxMetadataKeyBytes, "")] = Cut(entry.second, fit.text_bytes);
      },
      [&](const std::string& more) { metadata["left_out"] = more; });
  // Last, since nothing may stand in their places.
  metadata["request_id"] = Cut(failure.request_id, kMaxRequestIdBytes);
  metadata["attempts"] = std::to_string(failure.attempts);
  metadata["delivery"] = std::string(core::ToString(failure.delivery));
  metadata["origin"] = std::string(core::ToString(failure.origin));
  metadata.erase("http_status");
  if (failure.http_status) metadata["http_status"] = std::to_string(*failure.http_status);
  return info;
}

google::rpc::Status BuildStatus(const core::Failure& failure, const Fit& fit) {
  const auto text = [&](std::string_view whole) { return Cut(whole, fit.text_bytes); };
  std::size_t left = fit.entries;

  // What gives way first is made last.
  google::rpc::PreconditionFailure preconditions;
  AddEntries(
      failure.precondition_violations, left,
      [&](const core::PreconditionViolation& violation) {
        auto& entry = *preconditions.add_violations();
        entry.set_type(text(violation.type));
        entry.set_subject(text(violation.subject));
        entry.set_description(text(violation.description));
      },
      [&](const std::string& more) { preconditions.add_violations()->set_description(more); });
  google::rpc::QuotaFailure quota;
  AddEntries(
      failure.quota_violations, left,
      [&](const core::QuotaViolation& violation) {
        auto& entry = *quota.add_violations();
        entry.set_subject(text(violation.subject));
        entry.set_description(text(violation.description));
      },
      [&](const std::string& more) { quota.add_violations()->set_description(more); });
  const google::rpc::ErrorInfo info = MakeErrorInfo(failure, fit, left);
  google::rpc::BadRequest bad_request;
  AddEntries(
      failure.field_violations, left,
      [&](const core::FieldViolation& violation) {
        auto& entry = *bad_request.add_field_violations();
        entry.set_field(text(violation.field));
        entry.set_description(text(violation.description));
      },
      [&](const std::string& more) { bad_request.add_field_violations()->set_description(more); });

  google::rpc::Status status;
  status.set_code(static_cast<std::int32_t>(failure.code));
  const std::size_t message_bytes = MaxMessageBytes(Cut(failure.message, kMaxStatusMessageBytes));
  status.set_message(Cut(failure.message, std::min(message_bytes, fit.text_bytes)));
  const auto add = [&](const google::protobuf::Message& detail) { status.add_details()->PackFrom(detail); };
  add(info);
  if (!bad_request.field_violations().empty()) add(bad_request);
  if (!preconditions.violations().empty()) add(preconditions);
  if (!quota.violations().empty()) add(quota);
  if (const auto delay = RetryDelay(failure)) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(delay->count() / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<std::int32_t>(delay->count() % 1000) * 1'000'000);
    add(retry);
  }
  if (failure.missing_user) {
    google::rpc::ResourceInfo resource;
    resource.set_resource_type("ticketing.v1.TicketingUser");
    resource.set_resource_name(text(*failure.missing_user));
    add(resource);
  }
  if (!failure.request_id.empty()) {
    google::rpc::RequestInfo request;
    request.set_request_id(Cut(failure.request_id, kMaxRequestIdBytes));
    add(request);
  }
  google::rpc::Help help;
  const Advice& advice = FindAdvice(failure.reason);
  help.add_links()->set_description(std::string(advice.text));
  help.mutable_links(0)->set_url(std::string(advice.url));
  add(help);
  return status;
}

// The largest number from `low`, for which fits(low) holds or nothing can be done, to below `high`, for which it does
// not.
template <typename Fits>
std::size_t FindLargest(std::size_t low, std::size_t high, Fits fits) {
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

google::rpc::Status BuildFittingStatus(const core::Failure& failure) {
  const auto fits = [&](const Fit& fit) { return BuildStatus(failure, fit).ByteSizeLong() <= kMaxStatusDetailsBytes; };
  Fit fit{.text_bytes = kMaxStatusMessageBytes, .entries = kMaxEntries};
  google::rpc::Status status = BuildStatus(failure, fit);
  if (status.ByteSizeLong() <= kMaxStatusDetailsBytes) return status;

  fit.text_bytes = kShortestCut;
  if (!fits(fit)) {
    fit.entries = FindLargest(0, kMaxEntries, [&](std::size_t entries) { return fits({kShortestCut, entries}); });
  }
  fit.text_bytes = FindLargest(kShortestCut, kMaxStatusMessageBytes,
                               [&](std::size_t text_bytes) { return fits({text_bytes, fit.entries}); });
  return BuildStatus(failure, fit);
}

}  // namespace

grpc::Status ToGrpcStatus(const core::Failure& failure) {
  const google::rpc::Status status = BuildFittingStatus(failure);
  return {static_cast<grpc::StatusCode>(failure.code), status.message(), status.SerializeAsString()};
}

std::string RetryPushback(const core::Failure& failure) {
  const std::optional<milliseconds> delay = RetryDelay(failure);
  if (!delay || failure.delivery == core::Delivery::kUnknown) return "-1";
  // gRFC A6 has it parsed as a 32-bit integer; what does not fit would forbid the repeat. At 0, gRPC's C core (1.85 in
  // Python) does not repeat and lets the call hang until its deadline.
  return std::to_string(std::clamp<std::int64_t>(delay->count(), 1, std::numeric_limits<std::int32_t>::max()));
}

}  // namespace ticketing::rpc
