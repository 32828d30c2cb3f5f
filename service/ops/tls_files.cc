#include "ops/tls_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <utility>
#include <vector>

namespace ticketing::ops {
namespace {

// A bundle of all public authorities has a quarter of that.
constexpr std::size_t kMaxPemBytes = 1024 * 1024;

template <typename Object, void (*Free)(Object*)>
struct Deleter {
  void operator()(Object* object) const { Free(object); }
};
using Certificate = std::unique_ptr<X509, Deleter<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;
struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, BioDeleter>;

Bio ReadFrom(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Never asks on a terminal.
int NoPassphrase(char* /*buffer*/, int /*size*/, int /*for_writing*/, void* /*data*/) {
  return 0;
}

// Every certificate of `pem`; none when one of them is broken.
std::vector<Certificate> ParseCertificates(const std::string& pem) {
  const Bio bio = ReadFrom(pem);
  std::vector<Certificate> certificates;
  ERR_clear_error();
  while (Certificate certificate{PEM_read_bio_X509(bio.get(), nullptr, &NoPassphrase, nullptr)}) {
    certificates.push_back(std::move(certificate));
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  // The line that begins the next one may be broken off itself.
  const auto rest = pem.find('\n', pem.rfind("-----END "));
  if (!at_end || (rest != std::string::npos && pem.find("--", rest) != std::string::npos)) certificates.clear();
  return certificates;
}

CredentialListener::Expiry FirstExpiry(const std::vector<Certificate>& certificates) {
  CredentialListener::Expiry first;
  for (const Certificate& certificate : certificates) {
    std::tm time = {};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &time) != 1) continue;
    const auto expiry = std::chrono::system_clock::from_time_t(timegm(&time));
    first = std::min(first.value_or(expiry), expiry);
  }
  return first;
}

// Whether OpenSSL serves with them, and if not, why: it refuses keys and signatures that are too weak.
std::optional<std::string> WhyNotServed(const std::vector<Certificate>& certificates, EVP_PKEY* key) {
  const std::unique_ptr<SSL_CTX, Deleter<SSL_CTX, SSL_CTX_free>> context(SSL_CTX_new(TLS_server_method()));
  bool good = SSL_CTX_use_certificate(context.get(), certificates.front().get()) == 1 &&
              SSL_CTX_use_PrivateKey(context.get(), key) == 1;
  for (std::size_t i = 1; good && i < certificates.size(); ++i) {
    good = SSL_CTX_add1_chain_cert(context.get(), certificates[i].get()) == 1;
  }
  if (good) return std::nullopt;
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "OpenSSL refuses them";
}

core::Result<CredentialListener::Expiry, CredentialProblem> CheckIdentity(const core::TlsIdentity& identity) {
  const auto certificates = ParseCertificates(identity.certificate);
  if (certificates.empty()) return CredentialProblem{"are unusable: the first holds no certificate, or a broken one"};
  const Key key(PEM_read_bio_PrivateKey(ReadFrom(identity.key).get(), nullptr, &NoPassphrase, nullptr));
  const bool belongs = key && X509_check_private_key(certificates.front().get(), key.get()) == 1;
  ERR_clear_error();
  if (!key) return CredentialProblem{"are unusable: the second holds no private key, or an encrypted or broken one"};
  if (!belongs) return CredentialProblem{"are unusable: the key does not belong to the certificate"};
  if (const auto why = WhyNotServed(certificates, key.get())) return CredentialProblem{"are unusable: " + *why};
  if (X509_cmp_current_time(X509_get0_notAfter(certificates.front().get())) < 0) {
    return CredentialProblem{"are unusable: the certificate has expired"};
  }
  if (X509_cmp_current_time(X509_get0_notBefore(certificates.front().get())) > 0) {
    return CredentialProblem{"are unusable: the certificate is not valid yet"};
  }
  return FirstExpiry(certificates);
}

core::Result<CredentialListener::Expiry, CredentialProblem> CheckAuthorities(const core::TlsAuthorities& authorities) {
  const auto certificates = ParseCertificates(authorities);
  if (certificates.empty()) return CredentialProblem{"holds no certificate, or a broken one"};
  return FirstExpiry(certificates);
}

}  // namespace

core::Result<std::unique_ptr<Credential<core::TlsIdentity>>, std::string> OpenServedCertificate(
    const std::string& certificate_file, const std::string& key_file, CredentialListener& listener) {
  const auto read = [=]() -> core::Result<core::TlsIdentity, CredentialProblem> {
    auto certificate = ReadCredentialFile(certificate_file, kMaxPemBytes);
    if (!certificate.ok()) return CredentialProblem{"are unusable: the first " + certificate.error().text};
    auto key = ReadCredentialFile(key_file, kMaxPemBytes);
    if (!key.ok()) return CredentialProblem{"are unusable: the second " + key.error().text};
    return core::TlsIdentity{.certificate = std::move(certificate).value(), .key = std::move(key).value()};
  };
  return Credential<core::TlsIdentity>::Open({.name = "served_certificate",
                                              .files = "The files " + certificate_file + " and " + key_file,
                                              .read = read,
                                              .check = &CheckIdentity},
                                             listener);
}

core::Result<std::unique_ptr<Credential<core::TlsAuthorities>>, std::string> OpenAuthorities(
    std::string_view name, const std::string& file, CredentialListener& listener) {
  return Credential<core::TlsAuthorities>::Open({.name = name,
                                                 .files = "The file " + file,
                                                 .read = [file] { return ReadCredentialFile(file, kMaxPemBytes); },
                                                 .check = &CheckAuthorities},
                                                listener);
}

}  // namespace ticketing::ops
