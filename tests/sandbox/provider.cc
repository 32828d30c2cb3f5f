#include "tests/sandbox/provider.h"

#include <algorithm>

#include "tests/sandbox/percent_encoding.h"

namespace ticketing::sandbox {
namespace {

// The ids of all providers but Hive are numbers, those of Zoho Projects beyond 2^53.
Json Number(const std::string& id) {
  return std::stoll(id);
}

std::string Url(const Account& account, const User& user, const DeleteParameters& parameters) {
  const std::string& group = user.groups.front();
  const std::string id = PercentEncode(user.id);
  switch (account.integration) {
    case Integration::kPivotalTracker:
      return "https://www.pivotaltracker.com/services/v5/projects/" +
             PercentEncode(parameters.collections.empty() ? group : parameters.collections[0]) + "/memberships/" + id;
    case Integration::kZohoProjects:
      return "https://projectsapi.zoho.com/restapi/portal/" + PercentEncode(parameters.organization.value_or(group)) +
             "/users/" + id + "/";
    case Integration::kHelpScout: return "https://api.helpscout.net/v2/users/" + id;
    case Integration::kHive: return "https://app.hive.com/api/v1/workspaces/b7Xw2Workspace/users/" + id;
  }
  return {};
}

std::optional<Json> Body(const Account& account, const User& user) {
  switch (account.integration) {
    case Integration::kPivotalTracker:
      return Json{{"kind", "project_membership"}, {"id", Number(user.id)}, {"deleted", true}};
    case Integration::kZohoProjects: return Json{{"response", "User Deleted Successfully"}, {"id", Number(user.id)}};
    case Integration::kHelpScout: return std::nullopt;
    case Integration::kHive:
      return Json{{"id", user.id},
                  {"email", user.email},
                  {"profile", {{"firstName", user.first_name}, {"lastName", user.last_name}, {"picture", nullptr}}},
                  {"isRemoved", true},
                  {"modifiedAt", "2024-09-01T10:00:00.000Z"}};
  }
  return std::nullopt;
}

}  // namespace

ProviderExchange DeleteAtProvider(const Account& account, const User& user, const DeleteParameters& parameters) {
  ProviderExchange exchange;
  exchange.url = Url(account, user, parameters);
  char separator = '?';
  for (const auto& [key, value] : parameters.remote_query) {
    exchange.url += separator + PercentEncode(key) + "=" + PercentEncode(value);
    separator = '&';
  }
  exchange.options = {
      {"method", "DELETE"},
      {"headers", {{"authorization", "Bearer sandbox-provider-credential"}, {"accept", "application/json"}}},
  };
  exchange.body = Body(account, user);
  exchange.response_headers = {{"x-provider-request-id", "7f6d1c2e"}};
  if (exchange.body) exchange.response_headers["content-type"] = "application/json";
  return exchange;
}

Json RemoteData(const Account& account, const User& user) {
  const std::string name = user.first_name + " " + user.last_name;
  switch (account.integration) {
    case Integration::kPivotalTracker:
      return {{"kind", "project_membership"},
              {"id", Number(user.id)},
              {"project_id", Number(user.groups.front())},
              {"role", ToLower(user.role)},
              {"person",
               {{"kind", "person"},
                {"id", 100'000 + std::stoll(user.id)},
                {"name", name},
                {"email", user.email},
                {"username", ToLower(user.first_name)}}}};
    case Integration::kZohoProjects:
      return {{"id", user.id},       {"zpuid", user.id},           {"zuid", Number(user.id)}, {"name", name},
              {"email", user.email}, {"role", ToLower(user.role)}, {"active", true},          {"rate", 12.5}};
    case Integration::kHelpScout:
      return {{"id", Number(user.id)},
              {"firstName", user.first_name},
              {"lastName", user.last_name},
              {"email", user.email},
              {"role", ToLower(user.role)},
              {"timezone", "America/New_York"},
              {"type", "user"},
              {"alternateEmails", Json::array()},
              {"companyId", nullptr},
              {"_links", {{"self", {{"href", "https://api.helpscout.net/v2/users/" + user.id}}}}}};
    case Integration::kHive:
      return {{"id", user.id},
              {"email", user.email},
              {"profile", {{"firstName", user.first_name}, {"lastName", user.last_name}, {"picture", nullptr}}},
              {"role", ToLower(user.role)},
              {"isRemoved", false}};
  }
  return {};
}

Answer UserUnknownToProvider(const Account& account) {
  const std::string message = "The provider has no such user";
  switch (account.integration) {
    case Integration::kPivotalTracker:
      return RemoteError(404, message,
                         {{"kind", "error"},
                          {"code", "unfound_resource"},
                          {"error", "The object you tried to access could not be found. It may have been removed."}});
    case Integration::kZohoProjects:
      return RemoteError(404, message, {{"error", {{"code", 6404}, {"message", "Resource not found"}}}});
    case Integration::kHelpScout:
      return RemoteError(404, message, {{"logRef", "66b8b4a1-7d6f"}, {"message", "Not Found"}});
    case Integration::kHive: return RemoteError(404, message, {{"errors", {{{"message", "User not found"}}}}});
  }
  return {};
}

bool IsWhereRequested(const Account& account, const User& user, const DeleteParameters& parameters) {
  const auto belongs_to = [&user](const std::string& group) {
    return std::ranges::find(user.groups, group) != user.groups.end();
  };
  if (account.integration == Integration::kPivotalTracker) {
    return std::ranges::all_of(parameters.collections, belongs_to);
  }
  if (account.integration == Integration::kZohoProjects) {
    return !parameters.organization || belongs_to(*parameters.organization);
  }
  return true;
}

}  // namespace ticketing::sandbox
