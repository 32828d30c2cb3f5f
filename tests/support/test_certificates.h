// Certificates made while a test runs, so that none is kept in the tree and none ever expires there.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace ticketing::support {

// What a certificate says of its holder.
struct CertificateSubject {
  std::string common_name;
  std::vector<std::string> dns_names;     // "localhost"
  std::vector<std::string> ip_addresses;  // "127.0.0.1"
  std::vector<std::string> uris;          // "spiffe://cluster/ns/default/sa/caller"
  // Both from now; negative is in the past.
  std::chrono::seconds not_before{-3600};
  std::chrono::seconds not_after{86400};
  bool weak = false;  // its key is one of RSA with 1,024 bits, which OpenSSL serves with no more
};

// A certificate with its private key (P-256 unless weak), both PEM.
struct CertifiedKey {
  std::string certificate_pem;
  std::string key_pem;
};

// A certificate authority of its own. Ends the program when OpenSSL fails. Not for several threads at once.
class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& common_name);
  ~CertificateAuthority();
  CertificateAuthority(const CertificateAuthority&) = delete;
  CertificateAuthority& operator=(const CertificateAuthority&) = delete;

  // The authority's own certificate: what a client has to trust.
  const std::string& certificate_pem() const { return certificate_pem_; }

  // A new key and a certificate for it, good for servers and clients.
  CertifiedKey Issue(const CertificateSubject& subject) const;

 private:
  struct Identity;
  std::unique_ptr<Identity> identity_;
  std::string certificate_pem_;
};

}  // namespace ticketing::support
