#include "cli/read_file.h"

#include <fstream>
#include <sstream>

namespace ticketing::cli {

std::optional<std::string> ReadFile(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  // Fails for no byte at all, too; that a folder can be opened shows only here.
  if (!file.is_open() || !(content << file.rdbuf())) return std::nullopt;
  return content.str();
}

}  // namespace ticketing::cli
