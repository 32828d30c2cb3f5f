// Comma-separated values, strictly by RFC 4180; a line may also end in LF alone.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ticketing::cli {

struct CsvRecord {
  std::size_t line = 0;  // where it begins, from 1
  std::string text;      // as it stands there, without the end of its line
  std::vector<std::string> fields;
  std::string error;  // the rule that it breaks; then `fields` is incomplete
};

// Empty lines and a byte order mark at the beginning are left out. What follows a broken record is read from the next
// line on, so that one pass finds every mistake; a quote that is never closed ends the reading.
std::vector<CsvRecord> ParseCsv(std::string_view content);

}  // namespace ticketing::cli
