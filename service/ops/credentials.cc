#include "ops/credentials.h"

#include <chrono>
#include <utility>

#include "ops/tls_files.h"

namespace ticketing::ops {
namespace {

// Takes `opened` over; false with why it could not be.
template <typename Opened, typename Kept>
bool Keep(Opened opened, Kept& kept, std::string& problem) {
  if (!opened.ok()) {
    problem = std::move(opened).error();
    return false;
  }
  kept = std::move(opened).value();
  return true;
}

}  // namespace

core::Result<std::unique_ptr<Credentials>, std::string> Credentials::Open(const Settings& settings,
                                                                          CredentialListener& listener) {
  std::unique_ptr<Credentials> all(new Credentials());
  std::string problem;
  // In caller mode every call brings its own token.
  if (settings.auth == AuthMode::kService &&
      !Keep(settings.truto_token_file.empty() ? TokenFile::Fixed(settings.truto_token, listener)
                                              : TokenFile::Open(settings.truto_token_file, listener),
            all->token_, problem)) {
    return problem;
  }
  if (!settings.tls_cert_file.empty() &&
      !Keep(OpenServedCertificate(settings.tls_cert_file, settings.tls_key_file, listener), all->served_, problem)) {
    return problem;
  }
  if (!settings.tls_client_ca_file.empty() &&
      !Keep(OpenAuthorities("client_ca", settings.tls_client_ca_file, listener), all->client_authorities_, problem)) {
    return problem;
  }
  if (!settings.truto_ca_file.empty() &&
      !Keep(OpenAuthorities("truto_ca", settings.truto_ca_file, listener), all->truto_authorities_, problem)) {
    return problem;
  }
  return all;
}

void Credentials::Reload() {
  if (token_) token_->Reload();
  if (served_) served_->Reload();
  if (client_authorities_) client_authorities_->Reload();
  if (truto_authorities_) truto_authorities_->Reload();
}

CredentialWatch::CredentialWatch(boost::asio::io_context& loop, Credentials& credentials)
    : credentials_(credentials), timer_(loop) {
  Wait();
}

void CredentialWatch::Wait() {
  timer_.expires_after(std::chrono::seconds{1});
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    credentials_.Reload();
    Wait();
  });
}

}  // namespace ticketing::ops
