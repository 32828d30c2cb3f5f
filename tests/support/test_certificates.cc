#include "tests/support/test_certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>

namespace ticketing::support {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;

void Require(bool success, const char* what) {
  if (success) return;
  std::fprintf(stderr, "test certificates: %s failed\n", what);
  ERR_print_errors_fp(stderr);
  std::abort();
}

Key MakeKey(bool weak = false) {
  Key key(weak ? EVP_RSA_gen(1024) : EVP_EC_gen("P-256"));
  Require(key != nullptr, "making a key");
  return key;
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  Require(extension != nullptr, value.c_str());
  Require(X509_add_ext(certificate, extension.get(), -1) == 1, "X509_add_ext");
}

Certificate MakeCertificate(const CertificateSubject& subject, EVP_PKEY* key) {
  Certificate certificate(X509_new());
  Require(certificate != nullptr, "X509_new");
  Require(X509_set_version(certificate.get(), X509_VERSION_3) == 1, "X509_set_version");
  std::uint64_t serial = 0;
  Require(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1, "RAND_bytes");
  Require(ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1) == 1, "serial number");
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), static_cast<long>(subject.not_before.count()));
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), static_cast<long>(subject.not_after.count()));
  X509_NAME* name = X509_get_subject_name(certificate.get());
  Require(
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(subject.common_name.c_str()), -1, -1, 0) == 1,
      "common name");
  Require(X509_set_pubkey(certificate.get(), key) == 1, "X509_set_pubkey");
  return certificate;
}

template <typename Write>
std::string ToPem(Write write) {
  const Bio bio(BIO_new(BIO_s_mem()));
  Require(bio != nullptr && write(bio.get()) == 1, "writing PEM");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string CertificatePem(X509* certificate) {
  return ToPem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

std::string AlternativeNames(const CertificateSubject& subject) {
  std::string names;
  const auto add = [&](const char* kind, const std::vector<std::string>& values) {
    for (const std::string& value : values) names.append(names.empty() ? "" : ",").append(kind).append(value);
  };
  add("DNS:", subject.dns_names);
  add("IP:", subject.ip_addresses);
  add("URI:", subject.uris);
  return names;
}

}  // namespace

struct CertificateAuthority::Identity {
  Key key;
  Certificate certificate;
};

CertificateAuthority::CertificateAuthority(const std::string& common_name) : identity_(std::make_unique<Identity>()) {
  identity_->key = MakeKey();
  identity_->certificate = MakeCertificate({.common_name = common_name}, identity_->key.get());
  X509* own = identity_->certificate.get();
  Require(X509_set_issuer_name(own, X509_get_subject_name(own)) == 1, "X509_set_issuer_name");
  AddExtension(own, own, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(own, own, NID_key_usage, "critical,keyCertSign,cRLSign");
  AddExtension(own, own, NID_subject_key_identifier, "hash");
  Require(X509_sign(own, identity_->key.get(), EVP_sha256()) > 0, "X509_sign");
  certificate_pem_ = CertificatePem(own);
}

CertificateAuthority::~CertificateAuthority() = default;

CertifiedKey CertificateAuthority::Issue(const CertificateSubject& subject) const {
  const Key key = MakeKey(subject.weak);
  const Certificate certificate = MakeCertificate(subject, key.get());
  X509* issuer = identity_->certificate.get();
  Require(X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer)) == 1, "X509_set_issuer_name");
  AddExtension(certificate.get(), issuer, NID_basic_constraints, "critical,CA:FALSE");
  AddExtension(certificate.get(), issuer, NID_key_usage, "critical,digitalSignature");
  AddExtension(certificate.get(), issuer, NID_ext_key_usage, "serverAuth,clientAuth");
  AddExtension(certificate.get(), issuer, NID_authority_key_identifier, "keyid");
  if (const std::string names = AlternativeNames(subject); !names.empty()) {
    AddExtension(certificate.get(), issuer, NID_subject_alt_name, names);
  }
  Require(X509_sign(certificate.get(), identity_->key.get(), EVP_sha256()) > 0, "X509_sign");
  return {.certificate_pem = CertificatePem(certificate.get()),
          .key_pem = ToPem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace ticketing::support
