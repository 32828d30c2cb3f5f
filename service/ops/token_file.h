// The service's own token for Truto, from a file that may change or from the environment.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"
#include "core/token_source.h"
#include "ops/credential.h"

namespace ticketing::ops {

// The token in `text`: without the white space at its end, visible ASCII alone, since anything else could end the
// header that carries it and begin another one; at most 16 KiB, more than any server takes as a header.
core::Result<std::string, CredentialProblem> ParseToken(std::string_view text);

// The token in the regular file `path`.
core::Result<std::string, CredentialProblem> ReadTokenFile(const std::string& path);

// A token that is read again when its file has changed; see Credential. A token that is only half written can look like
// a whole one; Truto then refuses it, and Reload() finds the rest.
class TokenFile final : public core::TokenSource {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  // The token in the file `path`, as the credential "truto_token"; an error names the file and says what is wrong with
  // it.
  static core::Result<std::unique_ptr<TokenFile>, std::string> Open(const std::string& path,
                                                                    CredentialListener& listener,
                                                                    Clock now = &std::chrono::steady_clock::now);

  // A token that never changes; an error says what is wrong with it.
  static core::Result<std::unique_ptr<TokenFile>, std::string> Fixed(std::string_view token,
                                                                     CredentialListener& listener);

  // Looks at the file once a second at most.
  std::string Current() override;
  bool Reload() override;

 private:
  TokenFile(std::unique_ptr<Credential<std::string>> token, Clock now);

  std::unique_ptr<Credential<std::string>> token_;
  Clock now_;
  std::chrono::steady_clock::time_point read_at_;
};

}  // namespace ticketing::ops
