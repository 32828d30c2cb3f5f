// A folder for the files of one test.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace ticketing::support {

// A new, empty folder below the system's temporary one; it is removed with all it holds at the end of its life.
class TemporaryDirectory {
 public:
  // Ends the program when no folder can be made.
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // Writes `content` to the file `name` in the folder, replacing it, and returns its full path.
  std::string WriteFile(std::string_view name, std::string_view content) const;

 private:
  std::filesystem::path path_;
};

}  // namespace ticketing::support
