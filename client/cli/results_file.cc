#include "cli/results_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>
#include <utility>

namespace ticketing::cli {
namespace {

std::string SystemError() {
  return std::system_category().message(errno);
}

}  // namespace

std::variant<std::unique_ptr<ResultsFile>, std::string> ResultsFile::Open(const std::string& path) {
  const std::string name = "the results file '" + path + "' ";
  // Answers can name users: nobody else needs to read them.
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (descriptor < 0) return name + "can't be opened: " + SystemError();
  std::unique_ptr<ResultsFile> file(new ResultsFile(descriptor));
  struct stat status{};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return name + "is no regular file";
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    return name + (errno == EWOULDBLOCK ? "is in use by another run" : "can't be locked: " + SystemError());
  }
  if (const std::string error = file->Load(); !error.empty()) return name + error;
  return file;
}

ResultsFile::~ResultsFile() {
  ::close(descriptor_);
}

std::string ResultsFile::Load() {
  std::string content;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t count = ::read(descriptor_, buffer.data(), buffer.size());
    if (count < 0) return "can't be read: " + SystemError();
    if (count == 0) break;
    content.append(buffer.data(), static_cast<std::size_t>(count));
  }
  std::size_t start = 0;
  for (std::size_t number = 1;; ++number) {
    const std::size_t end = content.find('\n', start);
    if (end == std::string::npos) break;
    auto result = ParseResult(content.substr(start, end - start));
    if (!result) return "has a line " + std::to_string(number) + " that is no result; is it another file?";
    std::string request_id = result->request_id;
    known_.insert_or_assign(std::move(request_id), *std::move(result));
    start = end + 1;
  }
  size_ = static_cast<off_t>(start);
  if (start == content.size()) return {};
  // Only a piece of a result may be cut off, not another file's text.
  if (content.at(start) != '{') return "has an end that is no result; is it another file?";
  return ::ftruncate(descriptor_, size_) == 0 ? "" : "can't be cut: " + SystemError();
}

bool ResultsFile::Append(const LineResult& result) {
  const std::string line = FormatResult(result) + "\n";
  std::size_t written = 0;
  while (written < line.size()) {
    const ssize_t count = ::write(descriptor_, line.data() + written, line.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      // The next result must not follow a piece of this one; if it does, the next run says so.
      [[maybe_unused]] const int cut = ::ftruncate(descriptor_, size_);
      return false;
    }
    written += static_cast<std::size_t>(count);
  }
  size_ += static_cast<off_t>(line.size());
  return true;
}

}  // namespace ticketing::cli
