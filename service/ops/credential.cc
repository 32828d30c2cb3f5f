#include "ops/credential.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace ticketing::ops {
namespace {

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

CredentialProblem CannotBeRead() {
  return {"can't be read: " + std::generic_category().message(errno)};
}

}  // namespace

core::Result<std::string, CredentialProblem> ReadCredentialFile(const std::string& path, std::size_t max_bytes) {
  // Without O_NONBLOCK a pipe in the file's place would stop the loop.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // NOLINT(*-vararg)
  if (file.number() < 0) return CannotBeRead();
  struct stat facts = {};
  if (::fstat(file.number(), &facts) != 0) return CannotBeRead();
  if (!S_ISREG(facts.st_mode)) return CredentialProblem{"is not a regular file"};

  std::string content;
  std::array<char, 4096> buffer;  // NOLINT(*-member-init): written before it is read
  while (content.size() <= max_bytes) {
    const ssize_t count = ::read(file.number(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return CannotBeRead();
    if (count == 0) return content;
    content.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return CredentialProblem{"is longer than " + std::to_string(max_bytes / 1024) + " KiB"};
}

}  // namespace ticketing::ops
