// Certificates and keys from files that may change.
#pragma once

#include <memory>
#include <string>

#include "core/result.h"
#include "core/source.h"
#include "ops/credential.h"

namespace ticketing::ops {

// The certificate chain and the private key in two PEM files, as the credential "served_certificate": usable when the
// key belongs to the first certificate, that is valid now, and OpenSSL serves with them. So a pair of which one half is
// replaced is passed over until the other one is. Expires with the first of its certificates.
core::Result<std::unique_ptr<Credential<core::TlsIdentity>>, std::string> OpenServedCertificate(
    const std::string& certificate_file, const std::string& key_file, CredentialListener& listener);

// The authorities in a PEM file, as the credential `name`: usable when it holds one certificate at least, and none that
// is broken off: of a file that is being written, one that ends between two certificates can't be told from a whole
// one. Expires with the first of them.
core::Result<std::unique_ptr<Credential<core::TlsAuthorities>>, std::string> OpenAuthorities(
    std::string_view name, const std::string& file, CredentialListener& listener);

}  // namespace ticketing::ops
