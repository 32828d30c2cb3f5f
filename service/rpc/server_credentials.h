// How connections of callers are secured.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "core/source.h"

namespace ticketing::rpc {

// What the server shows and trusts; each is asked for at every handshake, so that it can be replaced. They outlive the
// server.
struct ServerTls {
  const core::Source<core::TlsIdentity>* identity = nullptr;  // without it: plaintext
  // With it, callers must present a certificate that one of these signed (mTLS).
  const core::Source<core::TlsAuthorities>* client_authorities = nullptr;
};

// The credentials for `tls`. They must outlive the server.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const ServerTls& tls);

}  // namespace ticketing::rpc
