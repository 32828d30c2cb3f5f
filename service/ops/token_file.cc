#include "ops/token_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

namespace ticketing::ops {
namespace {

constexpr std::size_t kMaxTokenBytes = 16 * 1024;
constexpr std::chrono::seconds kReadInterval{1};

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

TokenProblem CannotBeRead() {
  return {"can't be read: " + std::generic_category().message(errno)};
}

}  // namespace

core::Result<std::string, TokenProblem> ParseToken(std::string_view text) {
  if (text.size() > kMaxTokenBytes) return TokenProblem{"is longer than 16 KiB"};
  const auto last = text.find_last_not_of(" \t\r\n");
  if (last == std::string_view::npos) return TokenProblem{"is empty"};
  text = text.substr(0, last + 1);
  if (!std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; })) {
    return TokenProblem{"has white space or other characters than visible ASCII in it"};
  }
  return std::string(text);
}

core::Result<std::string, TokenProblem> ReadTokenFile(const std::string& path) {
  // Without O_NONBLOCK a pipe in the file's place would stop the loop.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // NOLINT(*-vararg)
  if (file.number() < 0) return CannotBeRead();
  struct stat facts = {};
  if (::fstat(file.number(), &facts) != 0) return CannotBeRead();
  if (!S_ISREG(facts.st_mode)) return TokenProblem{"is not a regular file"};

  std::string content;
  std::array<char, 4096> buffer;  // NOLINT(*-member-init): written before it is read
  while (content.size() <= kMaxTokenBytes) {
    const ssize_t count = ::read(file.number(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return CannotBeRead();
    if (count == 0) break;
    content.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return ParseToken(content);
}

core::Result<std::unique_ptr<TokenFile>, std::string> TokenFile::Open(std::string path, ProblemListener on_problem,
                                                                      Clock now) {
  auto token = ReadTokenFile(path);
  if (!token.ok()) return "The token file " + path + " " + token.error().text + ".";
  return std::unique_ptr<TokenFile>(
      new TokenFile(std::move(path), std::move(token).value(), std::move(on_problem), std::move(now)));
}

core::Result<std::unique_ptr<TokenFile>, std::string> TokenFile::Fixed(std::string_view token) {
  auto parsed = ParseToken(token);
  if (!parsed.ok()) return "The token " + parsed.error().text + ".";
  return std::unique_ptr<TokenFile>(
      new TokenFile("", std::move(parsed).value(), nullptr, &std::chrono::steady_clock::now));
}

TokenFile::TokenFile(std::string path, std::string token, ProblemListener on_problem, Clock now)
    : path_(std::move(path)),
      token_(std::move(token)),
      on_problem_(std::move(on_problem)),
      now_(std::move(now)),
      read_at_(now_()) {}

std::string TokenFile::Current() {
  if (now_() - read_at_ >= kReadInterval) Reload();
  return token_;
}

// Reads without asking first whether the file has changed: a file rewritten in the same moment, with a token of the
// same length, would look the same.
bool TokenFile::Reload() {
  if (path_.empty()) return false;
  read_at_ = now_();
  auto read = ReadTokenFile(path_);
  if (!read.ok()) {
    if (problem_ != read.error().text) {
      problem_ = std::move(read).error().text;
      on_problem_("The token file " + path_ + " " + problem_ + "; the token read before stays in use.");
    }
    return false;
  }
  problem_.clear();
  if (read.value() == token_) return false;
  token_ = std::move(read).value();
  return true;
}

}  // namespace ticketing::ops
