#include "cli/answer_text.h"

#include <google/protobuf/util/time_util.h>

#include <charconv>
#include <map>
#include <sstream>
#include <string_view>

#include "cli/json_text.h"
#include "cli/terminal_text.h"

namespace ticketing::cli {
namespace {

using google::protobuf::util::TimeUtil;
using ticketing::v1::DeleteTicketingUserRequest;
using ticketing::v1::DeleteTicketingUserResponse;

// ---------------------------------------------------------------------------------------------------------------------
// Pieces
// ---------------------------------------------------------------------------------------------------------------------

// "412 ms" or "1.5 s".
std::string ReadableDuration(const google::protobuf::Duration& duration) {
  const double milliseconds = (static_cast<double>(duration.seconds()) * 1e3) + (duration.nanos() / 1e6);
  std::ostringstream text;
  text.precision(4);
  if (milliseconds < 1000) {
    text << milliseconds << " ms";
  } else {
    text << milliseconds / 1e3 << " s";
  }
  return text.str();
}

// "ada@example.com (work)", with everything else of the object behind it.
std::string Describe(bool has_first, const std::string& first, bool has_second, const std::string& second,
                     const google::protobuf::Message* more) {
  std::string text = has_first ? first : "(none)";
  if (has_second) text += " (" + second + ")";
  if (more != nullptr) text += " " + Shortened(ReadableJson(*more));
  return text;
}

void AddFields(TextPage& page, const std::string& prefix, const google::protobuf::Struct& fields) {
  const std::map<std::string, google::protobuf::Value> sorted(fields.fields().begin(), fields.fields().end());
  for (const auto& [name, value] : sorted) page.Field(prefix + name, Shortened(ReadableJson(value)));
}

void AddUser(TextPage& page, const ticketing::v1::TicketingUser& user) {
  if (user.has_id()) page.Field("id", user.id());
  if (user.has_name()) page.Field("name", user.name());
  if (user.has_first_name()) page.Field("first_name", user.first_name());
  if (user.has_last_name()) page.Field("last_name", user.last_name());
  if (user.has_username()) page.Field("username", user.username());
  for (const auto& email : user.emails()) {
    page.Field("email", Describe(email.has_email(), email.email(), email.has_type(), email.type(),
                                 email.has_additional_fields() ? &email.additional_fields() : nullptr));
  }
  for (const auto& role : user.roles()) {
    page.Field("role", Describe(role.has_id(), role.id(), role.has_name(), role.name(),
                                role.has_additional_fields() ? &role.additional_fields() : nullptr));
  }
  for (const auto& team : user.team_ids()) page.Field("team_id", team);
  if (user.has_is_active()) page.Field("is_active", user.is_active() ? "true" : "false");
  if (user.has_avatar()) page.Field("avatar", user.avatar());
  if (user.has_created_at()) page.Field("created_at", TimeUtil::ToString(user.created_at()));
  if (user.has_updated_at()) page.Field("updated_at", TimeUtil::ToString(user.updated_at()));
  if (user.has_etag()) page.Field("etag", user.etag());
  if (user.has_remote_data()) page.Field("remote_data", Shortened(ReadableJson(user.remote_data())));
  if (user.has_additional_fields()) AddFields(page, "additional ", user.additional_fields());
}

void AddBody(TextPage& page, const ticketing::v1::HttpBody& body) {
  page.Field("content_type", body.content_type().empty() ? "(none)" : body.content_type());
  switch (body.content_case()) {
    case ticketing::v1::HttpBody::kJson: page.Field("json", Shortened(ReadableJson(body.json()))); break;
    case ticketing::v1::HttpBody::kData:
      page.Field("data", IsUtf8(body.data()) ? Shortened(body.data())
                                             : std::to_string(body.data().size()) +
                                                   " bytes that are not text; --json "
                                                   "shows them in base64");
      break;
    case ticketing::v1::HttpBody::CONTENT_NOT_SET: page.Field("content", "(empty)"); break;
  }
  if (body.truncated()) page.Field("truncated", "the body was too long or broke off; this is what arrived");
}

void AddDebug(TextPage& page, const ticketing::v1::DebugResult& result) {
  page.Section("user");
  AddUser(page, result.result());
  page.Section("debug");
  if (!result.has_debug()) {
    page.Field("debug", "(none: the provider was not called)");
    return;
  }
  const auto& debug = result.debug();
  const auto add_json = [&](const char* name, bool has, const google::protobuf::Message& value) {
    if (has) page.Field(name, Shortened(ReadableJson(value)));
  };
  if (debug.has_request_url()) page.Field("request_url", debug.request_url());
  if (debug.has_request_options()) {
    page.Field("request_options", "(can hold the provider's credentials; --json shows them)");
  }
  add_json("data", debug.has_data(), debug.data());
  add_json("response_headers", debug.has_response_headers(), debug.response_headers());
  add_json("next_cursor", debug.has_next_cursor(), debug.next_cursor());
  if (debug.has_is_looping()) page.Field("is_looping", debug.is_looping() ? "true" : "false");
  if (debug.has_is_empty_result()) page.Field("is_empty_result", debug.is_empty_result() ? "true" : "false");
  if (debug.has_result_count()) page.Field("result_count", std::to_string(debug.result_count()));
  if (debug.has_additional_fields()) AddFields(page, "additional ", debug.additional_fields());
}

// Percent-decoded; what is no escape stays.
std::string Decode(std::string_view text) {
  std::string decoded;
  while (!text.empty()) {
    unsigned char byte = 0;
    const bool escape = text.size() >= 3 && text[0] == '%' &&
                        std::from_chars(text.data() + 1, text.data() + 3, byte, 16).ptr == text.data() + 3;
    decoded += escape ? static_cast<char>(byte) : text[0];
    text.remove_prefix(escape ? 3 : 1);
  }
  return decoded;
}

void AddPlan(TextPage& page, const ticketing::v1::PlannedRequest& plan) {
  page.Section("request");
  page.Field(plan.method(), plan.url());
  const std::string_view url = plan.url();
  const auto question_mark = url.find('?');
  std::string_view query = question_mark == std::string_view::npos ? "" : url.substr(question_mark + 1);
  if (!query.empty()) page.Section("parameters, decoded");
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::string_view name = pair.substr(0, pair.find('='));
    page.Field(Decode(name), Decode(pair.substr(std::min(name.size() + 1, pair.size()))));
  }
  page.Section("headers");
  const std::map<std::string, std::string> sorted(plan.headers().begin(), plan.headers().end());
  for (const auto& [name, value] : sorted) page.Field(name, value);
}

// ---------------------------------------------------------------------------------------------------------------------
// Report
// ---------------------------------------------------------------------------------------------------------------------

// What a note means; empty for reasons that a later service may add.
std::string_view NoteMeaning(std::string_view reason) {
  static const std::map<std::string_view, std::string_view> kMeanings = {
      {"UNSAFE_INTEGER", "a number that a double can't hold; it is a string of its text"},
      {"TOO_DEEP", "nested more than 16 levels; it is a string of its JSON"},
      {"TOO_LARGE", "left out for its size; the exact bytes are in raw.data or http_body.data"},
      {"INVALID_TIMESTAMP", "no date-time with a zone; the text is in additional_fields"},
      {"TYPE_MISMATCH", "not of the documented type; it is in additional_fields, raw or http_body"},
      {"UNKNOWN_FIELD", "has no field in a debug answer; the exact bytes are in http_body.data"},
      {"DUPLICATE_KEY",
       "a key stands more than once, the last counts; the exact bytes are in http_body.data or raw.data"},
      {"INVALID_UTF8", "U+FFFD stands for what is not UTF-8; the exact bytes are in http_body.data or raw.data"},
      {"INVALID_JSON", "not JSON; the exact bytes are in raw.data"},
      {"TRUNCATED", "the body broke off or was too long; what had arrived is there"},
      {"MORE_NOTES", "there would be more notes; the exact bytes are in http_body.data or raw.data"},
      {"DELETED_BY_EARLIER_ATTEMPT", "an earlier attempt of this call may have deleted the user"},
  };
  const auto meaning = kMeanings.find(reason);
  return meaning == kMeanings.end() ? "" : meaning->second;
}

std::string DescribeRateLimit(const ticketing::v1::RateLimit& limit) {
  std::string text = limit.has_remaining() ? std::to_string(limit.remaining()) : "?";
  text += " of " + (limit.has_limit() ? std::to_string(limit.limit()) : std::string("?")) + " left";
  if (limit.has_reset_after()) text += ", anew in " + ReadableDuration(limit.reset_after());
  return text;
}

void AddReport(TextPage& page, const ticketing::v1::CallReport& report) {
  if (!report.notes().empty()) page.Section("notes");
  for (const auto& note : report.notes()) {
    std::string text = note.reason();
    if (const auto meaning = NoteMeaning(note.reason()); !meaning.empty()) text.append(": ").append(meaning);
    page.Field(note.path().empty() ? "(the whole)" : note.path(), text);
  }
  page.Section("report");
  page.Field("request_id", report.request_id());
  page.Field("attempts", std::to_string(report.attempts()));
  if (report.has_http_status()) page.Field("http_status", std::to_string(report.http_status()));
  page.Field("time", ReadableDuration(report.total()) + " (waiting " + ReadableDuration(report.queued()) + ", HTTP " +
                         ReadableDuration(report.upstream()) + ")");
  if (report.has_rate_limit()) page.Field("rate_limit", DescribeRateLimit(report.rate_limit()));
  if (report.replayed()) page.Field("replayed", "this is the answer of an earlier call with the same request_id");
}

void AddHeadline(TextPage& page, const std::string& id, const DeleteTicketingUserResponse& response) {
  switch (response.outcome()) {
    case ticketing::v1::DELETE_OUTCOME_DELETED: page.Headline(Colour::kGreen, "Deleted: user " + id); return;
    case ticketing::v1::DELETE_OUTCOME_ALREADY_ABSENT:
      page.Headline(Colour::kGreen, "Already absent: user " + id);
      return;
    case ticketing::v1::DELETE_OUTCOME_NOT_SENT:
      page.Headline(Colour::kYellow, "Not sent: the request is valid, and nothing was deleted");
      return;
    default:
      page.Headline(Colour::kYellow, "Outcome " + std::to_string(response.outcome()) +
                                         ", which this program does not "
                                         "know: user " +
                                         id);
      return;
  }
}

}  // namespace

std::string AnswerText(const DeleteTicketingUserRequest& request, const DeleteTicketingUserResponse& response,
                       bool coloured) {
  TextPage page(coloured);
  AddHeadline(page, request.id(), response);
  switch (response.result_case()) {
    case DeleteTicketingUserResponse::kUser:
      page.Section("user");
      AddUser(page, response.user());
      break;
    case DeleteTicketingUserResponse::kRaw:
      page.Section("raw");
      AddBody(page, response.raw());
      break;
    case DeleteTicketingUserResponse::kDebug: AddDebug(page, response.debug()); break;
    case DeleteTicketingUserResponse::kPlannedRequest: AddPlan(page, response.planned_request()); break;
    case DeleteTicketingUserResponse::RESULT_NOT_SET: break;
  }
  if (response.has_http_body()) {
    page.Section("http_body");
    AddBody(page, response.http_body());
  }
  AddReport(page, response.report());
  return page.text();
}

std::string HeaderText(const ticketing::v1::StreamHeader& header) {
  std::string text = "HTTP " + std::to_string(header.http_status()) + ", " +
                     (header.content_type().empty() ? "no content type" : header.content_type());
  if (header.has_content_length()) text += ", " + std::to_string(header.content_length()) + " bytes";
  return Escaped(text) + "\n";
}

}  // namespace ticketing::cli
