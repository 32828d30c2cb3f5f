#include "cli/delete_list_command.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "cli/connection.h"
#include "cli/list_file.h"
#include "cli/list_progress.h"
#include "cli/list_sender.h"
#include "cli/read_file.h"
#include "cli/results_file.h"
#include "cli/terminal_text.h"

namespace ticketing::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr const char* kStandardInput = "-";

// Something is wrong then, and each further line would be one more for somebody to look up.
constexpr int kMaxUnknownInARow = 10;

// Shows how far the list is: a bar that is drawn anew on a terminal, else a line for every tenth and every ten seconds.
class ProgressView {
 public:
  ProgressView(const Process& process, const ListProgress& progress) : process_(process), progress_(progress) {}

  void Tick() {
    if (process_.err_is_terminal) return Draw();
    constexpr milliseconds kBetweenLines = std::chrono::seconds(10);
    const std::size_t ended = progress_.total - progress_.Left();
    const std::size_t tenth = progress_.total == 0 ? 0 : ended * 10 / progress_.total;
    const auto now = steady_clock::now();
    if (tenth == shown_tenth_ && (ended == shown_ended_ || now - shown_at_ < kBetweenLines)) return;
    // What earlier runs did is no news.
    if (shown_tenth_) process_.err << ProgressLine(progress_) << "\n" << std::flush;
    shown_tenth_ = tenth;
    shown_ended_ = ended;
    shown_at_ = now;
  }

  void Say(const std::string& text) {
    Clear();
    process_.err << text << "\n" << std::flush;
  }

  void Clear() {
    if (!drawn_.empty()) process_.err << "\r\x1b[K" << std::flush;
    drawn_.clear();
  }

 private:
  void Draw() {
    std::string bar = ProgressBar(progress_, process_.width());
    if (bar == drawn_) return;
    process_.err << "\r" << bar << "\x1b[K" << std::flush;
    drawn_ = std::move(bar);
  }

  const Process& process_;
  const ListProgress& progress_;
  std::string drawn_;
  std::optional<std::size_t> shown_tenth_;
  std::size_t shown_ended_ = 0;
  steady_clock::time_point shown_at_ = steady_clock::now();
};

std::string DescribeUser(const std::string& id, const std::string& account) {
  return "user " + Escaped(id) + (account.empty() ? "" : " of " + Escaped(account));
}

std::string DescribeFailure(const LineResult& result) {
  std::string text = "line " + std::to_string(result.line) + ": " + DescribeUser(result.id, result.account) + ": ";
  text += result.outcome == LineOutcome::kUnknown ? "unknown, it may have been deleted: " : "failed: ";
  if (!result.code.empty()) text += result.code + " ";
  if (!result.reason.empty()) text += Escaped(result.reason) + " ";
  return text + Escaped(result.message);
}

class ListRun {
 public:
  ListRun(const DeleteListCommand& command, const Process& process)
      : command_(command), process_(process), view_(process, progress_) {}

  int Run() {
    if (const std::string wrong = CheckUse(); !wrong.empty()) return Refuse(process_, wrong);
    if (const std::string wrong = ReadList(); !wrong.empty()) return Refuse(process_, wrong);
    auto connection = OpenConnection(command_.connection, process_.environment);
    if (const auto* const error = std::get_if<std::string>(&connection)) return Refuse(process_, *error);
    if (!command_.dry_run) {
      auto results = ResultsFile::Open(results_path_);
      if (const auto* const error = std::get_if<std::string>(&results)) return Refuse(process_, *error);
      results_ = std::get<std::unique_ptr<ResultsFile>>(std::move(results));
    }
    ChooseLines();
    if (!lines_.empty() && !command_.dry_run && !command_.yes && !Confirm()) {
      return Refuse(process_, "not confirmed; nothing was sent");
    }
    Send(std::get<Connection>(connection));
    WriteFailures();
    return Close();
  }

 private:
  // ---------------------------------------------------------------------------------------------------------------------
  // Before anything is sent
  // ---------------------------------------------------------------------------------------------------------------------

  std::string CheckUse() {
    const bool from_input = command_.file == kStandardInput;
    if (!command_.dry_run && !command_.yes) {
      if (from_input) return "delete-list: standard input is the list, so nobody can be asked; --yes is required";
      if (!process_.in_is_terminal) {
        return "delete-list: standard input is no terminal, so nobody can be asked; --yes is required";
      }
    }
    results_path_ = command_.results.empty() && !from_input ? command_.file + ".results" : command_.results;
    if (results_path_.empty() && !command_.dry_run) return "--results: is required when standard input is the list";
    failures_path_ = command_.failures;
    // A dry run leaves no file that it was not asked for.
    if (failures_path_.empty() && !command_.dry_run) {
      failures_path_ = (from_input ? results_path_ : command_.file) + ".failed";
    }
    const std::vector<std::string> paths{command_.file, results_path_, failures_path_};
    for (std::size_t i = 0; i < paths.size(); ++i) {
      for (std::size_t j = i + 1; j < paths.size(); ++j) {
        if (!paths.at(i).empty() && IsSameFile(paths.at(i), paths.at(j))) {
          return "list, --results and --failures must be three files; '" + paths.at(j) + "' is two of them";
        }
      }
    }
    return {};
  }

  static bool IsSameFile(const std::string& a, const std::string& b) {
    std::error_code error;
    return a == b || std::filesystem::equivalent(a, b, error);
  }

  std::string ReadList() {
    std::string content;
    if (command_.file == kStandardInput) {
      content.assign(std::istreambuf_iterator<char>(process_.in), {});
    } else if (auto read = ReadFile(command_.file)) {
      content = *std::move(read);
    } else {
      return "the list '" + command_.file + "' can't be read, or is empty";
    }
    auto parsed = ParseList(content, command_.defaults);
    const auto* const problems = std::get_if<std::vector<ListProblem>>(&parsed);
    if (problems == nullptr) {
      list_ = std::get<List>(std::move(parsed));
      progress_.total = list_.lines.size();
      return {};
    }
    std::string text = "the list has " + std::to_string(problems->size()) +
                       (problems->size() == 1 ? " mistake" : " mistakes") + "; nothing was sent";
    for (const ListProblem& problem : *problems) {
      text += "\n  line " + std::to_string(problem.line) + ": ";
      if (!problem.field.empty()) text += Escaped(problem.field) + ": ";
      text += Escaped(problem.rule);
    }
    return text;
  }

  void ChooseLines() {
    for (const ListLine& line : list_.lines) {
      if (results_) {
        const auto before = results_->known().find(line.request.request_id());
        if (before != results_->known().end() && IsDone(before->second.outcome)) {
          ++progress_.done_before;
          continue;
        }
        if (before != results_->known().end() && before->second.outcome == LineOutcome::kUnknown &&
            !command_.repeat_unknown) {
          ++progress_.unknown_before;
          continue;
        }
      }
      lines_.push_back(&line);
    }
  }

  bool Confirm() {
    process_.err << ConfirmationQuestion(lines_, command_.connection.server) << std::flush;
    std::string answer;
    std::getline(process_.in, answer);
    return answer == "yes";
  }

  // ---------------------------------------------------------------------------------------------------------------------
  // Sending
  // ---------------------------------------------------------------------------------------------------------------------

  void Send(const Connection& connection) {
    if (lines_.empty()) return;
    started_ = steady_clock::now();
    const SenderOptions options{
        .concurrency = command_.concurrency, .deadline = command_.deadline, .validate_only = command_.dry_run};
    SendList(lines_, connection, options,
             {.ended = [this](const LineResult& result) { Keep(result); },
              .paused = [this](milliseconds time, const std::string* account,
                               const std::string& problem) { TellPause(time, account, problem); },
              .stopped =
                  [this](const LineResult& result) {
                    view_.Say("stopping: every other line would fail like line " + std::to_string(result.line));
                  },
              .tick = [this](std::optional<milliseconds> pause) { return Look(pause); }});
    Measure();
    view_.Clear();
  }

  void Keep(const LineResult& result) {
    progress_.Add(result);
    if (!IsDone(result.outcome)) view_.Say(DescribeFailure(result));
    if (result.outcome == LineOutcome::kFailed) failed_.insert(result.line);
    unknown_in_a_row_ = result.outcome == LineOutcome::kUnknown ? unknown_in_a_row_ + 1 : 0;
    if (unknown_in_a_row_ == kMaxUnknownInARow && interrupts_.count == 0) {
      stopping_ = true;
      view_.Say("stopping: " + std::to_string(kMaxUnknownInARow) + " outcomes in a row are unknown");
    }
    if (!results_ || results_->Append(result) || !written_) return;
    written_ = false;
    view_.Say("stopping: the results file '" + results_path_ +
              "' can't be written; the first result missing in it is " + FormatResult(result));
  }

  // A list that is longer than its rate limit waits again and again.
  void TellPause(milliseconds time, const std::string* account, const std::string& problem) {
    constexpr milliseconds kBetweenLines = std::chrono::seconds(10);
    const auto now = steady_clock::now();
    if (pause_told_at_ && now - *pause_told_at_ < kBetweenLines) return;
    pause_told_at_ = now;
    view_.Say("waiting " + ReadableTime(std::chrono::ceil<std::chrono::seconds>(time)) +
              (problem.empty() ? " as the service says" : "") +
              (account == nullptr ? "" : ", for the account " + Escaped(*account)) +
              (problem.empty() ? "" : ": " + Escaped(problem)));
  }

  Orders Look(std::optional<milliseconds> pause) {
    progress_.pause = pause;
    Measure();
    const Interrupts interrupts = process_.interrupts();
    if (interrupts.count > 0 && interrupts_.count == 0) {
      view_.Say("stopping: what is under way is finished first; interrupt again to cancel it");
    }
    interrupts_ = interrupts;
    view_.Tick();
    if (interrupts.count > 1) return Orders::kCancel;
    return interrupts.count == 1 || stopping_ || !written_ ? Orders::kFinish : Orders::kGoOn;
  }

  void Measure() { progress_.elapsed = std::chrono::duration_cast<milliseconds>(steady_clock::now() - started_); }

  // ---------------------------------------------------------------------------------------------------------------------
  // After it
  // ---------------------------------------------------------------------------------------------------------------------

  // In the list's own words. A file of an earlier run would tell of failures that may be none any more.
  void WriteFailures() {
    if (failures_path_.empty()) return;
    if (failed_.empty()) {
      std::error_code error;
      if (std::filesystem::is_regular_file(failures_path_, error)) std::filesystem::remove(failures_path_, error);
      return;
    }
    std::ofstream file(failures_path_, std::ios::binary | std::ios::trunc);
    if (!list_.header.empty()) file << list_.header << "\n";
    for (const ListLine& line : list_.lines) {
      if (failed_.contains(line.number)) file << line.text << "\n";
    }
    if (file.flush()) return;
    written_ = false;
    process_.err << "ticketing-user: the failures file '" << failures_path_ << "' can't be written\n" << std::flush;
  }

  int Close() {
    const bool interrupted = interrupts_.count > 0 && progress_.Left() > 0;
    process_.out << (!interrupted                   ? ""
                     : interrupts_.signal == SIGINT ? "Interrupted by Ctrl-C\n"
                                                    : "Interrupted by SIGTERM\n")
                 << ClosingTable(progress_, command_.dry_run, ColoursWanted(process_, process_.out_is_terminal));
    if (results_) process_.out << "results: " << Escaped(results_path_) << "\n";
    if (!failed_.empty() && !failures_path_.empty()) process_.out << "failures: " << Escaped(failures_path_) << "\n";
    if (progress_.unknown_before + progress_.Count(LineOutcome::kUnknown) > 0 && !command_.dry_run) {
      process_.out
          << "The users of unknown outcome may have been deleted: look whether they are still there, or repeat "
             "with --repeat-unknown --allow-missing.\n";
    }
    process_.out << std::flush;
    if (!written_ || !process_.out) return kExitNotWritten;
    if (progress_.Complete()) return kExitDone;
    return interrupted ? kExitSignalBase + interrupts_.signal : kExitNotAll;
  }

  const DeleteListCommand& command_;
  const Process& process_;
  std::string results_path_;   // empty in a dry run
  std::string failures_path_;  // empty when none is to be written
  List list_;
  std::vector<const ListLine*> lines_;  // to be sent
  std::unique_ptr<ResultsFile> results_;
  ListProgress progress_;
  ProgressView view_;
  std::set<std::size_t> failed_;  // numbers of lines
  int unknown_in_a_row_ = 0;
  bool stopping_ = false;
  bool written_ = true;  // whether every result and failure so far
  Interrupts interrupts_;
  std::optional<steady_clock::time_point> pause_told_at_;
  steady_clock::time_point started_;
};

}  // namespace

int RunDeleteList(const DeleteListCommand& command, const Process& process) {
  return ListRun(command, process).Run();
}

std::string ConfirmationQuestion(const std::vector<const ListLine*>& lines, const std::string& server) {
  constexpr std::size_t kShownAccounts = 10;
  std::map<std::string, std::size_t> accounts;
  for (const ListLine* const line : lines) ++accounts[line->request.integrated_account_id()];
  const auto number = [](std::size_t count, const std::string& noun) {
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
  };
  std::string text = "Delete " + number(lines.size(), "user") + " of " + number(accounts.size(), "account") +
                     " through " + server + "?\n";
  std::size_t shown = 0;
  for (const auto& [account, count] : accounts) {
    if (shown++ == kShownAccounts) {
      text += "  and of " + number(accounts.size() - kShownAccounts, "more account") + "\n";
      break;
    }
    text += "  " + (account.empty() ? "(the account of the token)" : Escaped(account)) + "  " + number(count, "user") +
            "\n";
  }
  return text + "This can't be undone. Type 'yes' to go on: ";
}

}  // namespace ticketing::cli
