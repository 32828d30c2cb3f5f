// How far a list is, in words.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "cli/list_result.h"

namespace ticketing::cli {

struct ListProgress {
  std::size_t total = 0;  // lines of the list
  // Of earlier runs, by the results file.
  std::size_t done_before = 0;
  std::size_t unknown_before = 0;
  // Of this one.
  std::map<LineOutcome, std::size_t> ended;
  std::map<std::string, std::size_t> reasons;  // of what failed or is unknown
  std::chrono::milliseconds elapsed{0};
  std::optional<std::chrono::milliseconds> pause;  // how long everything still waits because the service said so

  void Add(const LineResult& result);
  std::size_t Count(LineOutcome outcome) const;
  std::size_t EndedNow() const;
  std::size_t Left() const;
  // Whether every line is done: deleted, absent or valid.
  bool Complete() const;
};

// "0:07", "12:40", "1:02:03".
std::string ReadableTime(std::chrono::milliseconds time);

// "[####......] 400/1000 40% | 396 deleted, 4 failed | 31.2/s | 0:19 left", cut to `width` columns.
std::string ProgressBar(const ListProgress& progress, std::size_t width);

// The same without the bar, for a log.
std::string ProgressLine(const ListProgress& progress);

// Ends with the reasons of what did not succeed.
std::string ClosingTable(const ListProgress& progress, bool dry_run, bool coloured);

}  // namespace ticketing::cli
