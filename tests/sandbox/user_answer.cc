#include "tests/sandbox/user_answer.h"

#include <algorithm>

#include "tests/sandbox/provider.h"

namespace ticketing::sandbox {
namespace {

Json FullUser(const Account& account, const User& user) {
  // The real API's dates vary in form from provider to provider, too.
  const bool odd_dates = account.integration == Integration::kZohoProjects;
  const std::string& name = user.first_name;
  return {{"id", user.id},
          {"name", name + " " + user.last_name},
          {"first_name", name},
          {"last_name", user.last_name},
          {"username", user.email.substr(0, user.email.find('@'))},
          {"avatar", "https://avatars.example.com/" + user.email.substr(0, user.email.find('@')) + ".png"},
          {"emails", {{{"email", user.email}, {"type", "work"}}}},
          {"roles", {{{"id", user.role}, {"name", user.role}}}},
          {"team_ids", user.groups},
          {"is_active", true},
          {"etag", "W/\"1f-q3\""},
          {"created_at", odd_dates ? "2023-02-03 08:15:30" : "2023-02-03T08:15:30.000Z"},
          {"updated_at", odd_dates ? "2024-09-01 10:00:00" : "2024-09-01T10:00:00.250+02:00"},
          {"remote_data", RemoteData(account, user)}};
}

// The user object by the parameters; null for a user whose delete has no body.
Json UnifiedUser(const Account& account, const User& user, const DeleteParameters& parameters) {
  if (user.unified_answer == UnifiedAnswer::kNoContent) return nullptr;
  const bool full = user.unified_answer == UnifiedAnswer::kFullUser;
  Json unified = full ? FullUser(account, user) : Json{{"id", user.id}};
  if (parameters.ignore_remote_data) unified.erase("remote_data");
  for (const std::string& field : parameters.exclude_fields) unified.erase(field);
  return unified;
}

Json Normalize(Json user, const DeleteParameters& parameters) {
  user.erase("remote_data");
  for (const char* field : {"id", "name", "first_name", "last_name", "username", "avatar", "emails", "roles",
                            "team_ids", "is_active", "etag", "created_at", "updated_at"}) {
    const bool excluded = std::ranges::find(parameters.exclude_fields, field) != parameters.exclude_fields.end();
    if (!user.contains(field) && !excluded) user[field] = nullptr;
  }
  return user;
}

Json DebugInfo(const ProviderExchange& exchange) {
  return {{"requestUrl", exchange.url},
          {"requestOptions", exchange.options},
          {"data", exchange.body.value_or(nullptr)},
          {"responseHeaders", exchange.response_headers}};
}

}  // namespace

Answer AnswerForDeletedUser(const Account& account, const User& user, const DeleteParameters& parameters) {
  const ProviderExchange exchange = DeleteAtProvider(account, user, parameters);
  const Json unified = UnifiedUser(account, user, parameters);
  switch (parameters.response_format) {
    case ResponseFormat::kUnified: return unified.is_null() ? EmptyAnswer(204) : JsonAnswer(200, unified);
    case ResponseFormat::kNormalized:
      return unified.is_null() ? EmptyAnswer(204) : JsonAnswer(200, Normalize(unified, parameters));
    case ResponseFormat::kRaw: return exchange.body ? JsonAnswer(200, *exchange.body) : EmptyAnswer(204);
    case ResponseFormat::kStream: {
      const bool text =
          account.integration == Integration::kPivotalTracker || account.integration == Integration::kZohoProjects;
      return {.content_type = text ? "text/csv" : "application/octet-stream",
              .streamed_bytes = parameters.stream_bytes};
    }
    case ResponseFormat::kDebug: {
      const bool called = user.unified_answer != UnifiedAnswer::kStatic;
      return JsonAnswer(200, {{"result", unified}, {"debug", called ? DebugInfo(exchange) : Json()}});
    }
  }
  return {};
}

Answer AnswerWithoutCall(const std::string& id, const DeleteParameters& parameters) {
  Json result{{"id", id}};
  for (const std::string& field : parameters.exclude_fields) result.erase(field);
  switch (parameters.response_format) {
    case ResponseFormat::kUnified: return JsonAnswer(200, result);
    case ResponseFormat::kNormalized: return JsonAnswer(200, Normalize(result, parameters));
    case ResponseFormat::kDebug: return JsonAnswer(200, {{"result", result}, {"debug", nullptr}});
    case ResponseFormat::kRaw:
    case ResponseFormat::kStream: break;
  }
  return EmptyAnswer(204);
}

}  // namespace ticketing::sandbox
