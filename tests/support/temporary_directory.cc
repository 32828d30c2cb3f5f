#include "tests/support/temporary_directory.h"

#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace ticketing::support {

TemporaryDirectory::TemporaryDirectory() {
  std::error_code error;
  std::string name = (std::filesystem::temp_directory_path(error) / "ticketing-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    std::perror("mkdtemp");
    std::abort();
  }
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::WriteFile(std::string_view name, std::string_view content) const {
  const std::filesystem::path file = path_ / name;
  std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
  return file.string();
}

}  // namespace ticketing::support
