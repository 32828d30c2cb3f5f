#include "rpc/caller.h"

#include <grpc/grpc_security_constants.h>

#include <algorithm>

#include "core/ascii.h"

namespace ticketing::rpc {
namespace {

constexpr std::string_view kScheme = "bearer ";

using Matcher = bool (*)(std::string_view name, std::string_view pattern);

bool HasAllowedName(const grpc::AuthContext& authentication, const char* property, Matcher matches,
                    const std::vector<std::string>& patterns) {
  for (const grpc::string_ref& name : authentication.FindPropertyValues(property)) {
    for (const std::string& pattern : patterns) {
      if (matches({name.data(), name.size()}, pattern)) return true;
    }
  }
  return false;
}

bool IsAllowed(const grpc::ServerContext& context, const std::vector<std::string>& patterns) {
  const auto authentication = context.auth_context();
  if (authentication == nullptr || !authentication->IsPeerAuthenticated()) return false;
  return HasAllowedName(*authentication, GRPC_PEER_URI_PROPERTY_NAME, &MatchesUriPattern, patterns) ||
         HasAllowedName(*authentication, GRPC_PEER_DNS_PROPERTY_NAME, &MatchesDnsPattern, patterns);
}

bool IsUriPattern(std::string_view pattern) {
  return pattern.find("://") != std::string_view::npos;
}

}  // namespace

bool MatchesUriPattern(std::string_view uri, std::string_view pattern) {
  if (!IsUriPattern(pattern)) return false;
  if (pattern.ends_with('*')) return uri.starts_with(pattern.substr(0, pattern.size() - 1));
  return uri == pattern;
}

bool MatchesDnsPattern(std::string_view dns_name, std::string_view pattern) {
  if (IsUriPattern(pattern)) return false;
  if (pattern.starts_with("*.")) {
    const auto dot = dns_name.find('.');
    return dot != std::string_view::npos && dot > 0 &&
           core::EqualsIgnoringCase(dns_name.substr(dot), pattern.substr(1));
  }
  return core::EqualsIgnoringCase(dns_name, pattern);
}

std::optional<std::string> ParseBearerToken(std::string_view authorization) {
  if (authorization.size() <= kScheme.size() ||
      !core::EqualsIgnoringCase(authorization.substr(0, kScheme.size()), kScheme)) {
    return std::nullopt;
  }
  const std::string_view token = authorization.substr(kScheme.size());
  // Visible ASCII alone: anything else could end the header and begin another one.
  if (!std::ranges::all_of(token, [](char c) { return c > 0x20 && c < 0x7F; })) return std::nullopt;
  return std::string(token);
}

core::Result<Caller, core::Failure> IdentifyCaller(const grpc::ServerContext& context, const CallerRules& rules) {
  if (!rules.allowed_clients.empty() && !IsAllowed(context, rules.allowed_clients)) {
    return core::MakeServiceFailure(core::StatusCode::kPermissionDenied, core::ErrorReason::kCallerNotAllowed,
                                    "The certificate of this client has no name that may call this service.");
  }
  if (!rules.token_required) return Caller{};
  const auto [first, last] = context.client_metadata().equal_range("authorization");
  std::optional<std::string> token;
  if (std::distance(first, last) == 1) token = ParseBearerToken({first->second.data(), first->second.size()});
  if (!token) {
    return core::MakeServiceFailure(
        core::StatusCode::kUnauthenticated, core::ErrorReason::kCallerUnauthenticated,
        R"(The call needs exactly one metadata value "authorization" of the form "Bearer <Truto token>".)");
  }
  return Caller{.token = std::move(token)};
}

}  // namespace ticketing::rpc
