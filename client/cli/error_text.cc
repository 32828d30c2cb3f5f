#include "cli/error_text.h"

#include <google/protobuf/wrappers.pb.h>
#include <google/rpc/code.pb.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>
#include <utility>

#include "cli/json_text.h"
#include "cli/terminal_text.h"

namespace ticketing::cli {
namespace {

// What to do about a reason: in words, for an error that brings no google.rpc.Help, and by options of this program.
struct Advice {
  std::string_view text;
  std::string_view options;
};

const Advice* FindAdvice(std::string_view reason) {
  constexpr std::string_view kToken = "TICKETING_TOKEN or --token-file";
  static const std::map<std::string_view, Advice> kAdvice = {
      {"INVALID_REQUEST", {.text = "Correct the fields that are named."}},
      {"REQUEST_ID_REUSED", {.text = "Use a new request id for each delete.", .options = "leave --request-id out"}},
      {"CALLER_UNAUTHENTICATED", {.text = "Call with one valid token.", .options = kToken}},
      {"CALLER_NOT_ALLOWED", {.text = "Ask the service's operator to allow your certificate's name."}},
      {"REJECTED_AS_INVALID",
       {.text = "Correct the request; some providers require collections or an organization.",
        .options = "--collection, --organization"}},
      {"CALLER_TOKEN_REJECTED", {.text = "Pass a valid token of Truto.", .options = kToken}},
      {"SERVICE_TOKEN_REJECTED", {.text = "The service's operator must replace its token for Truto."}},
      {"ACCOUNT_NEEDS_REAUTH", {.text = "Ask the account's end user to connect it again."}},
      {"ACCOUNT_BLOCKED", {.text = "Have the account unblocked at Truto; repeating does not help."}},
      {"ACCOUNT_READ_ONLY", {.text = "Use an account that is not a sandbox account.", .options = "--account"}},
      {"ACCESS_FORBIDDEN",
       {.text = "Grant the missing_scopes to the account, or the right to delete users to the token."}},
      {"USER_NOT_FOUND",
       {.text = "Check the id and the account.", .options = "--allow-missing makes an absent user a success"}},
      {"ABSENT_AFTER_AMBIGUOUS_ATTEMPT",
       {.text = "Nothing: the user is gone.", .options = "--allow-missing makes an absent user a success"}},
      {"CONFLICT", {.text = "Resolve the conflict at the provider, then call again."}},
      {"RATE_LIMITED", {.text = "Call again after the delay, and less often."}},
      {"OVERLOADED", {.text = "Nothing was sent. Call again after the delay."}},
      {"SHUTTING_DOWN", {.text = "Nothing was sent. Call again; another replica will answer."}},
      {"UPSTREAM_UNREACHABLE", {.text = "Nothing was executed. Call again, with back-off."}},
      {"UPSTREAM_MISCONFIGURED",
       {.text = "The service's operator must check the address and certificates set for Truto."}},
      {"OUTCOME_UNKNOWN", {.text = "Look whether the user is still there, or repeat the call."}},
      {"DEADLINE_EXCEEDED_UNSENT",
       {.text = "Nothing was sent. Call again with more time.", .options = "a longer --deadline"}},
      {"DEADLINE_EXCEEDED_OUTCOME_UNKNOWN",
       {.text = "Look whether the user is still there, or repeat the call with more time.",
        .options = "a longer --deadline"}},
      {"UNEXPECTED_RESPONSE", {.text = "The service's operator should check the address set for Truto."}},
      {"CALLER_CANCELLED", {.text = "Read delivery: it tells whether the user may have been deleted."}},
      {"INTERNAL_FAULT", {.text = "This is a defect of the service. Report it with the request_id."}},
      {"NOT_SUPPORTED_BY_PROVIDER", {.text = "Remove the user at the provider: it offers no deletes."}},
  };
  const auto advice = kAdvice.find(reason);
  return advice == kAdvice.end() ? nullptr : &advice->second;
}

std::string_view DeliveryMeaning(std::string_view delivery) {
  if (delivery == "NOT_SENT") return ": nothing can have been executed";
  if (delivery == "REJECTED") return ": it was sent, and provably not executed";
  if (delivery == "UNKNOWN") return ": the user may have been deleted";
  return "";
}

// The option for a field of the request, by the beginning of the field's path.
std::string_view OptionFor(std::string_view path) {
  static const std::map<std::string_view, std::string_view> kOptions = {
      {"id", "ID"},
      {"integrated_account_id", "--account"},
      {"collections", "--collection"},
      {"organization", "--organization"},
      {"truto_response_format", "--format"},
      {"truto_ignore_remote_data", "--ignore-remote-data"},
      {"truto_exclude_fields", "--exclude-field"},
      {"remote_query", "--remote-query"},
      {"truto_skip_api_call", "--skip-api-call"},
      {"request_id", "--request-id"},
  };
  constexpr std::string_view kOfStream = "request.";
  if (path.starts_with(kOfStream)) path.remove_prefix(kOfStream.size());
  const auto option = kOptions.find(path.substr(0, path.find_first_of(".[")));
  return option == kOptions.end() ? "" : option->second;
}

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) details.Clear();
  return details;
}

template <typename Detail>
const Detail* Find(const google::rpc::Status& details, Detail& storage) {
  for (const auto& any : details.details()) {
    if (any.Is<Detail>() && any.UnpackTo(&storage)) return &storage;
  }
  return nullptr;
}

std::string ReadableDelay(const google::protobuf::Duration& delay) {
  std::ostringstream text;
  text << static_cast<double>(delay.seconds()) + (delay.nanos() / 1e9) << " s";
  return text.str();
}

// Words that are there, with a separator between.
std::string Join(std::initializer_list<std::string_view> words, std::string_view separator) {
  std::string text;
  for (const std::string_view word : words) {
    if (word.empty()) continue;
    if (!text.empty()) text += separator;
    text += word;
  }
  return text;
}

void AddErrorInfo(TextPage& page, const google::rpc::ErrorInfo& info) {
  page.Field("reason", info.reason());
  if (info.domain() != "ticketing.v1.TicketingUserService") page.Field("domain", info.domain());
  std::map<std::string, std::string> metadata(info.metadata().begin(), info.metadata().end());
  for (const char* name : {"delivery", "origin", "attempts", "http_status", "request_id"}) {
    const auto entry = metadata.extract(name);
    if (!entry) continue;
    std::string value = entry.mapped();
    if (entry.key() == "delivery") value += DeliveryMeaning(entry.mapped());
    page.Field(name, value);
  }
  for (const auto& [name, value] : metadata) page.Field(name, value);
}

// Everything but ErrorInfo, Help and RequestInfo.
void AddDetail(TextPage& page, const google::protobuf::Any& any) {
  google::rpc::BadRequest bad_request;
  google::rpc::QuotaFailure quota;
  google::rpc::PreconditionFailure precondition;
  google::rpc::ResourceInfo resource;
  google::rpc::RetryInfo retry;
  if (any.UnpackTo(&bad_request)) {
    for (const auto& violation : bad_request.field_violations()) {
      const std::string_view option = OptionFor(violation.field());
      const std::string field =
          option.empty() ? violation.field() : violation.field() + " (" + std::string(option) + ")";
      page.Field("field", Join({field, violation.description()}, ": "));
    }
  } else if (any.UnpackTo(&quota)) {
    for (const auto& violation : quota.violations()) {
      page.Field("quota", Join({violation.subject(), violation.description()}, ": "));
    }
  } else if (any.UnpackTo(&precondition)) {
    for (const auto& violation : precondition.violations()) {
      page.Field("precondition", Join({violation.type(), violation.subject(), violation.description()}, ": "));
    }
  } else if (any.UnpackTo(&resource)) {
    page.Field(
        "resource",
        Join({resource.resource_type(), resource.resource_name(), resource.owner(), resource.description()}, ": "));
  } else if (any.UnpackTo(&retry)) {
    page.Field("retry_after", ReadableDelay(retry.retry_delay()));
  } else {
    page.Field("detail", Shortened(MessageJson(any) ? ReadableJson(any) : any.type_url()));
  }
}

std::string RepeatOptions(const FailedCall& call) {
  return "repeat with --request-id " + call.request_id + " --allow-missing";
}

void AddAdvice(TextPage& page, const FailedCall& call, const google::rpc::ErrorInfo& info,
               const google::rpc::Help* help) {
  const Advice* const advice = FindAdvice(info.reason());
  if (help != nullptr) {
    for (const auto& link : help->links()) {
      page.Field("advice", link.description());
      if (!link.url().empty()) page.Field("", link.url());
    }
  } else if (advice != nullptr) {
    page.Field("advice", advice->text);
  }
  const auto delivery = info.metadata().find("delivery");
  const bool unknown = delivery != info.metadata().end() && delivery->second == "UNKNOWN";
  const std::string options =
      Join({unknown ? RepeatOptions(call) : "", advice == nullptr ? "" : advice->options}, "; ");
  if (!options.empty()) page.Field("options", options);
}

// For an error that the service did not write.
void AddAdviceWithoutDetails(TextPage& page, const FailedCall& call) {
  page.Field("origin", "not the service: gRPC itself, or something in between");
  page.Field("request_id", call.request_id);
  if (call.validate_only) {
    page.Field("advice", "Nothing was deleted: validate only checks. Check --server, and call again.");
    return;
  }
  page.Field("advice",
             call.status.error_code() == grpc::StatusCode::UNAVAILABLE
                 ? "When the message begins with 'failed to connect' or 'DNS resolution failed', nothing was sent. "
                   "Otherwise the user may have been deleted: look, or repeat the call."
                 : "The user may have been deleted: look, or repeat the call.");
  page.Field("options", RepeatOptions(call));
}

}  // namespace

std::string CodeName(int code) {
  const std::string& name = google::rpc::Code_Name(static_cast<google::rpc::Code>(code));
  return name.empty() ? std::to_string(code) : name;
}

std::string ErrorText(const FailedCall& call, bool coloured) {
  TextPage page(coloured);
  const int code = call.status.error_code();
  page.Headline(Colour::kRed,
                "Error " + CodeName(code) + " (" + std::to_string(code) + "): " + call.status.error_message());

  const google::rpc::Status details = Details(call.status);
  google::rpc::ErrorInfo info_storage;
  google::rpc::RequestInfo request_storage;
  google::rpc::Help help_storage;
  const auto* const info = Find(details, info_storage);
  const auto* const request = Find(details, request_storage);
  const auto* const help = Find(details, help_storage);
  if (info != nullptr) AddErrorInfo(page, *info);
  for (const auto& any : details.details()) {
    if (any.Is<google::rpc::ErrorInfo>() || any.Is<google::rpc::Help>() || any.Is<google::rpc::RequestInfo>()) continue;
    AddDetail(page, any);
  }
  if (request != nullptr && (info == nullptr || !info->metadata().contains("request_id"))) {
    page.Field("request_id", request->request_id());
  }

  if (call.header_arrived) {
    page.Field("delivery", "the user is deleted: the answer had begun; its body is incomplete");
  } else if (info != nullptr) {
    AddAdvice(page, call, *info, help);
  } else {
    AddAdviceWithoutDetails(page, call);
  }
  return page.text();
}

std::string ErrorJson(const FailedCall& call) {
  using nlohmann::ordered_json;
  const int code = call.status.error_code();
  ordered_json error{{"code", code},
                     {"code_name", CodeName(code)},
                     {"message", call.status.error_message()},
                     {"request_id", call.request_id},
                     {"deleted", call.header_arrived},
                     {"details", ordered_json::array()}};
  const google::rpc::Status details = Details(call.status);
  for (const auto& any : details.details()) {
    if (const auto text = MessageJson(any)) {
      error["details"].push_back(ordered_json::parse(*text));
      continue;
    }
    google::protobuf::BytesValue value;
    value.set_value(any.value());
    const auto base64 = MessageJson(value);
    error["details"].push_back({{"@type", any.type_url()}, {"value", ordered_json::parse(base64.value_or("null"))}});
  }
  return error.dump(-1, ' ', /*ensure_ascii=*/true, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace ticketing::cli
