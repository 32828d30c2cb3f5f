#include "rpc/server_credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <mutex>
#include <string>

namespace ticketing::rpc {
namespace {

// gRPC's own way to follow files, its FileWatcherCertificateProvider, drops the certificate in use before it has looked
// at the next one: a pair that does not match would end TLS (read in gRPC 1.51). This one asks at each handshake for
// what to use, and a pair comes here only when it has been checked.
class ReloadingCredentials final : public grpc::ServerCredentials {
 public:
  explicit ReloadingCredentials(const ServerTls& tls) : tls_(tls) {
    grpc_ssl_server_credentials_options* options = grpc_ssl_server_credentials_create_options_using_config_fetcher(
        tls.client_authorities == nullptr ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                          : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY,
        &ReloadingCredentials::Fetch, this);
    credentials_ = grpc_ssl_server_credentials_create_with_options(options);
  }
  ~ReloadingCredentials() override { grpc_server_credentials_release(credentials_); }
  ReloadingCredentials(const ReloadingCredentials&) = delete;
  ReloadingCredentials& operator=(const ReloadingCredentials&) = delete;

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  // On any of gRPC's threads.
  static grpc_ssl_certificate_config_reload_status Fetch(void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<ReloadingCredentials*>(self)->Fetch(config);
  }

  grpc_ssl_certificate_config_reload_status Fetch(grpc_ssl_server_certificate_config** config) {
    auto identity = tls_.identity->Current();
    auto authorities = tls_.client_authorities == nullptr ? nullptr : tls_.client_authorities->Current();
    const std::lock_guard lock(mutex_);
    if (identity == identity_ && authorities == authorities_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const grpc_ssl_pem_key_cert_pair pair{.private_key = identity->key.c_str(),
                                          .cert_chain = identity->certificate.c_str()};
    // gRPC 1.51 ends the program when there are no authorities; where no certificate is asked for, it uses none.
    const std::string& trusted = authorities ? *authorities : identity->certificate;
    *config = grpc_ssl_server_certificate_config_create(trusted.c_str(), &pair, 1);
    identity_ = std::move(identity);
    authorities_ = std::move(authorities);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  ServerTls tls_;
  grpc_server_credentials* credentials_;
  std::mutex mutex_;
  // What gRPC has by now.
  std::shared_ptr<const core::TlsIdentity> identity_;
  std::shared_ptr<const core::TlsAuthorities> authorities_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const ServerTls& tls) {
  if (tls.identity == nullptr) return grpc::InsecureServerCredentials();
  return std::make_shared<ReloadingCredentials>(tls);
}

}  // namespace ticketing::rpc
