#include "ops/traces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/dead_ports.h"
#include "tests/support/otlp_receiver.h"

namespace ticketing::ops {
namespace {

using core::Delivery;
using core::ErrorReason;
using core::StatusCode;
using std::chrono::milliseconds;
using support::ExportedSpan;
using support::OtlpReceiver;
using support::Script;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;
using testing::SizeIs;

constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kParentId[] = "00f067aa0ba902b7";
constexpr char kServerSpan[] = "ticketing.v1.TicketingUserService/DeleteTicketingUser";
constexpr char kClientSpan[] = "DELETE /unified/ticketing/users/{id}";

core::HttpHeaders CallersContext(const std::string& flags = "01") {
  return {{"traceparent", "00-" + std::string(kTraceId) + "-" + kParentId + "-" + flags}, {"tracestate", "vendor=1"}};
}

core::HttpRequest Request(const std::string& origin = "https://api.truto.one") {
  return {.method = "DELETE",
          .url = origin + "/unified/ticketing/users/ana%40example.com?integrated_account_id=secret-account",
          .headers = {{"authorization", "Bearer secret-token"}}};
}

core::CallRecord Deleted() {
  core::CallRecord record;
  record.method = "DeleteTicketingUser";
  record.outcome = "DELETED";
  record.request_id = "f5714921-71b3-414b-a741-72486151f660";
  record.user_id = "ana@example.com";
  record.caller = "secret-caller";
  record.attempts = 1;
  record.http_status = 200;
  return record;
}

std::size_t Threads() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
}

class TracesTest : public testing::Test {
 protected:
  TracesTest() {
    settings.trace_endpoint = receiver.url() + "/v1/traces";
    // Nothing is exported before the end.
    settings.trace_delay = std::chrono::hours{1};
  }
  ~TracesTest() override {
    log.reset();
    std::fclose(file);
  }

  void Open() { tracer = OpenTraces(settings, *log); }

  // All spans, when the tracer has gone.
  std::vector<ExportedSpan> Exported() {
    tracer.reset();
    return receiver.spans();
  }
  ExportedSpan ExportedSpanOf(const std::string& name) {
    const auto spans = Exported();
    const auto found = std::ranges::find(spans, name, &ExportedSpan::name);
    EXPECT_NE(found, spans.end()) << name;
    return found == spans.end() ? ExportedSpan{} : *found;
  }

  // The span of an attempt that ended so.
  ExportedSpan Attempt(const core::AttemptRecord& end, const core::HttpRequest& request = Request()) {
    Open();
    const auto trace = tracer->Begin("DeleteTicketingUser", {});
    trace->BeginAttempt(request, 1);
    trace->EndAttempt(end);
    return ExportedSpanOf(kClientSpan);
  }

  // The span of a call that ended so.
  ExportedSpan Call(const core::CallRecord& record) {
    Open();
    tracer->Begin("DeleteTicketingUser", {})->End(record);
    return ExportedSpanOf(kServerSpan);
  }

  std::string LogText() {
    log->Flush();
    std::string text(static_cast<std::size_t>(std::ftell(file)), '\0');
    EXPECT_EQ(std::fseek(file, 0, SEEK_SET), 0);
    text.resize(std::fread(text.data(), 1, text.size(), file));
    return text;
  }

  OtlpReceiver receiver;
  Settings settings;
  std::FILE* file = std::tmpfile();
  std::unique_ptr<Log> log = std::make_unique<Log>(LogLevel::kTrace, LogFormat::kJson, file);
  std::unique_ptr<core::Tracer> tracer;
};

TEST_F(TracesTest, ACallIsASpanWithOneBelowItForEachAttempt) {
  Open();
  const auto trace = tracer->Begin("DeleteTicketingUser", CallersContext());
  trace->BeginAttempt(Request(), 1);
  trace->EndAttempt({.http_status = 425, .reason = ErrorReason::kUpstreamUnreachable, .delivery = Delivery::kRejected});
  trace->BeginAttempt(Request(), 2);
  trace->EndAttempt({.http_status = 200});
  trace->End(Deleted());

  const auto spans = Exported();
  ASSERT_THAT(spans, SizeIs(3));
  const ExportedSpan& call = spans[2];
  EXPECT_EQ(call.name, kServerSpan);
  EXPECT_EQ(call.kind, ExportedSpan::Kind::kServer);
  EXPECT_EQ(call.trace_id, kTraceId);
  EXPECT_EQ(call.parent_id, kParentId);
  EXPECT_EQ(call.trace_state, "vendor=1");
  std::set<std::string> ids = {kParentId, call.span_id};
  for (const ExportedSpan& attempt : {spans[0], spans[1]}) {
    EXPECT_EQ(attempt.name, kClientSpan);
    EXPECT_EQ(attempt.kind, ExportedSpan::Kind::kClient);
    EXPECT_EQ(attempt.trace_id, kTraceId);
    EXPECT_EQ(attempt.parent_id, call.span_id);
    EXPECT_LE(call.start, attempt.start);
    EXPECT_LE(attempt.start, attempt.end);
    ids.insert(attempt.span_id);
  }
  EXPECT_THAT(ids, SizeIs(4));
}

TEST_F(TracesTest, ACallIsDescribedByTheConventionsForRpc) {
  const ExportedSpan span = Call(Deleted());
  EXPECT_EQ(span.status, ExportedSpan::Status::kUnset);
  const std::map<std::string, std::string> expected = {{"rpc.system", "grpc"},
                                                       {"rpc.service", "ticketing.v1.TicketingUserService"},
                                                       {"rpc.method", "DeleteTicketingUser"},
                                                       {"rpc.grpc.status_code", "0"},
                                                       {"ticketing.request_id", "f5714921-71b3-414b-a741-72486151f660"},
                                                       {"ticketing.attempts", "1"},
                                                       {"ticketing.delivery", "DONE"},
                                                       {"ticketing.outcome", "DELETED"}};
  EXPECT_EQ(span.attributes, expected);
}

TEST_F(TracesTest, AFailedCallHasItsReasonAndDelivery) {
  core::CallRecord record = Deleted();
  record.outcome = {};
  record.code = StatusCode::kUnknown;
  record.reason = ErrorReason::kOutcomeUnknown;
  record.delivery = Delivery::kUnknown;
  const ExportedSpan span = Call(record);
  EXPECT_EQ(span["error.type"], "OUTCOME_UNKNOWN");
  EXPECT_EQ(span["rpc.grpc.status_code"], "2");
  EXPECT_EQ(span["ticketing.delivery"], "UNKNOWN");
  EXPECT_EQ(span["ticketing.outcome"], "(none)");
}

TEST_F(TracesTest, ACallThatSentNothingSaysSo) {
  core::CallRecord record = Deleted();
  record.outcome = "NOT_SENT";
  EXPECT_EQ(Call(record)["ticketing.delivery"], "NOT_SENT");
}

TEST_F(TracesTest, OnlyTheServersFaultsAreErrorsOfACall) {
  Open();
  std::vector<StatusCode> codes;
  for (int code = 0; code <= 16; ++code) {
    core::CallRecord record = Deleted();
    record.code = static_cast<StatusCode>(code);
    tracer->Begin("DeleteTicketingUser", {})->End(record);
  }
  std::vector<std::string> errors;
  for (const ExportedSpan& span : Exported()) {
    if (span.status == ExportedSpan::Status::kError) errors.push_back(span["rpc.grpc.status_code"]);
  }
  EXPECT_THAT(errors, ElementsAre("2", "4", "12", "13", "14", "15"));
}

TEST_F(TracesTest, AnAttemptIsDescribedByTheConventionsForHttp) {
  const ExportedSpan span = Attempt({.http_status = 200});
  EXPECT_EQ(span.status, ExportedSpan::Status::kUnset);
  const std::map<std::string, std::string> expected = {
      {"http.request.method", "DELETE"},
      {"server.address", "api.truto.one"},
      {"server.port", "443"},
      {"url.full", "https://api.truto.one/unified/ticketing/users/{id}"},
      {"url.template", "/unified/ticketing/users/{id}"},
      {"http.response.status_code", "200"},
      {"ticketing.delivery", "DONE"}};
  EXPECT_EQ(span.attributes, expected);
}

TEST_F(TracesTest, AnAttemptNamesTheServersPort) {
  const ExportedSpan span = Attempt({.http_status = 200}, Request("http://127.0.0.1:4711"));
  EXPECT_EQ(span["server.address"], "127.0.0.1");
  EXPECT_EQ(span["server.port"], "4711");
  EXPECT_EQ(span["url.full"], "http://127.0.0.1:4711/unified/ticketing/users/{id}");
}

TEST_F(TracesTest, AnAttemptNamesAnAddressInBracketsWithoutThem) {
  const ExportedSpan span = Attempt({.http_status = 200}, Request("http://[::1]"));
  EXPECT_EQ(span["server.address"], "::1");
  EXPECT_EQ(span["server.port"], "80");
}

TEST_F(TracesTest, AnAttemptThatGotAnErrorIsOne) {
  const ExportedSpan span =
      Attempt({.http_status = 500, .reason = ErrorReason::kOutcomeUnknown, .delivery = Delivery::kUnknown});
  EXPECT_EQ(span.status, ExportedSpan::Status::kError);
  EXPECT_EQ(span["error.type"], "500");
  EXPECT_EQ(span["http.response.status_code"], "500");
  EXPECT_EQ(span["ticketing.delivery"], "UNKNOWN");
}

TEST_F(TracesTest, AnAttemptWithoutAnAnswerIsAnErrorToo) {
  const ExportedSpan span = Attempt({.reason = ErrorReason::kUpstreamUnreachable, .delivery = Delivery::kNotSent});
  EXPECT_EQ(span.status, ExportedSpan::Status::kError);
  EXPECT_EQ(span["error.type"], "UPSTREAM_UNREACHABLE");
  EXPECT_EQ(span["http.response.status_code"], "(none)");
  EXPECT_EQ(span["ticketing.delivery"], "NOT_SENT");
}

TEST_F(TracesTest, AttemptsBeyondTheFirstAreNumbered) {
  Open();
  const auto trace = tracer->Begin("DeleteTicketingUser", {});
  for (const std::uint32_t number : {1U, 2U, 3U}) {
    trace->BeginAttempt(Request(), number);
    trace->EndAttempt({.http_status = 200});
  }
  const auto spans = Exported();
  ASSERT_THAT(spans, SizeIs(3));
  EXPECT_EQ(spans[0]["http.request.resend_count"], "(none)");
  EXPECT_EQ(spans[1]["http.request.resend_count"], "1");
  EXPECT_EQ(spans[2]["http.request.resend_count"], "2");
}

TEST_F(TracesTest, TheAttemptsSpanGoesOnToTruto) {
  Open();
  const auto trace = tracer->Begin("DeleteTicketingUser", CallersContext());
  EXPECT_EQ(trace->trace_id(), kTraceId);
  const core::HttpHeaders headers = trace->BeginAttempt(Request(), 1);
  trace->EndAttempt({.http_status = 200});
  const ExportedSpan span = ExportedSpanOf(kClientSpan);
  EXPECT_THAT(headers, ElementsAre(std::pair("traceparent", "00-" + span.trace_id + "-" + span.span_id + "-01"),
                                   std::pair("tracestate", "vendor=1")));
}

TEST_F(TracesTest, ATraceBeginsHereWhereTheCallerHasNone) {
  Open();
  const auto trace = tracer->Begin("DeleteTicketingUser", {});
  const auto other = tracer->Begin("DeleteTicketingUser", {});
  EXPECT_THAT(trace->trace_id(), MatchesRegex("[0-9a-f]{32}"));
  EXPECT_NE(trace->trace_id(), other->trace_id());
  EXPECT_THAT(trace->BeginAttempt(Request(), 1), SizeIs(1)) << "there is no tracestate";
  trace->End(Deleted());
  const ExportedSpan span = ExportedSpanOf(kServerSpan);
  EXPECT_EQ(span.trace_id, trace->trace_id());
  EXPECT_THAT(span.parent_id, IsEmpty());
}

TEST_F(TracesTest, NothingThatIsExportedNamesAUserOrASecret) {
  Open();
  const auto trace = tracer->Begin("DeleteTicketingUser", CallersContext());
  trace->BeginAttempt(Request(), 1);
  trace->EndAttempt({.http_status = 200});
  trace->End(Deleted());
  ASSERT_THAT(Exported(), SizeIs(2));
  for (const char* private_text : {"ana", "example.com", "secret", "integrated_account_id", "Bearer"}) {
    EXPECT_THAT(receiver.bytes(), Not(HasSubstr(private_text)));
  }
}

TEST_F(TracesTest, TheServiceIsNamedWithAnIdOfItsOwn) {
  const ExportedSpan first = Call(Deleted());
  const ExportedSpan again = Attempt({.http_status = 200});
  EXPECT_EQ(first.resource.at("service.name"), "ticketing-user-service");
  EXPECT_THAT(first.resource.at("service.version"), MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_EQ(first.resource.at("telemetry.sdk.language"), "cpp");
  EXPECT_THAT(first.resource.at("service.instance.id"), MatchesRegex("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"));
  EXPECT_NE(first.resource.at("service.instance.id"), again.resource.at("service.instance.id"));
}

TEST_F(TracesTest, AreExportedAsJsonWhereThatIsAskedFor) {
  settings.trace_protocol = OtlpProtocol::kJson;
  Open();
  const auto trace = tracer->Begin("DeleteTicketingUser", CallersContext());
  trace->BeginAttempt(Request(), 2);
  trace->EndAttempt({.http_status = 503, .reason = ErrorReason::kAccountBlocked, .delivery = Delivery::kRejected});
  trace->End(Deleted());
  const auto spans = Exported();
  ASSERT_THAT(spans, SizeIs(2));
  EXPECT_EQ(core::FindHeader(receiver.upstream().requests().at(0).headers, "content-type"), "application/json");
  EXPECT_EQ(spans[0].kind, ExportedSpan::Kind::kClient);
  EXPECT_EQ(spans[0].status, ExportedSpan::Status::kError);
  EXPECT_EQ(spans[0]["http.request.resend_count"], "1");
  EXPECT_EQ(spans[0].parent_id, spans[1].span_id);
  EXPECT_EQ(spans[1].trace_id, kTraceId);
  EXPECT_EQ(spans[1].parent_id, kParentId);
}

TEST_F(TracesTest, AreExportedWhenTheDelayIsOver) {
  settings.trace_delay = milliseconds{10};
  Open();
  tracer->Begin("DeleteTicketingUser", {})->End(Deleted());
  EXPECT_THAT(receiver.WaitForSpans(1), SizeIs(1));
  EXPECT_EQ(receiver.upstream().requests().at(0).path, "/v1/traces");
}

TEST_F(TracesTest, WhatHasNotEndedEndsWithItsCall) {
  Open();
  {
    const auto trace = tracer->Begin("DeleteTicketingUser", {});
    trace->BeginAttempt(Request(), 1);
  }
  EXPECT_THAT(Exported(), SizeIs(2));
}

TEST_F(TracesTest, ACallMayOutliveThem) {
  Open();
  const auto trace = tracer->Begin("DeleteTicketingUser", {});
  trace->BeginAttempt(Request(), 1);
  EXPECT_THAT(Exported(), IsEmpty());
  trace->EndAttempt({.http_status = 200});
  trace->End(Deleted());
}

// ---- Which calls are traced

struct Sampling {
  const char* name;
  TraceSampler sampler;
  double ratio;
  bool alone;           // a call without a context is traced
  bool parent_sampled;  // one whose caller is
  bool parent_not;      // one whose caller is not
};

class Samplers : public TracesTest, public testing::WithParamInterface<Sampling> {};

TEST_P(Samplers, DecideWhatIsExportedAndTellTruto) {
  settings.trace_sampler = GetParam().sampler;
  settings.trace_ratio = GetParam().ratio;
  Open();
  std::size_t spans = 0;
  const auto expect = [&](const core::HttpHeaders& context, bool traced) {
    const auto trace = tracer->Begin("DeleteTicketingUser", context);
    const core::HttpHeaders headers = trace->BeginAttempt(Request(), 1);
    EXPECT_THAT(trace->trace_id(), MatchesRegex("[0-9a-f]{32}")) << "the log has it all the same";
    EXPECT_THAT(headers.at(0).second,
                MatchesRegex("00-" + trace->trace_id() + (traced ? "-[0-9a-f]{16}-01" : "-[0-9a-f]{16}-00")));
    trace->EndAttempt({.http_status = 200});
    trace->End(Deleted());
    if (traced) spans += 2;
  };
  expect({}, GetParam().alone);
  expect(CallersContext("01"), GetParam().parent_sampled);
  expect(CallersContext("00"), GetParam().parent_not);
  EXPECT_THAT(Exported(), SizeIs(spans));
}

INSTANTIATE_TEST_SUITE_P(, Samplers,
                         testing::Values(Sampling{"AlwaysOn", TraceSampler::kAlwaysOn, 0, true, true, true},
                                         Sampling{"AlwaysOff", TraceSampler::kAlwaysOff, 1, false, false, false},
                                         Sampling{"RatioOfAll", TraceSampler::kRatio, 1, true, true, true},
                                         Sampling{"RatioOfNone", TraceSampler::kRatio, 0, false, false, false},
                                         Sampling{"ParentOrOn", TraceSampler::kParentOrAlwaysOn, 0, true, true, false},
                                         Sampling{"ParentOrOff", TraceSampler::kParentOrAlwaysOff, 1, false, true,
                                                  false},
                                         Sampling{"ParentOrAll", TraceSampler::kParentOrRatio, 1, true, true, false},
                                         Sampling{"ParentOrNone", TraceSampler::kParentOrRatio, 0, false, true, false}),
                         [](const auto& tested) { return std::string(tested.param.name); });

// ---- Whether there are traces at all

TEST_F(TracesTest, AreOffWithoutAnEndpointAndStartNoThread) {
  settings.trace_endpoint.clear();
  const std::size_t threads = Threads();
  Open();
  EXPECT_EQ(tracer, nullptr);
  EXPECT_EQ(Threads(), threads);
  settings.trace_endpoint = receiver.url();
  Open();
  EXPECT_NE(tracer, nullptr);
  EXPECT_GT(Threads(), threads);
}

TEST_F(TracesTest, AreOffWhereTelemetryIsDisabled) {
  settings.telemetry_disabled = true;
  settings.trace_exporter = TraceExporter::kOtlp;
  Open();
  EXPECT_EQ(tracer, nullptr);
}

TEST_F(TracesTest, AreOffWithoutAnExporter) {
  settings.trace_exporter = TraceExporter::kNone;
  Open();
  EXPECT_EQ(tracer, nullptr);
}

TEST_F(TracesTest, AreOnWithoutAnEndpointWhereTheExporterIsNamed) {
  settings.trace_endpoint.clear();
  settings.trace_exporter = TraceExporter::kOtlp;
  Open();
  EXPECT_NE(tracer, nullptr);
}

// ---- Collectors that fail

TEST_F(TracesTest, ACollectorThatIsDownIsToldInTheLogAlone) {
  const support::RefusingPort port;
  settings.trace_endpoint = "http://127.0.0.1:" + std::to_string(port.port()) + "/v1/traces";
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  Open();
  tracer->Begin("DeleteTicketingUser", {})->End(Deleted());
  tracer.reset();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), IsEmpty());
  EXPECT_THAT(testing::internal::GetCapturedStdout(), IsEmpty());
  EXPECT_THAT(LogText(), HasSubstr(R"("level":"warn","message":"OpenTelemetry","text":"[OTLP)"));
}

TEST_F(TracesTest, OneWarningOfAKindIsEnough) {
  settings.trace_queue = 1;
  Open();
  for (int i = 0; i < 100; ++i) tracer->Begin("DeleteTicketingUser", {})->End(Deleted());
  tracer.reset();
  const std::string text = LogText();
  constexpr std::string_view kDropped = "queue is full";
  const std::size_t first = text.find(kDropped);
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(text.find(kDropped, first + 1), std::string::npos) << text;
}

// Two seconds hold no more than twenty exports that each wait for their time.
TEST_F(TracesTest, ACollectorThatDoesNotAnswerIsLeftInTheEnd) {
  receiver.upstream().SetDefault(Script());
  settings.trace_timeout = milliseconds{100};
  settings.trace_batch = 1;
  Open();
  for (int i = 0; i < 500; ++i) tracer->Begin("DeleteTicketingUser", {})->End(Deleted());
  tracer.reset();
  EXPECT_LT(receiver.spans().size(), 100U);
}

}  // namespace
}  // namespace ticketing::ops
