// All credentials that the settings name.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>

#include "core/result.h"
#include "core/source.h"
#include "core/token_source.h"
#include "ops/credential.h"
#include "ops/settings.h"
#include "ops/token_file.h"

namespace ticketing::ops {

// Each is null where the settings name none. Used on the loop thread, but for what a Source says of itself.
class Credentials {
 public:
  // Reads them all; an error says which of them is unusable and why.
  static core::Result<std::unique_ptr<Credentials>, std::string> Open(const Settings& settings,
                                                                      CredentialListener& listener);
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  // Reads each again.
  void Reload();

  core::TokenSource* token() const { return token_.get(); }
  const core::Source<core::TlsIdentity>* served() const { return served_.get(); }
  const core::Source<core::TlsAuthorities>* client_authorities() const { return client_authorities_.get(); }
  const core::Source<core::TlsAuthorities>* truto_authorities() const { return truto_authorities_.get(); }

 private:
  Credentials() = default;

  std::unique_ptr<TokenFile> token_;
  std::unique_ptr<Credential<core::TlsIdentity>> served_;
  std::unique_ptr<Credential<core::TlsAuthorities>> client_authorities_;
  std::unique_ptr<Credential<core::TlsAuthorities>> truto_authorities_;
};

// Has `credentials` read again once a second, on `loop` and as long as it lives. Notifications of the file system would
// tell sooner, and not of every way in which a file can be replaced: Kubernetes swaps a link two folders up.
class CredentialWatch {
 public:
  CredentialWatch(boost::asio::io_context& loop, Credentials& credentials);

 private:
  void Wait();

  Credentials& credentials_;
  boost::asio::steady_timer timer_;
};

}  // namespace ticketing::ops
