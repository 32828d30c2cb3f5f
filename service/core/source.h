// Something that may be replaced while it is in use.
#pragma once

#include <memory>
#include <string>

namespace ticketing::core {

// Thread-safe.
template <typename Value>
class Source {
 public:
  virtual ~Source() = default;
  // The value as of now, never null: the same pointer until it is replaced.
  virtual std::shared_ptr<const Value> Current() const = 0;
};

// What a TLS server shows: a certificate with its chain, and its key, both PEM.
struct TlsIdentity {
  std::string certificate;
  std::string key;
  bool operator==(const TlsIdentity&) const = default;
};

// Certificates of authorities, PEM.
using TlsAuthorities = std::string;

}  // namespace ticketing::core
