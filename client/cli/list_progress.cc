#include "cli/list_progress.h"

#include <algorithm>
#include <array>
#include <iomanip>
#include <sstream>
#include <utility>

#include "cli/terminal_text.h"

namespace ticketing::cli {
namespace {

using std::chrono::milliseconds;

constexpr std::array<std::pair<LineOutcome, const char*>, 5> kOutcomes = {{
    {LineOutcome::kDeleted, "deleted"},
    {LineOutcome::kAlreadyAbsent, "already absent"},
    {LineOutcome::kValid, "valid"},
    {LineOutcome::kFailed, "failed"},
    {LineOutcome::kUnknown, "unknown"},
}};

std::string Percent(const ListProgress& progress) {
  const std::size_t ended = progress.total - progress.Left();
  const std::size_t percent = progress.total == 0 ? 100 : ended * 100 / progress.total;
  return std::to_string(ended) + "/" + std::to_string(progress.total) + " " + std::to_string(percent) + "%";
}

double Rate(const ListProgress& progress) {
  const auto elapsed = static_cast<double>(progress.elapsed.count());
  return elapsed <= 0 ? 0 : static_cast<double>(progress.EndedNow()) * 1000 / elapsed;
}

std::string Tail(const ListProgress& progress) {
  std::ostringstream text;
  const char* separator = " | ";
  for (const auto& [outcome, name] : kOutcomes) {
    if (progress.Count(outcome) == 0) continue;
    text << separator << progress.Count(outcome) << " " << name;
    separator = ", ";
  }
  const double rate = Rate(progress);
  if (rate > 0) {
    text << " | " << std::fixed << std::setprecision(1) << rate << "/s";
    const auto left = static_cast<std::int64_t>(static_cast<double>(progress.Left()) * 1000 / rate);
    text << " | " << ReadableTime(milliseconds(left)) << " left";
  }
  if (progress.pause) {
    text << " | waiting " << ReadableTime(std::chrono::ceil<std::chrono::seconds>(*progress.pause)) << " as told";
  }
  return text.str();
}

}  // namespace

void ListProgress::Add(const LineResult& result) {
  ++ended[result.outcome];
  if (IsDone(result.outcome)) return;
  ++reasons[result.reason.empty() ? (result.code.empty() ? "no proof" : result.code) : result.reason];
}

std::size_t ListProgress::Count(LineOutcome outcome) const {
  const auto count = ended.find(outcome);
  return count == ended.end() ? 0 : count->second;
}

std::size_t ListProgress::EndedNow() const {
  std::size_t sum = 0;
  for (const auto& [outcome, count] : ended) sum += count;
  return sum;
}

std::size_t ListProgress::Left() const {
  return total - std::min(total, done_before + unknown_before + EndedNow());
}

bool ListProgress::Complete() const {
  return Left() == 0 && unknown_before == 0 && Count(LineOutcome::kFailed) == 0 && Count(LineOutcome::kUnknown) == 0;
}

std::string ReadableTime(milliseconds time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
  std::ostringstream text;
  text << std::setfill('0');
  if (seconds >= 3600) text << seconds / 3600 << ":" << std::setw(2);
  text << seconds / 60 % 60 << ":" << std::setw(2) << seconds % 60;
  return text.str();
}

std::string ProgressBar(const ListProgress& progress, std::size_t width) {
  constexpr std::size_t kBarWidth = 20;
  const std::size_t filled =
      progress.total == 0 ? kBarWidth : (progress.total - progress.Left()) * kBarWidth / progress.total;
  std::string text =
      "[" + std::string(filled, '#') + std::string(kBarWidth - filled, '.') + "] " + Percent(progress) + Tail(progress);
  // The last column stays free: some terminals go on to the next line when it is written.
  if (text.size() + 1 > width) text.resize(width == 0 ? 0 : width - 1);
  return text;
}

std::string ProgressLine(const ListProgress& progress) {
  return Percent(progress) + Tail(progress);
}

std::string ClosingTable(const ListProgress& progress, bool dry_run, bool coloured) {
  TextPage page(coloured);
  const std::size_t done = progress.done_before + progress.Count(LineOutcome::kDeleted) +
                           progress.Count(LineOutcome::kAlreadyAbsent) + progress.Count(LineOutcome::kValid);
  const bool unknown = progress.unknown_before + progress.Count(LineOutcome::kUnknown) > 0;
  page.Headline(
      progress.Complete()                                    ? Colour::kGreen
      : progress.Count(LineOutcome::kFailed) > 0 && !unknown ? Colour::kRed
                                                             : Colour::kYellow,
      (dry_run ? "Valid: " : "Done: ") + std::to_string(done) + " of " + std::to_string(progress.total) + " lines");
  const auto field = [&](const char* name, std::size_t count) {
    if (count > 0) page.Field(name, std::to_string(count));
  };
  for (const auto& [outcome, name] : kOutcomes) field(name, progress.Count(outcome));
  field("done before", progress.done_before);
  field("unknown before", progress.unknown_before);
  field("not tried", progress.Left());
  page.Field("time", ReadableTime(progress.elapsed));
  if (!progress.reasons.empty()) page.Section("reasons");
  for (const auto& [reason, count] : progress.reasons) page.Field(reason, std::to_string(count));
  return page.text();
}

}  // namespace ticketing::cli
