// How connections of callers are secured.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

namespace ticketing::rpc {

// PEM files; each is read again when it changes. Empty: see below.
struct TlsFiles {
  std::string certificate;  // without it: plaintext
  std::string key;
  std::string client_ca;  // with it: callers must present a certificate that it signed (mTLS)
};

// The credentials for `files`.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const TlsFiles& files);

}  // namespace ticketing::rpc
