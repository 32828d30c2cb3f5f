#include "rpc/caller.h"

#include <grpc/grpc_security_constants.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "core/ascii.h"

namespace ticketing::rpc {
namespace {

constexpr std::string_view kScheme = "bearer ";

// The names of one kind in the caller's certificate.
std::vector<std::string_view> CertificateNames(const grpc::AuthContext* authentication, const char* property) {
  std::vector<std::string_view> names;
  if (authentication == nullptr || !authentication->IsPeerAuthenticated()) return names;
  for (const grpc::string_ref& name : authentication->FindPropertyValues(property)) {
    names.emplace_back(name.data(), name.size());
  }
  return names;
}

// Whether a name in the certificate of the caller of `context` is one of `patterns`.
bool HasAllowedName(const grpc::ServerContext& context, const std::vector<std::string>& patterns) {
  const auto authentication = context.auth_context();
  const auto has = [&](const char* property, bool (*matches)(std::string_view, std::string_view)) {
    return std::ranges::any_of(CertificateNames(authentication.get(), property), [&](std::string_view name) {
      return std::ranges::any_of(patterns, [&](const std::string& pattern) { return matches(name, pattern); });
    });
  };
  return has(GRPC_PEER_URI_PROPERTY_NAME, &MatchesUriPattern) || has(GRPC_PEER_DNS_PROPERTY_NAME, &MatchesDnsPattern);
}

// 128 bits of the token's SHA-256: enough to tell tokens apart, and no way back to one.
std::string TokenName(std::string_view token) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest.data());
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string name = "token-sha256:";
  for (const unsigned char byte : std::span(digest).first(16)) {
    name += kDigits[byte >> 4U];
    name += kDigits[byte & 0xFU];
  }
  return name;
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

std::string CertifiedName(const grpc::ServerContext& context) {
  const auto authentication = context.auth_context();
  for (const char* property : {GRPC_PEER_URI_PROPERTY_NAME, GRPC_PEER_DNS_PROPERTY_NAME}) {
    const auto names = CertificateNames(authentication.get(), property);
    if (!names.empty()) return std::string(names.front());
  }
  return {};
}

core::Result<Caller, core::Failure> IdentifyCaller(const grpc::ServerContext& context, const CallerRules& rules,
                                                   std::string certified_name) {
  if (!rules.allowed_clients.empty() && !HasAllowedName(context, rules.allowed_clients)) {
    return core::MakeServiceFailure(core::StatusCode::kPermissionDenied, core::ErrorReason::kCallerNotAllowed,
                                    "The certificate of this client has no name that may call this service.");
  }
  Caller caller{.token = {}, .token_name = {}, .name = std::move(certified_name)};
  if (!rules.token_required) return caller;
  const auto [first, last] = context.client_metadata().equal_range("authorization");
  if (std::distance(first, last) == 1) caller.token = ParseBearerToken({first->second.data(), first->second.size()});
  if (!caller.token) {
    return core::MakeServiceFailure(
        core::StatusCode::kUnauthenticated, core::ErrorReason::kCallerUnauthenticated,
        R"(The call needs exactly one metadata value "authorization" of the form "Bearer <Truto token>".)");
  }
  caller.token_name = TokenName(*caller.token);
  caller.name += (caller.name.empty() ? "" : " ") + caller.token_name;
  return caller;
}

}  // namespace ticketing::rpc
