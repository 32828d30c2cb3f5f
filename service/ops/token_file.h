// The service's own token for Truto, from a file that may change or from the environment.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"
#include "core/token_source.h"

namespace ticketing::ops {

// Why there is no token: what it is or does, without its content. "is empty"
struct TokenProblem {
  std::string text;
};

// The token in `text`: without the white space at its end, visible ASCII alone, since anything else could end the
// header that carries it and begin another one; at most 16 KiB, more than any server takes as a header.
core::Result<std::string, TokenProblem> ParseToken(std::string_view text);

// The token in the regular file `path`.
core::Result<std::string, TokenProblem> ReadTokenFile(const std::string& path);

// A token that is read again when its file has changed. A new content that is missing or no token is told of once and
// otherwise passed over: the token read before stays. A token that is only half written can look like a whole one;
// Truto then refuses it, and Reload() finds the rest.
class TokenFile final : public core::TokenSource {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;
  // Told, on the loop thread, why the file was passed over; never of its content.
  using ProblemListener = std::function<void(const std::string& problem)>;

  // The token in the file `path`; an error names the file and says what is wrong with it.
  static core::Result<std::unique_ptr<TokenFile>, std::string> Open(std::string path, ProblemListener on_problem,
                                                                    Clock now = &std::chrono::steady_clock::now);

  // A token that never changes; an error says what is wrong with it.
  static core::Result<std::unique_ptr<TokenFile>, std::string> Fixed(std::string_view token);

  // Looks at the file once a second at most.
  std::string Current() override;
  bool Reload() override;

 private:
  TokenFile(std::string path, std::string token, ProblemListener on_problem, Clock now);

  std::string path_;  // empty: a fixed token
  std::string token_;
  ProblemListener on_problem_;
  Clock now_;
  std::chrono::steady_clock::time_point read_at_;
  std::string problem_;  // the last one told of; empty while all is well
};

}  // namespace ticketing::ops
