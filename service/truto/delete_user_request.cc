#include "truto/delete_user_request.h"

#include <cstddef>
#include <utility>

#include "truto/url_encoding.h"

namespace ticketing::truto {
namespace {

constexpr std::string_view kUsersPath = "/unified/ticketing/users/";
constexpr std::string_view kMaskedToken = "***";

// Room for the URLs that are common: a longer one only grows once more.
constexpr std::size_t kCommonUrlBytes = 512;

// The five headers of every request, and the two of a trace that its sender adds.
constexpr std::size_t kHeaders = 7;

std::string_view BoolText(bool value) {
  return value ? "true" : "false";
}

// The value on the wire; empty where the parameter is left out.
std::string_view FormatText(v1::TrutoResponseFormat format) {
  switch (format) {
    case v1::TRUTO_RESPONSE_FORMAT_UNIFIED: return "unified";
    case v1::TRUTO_RESPONSE_FORMAT_RAW: return "raw";
    case v1::TRUTO_RESPONSE_FORMAT_NORMALIZED: return "normalized";
    case v1::TRUTO_RESPONSE_FORMAT_STREAM: return "stream";
    case v1::TRUTO_RESPONSE_FORMAT_DEBUG: return "debug";
    default: return {};
  }
}

}  // namespace

std::string DeleteUserUrl(const v1::DeleteTicketingUserRequest& request, const Endpoint& endpoint) {
  std::string url;
  url.reserve(kCommonUrlBytes);
  url.append(endpoint.base_url).append(kUsersPath).append(PercentEncode(request.id()));

  QueryBuilder query(url, endpoint.query_arrays);
  for (int i = 0; i < request.collections_size(); ++i) {
    query.Add(query.ElementKey("collections", i) + "[id]", request.collections(i).id());
  }
  if (request.has_organization()) query.Add("organization[id]", request.organization().id());
  if (!request.integrated_account_id().empty()) query.Add("integrated_account_id", request.integrated_account_id());
  const std::string_view format = FormatText(request.truto_response_format());
  if (!format.empty()) query.Add("truto_response_format", format);
  if (request.has_truto_ignore_remote_data()) {
    query.Add("truto_ignore_remote_data", BoolText(request.truto_ignore_remote_data()));
  }
  for (int i = 0; i < request.truto_exclude_fields_size(); ++i) {
    query.Add(query.ElementKey("truto_exclude_fields", i), request.truto_exclude_fields(i));
  }
  if (request.has_remote_query()) query.AddJson("remote_query", request.remote_query());
  if (request.has_truto_skip_api_call()) query.Add("truto_skip_api_call", BoolText(request.truto_skip_api_call()));
  return url;
}

core::HttpRequest BuildDeleteUserRequest(const v1::DeleteTicketingUserRequest& request, const Endpoint& endpoint,
                                         std::string_view token) {
  core::HttpRequest http{.method = "DELETE", .url = DeleteUserUrl(request, endpoint), .headers = {}};
  http.headers.reserve(kHeaders);
  http.headers.emplace_back("authorization", std::string("Bearer ").append(token));
  http.headers.emplace_back("accept", "application/json");
  http.headers.emplace_back("content-type", "application/json");
  http.headers.emplace_back("idempotency-key", request.request_id());
  http.headers.emplace_back("user-agent", endpoint.user_agent);
  return http;
}

v1::PlannedRequest PlanDeleteUserRequest(const v1::DeleteTicketingUserRequest& request, const Endpoint& endpoint) {
  core::HttpRequest http = BuildDeleteUserRequest(request, endpoint, kMaskedToken);
  v1::PlannedRequest planned;
  planned.set_method(std::move(http.method));
  planned.set_url(std::move(http.url));
  for (auto& [name, value] : http.headers) (*planned.mutable_headers())[name] = std::move(value);
  return planned;
}

}  // namespace ticketing::truto
