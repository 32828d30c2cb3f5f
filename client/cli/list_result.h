// What became of a line of a list, and how the results file writes it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace ticketing::cli {

enum class LineOutcome {
  kDeleted,
  kAlreadyAbsent,  // with allow_missing
  kValid,          // of a dry run
  kFailed,         // provably not executed
  kUnknown,        // the user may have been deleted
};

struct LineResult {
  std::size_t line = 0;
  std::string id;
  std::string account;
  std::string request_id;
  LineOutcome outcome = LineOutcome::kUnknown;
  // Of an error alone.
  std::string code;      // "NOT_FOUND"
  std::string reason;    // "USER_NOT_FOUND"; empty for an error that the service did not write
  std::string delivery;  // "REJECTED"; likewise
  std::string message;

  bool operator==(const LineResult&) const = default;
};

// Whether the line needs no further call.
inline bool IsDone(LineOutcome outcome) {
  return outcome == LineOutcome::kDeleted || outcome == LineOutcome::kAlreadyAbsent || outcome == LineOutcome::kValid;
}

// One JSON object without the end of its line.
std::string FormatResult(const LineResult& result);

// Nothing for a text that FormatResult() can't have written. Further keys are passed over.
std::optional<LineResult> ParseResult(const std::string& text);

}  // namespace ticketing::cli
