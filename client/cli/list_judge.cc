#include "cli/list_judge.h"

#include <google/protobuf/util/time_util.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <memory>
#include <set>
#include <string_view>

#include "cli/error_text.h"

namespace ticketing::cli {
namespace {

using google::protobuf::util::TimeUtil;
using std::chrono::milliseconds;

// The facts of an error; absent in one that the service did not write.
struct Facts {
  std::optional<google::rpc::ErrorInfo> info;
  std::optional<milliseconds> retry_delay;
  bool limit_of_token = false;

  std::string Metadata(const char* name) const {
    if (!info) return {};
    const auto entry = info->metadata().find(name);
    return entry == info->metadata().end() ? "" : entry->second;
  }
};

Facts ReadFacts(const grpc::Status& status) {
  Facts facts;
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return facts;
  google::rpc::ErrorInfo info;
  google::rpc::RetryInfo retry;
  google::rpc::QuotaFailure quota;
  for (const auto& any : details.details()) {
    if (any.UnpackTo(&info)) facts.info = info;
    if (any.UnpackTo(&retry)) facts.retry_delay = milliseconds(TimeUtil::DurationToMilliseconds(retry.retry_delay()));
    if (any.UnpackTo(&quota)) {
      facts.limit_of_token = std::ranges::any_of(
          quota.violations(), [](const auto& violation) { return violation.subject() == "API token"; });
    }
  }
  return facts;
}

// gRPC's own errors from before a call has a connection. Any other error without the service's details may have come
// after the request.
bool FailedToConnect(const grpc::Status& status) {
  const std::string message = status.error_message();
  return status.error_code() == grpc::StatusCode::UNAVAILABLE &&
         (message.starts_with("failed to connect") || message.starts_with("DNS resolution failed"));
}

// The service, its settings or the caller's own credentials are at fault.
bool ConcernsEveryLine(const grpc::Status& status, std::string_view reason) {
  static const std::set<std::string_view> kReasons = {"CALLER_UNAUTHENTICATED", "CALLER_NOT_ALLOWED",
                                                      "CALLER_TOKEN_REJECTED", "SERVICE_TOKEN_REJECTED",
                                                      "UPSTREAM_MISCONFIGURED"};
  return kReasons.contains(reason) || status.error_code() == grpc::StatusCode::UNIMPLEMENTED;
}

std::optional<milliseconds> ParsePushback(const std::string& text) {
  std::int32_t number = 0;
  const char* const end = std::to_address(text.end());
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || number < 0) return std::nullopt;
  return milliseconds(number);
}

std::optional<Repeat> MayRepeat(const CallEnd& call, const Facts& facts, std::string_view reason) {
  const bool rate_limit = reason == "RATE_LIMITED";
  const bool transient =
      call.status.error_code() == grpc::StatusCode::UNAVAILABLE || reason == "DEADLINE_EXCEEDED_UNSENT";
  if (!rate_limit && (!transient || call.repeats >= kMaxRepeats)) return std::nullopt;
  milliseconds after = std::chrono::seconds(1 << std::clamp(call.repeats, 0, kMaxRepeats));
  if (call.pushback) {
    const auto pushback = ParsePushback(*call.pushback);
    // gRFC A6: -1, and what is no number, forbid the repeat.
    if (!pushback && reason != "DEADLINE_EXCEEDED_UNSENT") return std::nullopt;
    after = pushback.value_or(after);
  }
  if (facts.retry_delay) after = call.pushback ? std::max(after, *facts.retry_delay) : *facts.retry_delay;
  return Repeat{.after = after,
                .pause = rate_limit && !facts.limit_of_token ? Repeat::Pause::kAccount : Repeat::Pause::kEverything,
                .rate_limit = rate_limit,
                .told = call.pushback || facts.retry_delay};
}

LineOutcome OutcomeOf(const CallEnd& call) {
  switch (call.response.outcome()) {
    case v1::DELETE_OUTCOME_DELETED: return LineOutcome::kDeleted;
    case v1::DELETE_OUTCOME_ALREADY_ABSENT: return LineOutcome::kAlreadyAbsent;
    case v1::DELETE_OUTCOME_NOT_SENT: return call.validate_only ? LineOutcome::kValid : LineOutcome::kUnknown;
    default: return LineOutcome::kUnknown;
  }
}

}  // namespace

Judgement Judge(const CallEnd& call) {
  Judgement judgement;
  LineResult& result = judgement.result;
  if (call.status.ok()) {
    result.outcome = OutcomeOf(call);
    if (result.outcome == LineOutcome::kUnknown) result.message = "the answer does not say that the user is deleted";
    return judgement;
  }
  const Facts facts = ReadFacts(call.status);
  result.code = CodeName(call.status.error_code());
  result.reason = facts.info ? facts.info->reason() : "";
  result.delivery = facts.Metadata("delivery");
  result.message = call.status.error_message();
  const bool not_executed = result.delivery == "NOT_SENT" || result.delivery == "REJECTED" || call.validate_only ||
                            FailedToConnect(call.status) || call.status.error_code() == grpc::StatusCode::UNIMPLEMENTED;
  // The user is gone, whichever attempt did it: nothing is left to look up.
  const bool gone = result.reason == "ABSENT_AFTER_AMBIGUOUS_ATTEMPT";
  result.outcome = not_executed || gone ? LineOutcome::kFailed : LineOutcome::kUnknown;
  if (!not_executed) return judgement;
  judgement.repeat = MayRepeat(call, facts, result.reason);
  // The repeats are used up, and others would fare no better.
  judgement.stop = ConcernsEveryLine(call.status, result.reason) ||
                   (!judgement.repeat && call.status.error_code() == grpc::StatusCode::UNAVAILABLE);
  return judgement;
}

}  // namespace ticketing::cli
