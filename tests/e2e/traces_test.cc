// Traces of the real service, exported to a collector inside the test.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/programs.h"
#include "tests/e2e/running_service.h"
#include "tests/support/dead_ports.h"
#include "tests/support/otlp_receiver.h"

namespace ticketing::e2e {
namespace {

using nlohmann::json;
using support::ExportedSpan;
using support::OtlpReceiver;
using support::Protocol;
using support::Script;
using support::ScriptedUpstream;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr char kAccount[] = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";
constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kParentId[] = "00f067aa0ba902b7";

class TracesTest : public testing::Test {
 protected:
  void Start(const std::string& collector_url, Environment more = {}) {
    // Nothing is exported before the end.
    Environment environment = {{"OTEL_EXPORTER_OTLP_ENDPOINT", collector_url}, {"OTEL_BSP_SCHEDULE_DELAY", "3600000"}};
    for (auto& [name, value] : more) environment[name] = std::move(value);
    service_ = std::make_unique<RunningService>(truto_.url(), std::move(environment));
    stub_ =
        v1::TicketingUserService::NewStub(grpc::CreateChannel(service_->address(), grpc::InsecureChannelCredentials()));
  }

  grpc::Status Delete(const v1::DeleteTicketingUserRequest& request, bool with_context = true) {
    grpc::ClientContext context;
    if (with_context) {
      context.AddMetadata("traceparent", "00-" + std::string(kTraceId) + "-" + kParentId + "-01");
      context.AddMetadata("tracestate", "vendor=1");
    }
    v1::DeleteTicketingUserResponse response;
    return stub_->DeleteTicketingUser(&context, request, &response);
  }

  // Ends the service in order, which would otherwise wait for its idle client.
  void Stop() {
    stub_.reset();
    service_->process().Signal(SIGTERM);
    EXPECT_EQ(service_->process().Wait(), 0);
    EXPECT_THAT(service_->process().errors(), IsEmpty());
  }

  // The line of the one call.
  json FinishedCall() {
    const auto line = service_->process().WaitForLine("\"finished call\"");
    return line ? json::parse(*line) : json();
  }

  ScriptedUpstream truto_{{.protocol = Protocol::kHttp1}};
  OtlpReceiver collector_;
  std::unique_ptr<RunningService> service_;
  std::unique_ptr<v1::TicketingUserService::Stub> stub_;
};

TEST_F(TracesTest, ACallIsASpanBelowItsCallersAndEveryAttemptOneBelowIt) {
  Start(collector_.url());
  truto_.Enqueue(Script().Answer(425));
  ASSERT_TRUE(Delete(MakeRequest("42", kAccount)).ok());
  Stop();

  const auto spans = collector_.spans();
  ASSERT_THAT(spans, SizeIs(3));
  const ExportedSpan& call = spans[2];
  EXPECT_EQ(call.name, "ticketing.v1.TicketingUserService/DeleteTicketingUser");
  EXPECT_EQ(call.kind, ExportedSpan::Kind::kServer);
  EXPECT_EQ(call.trace_id, kTraceId);
  EXPECT_EQ(call.parent_id, kParentId);
  EXPECT_EQ(call["rpc.grpc.status_code"], "0");
  EXPECT_EQ(call["ticketing.attempts"], "2");
  const json line = FinishedCall();
  EXPECT_EQ(line.at("trace_id"), kTraceId);
  EXPECT_EQ(line.at("request_id"), call["ticketing.request_id"]);

  const auto requests = truto_.requests();
  ASSERT_THAT(requests, SizeIs(2));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(spans[i].name, "DELETE /unified/ticketing/users/{id}");
    EXPECT_EQ(spans[i].kind, ExportedSpan::Kind::kClient);
    EXPECT_EQ(spans[i].parent_id, call.span_id);
    EXPECT_EQ(spans[i]["server.port"], std::to_string(truto_.port()));
    EXPECT_EQ(core::FindHeader(requests[i].headers, "traceparent"),
              "00-" + std::string(kTraceId) + "-" + spans[i].span_id + "-01");
    EXPECT_EQ(core::FindHeader(requests[i].headers, "tracestate"), "vendor=1");
  }
  EXPECT_EQ(spans[0]["http.response.status_code"], "425");
  EXPECT_EQ(spans[0].status, ExportedSpan::Status::kError);
  EXPECT_EQ(spans[1]["http.response.status_code"], "200");
  EXPECT_EQ(spans[1]["http.request.resend_count"], "1");
}

TEST_F(TracesTest, AStreamedCallIsTracedTheSameWay) {
  Start(collector_.url());
  {
    v1::DeleteTicketingUserStreamRequest request;
    *request.mutable_request() = MakeRequest("42", kAccount);
    grpc::ClientContext context;
    const auto stream = stub_->DeleteTicketingUserStream(&context, request);
    v1::DeleteTicketingUserStreamResponse event;
    while (stream->Read(&event)) {
    }
    ASSERT_TRUE(stream->Finish().ok());
  }
  Stop();
  const auto spans = collector_.spans();
  ASSERT_THAT(spans, SizeIs(2));
  EXPECT_EQ(spans[1].name, "ticketing.v1.TicketingUserService/DeleteTicketingUserStream");
  EXPECT_EQ(spans[1]["rpc.method"], "DeleteTicketingUserStream");
  EXPECT_EQ(spans[0].parent_id, spans[1].span_id);
}

TEST_F(TracesTest, ACallThatIsNotLetInIsTraced) {
  Start(collector_.url(), {{"TICKETING_AUTH", "caller"}});
  EXPECT_EQ(Delete(MakeRequest("42", kAccount)).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  Stop();
  const auto spans = collector_.spans();
  ASSERT_THAT(spans, SizeIs(1));
  EXPECT_EQ(spans[0]["error.type"], "CALLER_UNAUTHENTICATED");
  EXPECT_EQ(spans[0]["rpc.grpc.status_code"], "16");
  EXPECT_EQ(spans[0].status, ExportedSpan::Status::kUnset);
}

TEST_F(TracesTest, TheLogHasTheIdOfATraceThatBeginsHere) {
  Start(collector_.url());
  ASSERT_TRUE(Delete(MakeRequest("42", kAccount), false).ok());
  Stop();
  const auto spans = collector_.spans();
  ASSERT_THAT(spans, SizeIs(2));
  EXPECT_EQ(FinishedCall().at("trace_id"), spans[1].trace_id);
  EXPECT_THAT(spans[1].parent_id, IsEmpty());
}

TEST_F(TracesTest, NothingThatIsExportedNamesAUserOrASecret) {
  Start(collector_.url(), {{"TRUTO_API_TOKEN", "secret-token"}});
  truto_.Enqueue(Script().Answer(500, {}, R"({"error":"secret-error of secret-user"})"));
  truto_.Enqueue(Script().Answer(200, {{"content-type", "application/json"}},
                                 R"({"id":"secret-user","emails":[{"email":"secret@mail.example"}]})"));
  auto request = MakeRequest("secret-user", kAccount);
  request.add_collections()->set_id("secret-collection");
  (*request.mutable_remote_query()->mutable_fields())["key"].set_string_value("secret-value");
  ASSERT_TRUE(Delete(request).ok());
  Stop();
  ASSERT_THAT(collector_.spans(), SizeIs(3));
  for (const char* private_text : {"secret", kAccount, "mail.example", "collections"}) {
    EXPECT_THAT(collector_.bytes(), Not(HasSubstr(private_text)));
  }
}

TEST_F(TracesTest, TheStandardVariablesSayHowTheyAreExported) {
  OtlpReceiver collector({.protocol = Protocol::kHttp1Tls});
  Start(collector.url(), {{"OTEL_EXPORTER_OTLP_CERTIFICATE", collector.upstream().ca_file()},
                          {"OTEL_EXPORTER_OTLP_HEADERS", "x-key=one,x-other=two"},
                          {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"},
                          {"OTEL_SERVICE_NAME", "users-of-tickets"},
                          {"OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.instance.id=pod-7"}});
  ASSERT_TRUE(Delete(MakeRequest("42", kAccount)).ok());
  Stop();
  const auto spans = collector.spans();
  ASSERT_THAT(spans, SizeIs(2));
  EXPECT_EQ(spans[0].resource.at("service.name"), "users-of-tickets");
  EXPECT_EQ(spans[0].resource.at("service.instance.id"), "pod-7");
  EXPECT_EQ(spans[0].resource.at("deployment.environment.name"), "test");
  const auto export_request = collector.upstream().requests().at(0);
  EXPECT_EQ(export_request.path, "/v1/traces");
  EXPECT_EQ(core::FindHeader(export_request.headers, "content-type"), "application/json");
  EXPECT_EQ(core::FindHeader(export_request.headers, "x-key"), "one");
  EXPECT_EQ(core::FindHeader(export_request.headers, "x-other"), "two");
}

TEST_F(TracesTest, AreExportedWhileTheServiceRuns) {
  Start(collector_.url(), {{"OTEL_BSP_SCHEDULE_DELAY", "10"}});
  ASSERT_TRUE(Delete(MakeRequest("42", kAccount)).ok());
  EXPECT_THAT(collector_.WaitForSpans(2), SizeIs(2));
  Stop();
}

TEST_F(TracesTest, NothingIsExportedWhereTelemetryIsDisabledAndTheCallersContextGoesOnToTruto) {
  Start(collector_.url(), {{"OTEL_SDK_DISABLED", "true"}});
  ASSERT_TRUE(Delete(MakeRequest("42", kAccount)).ok());
  Stop();
  EXPECT_EQ(collector_.upstream().facts().connections_accepted, 0U);
  EXPECT_EQ(core::FindHeader(truto_.requests().at(0).headers, "traceparent"),
            "00-" + std::string(kTraceId) + "-" + kParentId + "-01");
  EXPECT_EQ(FinishedCall().at("trace_id"), kTraceId);
}

TEST_F(TracesTest, ACollectorThatIsDownCostsTheSpansAlone) {
  const support::RefusingPort port;
  Start("http://127.0.0.1:" + std::to_string(port.port()), {{"OTEL_BSP_SCHEDULE_DELAY", "1"}});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Delete(MakeRequest(std::to_string(i), kAccount)).ok());
  EXPECT_TRUE(service_->process().WaitForLine("\"OpenTelemetry\""));
  Stop();
  EXPECT_THAT(service_->process().output(), HasSubstr("\"stopped\""));
}

TEST_F(TracesTest, ACollectorThatDoesNotAnswerHoldsNeitherCallsNorTheEndUp) {
  collector_.upstream().SetDefault(Script());
  Start(collector_.url(), {{"OTEL_BSP_SCHEDULE_DELAY", "1"}, {"OTEL_EXPORTER_OTLP_TIMEOUT", "200"}});
  EXPECT_TRUE(Delete(MakeRequest("1", kAccount)).ok());
  ASSERT_TRUE(collector_.upstream().WaitForRequests(1));
  for (int i = 2; i < 5; ++i) EXPECT_TRUE(Delete(MakeRequest(std::to_string(i), kAccount)).ok());
  Stop();
}

TEST_F(TracesTest, AProtocolThatTheServiceDoesNotSpeakStopsTheStart) {
  const Finished finished =
      RunProgram({ServiceProgram()}, ServiceEnvironment(truto_.url(), {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4317"},
                                                                       {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}}));
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_THAT(finished.errors, HasSubstr("OTEL_EXPORTER_OTLP_PROTOCOL \"grpc\": must be http/protobuf or http/json"));
}

}  // namespace
}  // namespace ticketing::e2e
