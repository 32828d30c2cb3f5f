#include "ops/log.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>

namespace ticketing::ops {
namespace {

// Half a second of lines at 8,000 calls a second.
constexpr std::size_t kWaitingLines = 4096;

// A line after a quiet time is written at once; those that follow gather for so long. Else the loop would wake the
// writing thread for every call, which was a fifth of a call's CPU time (measured at 16 calls in flight).
constexpr std::chrono::milliseconds kGatherTime{20};

// Bounds the memory of the waiting lines; no value of the service's own is nearly as long.
constexpr std::size_t kLongestText = 2048;

// The level stands in the line itself: spdlog calls it "warning".
constexpr std::string_view kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v})";
constexpr std::string_view kTextPattern = "%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v";

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace: return spdlog::level::trace;
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarn: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

double Milliseconds(std::chrono::microseconds span) {
  return static_cast<double>(span.count()) / 1000;
}

// A line as spdlog's pattern completes it.
class Line {
 public:
  Line(LogFormat format, LogLevel level, std::string_view message) : format_(format) {
    text_.reserve(512);
    if (format_ == LogFormat::kText) {
      AppendEscaped(message);
      return;
    }
    text_.append(R"("level":")").append(ToString(level)).append(R"(","message":)");
    AppendQuoted(message);
  }

  void Add(std::string_view key, const LogValue& value) {
    if (format_ == LogFormat::kText) {
      text_.append(" ").append(key).append("=");
    } else {
      text_ += ',';
      AppendQuoted(key);
      text_ += ':';
    }
    std::visit([this](auto plain) { Append(plain); }, value);
  }

  void AddUnlessEmpty(std::string_view key, std::string_view value) {
    if (!value.empty()) Add(key, value);
  }

  void AddUnlessZero(std::string_view key, std::chrono::microseconds span) {
    if (span.count() != 0) Add(key, Milliseconds(span));
  }

  spdlog::string_view_t text() const { return {text_.data(), text_.size()}; }

 private:
  void Append(std::string_view text) {
    constexpr auto kReadsWellBare = [](char c) { return c > ' ' && c < 0x7F && c != '"' && c != '=' && c != '\\'; };
    if (format_ == LogFormat::kText && !text.empty() && std::ranges::all_of(text, kReadsWellBare)) {
      AppendEscaped(text);
    } else {
      AppendQuoted(text);
    }
  }

  void Append(bool value) { text_ += value ? "true" : "false"; }

  template <typename Number>
  void Append(Number number) {
    if (!std::isfinite(static_cast<double>(number))) {
      text_ += "null";
      return;
    }
    std::array<char, 32> buffer;  // NOLINT(*-member-init): written before it is read
    const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
    text_.append(buffer.data(), written.ptr);
  }

  void AppendQuoted(std::string_view text) {
    text_ += '"';
    AppendEscaped(text);
    text_ += '"';
  }

  // The inside of a JSON string. Nearly everything needs no escape, and this runs once for each call on the loop.
  void AppendEscaped(std::string_view text) {
    constexpr auto kPlain = [](char c) { return c >= ' ' && c < 0x7F && c != '"' && c != '\\'; };
    const std::string_view kept = text.substr(0, kLongestText);
    if (std::ranges::all_of(kept, kPlain)) {
      text_ += kept;
    } else {
      using nlohmann::json;
      const std::string quoted = json(std::string(kept)).dump(-1, ' ', true, json::error_handler_t::replace);
      text_.append(quoted, 1, quoted.size() - 2);
    }
    if (kept.size() < text.size()) text_ += "...";
  }

  LogFormat format_;
  std::string text_;
};

// Where one of spdlog's threads writes; lines of two don't mix.
class Output final : public spdlog::sinks::ansicolor_sink<spdlog::details::console_mutex> {
 public:
  // `queue`, from which the lines come, must live while there are any.
  Output(std::FILE* file, LogFormat format, spdlog::details::thread_pool& queue)
      : ansicolor_sink(file, spdlog::color_mode::automatic), format_(format), queue_(queue) {
    const std::string pattern(format == LogFormat::kJson ? kJsonPattern : kTextPattern);
    set_formatter(std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
  }

  void log(const spdlog::details::log_msg& message) override {
    if (const std::size_t lost = queue_.overrun_counter(); lost > told_lost_) {
      Line line(format_, LogLevel::kWarn, "log lines were lost: the output was too slow");
      line.Add("lost", static_cast<std::int64_t>(lost - told_lost_));
      told_lost_ = lost;
      ansicolor_sink::log({spdlog::string_view_t(), spdlog::level::warn, line.text()});
    }
    ansicolor_sink::log(message);
    {
      const std::lock_guard lock(written_mutex_);
      ++written_;
      change_.notify_all();
    }
    if (queue_.queue_size() == 0) std::this_thread::sleep_for(kGatherTime);
  }

  // Waits until `count` lines are written or lost. What makes room for others is never the last line: one that comes
  // after it will be written, and wakes this.
  void WaitFor(std::uint64_t count) {
    std::unique_lock lock(written_mutex_);
    change_.wait(lock, [&] { return written_ + queue_.overrun_counter() >= count; });
  }

 private:
  LogFormat format_;
  spdlog::details::thread_pool& queue_;
  std::size_t told_lost_ = 0;
  std::mutex written_mutex_;
  std::condition_variable change_;
  std::uint64_t written_ = 0;
};

}  // namespace

std::string_view ToString(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace: return "trace";
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarn: return "warn";
    case LogLevel::kError: return "error";
  }
  return "error";
}

std::optional<LogLevel> ParseLogLevel(std::string_view name) {
  for (const LogLevel level :
       {LogLevel::kTrace, LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    if (ToString(level) == name) return level;
  }
  return std::nullopt;
}

LogLevel LevelOfCall(const core::CallRecord& record) {
  if (record.reason == core::ErrorReason::kInternalFault) return LogLevel::kError;
  if (record.delivery == core::Delivery::kUnknown) return LogLevel::kWarn;
  if (record.reason == core::ErrorReason::kShuttingDown) return LogLevel::kInfo;
  switch (record.code) {
    case core::StatusCode::kUnknown:
    case core::StatusCode::kInternal:
    case core::StatusCode::kUnavailable: return LogLevel::kWarn;
    default: return LogLevel::kInfo;
  }
}

std::string_view CodeLabel(core::StatusCode code) {
  switch (code) {
    case core::StatusCode::kOk: return "OK";
    case core::StatusCode::kCancelled: return "Canceled";
    case core::StatusCode::kUnknown: return "Unknown";
    case core::StatusCode::kInvalidArgument: return "InvalidArgument";
    case core::StatusCode::kDeadlineExceeded: return "DeadlineExceeded";
    case core::StatusCode::kNotFound: return "NotFound";
    case core::StatusCode::kAlreadyExists: return "AlreadyExists";
    case core::StatusCode::kPermissionDenied: return "PermissionDenied";
    case core::StatusCode::kResourceExhausted: return "ResourceExhausted";
    case core::StatusCode::kFailedPrecondition: return "FailedPrecondition";
    case core::StatusCode::kAborted: return "Aborted";
    case core::StatusCode::kOutOfRange: return "OutOfRange";
    case core::StatusCode::kUnimplemented: return "Unimplemented";
    case core::StatusCode::kInternal: return "Internal";
    case core::StatusCode::kUnavailable: return "Unavailable";
    case core::StatusCode::kDataLoss: return "DataLoss";
    case core::StatusCode::kUnauthenticated: return "Unauthenticated";
  }
  return "Unknown";
}

// Lines on their way to the output, in order.
class Channel {
 public:
  Channel(LogFormat format, std::FILE* output, spdlog::async_overflow_policy when_full)
      : queue_(std::make_shared<spdlog::details::thread_pool>(kWaitingLines, 1)),
        output_(std::make_shared<Output>(output, format, *queue_)),
        logger_(std::make_shared<spdlog::async_logger>("", output_, queue_, when_full)) {
    logger_->set_level(spdlog::level::trace);
  }
  // Writes what is waiting and ends the thread, while all that it uses is still there.
  ~Channel() { queue_.reset(); }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  void Hand(LogLevel level, const Line& line) {
    handed_.fetch_add(1, std::memory_order_relaxed);
    logger_->log(spdlog::source_loc{}, ToSpdlog(level), line.text());
  }

  void Flush() { output_->WaitFor(handed_.load(std::memory_order_relaxed)); }

  std::uint64_t lost() const { return queue_->overrun_counter(); }

 private:
  std::shared_ptr<spdlog::details::thread_pool> queue_;
  std::shared_ptr<Output> output_;
  std::shared_ptr<spdlog::async_logger> logger_;
  std::atomic<std::uint64_t> handed_{0};
};

class Log::State {
 public:
  State(LogLevel level, LogFormat format, std::FILE* output)
      : format_(format),
        level_(level),
        lines_(format, output, spdlog::async_overflow_policy::overrun_oldest),
        audit_(format, output, spdlog::async_overflow_policy::block) {}

  LogFormat format() const { return format_; }
  void SetLevel(LogLevel level) { level_.store(level, std::memory_order_relaxed); }
  LogLevel level() const { return level_.load(std::memory_order_relaxed); }
  bool Writes(LogLevel level) const { return level >= this->level(); }

  void Hand(LogLevel level, const Line& line) { lines_.Hand(level, line); }
  void HandAudit(const Line& line) { audit_.Hand(LogLevel::kInfo, line); }

  void Flush() {
    lines_.Flush();
    audit_.Flush();
  }

  std::uint64_t lost() const { return lines_.lost(); }

 private:
  LogFormat format_;
  std::atomic<LogLevel> level_;
  Channel lines_;
  Channel audit_;
};

Log::Log(LogLevel level, LogFormat format, std::FILE* output)
    : state_(std::make_unique<State>(level, format, output)) {}

Log::~Log() = default;

void Log::SetLevel(LogLevel level) {
  state_->SetLevel(level);
}

void Log::Write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (!state_->Writes(level)) return;
  Line line(state_->format(), level, message);
  for (const LogField& field : fields) line.Add(field.key, field.value);
  state_->Hand(level, line);
}

void Log::OnCallEnd(const core::CallRecord& record) {
  if (record.attempts > 0 && record.delivery != core::Delivery::kNotSent) WriteAudit(record);
  const LogLevel level = LevelOfCall(record);
  if (!state_->Writes(level)) return;
  Line line(state_->format(), level, "finished call");
  line.Add("grpc.method", record.method);
  line.Add("grpc.code", CodeLabel(record.code));
  line.Add("grpc.time_ms", Milliseconds(record.total));
  line.AddUnlessEmpty("outcome", record.outcome);
  if (record.reason) line.Add("reason", core::ToString(*record.reason));
  if (record.delivery) line.Add("delivery", core::ToString(*record.delivery));
  if (record.origin) line.Add("origin", core::ToString(*record.origin));
  line.AddUnlessEmpty("error", record.error);
  line.AddUnlessEmpty("request_id", record.request_id);
  line.AddUnlessEmpty("x_request_id", record.correlation_id);
  line.AddUnlessEmpty("trace_id", record.trace_id);
  line.AddUnlessEmpty("caller", record.caller);
  line.AddUnlessEmpty("integrated_account_id", record.integrated_account_id);
  if (record.cancelled) line.Add("cancelled", true);
  line.Add("attempts", static_cast<std::int64_t>(record.attempts));
  if (record.replayed) line.Add("replayed", true);
  if (record.http_status) line.Add("http_status", static_cast<std::int64_t>(*record.http_status));
  line.AddUnlessZero("queued_ms", record.queued);
  line.AddUnlessZero("upstream_ms", record.upstream);
  state_->Hand(level, line);
}

void Log::WriteAudit(const core::CallRecord& record) {
  Line line(state_->format(), LogLevel::kInfo, "audit");
  line.AddUnlessEmpty("caller", record.caller);
  line.AddUnlessEmpty("integrated_account_id", record.integrated_account_id);
  line.Add("user_id", std::string_view(record.user_id));
  line.Add("request_id", std::string_view(record.request_id));
  line.Add("delivery", core::ToString(record.delivery));
  line.Add("outcome", record.reason ? core::ToString(*record.reason) : record.outcome);
  line.Add("attempts", static_cast<std::int64_t>(record.attempts));
  if (record.http_status) line.Add("http_status", static_cast<std::int64_t>(*record.http_status));
  state_->HandAudit(line);
}

LogLevel Log::level() const {
  return state_->level();
}

std::uint64_t Log::lost() const {
  return state_->lost();
}

void Log::Flush() {
  state_->Flush();
}

}  // namespace ticketing::ops
