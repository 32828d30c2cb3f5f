#include "cli/list_progress.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace ticketing::cli {
namespace {

using std::chrono::milliseconds;

void Add(ListProgress& progress, std::size_t count, LineOutcome outcome, const std::string& reason = "") {
  for (std::size_t i = 0; i < count; ++i) progress.Add({.outcome = outcome, .code = "CODE", .reason = reason});
}

TEST(ListProgress, ShowsRateTimeLeftAndOutcomes) {
  ListProgress progress{.total = 1000};
  Add(progress, 396, LineOutcome::kDeleted);
  Add(progress, 3, LineOutcome::kFailed, "CONFLICT");
  Add(progress, 1, LineOutcome::kUnknown, "OUTCOME_UNKNOWN");
  progress.elapsed = milliseconds(20'000);
  EXPECT_EQ(ProgressLine(progress), "400/1000 40% | 396 deleted, 3 failed, 1 unknown | 20.0/s | 0:30 left");
  EXPECT_EQ(ProgressBar(progress, 120),
            "[########............] 400/1000 40% | 396 deleted, 3 failed, 1 unknown | 20.0/s | 0:30 left");
  progress.pause = milliseconds(1200);
  EXPECT_EQ(ProgressLine(progress),
            "400/1000 40% | 396 deleted, 3 failed, 1 unknown | 20.0/s | 0:30 left | waiting 0:02 as told");
}

TEST(ListProgress, CountsWhatEarlierRunsDidButNotIntoTheRate) {
  ListProgress progress{.total = 100, .done_before = 49, .unknown_before = 1};
  EXPECT_EQ(ProgressLine(progress), "50/100 50%");
  Add(progress, 10, LineOutcome::kDeleted);
  progress.elapsed = milliseconds(1000);
  EXPECT_EQ(ProgressLine(progress), "60/100 60% | 10 deleted | 10.0/s | 0:04 left");
}

TEST(ListProgress, FitsTheTerminal) {
  const ListProgress progress{.total = 10};
  EXPECT_EQ(ProgressBar(progress, 30), "[....................] 0/10 0");
  EXPECT_EQ(ProgressBar(progress, 1), "");
  EXPECT_EQ(ProgressBar(progress, 0), "");
}

TEST(ListProgress, IsCompleteWhenEveryLineIsDone) {
  ListProgress progress{.total = 3, .done_before = 1};
  Add(progress, 1, LineOutcome::kAlreadyAbsent);
  EXPECT_FALSE(progress.Complete());
  Add(progress, 1, LineOutcome::kDeleted);
  EXPECT_TRUE(progress.Complete());

  ListProgress failed{.total = 1};
  Add(failed, 1, LineOutcome::kFailed);
  EXPECT_FALSE(failed.Complete());
  EXPECT_FALSE((ListProgress{.total = 1, .unknown_before = 1}).Complete());
}

TEST(ListProgress, WritesTimes) {
  EXPECT_EQ(ReadableTime(milliseconds(999)), "0:00");
  EXPECT_EQ(ReadableTime(milliseconds(67'000)), "1:07");
  EXPECT_EQ(ReadableTime(std::chrono::hours(1) + std::chrono::minutes(2) + std::chrono::seconds(3)), "1:02:03");
}

TEST(ClosingTable, SaysWhatWasDoneAndWhyTheRestWasNot) {
  ListProgress progress{.total = 12, .done_before = 2, .unknown_before = 1};
  Add(progress, 3, LineOutcome::kDeleted);
  Add(progress, 2, LineOutcome::kFailed, "CONFLICT");
  Add(progress, 1, LineOutcome::kUnknown);
  progress.elapsed = milliseconds(61'000);
  EXPECT_EQ(ClosingTable(progress, /*dry_run=*/false, /*coloured=*/false),
            "Done: 5 of 12 lines\n"
            "  deleted            3\n"
            "  failed             2\n"
            "  unknown            1\n"
            "  done before        2\n"
            "  unknown before     1\n"
            "  not tried          3\n"
            "  time               1:01\n"
            "reasons\n"
            "  CODE               1\n"
            "  CONFLICT           2\n");
}

TEST(ClosingTable, ShowsByItsColourHowItWent) {
  ListProgress progress{.total = 1};
  Add(progress, 1, LineOutcome::kValid);
  EXPECT_EQ(ClosingTable(progress, /*dry_run=*/true, /*coloured=*/true),
            "\x1b[1;32mValid: 1 of 1 lines\x1b[0m\n"
            "  valid              1\n"
            "  time               0:00\n");
  progress.total = 2;
  EXPECT_TRUE(ClosingTable(progress, true, true).starts_with("\x1b[1;33m"));
  Add(progress, 1, LineOutcome::kFailed, "CONFLICT");
  EXPECT_TRUE(ClosingTable(progress, true, true).starts_with("\x1b[1;31m"));
}

}  // namespace
}  // namespace ticketing::cli
