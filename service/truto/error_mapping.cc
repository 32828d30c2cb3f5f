#include "truto/error_mapping.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "core/ascii.h"
#include "google/protobuf/struct.pb.h"
#include "truto/json_to_struct.h"

namespace ticketing::truto {
namespace {

using core::Delivery;
using core::EqualsIgnoringCase;
using core::IsDigit;
using core::Resend;
using google::protobuf::Value;
using std::chrono::milliseconds;
using Code = core::StatusCode;
using Reason = core::ErrorReason;

// ---------------------------------------------------------------------------------------------------------------------
// The table
// ---------------------------------------------------------------------------------------------------------------------

// Who wrote the answer; a row names one or several.
constexpr unsigned kTruto = 1;
constexpr unsigned kProvider = 2;
constexpr unsigned kStranger = 4;  // no envelope: an edge, a proxy, a wrong address
constexpr unsigned kEnvelope = kTruto | kProvider;
constexpr unsigned kNotProvider = kTruto | kStranger;
constexpr unsigned kAnybody = kEnvelope | kStranger;

// What must hold besides.
enum class If { kAlways, kCallerToken, kRateLimitInsight };

struct Row {
  int first;
  int last;
  unsigned sender;
  If condition;
  Code code;
  Reason reason;
  Delivery delivery;
  Resend resend;
};

// The first row that fits counts. "The error guide" is Truto's page on errors together with the error model in its
// operators' guide; "the README" is this project's error table, which decides where the others are silent or differ.
constexpr Row kTable[] = {
    // Never followed: it would hand the token on (the README; Truto documents none). A redirect executes nothing (RFC
    // 9110, 15.4).
    {300, 399, kAnybody, If::kAlways, Code::kInternal, Reason::kUpstreamMisconfigured, Delivery::kRejected,
     Resend::kNever},

    // The error guide: "refused at the edge"; missing required parameters end here, too.
    {400, 400, kAnybody, If::kAlways, Code::kInvalidArgument, Reason::kRejectedAsInvalid, Delivery::kRejected,
     Resend::kNever},
    // The error guide: the provider refuses the account's credentials until its end user connects it again.
    {401, 401, kProvider, If::kAlways, Code::kFailedPrecondition, Reason::kAccountNeedsReauth, Delivery::kRejected,
     Resend::kNever},
    // The error guide: the token is missing, expired or wrong. Whose token decides who can do something about it.
    {401, 401, kNotProvider, If::kCallerToken, Code::kUnauthenticated, Reason::kCallerTokenRejected,
     Delivery::kRejected, Resend::kNever},
    // The README: once more if the token file has a new one.
    {401, 401, kNotProvider, If::kAlways, Code::kInternal, Reason::kServiceTokenRejected, Delivery::kRejected,
     Resend::kWithNewToken},
    // The error guide: insight `rate_limit_error` means that the provider limited the call, and some providers say that
    // with a 403.
    {403, 403, kProvider, If::kRateLimitInsight, Code::kResourceExhausted, Reason::kRateLimited, Delivery::kRejected,
     Resend::kAfterRetryAfter},
    // The error guide: authenticated, but not allowed.
    {403, 403, kAnybody, If::kAlways, Code::kPermissionDenied, Reason::kAccessForbidden, Delivery::kRejected,
     Resend::kNever},
    // The error guide: no such user, or the account is not visible to the token.
    {404, 404, kEnvelope, If::kAlways, Code::kNotFound, Reason::kUserNotFound, Delivery::kRejected, Resend::kNever},
    // The README: a page that is not Truto's says nothing about the user.
    {404, 404, kStranger, If::kAlways, Code::kUnknown, Reason::kUnexpectedResponse, Delivery::kRejected,
     Resend::kNever},
    // The error guide: sandbox accounts are read-only.
    {405, 405, kTruto, If::kAlways, Code::kFailedPrecondition, Reason::kAccountReadOnly, Delivery::kRejected,
     Resend::kNever},
    // RFC 9110, 15.5.6: the target does not support DELETE.
    {405, 405, kProvider, If::kAlways, Code::kFailedPrecondition, Reason::kNotSupportedByProvider, Delivery::kRejected,
     Resend::kNever},
    // The README: as for 404.
    {405, 405, kStranger, If::kAlways, Code::kUnknown, Reason::kUnexpectedResponse, Delivery::kRejected,
     Resend::kNever},
    // RFC 9110, 15.5.9: the server did not receive a complete request in time; behind a proxy it may have. The README
    // counts it as ambiguous.
    {408, 408, kAnybody, If::kAlways, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown,
     Resend::kOnceAmbiguously},
    // The error guide: a conflict at the provider.
    {409, 409, kAnybody, If::kAlways, Code::kAborted, Reason::kConflict, Delivery::kRejected, Resend::kNever},
    // The error guide: well-formed, but the provider's own validation refuses it.
    {422, 422, kAnybody, If::kAlways, Code::kInvalidArgument, Reason::kRejectedAsInvalid, Delivery::kRejected,
     Resend::kNever},
    // RFC 8470, 5.2: the server is unwilling to process the request yet, and has not.
    {425, 425, kAnybody, If::kAlways, Code::kUnavailable, Reason::kUpstreamUnreachable, Delivery::kRejected,
     Resend::kSafely},
    // The error guide: more than 500 requests in 10 s for a token, more than 50 for an account, or the provider's
    // limit.
    {429, 429, kAnybody, If::kAlways, Code::kResourceExhausted, Reason::kRateLimited, Delivery::kRejected,
     Resend::kAfterRetryAfter},
    // The README: an undocumented 4xx is a refusal (RFC 9110, 15.5: the client's error) of unknown meaning.
    {400, 499, kAnybody, If::kAlways, Code::kUnknown, Reason::kUnexpectedResponse, Delivery::kRejected, Resend::kNever},

    // The error guide: Truto failed. Nothing says before or after it called the provider.
    {500, 500, kAnybody, If::kAlways, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown,
     Resend::kOnceAmbiguously},
    // RFC 9110, 15.6.2: the provider does not know such an operation. The README counts every 5xx of a provider as
    // ambiguous, since Truto may have made more than one call.
    {501, 501, kProvider, If::kAlways, Code::kFailedPrecondition, Reason::kNotSupportedByProvider, Delivery::kUnknown,
     Resend::kNever},
    // The error guide: Truto got no clean answer from the provider.
    {502, 502, kAnybody, If::kAlways, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown,
     Resend::kOnceAmbiguously},
    // The error guide: the integrated account has been blocked. Only Truto's own envelope proves that.
    {503, 503, kTruto, If::kAlways, Code::kFailedPrecondition, Reason::kAccountBlocked, Delivery::kRejected,
     Resend::kNever},
    // The README: the edge is overloaded or down, and the request may have passed it.
    {503, 503, kStranger, If::kAlways, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown,
     Resend::kOnceAmbiguously},
    // The error guide: as 502.
    {504, 504, kAnybody, If::kAlways, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown,
     Resend::kOnceAmbiguously},
    // The error guide: a 5xx of the provider means that the provider is failing.
    {500, 599, kProvider, If::kAlways, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown,
     Resend::kOnceAmbiguously},
};

// The README: anything else (an undocumented 5xx, a number that is no status) may have been executed.
constexpr Row kAnythingElse{
    0, 0, kAnybody, If::kAlways, Code::kUnknown, Reason::kUnexpectedResponse, Delivery::kUnknown, Resend::kNever};

// ---------------------------------------------------------------------------------------------------------------------
// Limits
// ---------------------------------------------------------------------------------------------------------------------

constexpr std::size_t kMaxMessageBytes = 2048;  // the status cuts it further
constexpr std::size_t kMaxFieldBytes = 256;
constexpr std::size_t kMaxDescriptionBytes = 512;
constexpr std::size_t kMaxExcerptBytes = 200;
constexpr std::size_t kMaxHintBytes = 300;
constexpr std::size_t kMaxRawResponseBytes = 1024;
constexpr std::size_t kMaxViolations = 1000;

// A part of a body that is larger is not taken apart; parsed, it may take 75 times as much memory.
constexpr std::size_t kMaxParsedBytes = std::size_t{256} * 1024;

constexpr milliseconds kLongestDelay = std::chrono::hours(24);

// The error guide: both of Truto's limits answer with `Retry-After: 10`, their windows being 10 s long.
constexpr milliseconds kRateLimitWindow = std::chrono::seconds(10);

// ---------------------------------------------------------------------------------------------------------------------
// Texts
// ---------------------------------------------------------------------------------------------------------------------

// A projection: core::ToLower has overloads.
constexpr auto kToLower = [](char c) { return core::ToLower(c); };

// The length of what stands at the beginning of `text` between "Bearer" and a token: spaces, also encoded, and the
// punctuation of headers and JSON.
std::size_t SeparatorLength(std::string_view text) {
  std::size_t length = 0;
  for (;;) {
    const std::string_view rest = text.substr(length);
    if (rest.starts_with("%20")) {
      length += 3;
    } else if (rest.starts_with("\u00A0")) {
      length += 2;
    } else if (!rest.empty() && std::string_view(" :=+\"'\\").find(rest[0]) != std::string_view::npos) {
      length += 1;
    } else {
      return length;
    }
  }
}

// Sentences about tokens ("the Bearer token is invalid") hold none.
bool IsWordAboutTokens(std::string_view word) {
  while (word.ends_with('.') || word.ends_with('!') || word.ends_with('?')) word.remove_suffix(1);
  return std::ranges::any_of(std::array{"token", "tokens", "authentication", "authorization", "scheme"},
                             [&](const char* known) { return EqualsIgnoringCase(word, known); });
}

bool LooksSecret(std::string_view word) {
  return word.size() >= 20 || (word.size() >= 8 && std::ranges::any_of(word, IsDigit));
}

// `text` with "***" in place of each bearer token: a server may echo the headers that it got.
std::string MaskBearerTokens(std::string_view text) {
  constexpr std::string_view kScheme = "bearer";
  std::string masked;
  for (;;) {
    const auto found = std::ranges::search(text, kScheme, {}, kToLower);
    masked.append(text.begin(), found.end());
    if (found.empty()) return masked;
    text.remove_prefix(static_cast<std::size_t>(found.end() - text.begin()));

    bool about_tokens = false;
    for (;;) {
      const std::size_t separator = SeparatorLength(text);
      const std::string_view word =
          text.substr(separator, text.find_first_of(" \"'\\<>(){}[],;&", separator) - separator);
      if (separator == 0 || word.empty() || EqualsIgnoringCase(word, kScheme)) break;
      if (IsWordAboutTokens(word)) {
        about_tokens = true;
      } else if (about_tokens && !LooksSecret(word)) {
        break;
      }
      masked.append(text.substr(0, separator));
      masked.append(IsWordAboutTokens(word) ? word : "***");
      text.remove_prefix(separator + word.size());
      if (!about_tokens) break;
    }
  }
}

// Shorter ones are no secrets, and would be found in innocent words.
constexpr std::size_t kShortestSecret = 8;

bool Contains(const core::HttpResponse& response, std::string_view text) {
  return response.body.find(text) != std::string::npos ||
         std::ranges::any_of(response.headers,
                             [&](const auto& header) { return header.second.find(text) != std::string::npos; });
}

core::HttpResponse WithoutText(core::HttpResponse response, std::string_view text) {
  constexpr std::string_view kMask = "***";
  const auto mask = [&](std::string& in) {
    for (std::size_t at = 0; (at = in.find(text, at)) != std::string::npos; at += kMask.size()) {
      in.replace(at, text.size(), kMask);
    }
  };
  mask(response.body);
  for (auto& header : response.headers) mask(header.second);
  return response;
}

// `text` for people: valid UTF-8 without control characters, on one line, bearer tokens masked, at most `max_bytes`.
std::string CleanText(std::string_view text, std::size_t max_bytes) {
  constexpr std::string_view kCut = "…";
  // Spaces go and masks are short, so that far more than `max_bytes` need not be looked at.
  std::string line;
  for (const char c : ToValidUtf8(text.substr(0, 4 * max_bytes))) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte != 0x7F) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  if (line.ends_with(' ')) line.pop_back();
  line = MaskBearerTokens(line);
  if (line.size() <= max_bytes) return line;
  std::size_t end = max_bytes - kCut.size();
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
  line.resize(end);
  line += kCut;
  return line;
}

// The text of a page, roughly: what stands outside of tags.
std::string StripTags(std::string_view page) {
  std::string text;
  bool in_tag = false;
  for (const char c : page.substr(0, 16 * kMaxExcerptBytes)) {
    if (c == '<' || c == '>') {
      in_tag = c == '<';
      text += ' ';
    } else if (!in_tag) {
      text += c;
    }
  }
  return text;
}

// ---------------------------------------------------------------------------------------------------------------------
// JSON
// ---------------------------------------------------------------------------------------------------------------------

// Calls visit(key, JSON text of the value) for each member of the object `json`. False when it is not a JSON object.
template <typename Visitor>
bool ForEachMember(std::string_view json, Visitor visit) {
  ConversionNotes notes;
  JsonReader reader(json, notes);
  if (reader.Peek() != JsonReader::Kind::kObject) return false;
  std::string buffer;
  std::string_view key;
  bool first = true;
  for (reader.Enter(); reader.NextMember(first, buffer, key, JsonPath());) visit(key, reader.SkipValue());
  return reader.Finish();
}

// A null for what is no JSON, or too large to be taken apart.
Value ParseSmall(std::string_view json) {
  const bool small = json.size() <= kMaxParsedBytes || json.starts_with('"');
  std::optional<JsonDocument> document = small ? ParseJson(json) : std::nullopt;
  return document ? std::move(document->value) : Value();
}

const Value& Member(const Value& value, const std::string& key) {
  const auto& fields = value.struct_value().fields();
  const auto member = fields.find(key);
  return member == fields.end() ? Value::default_instance() : member->second;
}

// Members in an order that is always the same; protobuf's maps have none.
std::map<std::string, const Value*> SortedMembers(const Value& value) {
  std::map<std::string, const Value*> members;
  for (const auto& [key, member] : value.struct_value().fields()) members.emplace(key, &member);
  return members;
}

void AppendWith(std::string& text, std::string_view separator, std::string_view more) {
  if (more.empty() || text.size() >= kMaxMessageBytes) return;
  if (!text.empty()) text += separator;
  text += more;
}

// The words for people in an error of any provider: a text, or what stands under the usual names. Empty when there are
// none. ParseJson has bounded the depth.
std::string FindWords(const Value& value) {
  if (value.kind_case() == Value::kStringValue) return value.string_value();
  std::string words;
  if (value.kind_case() == Value::kListValue) {
    for (const Value& element : value.list_value().values()) AppendWith(words, "; ", FindWords(element));
    return words;
  }
  if (value.kind_case() != Value::kStructValue) return words;
  // OAuth's `error` is a code that `error_description` explains (RFC 6749, 5.2), `title` and `detail` are RFC 9457's.
  for (const char* key : {"message", "error_description", "errorMessage", "error_message", "msg", "detail",
                          "description", "error", "errors", "title", "reason", "summary"}) {
    words = FindWords(Member(value, key));
    if (!words.empty()) break;
  }
  // Pivotal Tracker's `error` is general; these two tell what to do.
  AppendWith(words, " ", FindWords(Member(value, "general_problem")));
  AppendWith(words, " ", FindWords(Member(value, "possible_fix")));
  return words;
}

// The words in the JSON text `json`; where none are found, that text itself.
std::string WordsOf(std::string_view json) {
  const Value value = ParseSmall(json);
  std::string words = CleanText(FindWords(value), kMaxMessageBytes);
  if (!words.empty()) return words;
  switch (value.kind_case()) {
    case Value::kNullValue:
    case Value::kStringValue: return {};
    case Value::kStructValue:
      if (value.struct_value().fields().empty()) return {};
      break;
    case Value::kListValue:
      if (value.list_value().values().empty()) return {};
      break;
    default: break;
  }
  return CleanText(json, kMaxMessageBytes);
}

// The names in a list of them (or in a single one, or the keys of an object).
std::vector<std::string> NamesIn(const Value& value) {
  std::vector<std::string> names;
  if (value.kind_case() == Value::kStringValue) names.push_back(value.string_value());
  for (const Value& element : value.list_value().values()) {
    if (element.kind_case() == Value::kStringValue) names.push_back(element.string_value());
  }
  for (const auto& [key, member] : SortedMembers(value)) names.push_back(key);
  return names;
}

// ---------------------------------------------------------------------------------------------------------------------
// Violations
// ---------------------------------------------------------------------------------------------------------------------

// The path in our request of a query parameter: "collections[][id]" -> "collections[].id".
std::string FieldPath(std::string_view name) {
  const std::string parameter = CleanText(name, kMaxFieldBytes);
  std::string_view rest = parameter;
  std::string path;
  for (;;) {
    const std::size_t open = rest.find('[');
    const std::size_t close = rest.find(']', open);
    if (close == std::string_view::npos) return path.append(rest);
    path.append(rest.substr(0, open));
    const std::string_view key = rest.substr(open + 1, close - open - 1);
    if (std::ranges::all_of(key, IsDigit)) {
      path.append(rest.substr(open, close - open + 1));
    } else {
      path.append(".").append(key);
    }
    rest.remove_prefix(close + 1);
  }
}

void AddViolation(std::vector<core::FieldViolation>& violations, std::string_view field, std::string_view description) {
  if (violations.size() >= kMaxViolations) return;
  std::string text = CleanText(description, kMaxDescriptionBytes);
  violations.push_back({FieldPath(field), text.empty() ? "is invalid" : std::move(text)});
}

// A path as text, or as a list of its segments: ["collections", 0, "id"].
std::string PathOf(const Value& value) {
  if (value.kind_case() == Value::kStringValue) return value.string_value();
  std::string path;
  for (const Value& segment : value.list_value().values()) {
    if (segment.kind_case() == Value::kNumberValue) {
      path += '[' + std::to_string(static_cast<std::int64_t>(std::clamp(segment.number_value(), 0.0, 1e9))) + ']';
    } else if (segment.kind_case() == Value::kStringValue) {
      AppendWith(path, ".", segment.string_value());
    }
  }
  return path;
}

// `details.failures`, whose shape Truto does not document: texts, objects that name field and fault, or an object of
// faults by field.
void AddFailures(std::vector<core::FieldViolation>& violations, const Value& failures) {
  if (failures.kind_case() == Value::kStringValue) AddViolation(violations, "", failures.string_value());
  for (const Value& failure : failures.list_value().values()) {
    std::string field;
    for (const char* key : {"field", "path", "name", "property", "parameter", "param", "key"}) {
      field = PathOf(Member(failure, key));
      if (!field.empty()) break;
    }
    const std::string words = FindWords(failure);
    if (words.empty() && failure.struct_value().fields_size() == 1) {
      AddFailures(violations, failure);  // {"name": "is required"}
    } else if (!field.empty() || !words.empty()) {
      AddViolation(violations, field, words);
    }
  }
  for (const auto& [field, faults] : SortedMembers(failures)) AddViolation(violations, field, FindWords(*faults));
}

// ---------------------------------------------------------------------------------------------------------------------
// The answer
// ---------------------------------------------------------------------------------------------------------------------

// What the body of an answer says.
struct Answer {
  unsigned sender = kStranger;
  std::string words;  // of Truto or the provider, for people; may be empty
  std::string error;  // "Not Found"
  std::vector<core::FieldViolation> violations;
  std::string missing_scopes;
  std::string hints;
  std::string raw_response;
  bool rate_limit_insight = false;
};

// Each insight is an object of `description` and `value`.
void ReadInsight(std::string_view name, std::string_view json, Answer& answer) {
  if (name == "rate_limit_error") answer.rate_limit_insight = true;
  if (name == "missing_required_query_parameters" || name == "missing_required_body_fields") {
    for (const std::string& missing : NamesIn(Member(ParseSmall(json), "value"))) {
      AddViolation(answer.violations, missing,
                   name == "missing_required_body_fields" ? "Truto requires this body field, and it is missing"
                                                          : "the account's provider requires it, and it is missing");
    }
  }
  if (name == "forbidden_error") {
    const Value insight = ParseSmall(json);
    for (const std::string& scope : NamesIn(Member(Member(insight, "value"), "missing_scopes"))) {
      AppendWith(answer.missing_scopes, " ", CleanText(scope, kMaxFieldBytes));
    }
  }
  if (name == "conditionally_required_query_parameters" || name == "conditionally_required_body_fields") {
    ForEachMember(json, [&](std::string_view key, std::string_view value) {
      if (key == "value") AppendWith(answer.hints, " ", CleanText(value, kMaxHintBytes));
    });
  }
}

Answer ReadAnswer(const core::HttpResponse& response) {
  std::string_view status;
  std::string_view error;
  std::string_view message;
  std::string_view remote;
  std::string_view raw_response;
  std::string_view details;
  std::string_view insights;
  const bool is_object = ForEachMember(response.body, [&](std::string_view key, std::string_view value) {
    if (key == "statusCode") status = value;
    if (key == "error") error = value;
    if (key == "message") message = value;
    if (key == "truto_is_remote_error") remote = value;
    if (key == "raw_response") raw_response = value;
    if (key == "details") details = value;
    if (key == "truto_error_insight") insights = value;
  });

  Answer answer;
  if (!is_object) return answer;
  if (remote == "true") {
    answer.sender = kProvider;
  } else if (status == std::to_string(response.status) && error.starts_with('"') && !message.empty()) {
    answer.sender = kTruto;
  } else {
    return answer;
  }
  answer.words = message.empty() ? std::string() : WordsOf(message);
  if (std::string words = raw_response.empty() ? std::string() : WordsOf(raw_response); !words.empty()) {
    answer.raw_response = CleanText(raw_response, kMaxRawResponseBytes);
    if (answer.words.empty()) answer.words = std::move(words);
  }
  answer.error = CleanText(ParseSmall(error).string_value(), kMaxFieldBytes);
  ForEachMember(insights, [&](std::string_view name, std::string_view json) { ReadInsight(name, json, answer); });
  AddFailures(answer.violations, Member(ParseSmall(details), "failures"));
  return answer;
}

bool Fits(const Row& row, int status, const Answer& answer, const ErrorContext& context) {
  if (status < row.first || status > row.last || (answer.sender & row.sender) == 0) return false;
  switch (row.condition) {
    case If::kAlways: return true;
    case If::kCallerToken: return context.caller_token;
    case If::kRateLimitInsight: return answer.rate_limit_insight;
  }
  return false;
}

const Row& FindRow(int status, const Answer& answer, const ErrorContext& context) {
  for (const Row& row : kTable) {
    if (Fits(row, status, answer, context)) return row;
  }
  return kAnythingElse;
}

// "HTTP 503 without Truto's error envelope (text/html, 1234 bytes): 503 Service Unavailable"
std::string DescribeStranger(const core::HttpResponse& response) {
  const std::string content_type = CleanText(core::FindHeader(response.headers, "content-type").value_or(""), 100);
  std::string text = "HTTP " + std::to_string(response.status) + " without Truto's error envelope (";
  text += (content_type.empty() ? "no content type" : content_type) + ", ";
  text += (response.truncated ? "cut off after " : "") + std::to_string(response.body.size()) + " bytes)";
  if (const auto location = core::FindHeader(response.headers, "location")) {
    text += ", redirecting to " + CleanText(*location, kMaxExcerptBytes);
  }

  const std::string_view body = response.body;
  const std::size_t start = std::min(body.find_first_not_of(" \t\r\n"), body.size());
  const bool is_page = body.substr(start).starts_with('<');
  const std::string words = is_page ? StripTags(body.substr(start)) : FindWords(ParseSmall(body));
  const std::string excerpt = CleanText(words.empty() ? body : std::string_view(words), kMaxExcerptBytes);
  if (!excerpt.empty()) text += ": " + excerpt;
  return text;
}

std::string Describe(const core::HttpResponse& response, const Answer& answer) {
  if (answer.sender == kStranger) return DescribeStranger(response);
  if (!answer.words.empty()) return answer.words;
  std::string text = "HTTP " + std::to_string(response.status);
  if (!answer.error.empty()) text += " (" + answer.error + ")";
  return text + (answer.sender == kProvider ? " from the provider" : " from Truto") + ", without a message";
}

std::string AccountSubject(const ErrorContext& context) {
  if (context.integrated_account_id.empty()) return "the token's integrated account";
  return CleanText(context.integrated_account_id, kMaxFieldBytes);
}

// Whose limit it is. Truto's answers don't have to tell which of its two was hit; then it is the account's, which is
// ten times tighter.
core::QuotaViolation DescribeQuota(const core::HttpResponse& response, const Answer& answer,
                                   const ErrorContext& context) {
  if (answer.sender == kProvider) {
    return {"provider of " + AccountSubject(context), "The provider limits how often it is called for this account."};
  }
  const bool token_limit = core::FindHeader(response.headers, "ratelimit-limit").value_or("").starts_with("500") ||
                           !std::ranges::search(answer.words, std::string_view("token"), {}, kToLower).empty();
  if (token_limit) return {"API token", "Truto allows 500 requests in 10 s for an API token."};
  return {AccountSubject(context),
          "Truto allows 50 requests in 10 s for an integrated account (and 500 for an API token)."};
}

std::string_view DescribePrecondition(Reason reason) {
  switch (reason) {
    case Reason::kAccountNeedsReauth: return "Its end user must connect the account again.";
    case Reason::kAccountBlocked: return "The account must not be blocked at Truto.";
    case Reason::kAccountReadOnly: return "The account must not be a sandbox account: those allow no deletes.";
    default: return "The account's provider must support deletes of users.";
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Retry-After
// ---------------------------------------------------------------------------------------------------------------------

// "120", also "1.5", which RFC 9110 does not allow but servers send; nothing for anything else.
std::optional<milliseconds> ParseSeconds(std::string_view text) {
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction = text.substr(std::min(point + 1, text.size()));
  if (whole.empty() || !std::ranges::all_of(whole, IsDigit) || !std::ranges::all_of(fraction, IsDigit)) {
    return std::nullopt;
  }
  std::int64_t seconds = 0;
  const auto parsed = std::from_chars(whole.data(), whole.data() + whole.size(), seconds);
  if (parsed.ec != std::errc() || seconds >= std::chrono::floor<std::chrono::seconds>(kLongestDelay).count()) {
    return kLongestDelay;
  }
  std::int64_t millis = 0;
  for (std::size_t i = 0; i < 3; ++i) millis = millis * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
  return std::chrono::seconds(seconds) + milliseconds(millis);
}

std::optional<int> ParseNumber(std::string_view text) {
  int number = 0;
  if (text.empty() || text.size() > 4 || !std::ranges::all_of(text, IsDigit)) return std::nullopt;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::optional<unsigned> ParseMonth(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto* const month = std::ranges::find(kMonths, text);
  if (month == kMonths.end()) return std::nullopt;
  return static_cast<unsigned>(month - kMonths.begin()) + 1;
}

// All three forms of RFC 9110, 5.6.7, without any locale or time zone:
//   Sun, 06 Nov 1994 08:49:37 GMT    Sunday, 06-Nov-94 08:49:37 GMT    Sun Nov  6 08:49:37 1994
std::optional<std::chrono::sys_seconds> ParseHttpDate(std::string_view text, std::chrono::sys_days today) {
  std::array<std::string_view, 8> words;
  std::size_t count = 0;
  while (!text.empty()) {
    const std::size_t length = std::min(text.find_first_of(" ,-:"), text.size());
    if (length > 0) {
      if (count == words.size()) return std::nullopt;
      words[count++] = text.substr(0, length);
    }
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  const bool asctime = count == 7;
  if (!asctime && (count != 8 || words[7] != "GMT")) return std::nullopt;
  const std::size_t clock = asctime ? 3 : 4;
  const std::string_view year_text = words[asctime ? 6 : 3];
  const auto day = ParseNumber(words[asctime ? 2 : 1]);
  const auto month = ParseMonth(words[asctime ? 1 : 2]);
  const auto hour = ParseNumber(words[clock]);
  const auto minute = ParseNumber(words[clock + 1]);
  const auto second = ParseNumber(words[clock + 2]);
  auto year = ParseNumber(year_text);
  if (!day || !month || !year || !hour || !minute || !second) return std::nullopt;
  if (year_text.size() == 2) {
    // More than 50 years ahead is the past century, by the same section of the RFC.
    const int this_year = static_cast<int>(std::chrono::year_month_day(today).year());
    *year += this_year / 100 * 100;
    if (*year > this_year + 50) *year -= 100;
  }
  const std::chrono::year_month_day date(std::chrono::year(*year), std::chrono::month(*month),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second);
}

// The Retry-After header alone.
std::optional<milliseconds> ParseRetryAfterHeader(const core::HttpHeaders& headers,
                                                  std::chrono::system_clock::time_point now) {
  const auto header = core::FindHeader(headers, "retry-after");
  if (!header) return std::nullopt;
  const std::string_view text = core::Trim(*header, " \t");
  if (const auto delay = ParseSeconds(text)) return delay;
  const auto date = ParseHttpDate(text, std::chrono::floor<std::chrono::days>(now));
  if (!date) return std::nullopt;
  // In milliseconds, since the clock's own unit can't hold every year.
  const milliseconds delay = std::chrono::sys_time<milliseconds>(*date) - std::chrono::floor<milliseconds>(now);
  return std::clamp(delay, milliseconds(0), kLongestDelay);
}

}  // namespace

std::optional<milliseconds> ParseRetryAfter(const core::HttpHeaders& headers,
                                            std::chrono::system_clock::time_point now) {
  if (const auto delay = ParseRetryAfterHeader(headers, now)) return delay;
  const std::string_view reset = core::FindHeader(headers, "ratelimit-reset").value_or("");
  return ParseSeconds(core::Trim(reset.substr(0, reset.find(';')), " \t"));
}

core::Failure MapHttpError(const core::HttpResponse& response, const ErrorContext& context) {
  if (context.token.size() >= kShortestSecret && Contains(response, context.token)) {
    ErrorContext rest = context;
    rest.token = {};
    return MapHttpError(WithoutText(response, context.token), rest);
  }
  Answer answer = ReadAnswer(response);
  const Row& row = FindRow(response.status, answer, context);

  core::Failure failure;
  failure.code = row.code;
  failure.reason = row.reason;
  failure.delivery = row.delivery;
  failure.resend = row.resend;
  failure.origin = answer.sender == kProvider ? core::Origin::kProvider : core::Origin::kTruto;
  failure.http_status = response.status;
  failure.message = Describe(response, answer);
  failure.field_violations = std::move(answer.violations);
  if (!answer.missing_scopes.empty()) failure.metadata["missing_scopes"] = std::move(answer.missing_scopes);
  if (!answer.raw_response.empty()) failure.metadata["raw_response"] = std::move(answer.raw_response);

  switch (row.reason) {
    case Reason::kRejectedAsInvalid:
      if (!answer.hints.empty()) failure.metadata["hints"] = std::move(answer.hints);
      break;
    case Reason::kUserNotFound: failure.missing_user = ToValidUtf8(context.user_id); break;
    case Reason::kRateLimited:
      failure.retry_after = ParseRetryAfter(response.headers, context.now).value_or(kRateLimitWindow);
      failure.quota_violations.push_back(DescribeQuota(response, answer, context));
      break;
    case Reason::kAccountNeedsReauth:
    case Reason::kAccountBlocked:
    case Reason::kAccountReadOnly:
    case Reason::kNotSupportedByProvider:
      failure.precondition_violations.push_back({std::string(core::ToString(row.reason)), AccountSubject(context),
                                                 std::string(DescribePrecondition(row.reason))});
      break;
    default: break;
  }
  // The headers ratelimit-… ride along on any answer, so they don't count here.
  if (row.resend == Resend::kSafely || row.resend == Resend::kOnceAmbiguously) {
    failure.retry_after = ParseRetryAfterHeader(response.headers, context.now);
  }
  return failure;
}

core::Failure MapTransportError(const core::TransportError& error) {
  using Kind = core::TransportError::Kind;
  const std::string detail = error.message.empty() ? "." : ": " + CleanText(error.message, kMaxMessageBytes);
  const auto make = [](Code code, Reason reason, Delivery delivery, Resend resend, std::string message) {
    core::Failure failure = core::MakeServiceFailure(code, reason, std::move(message));
    failure.delivery = delivery;
    failure.resend = resend;
    return failure;
  };

  if (error.kind == Kind::kCancelled) {
    return make(Code::kCancelled, Reason::kCallerCancelled,
                error.request_sent ? Delivery::kUnknown : Delivery::kNotSent, Resend::kNever,
                "The caller cancelled the call" + detail);
  }
  if (error.kind == Kind::kTimedOut && error.request_sent) {
    return make(Code::kDeadlineExceeded, Reason::kDeadlineExceededOutcomeUnknown, Delivery::kUnknown,
                Resend::kOnceAmbiguously, "The delete was sent, and no answer came in time" + detail);
  }
  if (error.kind == Kind::kBroken || error.request_sent) {
    return make(Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown, Resend::kOnceAmbiguously,
                "The delete was sent, and the connection failed before an answer came" + detail);
  }
  switch (error.kind) {
    case Kind::kMisconfigured:
      return make(Code::kInternal, Reason::kUpstreamMisconfigured, Delivery::kNotSent, Resend::kNever,
                  "Truto's certificate or address is not as configured" + detail);
    case Kind::kTimedOut:
      return make(Code::kDeadlineExceeded, Reason::kDeadlineExceededUnsent, Delivery::kNotSent, Resend::kSafely,
                  "The time was up before the delete was sent" + detail);
    default:
      return make(Code::kUnavailable, Reason::kUpstreamUnreachable, Delivery::kNotSent, Resend::kSafely,
                  "Truto could not be reached" + detail);
  }
}

}  // namespace ticketing::truto
