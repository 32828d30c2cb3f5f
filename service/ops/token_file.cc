#include "ops/token_file.h"

#include <algorithm>
#include <utility>

namespace ticketing::ops {
namespace {

constexpr std::size_t kMaxTokenBytes = 16 * 1024;
constexpr std::chrono::seconds kReadInterval{1};

core::Result<std::unique_ptr<Credential<std::string>>, std::string> OpenToken(
    std::string files, std::function<core::Result<std::string, CredentialProblem>()> read,
    CredentialListener& listener) {
  return Credential<std::string>::Open({.name = "truto_token",
                                        .files = std::move(files),
                                        .read = std::move(read),
                                        .check = [](const std::string&) { return CredentialListener::Expiry(); }},
                                       listener);
}

}  // namespace

core::Result<std::string, CredentialProblem> ParseToken(std::string_view text) {
  if (text.size() > kMaxTokenBytes) return CredentialProblem{"is longer than 16 KiB"};
  const auto last = text.find_last_not_of(" \t\r\n");
  if (last == std::string_view::npos) return CredentialProblem{"is empty"};
  text = text.substr(0, last + 1);
  if (!std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; })) {
    return CredentialProblem{"has white space or other characters than visible ASCII in it"};
  }
  return std::string(text);
}

core::Result<std::string, CredentialProblem> ReadTokenFile(const std::string& path) {
  auto content = ReadCredentialFile(path, kMaxTokenBytes);
  if (!content.ok()) return std::move(content).error();
  return ParseToken(content.value());
}

core::Result<std::unique_ptr<TokenFile>, std::string> TokenFile::Open(const std::string& path,
                                                                      CredentialListener& listener, Clock now) {
  auto token = OpenToken("The token file " + path, [path] { return ReadTokenFile(path); }, listener);
  if (!token.ok()) return std::move(token).error();
  return std::unique_ptr<TokenFile>(new TokenFile(std::move(token).value(), std::move(now)));
}

core::Result<std::unique_ptr<TokenFile>, std::string> TokenFile::Fixed(std::string_view token,
                                                                       CredentialListener& listener) {
  auto opened = OpenToken("The token", [token = std::string(token)] { return ParseToken(token); }, listener);
  if (!opened.ok()) return std::move(opened).error();
  return std::unique_ptr<TokenFile>(new TokenFile(std::move(opened).value(), &std::chrono::steady_clock::now));
}

TokenFile::TokenFile(std::unique_ptr<Credential<std::string>> token, Clock now)
    : token_(std::move(token)), now_(std::move(now)), read_at_(now_()) {}

std::string TokenFile::Current() {
  if (now_() - read_at_ >= kReadInterval) Reload();
  return *token_->Current();
}

bool TokenFile::Reload() {
  read_at_ = now_();
  return token_->Reload();
}

}  // namespace ticketing::ops
