// Who calls, and whether they may.
#pragma once

#include <grpcpp/server_context.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/failure.h"
#include "core/result.h"

namespace ticketing::rpc {

// Who may call, and what they must bring.
struct CallerRules {
  bool token_required = false;  // TICKETING_AUTH=caller: the bearer token of each call goes to Truto
  // URI or DNS names of client certificates. A URI may end in "*" (any rest), a DNS name may begin with "*." (one
  // label). Empty: any caller that the transport let in.
  std::vector<std::string> allowed_clients;
};

// A caller that may call.
struct Caller {
  std::optional<std::string> token;  // where the rules require one; without control characters
  std::string token_name;            // tells tokens apart without being one; empty without a token
  // Who it is, for logs and to keep callers apart: a name of its certificate, the token's name, or both. Empty where it
  // brings neither.
  std::string name;
};

// Whether `uri`, or `dns_name`, of a certificate is what `pattern` allows: one with "://" is for URIs, any other for
// DNS names.
bool MatchesUriPattern(std::string_view uri, std::string_view pattern);
bool MatchesDnsPattern(std::string_view dns_name, std::string_view pattern);

// The token of the single `authorization` value "Bearer <token>" (RFC 6750; the scheme in any case); nothing when it is
// of another form.
std::optional<std::string> ParseBearerToken(std::string_view authorization);

// What the certificate of the caller of `context` names it; empty without one.
std::string CertifiedName(const grpc::ServerContext& context);

// The caller of `context`, whose certificate names it `certified_name`, or CALLER_NOT_ALLOWED or
// CALLER_UNAUTHENTICATED.
core::Result<Caller, core::Failure> IdentifyCaller(const grpc::ServerContext& context, const CallerRules& rules,
                                                   std::string certified_name);

}  // namespace ticketing::rpc
