// Files that options name.
#pragma once

#include <optional>
#include <string>

namespace ticketing::cli {

// The bytes of a file; nothing when it can't be read or is empty.
std::optional<std::string> ReadFile(const std::string& path);

}  // namespace ticketing::cli
