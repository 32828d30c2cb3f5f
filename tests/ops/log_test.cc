#include "ops/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace ticketing::ops {
namespace {

using core::Delivery;
using core::ErrorReason;
using core::Origin;
using core::StatusCode;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::SizeIs;

// All that comes through a pipe, at most `step` bytes at a time.
std::string ReadPipe(int descriptor, std::size_t step) {
  std::string text;
  std::vector<char> buffer(step);
  for (ssize_t size = 0; (size = ::read(descriptor, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return text;
}

std::string ReadAll(std::FILE* file) {
  EXPECT_EQ(std::fseek(file, 0, SEEK_SET), 0);
  std::string text;
  std::array<char, 4096> buffer{};
  for (std::size_t size = 0; (size = std::fread(buffer.data(), 1, buffer.size(), file)) > 0;) {
    text.append(buffer.data(), size);
  }
  return text;
}

std::vector<std::string> SplitLines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(std::move(line));
  return lines;
}

// A log whose lines end up in a file without a name.
class TestLog {
 public:
  explicit TestLog(LogFormat format = LogFormat::kJson, LogLevel level = LogLevel::kTrace)
      : file_(std::tmpfile()), log_(std::make_unique<Log>(level, format, file_)) {}
  ~TestLog() {
    log_.reset();
    std::fclose(file_);
  }
  TestLog(const TestLog&) = delete;
  TestLog& operator=(const TestLog&) = delete;

  Log* operator->() { return log_.get(); }

  std::string Text() {
    log_->Flush();
    return ReadAll(file_);
  }

  std::vector<json> Events() {
    std::vector<json> events;
    for (const std::string& line : SplitLines(Text())) events.push_back(json::parse(line));
    return events;
  }

 private:
  std::FILE* file_;
  std::unique_ptr<Log> log_;
};

TEST(Log, WritesOneJsonLineForEachEventWithTimeLevelAndMessageFirst) {
  TestLog log;
  log->Write(LogLevel::kInfo, "listening", {{"address", "127.0.0.1:1"}, {"port", 1}, {"share", 0.5}, {"tls", false}});
  log->Write(LogLevel::kWarn, "odd");
  EXPECT_THAT(SplitLines(log.Text()),
              ElementsAre(MatchesRegex(R"(\{"time":"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z",)"
                                       R"("level":"info","message":"listening","address":"127.0.0.1:1","port":1,)"
                                       R"("share":0.5,"tls":false\})"),
                          MatchesRegex(R"(\{"time":"[^"]+","level":"warn","message":"odd"\})")));
}

TEST(Log, TellsTheTimeInUtc) {
  ::setenv("TZ", "Pacific/Auckland", 1);  // NOLINT(concurrency-mt-unsafe)
  ::tzset();
  TestLog log;
  const auto before = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  log->Write(LogLevel::kInfo, "now");
  const auto after = std::chrono::system_clock::now();
  ::unsetenv("TZ");  // NOLINT(concurrency-mt-unsafe)
  ::tzset();

  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int millisecond = 0;
  const std::string time = log.Events().at(0).at("time");
  ASSERT_EQ(std::sscanf(time.c_str(), "%d-%u-%uT%d:%d:%d.%dZ",  // NOLINT(cert-err34-c)
                        &year, &month, &day, &hour, &minute, &second, &millisecond),
            7);
  const auto told = std::chrono::sys_days{std::chrono::year{year} / static_cast<int>(month) / static_cast<int>(day)} +
                    std::chrono::hours{hour} + std::chrono::minutes{minute} + std::chrono::seconds{second} +
                    std::chrono::milliseconds{millisecond};
  EXPECT_LE(before, told);
  EXPECT_LE(told, after);
}

TEST(Log, IsValidJsonWhateverBytesAValueHas) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  const std::string broken = "a\xC3(\xE2\x82 \xED\xA0\x80 \xF5";
  TestLog log;
  log->Write(LogLevel::kInfo, all,
             {{"value", all}, {"broken", broken}, {"quote", R"(a"b\c)"}, {"name", "M\xC3\xBCller"}});
  log->Write(LogLevel::kInfo, "number", {{"number", std::numeric_limits<double>::quiet_NaN()}});
  const auto events = log.Events();
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].at("quote"), R"(a"b\c)");
  EXPECT_EQ(events[0].at("name"), "M\xC3\xBCller");
  EXPECT_EQ(events[0].at("value").get<std::string>().substr(0, 128), all.substr(0, 128));
  EXPECT_THAT(events[0].at("broken").get<std::string>(), HasSubstr("\xEF\xBF\xBD"));
  EXPECT_TRUE(events[1].at("number").is_null());
}

// Line and paragraph separators and the C1 controls end lines or move cursors in some viewers.
TEST(Log, NeverLetsAValueBeginALineOrMoveACursor) {
  const std::string value = "a\nb\r\nc\x1B[2J\x7F \xE2\x80\xA8 \xE2\x80\xA9 \xC2\x85 \xC2\x9B";
  for (const LogFormat format : {LogFormat::kJson, LogFormat::kText}) {
    TestLog log(format);
    log->Write(LogLevel::kInfo, value, {{"key", value}});
    const std::string text = log.Text();
    ASSERT_TRUE(text.ends_with('\n'));
    for (const char c : text.substr(0, text.size() - 1)) {
      EXPECT_TRUE(c >= 0x20 && c < 0x7F) << static_cast<int>(c);
    }
  }
}

TEST(Log, CutsWhatIsLongerThan2KiB) {
  TestLog log;
  log->Write(LogLevel::kInfo, "long", {{"fits", std::string(2048, 'x')}, {"long", std::string(65536, 'x')}});
  log->Write(LogLevel::kInfo, "umlauts", {{"long", "x" + std::string(65536, '\xC3')}});
  const auto events = log.Events();
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].at("fits"), std::string(2048, 'x'));
  EXPECT_EQ(events[0].at("long"), std::string(2048, 'x') + "...");
  EXPECT_TRUE(events[1].at("long").get<std::string>().ends_with("..."));
}

TEST(Log, LeavesOutLinesBelowItsLevelWhichCanBeChangedAtRunTime) {
  TestLog log(LogFormat::kJson, LogLevel::kWarn);
  log->Write(LogLevel::kInfo, "one");
  log->Write(LogLevel::kWarn, "two");
  log->SetLevel(LogLevel::kDebug);
  log->Write(LogLevel::kTrace, "three");
  log->Write(LogLevel::kDebug, "four");
  log->SetLevel(LogLevel::kError);
  log->Write(LogLevel::kWarn, "five");
  log->OnCallEnd({.method = "DeleteTicketingUser"});
  log->Write(LogLevel::kError, "six");
  std::vector<std::string> messages;
  for (const json& event : log.Events()) messages.push_back(event.at("message"));
  EXPECT_THAT(messages, ElementsAre("two", "four", "six"));
}

TEST(Log, IsReadableAsTextAndPlainWhereThereIsNoTerminal) {
  TestLog log(LogFormat::kText);
  log->Write(LogLevel::kWarn, R"(a "quoted" word)",
             {{"bare", "127.0.0.1:1"}, {"words", "two words"}, {"none", ""}, {"n", 7}});
  EXPECT_THAT(log.Text(), MatchesRegex("[-0-9T:.]+Z warning a .*quoted.* word bare=127.0.0.1:1 words=\"two words\" "
                                       "none=\"\" n=7\n"));
}

TEST(Log, IsColouredOnATerminalAsTextAlone) {
  ::setenv("TERM", "xterm", 1);  // NOLINT(concurrency-mt-unsafe)
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
    ASSERT_GE(terminal, 0);
    ASSERT_EQ(::grantpt(terminal), 0);
    ASSERT_EQ(::unlockpt(terminal), 0);
    std::FILE* screen = std::fopen(::ptsname(terminal), "w");  // NOLINT(concurrency-mt-unsafe)
    ASSERT_NE(screen, nullptr);
    {
      Log log(LogLevel::kInfo, format, screen);
      log.Write(LogLevel::kError, "red");
    }
    std::array<char, 512> buffer{};
    const ssize_t size = ::read(terminal, buffer.data(), buffer.size());
    ASSERT_GT(size, 0);
    const std::string text(buffer.data(), static_cast<std::size_t>(size));
    EXPECT_THAT(text, HasSubstr("red"));
    EXPECT_EQ(text.find('\x1B') != std::string::npos, format == LogFormat::kText) << text;
    std::fclose(screen);
    ::close(terminal);
  }
}

TEST(Log, WritesWhatIsWaitingAtItsEnd) {
  std::FILE* file = std::tmpfile();
  {
    Log log(LogLevel::kInfo, LogFormat::kJson, file);
    for (int i = 0; i < 1000; ++i) log.Write(LogLevel::kInfo, "line", {{"i", i}});
  }
  EXPECT_THAT(SplitLines(ReadAll(file)), SizeIs(1000));
  std::fclose(file);
}

TEST(Log, NeverWaitsForTheOutputAndSaysHowManyLinesWereLost) {
  constexpr int kLines = 20'000;  // more than the pipe and the waiting lines together
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  std::FILE* output = ::fdopen(pipe[1], "w");
  std::string text;
  {
    Log log(LogLevel::kInfo, LogFormat::kJson, output);
    // Nobody reads yet: this returns only if no line waits for the output.
    for (int i = 0; i < kLines; ++i) log.Write(LogLevel::kInfo, "line", {{"i", i}});
    std::thread reader([&] { text = ReadPipe(pipe[0], 65536); });
    log.Flush();
    std::fclose(output);
    reader.join();
  }
  ::close(pipe[0]);

  int lines = 0;
  int lost = 0;
  int last = -1;
  for (const std::string& line : SplitLines(text)) {
    const json event = json::parse(line);
    if (event.contains("lost")) {
      EXPECT_EQ(event.at("level"), "warn");
      lost += event.at("lost").get<int>();
    } else {
      ++lines;
      last = event.at("i");
    }
  }
  EXPECT_GT(lost, 0);
  EXPECT_EQ(lines + lost, kLines);
  EXPECT_EQ(last, kLines - 1) << "the newest lines are kept";
}

TEST(Log, TakesLinesFromSeveralThreads) {
  TestLog log;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&log] {
      for (int line = 0; line < 500; ++line) log->Write(LogLevel::kInfo, "line");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(log.Events(), SizeIs(2000));
}

// The events of one kind; those of two kinds have no order.
std::vector<json> EventsOf(TestLog& log, const std::string& message) {
  std::vector<json> events = log.Events();
  std::erase_if(events, [&](const json& event) { return event.at("message") != message; });
  return events;
}

TEST(CallLine, TellsEverythingOfACall) {
  TestLog log;
  log->OnCallEnd({.method = "DeleteTicketingUser",
                  .code = StatusCode::kUnknown,
                  .reason = ErrorReason::kOutcomeUnknown,
                  .delivery = Delivery::kUnknown,
                  .origin = Origin::kProvider,
                  .request_id = "7b8a3d0e-52b1-4f0a-9d8e-0f6b8f5a3c11",
                  .correlation_id = "checkout \"7\"",
                  .trace_id = "0af7651916cd43dd8448eb211c80319c",
                  .caller = "spiffe://cluster/ns/crm/sa/offboarding",
                  .integrated_account_id = "62f44730-dd91-461e-bd6a-aedd9e0ad79d",
                  .user_id = "42",
                  .attempts = 2,
                  .http_status = 502,
                  .queued = std::chrono::microseconds{250},
                  .upstream = std::chrono::microseconds{1'230'000},
                  .total = std::chrono::microseconds{1'234'567}});
  auto events = EventsOf(log, "finished call");
  ASSERT_THAT(events, SizeIs(1));
  events[0].erase("time");
  EXPECT_EQ(events[0], json({{"level", "warn"},
                             {"message", "finished call"},
                             {"grpc.method", "DeleteTicketingUser"},
                             {"grpc.code", "Unknown"},
                             {"grpc.time_ms", 1234.567},
                             {"reason", "OUTCOME_UNKNOWN"},
                             {"delivery", "UNKNOWN"},
                             {"origin", "PROVIDER"},
                             {"request_id", "7b8a3d0e-52b1-4f0a-9d8e-0f6b8f5a3c11"},
                             {"x_request_id", "checkout \"7\""},
                             {"trace_id", "0af7651916cd43dd8448eb211c80319c"},
                             {"caller", "spiffe://cluster/ns/crm/sa/offboarding"},
                             {"integrated_account_id", "62f44730-dd91-461e-bd6a-aedd9e0ad79d"},
                             {"attempts", 2},
                             {"http_status", 502},
                             {"queued_ms", 0.25},
                             {"upstream_ms", 1230}}));
}

TEST(CallLine, LeavesOutWhatIsEmpty) {
  TestLog log;
  log->OnCallEnd({.method = "DeleteTicketingUserStream", .outcome = "NOT_SENT"});
  auto events = log.Events();
  ASSERT_THAT(events, SizeIs(1));
  events[0].erase("time");
  EXPECT_EQ(events[0], json({{"level", "info"},
                             {"message", "finished call"},
                             {"grpc.method", "DeleteTicketingUserStream"},
                             {"grpc.code", "OK"},
                             {"grpc.time_ms", 0},
                             {"outcome", "NOT_SENT"},
                             {"attempts", 0}}));
}

core::CallRecord DeletedRecord() {
  return {.method = "DeleteTicketingUser",
          .outcome = "DELETED",
          .request_id = "7b8a3d0e-52b1-4f0a-9d8e-0f6b8f5a3c11",
          .caller = "spiffe://cluster/ns/crm/sa/offboarding",
          .integrated_account_id = "62f44730-dd91-461e-bd6a-aedd9e0ad79d",
          .user_id = "42",
          .attempts = 1,
          .http_status = 200};
}

TEST(AuditLine, TellsWhoDeletedWhatAndWhatBecameOfIt) {
  TestLog log;
  log->OnCallEnd(DeletedRecord());
  auto events = EventsOf(log, "audit");
  ASSERT_THAT(events, SizeIs(1));
  events[0].erase("time");
  EXPECT_EQ(events[0], json({{"level", "info"},
                             {"message", "audit"},
                             {"caller", "spiffe://cluster/ns/crm/sa/offboarding"},
                             {"integrated_account_id", "62f44730-dd91-461e-bd6a-aedd9e0ad79d"},
                             {"user_id", "42"},
                             {"request_id", "7b8a3d0e-52b1-4f0a-9d8e-0f6b8f5a3c11"},
                             {"delivery", "DONE"},
                             {"outcome", "DELETED"},
                             {"attempts", 1},
                             {"http_status", 200}}));
}

TEST(AuditLine, IsWrittenForEveryDeleteThatMayHaveReachedTruto) {
  for (const Delivery delivery : {Delivery::kRejected, Delivery::kUnknown}) {
    TestLog log;
    core::CallRecord record = DeletedRecord();
    record.outcome = {};
    record.reason = ErrorReason::kOutcomeUnknown;
    record.delivery = delivery;
    log->OnCallEnd(record);
    const auto events = EventsOf(log, "audit");
    ASSERT_THAT(events, SizeIs(1));
    EXPECT_EQ(events[0].at("outcome"), "OUTCOME_UNKNOWN");
    EXPECT_EQ(events[0].at("delivery"), core::ToString(delivery));
  }
}

TEST(AuditLine, IsNotWrittenForWhatWasNotSent) {
  TestLog log;
  core::CallRecord record = DeletedRecord();
  record.delivery = Delivery::kNotSent;
  log->OnCallEnd(record);  // three times unreachable
  record.delivery.reset();
  record.attempts = 0;
  log->OnCallEnd(record);  // validate_only, or another call's answer
  EXPECT_THAT(EventsOf(log, "audit"), IsEmpty());
}

TEST(AuditLine, IsWrittenWhateverTheLevel) {
  TestLog log;
  log->SetLevel(LogLevel::kError);
  log->OnCallEnd(DeletedRecord());
  EXPECT_THAT(EventsOf(log, "audit"), SizeIs(1));
  EXPECT_THAT(EventsOf(log, "finished call"), IsEmpty());
}

TEST(AuditLine, IsNeverLostHoweverSlowTheOutput) {
  constexpr int kLines = 10'000;  // more than the pipe and the waiting lines together
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  std::FILE* output = ::fdopen(pipe[1], "w");
  std::string text;
  {
    Log log(LogLevel::kError, LogFormat::kJson, output);
    std::thread writer([&log] {
      core::CallRecord record = DeletedRecord();
      for (int i = 0; i < kLines; ++i) {
        record.user_id = std::to_string(i);
        log.OnCallEnd(record);
      }
    });
    std::thread reader([&] { text = ReadPipe(pipe[0], 512); });
    writer.join();
    log.Flush();
    std::fclose(output);
    reader.join();
  }
  ::close(pipe[0]);
  const auto lines = SplitLines(text);
  ASSERT_THAT(lines, SizeIs(kLines));
  for (std::size_t i = 0; i < kLines; ++i) EXPECT_EQ(json::parse(lines[i]).at("user_id"), std::to_string(i));
}

LogLevel LevelOf(StatusCode code, ErrorReason reason, Delivery delivery) {
  return LevelOfCall({.code = code, .reason = reason, .delivery = delivery});
}

TEST(CallLine, WarnsOfWhatAnOperatorShouldSee) {
  EXPECT_EQ(LevelOf(StatusCode::kUnknown, ErrorReason::kOutcomeUnknown, Delivery::kUnknown), LogLevel::kWarn);
  EXPECT_EQ(LevelOf(StatusCode::kDeadlineExceeded, ErrorReason::kDeadlineExceededOutcomeUnknown, Delivery::kUnknown),
            LogLevel::kWarn);
  EXPECT_EQ(LevelOf(StatusCode::kCancelled, ErrorReason::kCallerCancelled, Delivery::kUnknown), LogLevel::kWarn);
  EXPECT_EQ(LevelOf(StatusCode::kUnknown, ErrorReason::kUnexpectedResponse, Delivery::kRejected), LogLevel::kWarn);
  EXPECT_EQ(LevelOf(StatusCode::kUnavailable, ErrorReason::kUpstreamUnreachable, Delivery::kNotSent), LogLevel::kWarn);
  EXPECT_EQ(LevelOf(StatusCode::kInternal, ErrorReason::kServiceTokenRejected, Delivery::kRejected), LogLevel::kWarn);
  EXPECT_EQ(LevelOf(StatusCode::kInternal, ErrorReason::kUpstreamMisconfigured, Delivery::kNotSent), LogLevel::kWarn);
  EXPECT_EQ(LevelOf(StatusCode::kInternal, ErrorReason::kInternalFault, Delivery::kUnknown), LogLevel::kError);
}

TEST(CallLine, TellsOfEverythingElseAsInfo) {
  EXPECT_EQ(LevelOfCall({.code = StatusCode::kOk, .outcome = "DELETED"}), LogLevel::kInfo);
  EXPECT_EQ(LevelOf(StatusCode::kNotFound, ErrorReason::kUserNotFound, Delivery::kRejected), LogLevel::kInfo);
  EXPECT_EQ(LevelOf(StatusCode::kInvalidArgument, ErrorReason::kInvalidRequest, Delivery::kNotSent), LogLevel::kInfo);
  EXPECT_EQ(LevelOf(StatusCode::kResourceExhausted, ErrorReason::kRateLimited, Delivery::kRejected), LogLevel::kInfo);
  EXPECT_EQ(LevelOf(StatusCode::kFailedPrecondition, ErrorReason::kAccountBlocked, Delivery::kRejected),
            LogLevel::kInfo);
  EXPECT_EQ(LevelOf(StatusCode::kCancelled, ErrorReason::kCallerCancelled, Delivery::kNotSent), LogLevel::kInfo);
  EXPECT_EQ(LevelOf(StatusCode::kUnavailable, ErrorReason::kShuttingDown, Delivery::kNotSent), LogLevel::kInfo);
}

TEST(CallLine, LabelsCodesByGrpcsConvention) {
  std::vector<std::string_view> labels;
  for (int code = 0; code <= 16; ++code) labels.push_back(CodeLabel(static_cast<StatusCode>(code)));
  EXPECT_THAT(labels,
              ElementsAre("OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound",
                          "AlreadyExists", "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted",
                          "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated"));
}

}  // namespace
}  // namespace ticketing::ops
