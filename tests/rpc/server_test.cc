// The door from outside: a real gRPC client, the real loop and libcurl, and a scripted upstream in place of Truto.
#include "rpc/server.h"

#include <gmock/gmock.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpc/health/v1/health.grpc.pb.h>
#include <grpc/reflection/v1/reflection.grpc.pb.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "call/loop_runtime.h"
#include "http/curl_client.h"
#include "rpc/listener_probe.h"
#include "tests/support/fixed_source.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/test_certificates.h"
#include "ticketing/v1/ticketing_user_service.grpc.pb.h"

namespace ticketing::rpc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using support::Gate;
using support::Protocol;
using support::ReceivedRequest;
using support::Script;
using support::ScriptedUpstream;
using testing::HasSubstr;
using testing::Optional;

// Long enough never to be what ends a test.
constexpr seconds kAmple{60};

constexpr char kAccount[] = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";

class FixedToken final : public core::TokenSource {
 public:
  std::string Current() override { return "services-token"; }
  bool Reload() override { return false; }
};

// Keeps the records of calls for the test's thread.
class Records final : public core::CallObserver {
 public:
  void OnCallStart(std::string_view /*method*/) override {}
  void OnAttemptEnd(const core::AttemptRecord& /*record*/) override {}
  void OnCallEnd(const core::CallRecord& record) override {
    const std::lock_guard lock(mutex_);
    records_.push_back(record);
    changed_.notify_all();
  }
  // Record `index`, when it is there.
  core::CallRecord Wait(std::size_t index) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return records_.size() > index; });
    return records_.at(index);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<core::CallRecord> records_;
};

// The service without its process: everything of the loop on a thread of its own.
class TestService {
 public:
  TestService(ServerOptions options, const std::string& upstream_url) {
    std::promise<std::string> address;
    auto ready = address.get_future();
    thread_ = std::thread([this, options = std::move(options), upstream_url, &address]() mutable {
      call::LoopRuntime runtime(loop_);
      http::CurlClient http(loop_, {.allow_plaintext = true});
      call::CallWorld world{
          .options = {.endpoint = {.base_url = upstream_url, .user_agent = "test/1"}, .max_body_bytes = 1 << 20},
          .runtime = runtime,
          .http = http,
          .policies = policies_,
          .observer = records,
          .token = &token_};
      auto server = Server::Start(std::move(options), loop_, world);
      if (!server.ok()) {
        address.set_value("");
        return;
      }
      const auto work = boost::asio::make_work_guard(loop_);
      server_ = server.value().get();
      address.set_value(server.value()->address());
      loop_.run();
      server.value().reset();
    });
    address_ = ready.get();
  }
  TestService(const TestService&) = delete;
  TestService& operator=(const TestService&) = delete;
  ~TestService() {
    if (!address_.empty()) {
      Shutdown();
      Shutdown();  // no waiting
    }
    thread_.join();
  }

  // Begins the drain; told again, it hurries.
  void Shutdown() {
    boost::asio::post(loop_, [this] {
      server_->Shutdown(
          [this](std::string_view step) {
            const std::lock_guard lock(mutex_);
            steps_.emplace_back(step);
            changed_.notify_all();
          },
          [this] { loop_.stop(); });
    });
  }

  // Returns when gRPC's thread and the loop have come by.
  void Beat() {
    std::promise<void> beat;
    boost::asio::post(loop_, [&] { server_->Beat([&beat] { beat.set_value(); }); });
    beat.get_future().get();
  }

  void WaitForStep(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return steps_.size() >= count; });
  }

  const std::string& address() const { return address_; }
  Records records;

 private:
  FixedToken token_;
  call::Policies policies_{{.rates = {.token_rate = 0, .account_rate = 0}, .max_in_flight = 200}, {}};
  boost::asio::io_context loop_;  // outlives the thread: what is posted to it too late is dropped
  Server* server_ = nullptr;
  std::string address_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> steps_;
  std::thread thread_;
};

ServerOptions Plain() {
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.drain_delay = milliseconds{0};
  return options;
}

v1::DeleteTicketingUserRequest MakeRequest() {
  v1::DeleteTicketingUserRequest request;
  request.set_id("42");
  request.set_integrated_account_id(kAccount);
  return request;
}

google::rpc::ErrorInfo ErrorInfoOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  details.ParseFromString(status.error_details());
  for (const auto& detail : details.details()) {
    if (detail.UnpackTo(&info)) return info;
  }
  ADD_FAILURE() << "no ErrorInfo in " << status.error_message();
  return info;
}

class ServerTest : public testing::Test {
 protected:
  ServerTest() : upstream({.protocol = Protocol::kHttp1}) {}

  void Start(ServerOptions options = Plain()) {
    service = std::make_unique<TestService>(std::move(options), upstream.url());
    ASSERT_FALSE(service->address().empty());
    channel = grpc::CreateChannel(service->address(), grpc::InsecureChannelCredentials());
    stub = v1::TicketingUserService::NewStub(channel);
  }

  grpc::Status Delete(grpc::ClientContext& context, const v1::DeleteTicketingUserRequest& request = MakeRequest()) {
    return stub->DeleteTicketingUser(&context, request, &response);
  }
  grpc::Status Delete() {
    grpc::ClientContext context;
    return Delete(context);
  }

  std::optional<std::string_view> SentHeader(std::size_t index, std::string_view name) {
    const auto requests = upstream.requests();
    kept = requests.at(index).headers;
    return core::FindHeader(kept, name);
  }

  ScriptedUpstream upstream;
  std::unique_ptr<TestService> service;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::TicketingUserService::Stub> stub;
  v1::DeleteTicketingUserResponse response;
  core::HttpHeaders kept;
};

TEST_F(ServerTest, DeletesAUser) {
  Start();
  upstream.SetDefault(Script().Answer(200, {{"content-type", "application/json"}}, R"({"id":"42","name":"Ada"})"));
  ASSERT_TRUE(Delete().ok());
  EXPECT_EQ(response.user().name(), "Ada");
  EXPECT_EQ(upstream.requests().at(0).method, "DELETE");
  EXPECT_EQ(SentHeader(0, "authorization"), "Bearer services-token");
  const auto record = service->records.Wait(0);
  EXPECT_EQ(record.method, "DeleteTicketingUser");
  EXPECT_EQ(record.outcome, "DELETED");
  EXPECT_EQ(record.request_id, response.report().request_id());
}

TEST_F(ServerTest, AnErrorCarriesItsReasonAndTellsClientsNotToRepeatByThemselves) {
  Start();
  upstream.SetDefault(Script().Answer(404, {}, R"({"statusCode":404,"error":"Not Found","message":"no such user"})"));
  grpc::ClientContext context;
  const grpc::Status status = Delete(context);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  const auto info = ErrorInfoOf(status);
  EXPECT_EQ(info.reason(), "USER_NOT_FOUND");
  EXPECT_EQ(info.domain(), "ticketing.v1.TicketingUserService");
  EXPECT_EQ(info.metadata().at("delivery"), "REJECTED");
  EXPECT_EQ(info.metadata().at("attempts"), "1");
  const auto pushback = context.GetServerTrailingMetadata().find("grpc-retry-pushback-ms");
  ASSERT_NE(pushback, context.GetServerTrailingMetadata().end());
  EXPECT_EQ(pushback->second, "-1");
}

TEST_F(ServerTest, ARateLimitsPushbackIsItsRetryDelay) {
  Start();
  upstream.SetDefault(Script().Answer(429, {{"Retry-After", "3600"}},
                                      R"({"statusCode":429,"error":"Too Many Requests","message":"slow down"})"));
  grpc::ClientContext context;
  EXPECT_EQ(Delete(context).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(context.GetServerTrailingMetadata().find("grpc-retry-pushback-ms")->second, "3600000");
}

TEST_F(ServerTest, HealthAnswersForTheServerAndForTheService) {
  Start();
  const auto health = grpc::health::v1::Health::NewStub(channel);
  for (const char* name : {"", "ticketing.v1.TicketingUserService"}) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    grpc::health::v1::HealthCheckResponse answer;
    request.set_service(name);
    ASSERT_TRUE(health->Check(&context, request, &answer).ok()) << name;
    EXPECT_EQ(answer.status(), grpc::health::v1::HealthCheckResponse::SERVING) << name;
  }
}

TEST_F(ServerTest, AShutdownIsSeenByThoseWhoWatchAndDoesNotWaitForThem) {
  Start();
  const auto health = grpc::health::v1::Health::NewStub(channel);
  grpc::ClientContext context;
  const auto watch = health->Watch(&context, {});
  grpc::health::v1::HealthCheckResponse answer;
  ASSERT_TRUE(watch->Read(&answer));
  EXPECT_EQ(answer.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  service->Shutdown();
  ASSERT_TRUE(watch->Read(&answer));
  EXPECT_EQ(answer.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(watch->Read(&answer));
  EXPECT_EQ(watch->Finish().error_message(), "the service shuts down");
}

TEST_F(ServerTest, ACallWithoutADeadlineGetsTheDefaultOne) {
  ServerOptions options = Plain();
  options.deadlines.without = milliseconds{300};
  Start(options);
  upstream.SetDefault(Script());  // never answers
  const grpc::Status status = Delete();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(ErrorInfoOf(status).reason(), "DEADLINE_EXCEEDED_OUTCOME_UNKNOWN");
  EXPECT_EQ(ErrorInfoOf(status).metadata().at("delivery"), "UNKNOWN");
}

TEST_F(ServerTest, ALongDeadlineIsClamped) {
  ServerOptions options = Plain();
  options.deadlines.longest = milliseconds{300};
  Start(options);
  upstream.SetDefault(Script());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::hours{1});
  EXPECT_EQ(ErrorInfoOf(Delete(context)).reason(), "DEADLINE_EXCEEDED_OUTCOME_UNKNOWN");
}

TEST_F(ServerTest, ACallWithLessThan100MillisecondsLeftIsNotSent) {
  Start();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + milliseconds{50});
  EXPECT_EQ(Delete(context).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  ASSERT_TRUE(Delete().ok());
  EXPECT_EQ(upstream.requests().size(), 1U);
}

TEST_F(ServerTest, TheCorrelationIdComesBackAndIsNeverTheIdempotencyKey) {
  Start();
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "ticket-4711");
  ASSERT_TRUE(Delete(context).ok());
  EXPECT_EQ(context.GetServerInitialMetadata().find("x-request-id")->second, "ticket-4711");
  EXPECT_EQ(service->records.Wait(0).correlation_id, "ticket-4711");
  EXPECT_EQ(SentHeader(0, "idempotency-key"), response.report().request_id());
  EXPECT_EQ(SentHeader(0, "x-request-id"), std::nullopt);
}

// The header is set by hand: with its retries on, gRPC writes it itself.
class RepeatedCallTest : public ServerTest {
 protected:
  // The error of a call that has been sent before, and to which the upstream answers with this status.
  grpc::Status DeleteAgain(const char* count, int upstream_status) {
    upstream.SetDefault(Script().Answer(
        upstream_status, {{"content-type", "application/json"}},
        R"({"statusCode":)" + std::to_string(upstream_status) + R"(,"error":"Some Name","message":"words"})"));
    Start();
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    stub = v1::TicketingUserService::NewStub(
        grpc::CreateCustomChannel(service->address(), grpc::InsecureChannelCredentials(), arguments));
    grpc::ClientContext context;
    context.AddMetadata("grpc-previous-rpc-attempts", count);
    return Delete(context);
  }
};

TEST_F(RepeatedCallTest, AnAbsentUserMayHaveBeenDeletedBefore) {
  const auto info = ErrorInfoOf(DeleteAgain("1", 404));
  EXPECT_EQ(info.reason(), "ABSENT_AFTER_AMBIGUOUS_ATTEMPT");
  EXPECT_EQ(info.metadata().at("delivery"), "UNKNOWN");
  EXPECT_EQ(info.metadata().at("previous_rpc_attempts"), "1");
}

TEST_F(RepeatedCallTest, ARefusalProvesNothingOfTheTimesBefore) {
  const grpc::Status status = DeleteAgain("2", 403);
  const auto info = ErrorInfoOf(status);
  EXPECT_EQ(info.reason(), "ACCESS_FORBIDDEN");
  EXPECT_EQ(info.metadata().at("delivery"), "UNKNOWN");
  EXPECT_EQ(info.metadata().at("previous_rpc_attempts"), "2");
  EXPECT_THAT(status.error_message(), testing::HasSubstr("gRPC had sent this call before"));
  EXPECT_EQ(service->records.Wait(0).delivery, core::Delivery::kRejected) << "the log tells of this replica";
}

TEST_F(RepeatedCallTest, AnUnavailableStillAsksForTheNextRepeat) {
  const grpc::Status status = DeleteAgain("1", 425);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorInfoOf(status).metadata().at("delivery"), "REJECTED");
  EXPECT_EQ(ErrorInfoOf(status).metadata().at("previous_rpc_attempts"), "1");
  EXPECT_THAT(status.error_message(), testing::HasSubstr("gRPC had sent this call before"));
}

TEST_F(RepeatedCallTest, NoneOrNoNumberIsTheFirstTime) {
  for (const char* const count : {"0", "many", "-1", "99999999999"}) {
    const auto info = ErrorInfoOf(DeleteAgain(count, 404));
    EXPECT_EQ(info.reason(), "USER_NOT_FOUND") << count;
    EXPECT_FALSE(info.metadata().contains("previous_rpc_attempts")) << count;
  }
}

TEST_F(ServerTest, TheTraceContextGoesOnAndNothingElseDoes) {
  Start();
  grpc::ClientContext context;
  const std::string parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  context.AddMetadata("traceparent", parent);
  context.AddMetadata("tracestate", "vendor=1");
  context.AddMetadata("cookie", "session=1");
  context.AddMetadata("authorization", "Bearer callers-token");
  ASSERT_TRUE(Delete(context).ok());
  EXPECT_EQ(SentHeader(0, "traceparent"), parent);
  EXPECT_EQ(SentHeader(0, "tracestate"), "vendor=1");
  EXPECT_EQ(SentHeader(0, "cookie"), std::nullopt);
  EXPECT_EQ(SentHeader(0, "authorization"), "Bearer services-token");
  EXPECT_EQ(service->records.Wait(0).trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST_F(ServerTest, ABrokenTraceContextIsDropped) {
  Start();
  for (const char* parent : {"garbage", "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                             "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) {
    grpc::ClientContext context;
    context.AddMetadata("traceparent", parent);
    ASSERT_TRUE(Delete(context).ok());
  }
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(SentHeader(i, "traceparent"), std::nullopt);
}

TEST_F(ServerTest, CallerModeSendsTheCallersToken) {
  ServerOptions options = Plain();
  options.callers.token_required = true;
  Start(options);
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer callers-token");
  ASSERT_TRUE(Delete(context).ok());
  EXPECT_EQ(SentHeader(0, "authorization"), "Bearer callers-token");
}

TEST_F(ServerTest, CallerModeRefusesCallsWithoutExactlyOneToken) {
  ServerOptions options = Plain();
  options.callers.token_required = true;
  Start(options);
  EXPECT_EQ(ErrorInfoOf(Delete()).reason(), "CALLER_UNAUTHENTICATED");
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer one");
  context.AddMetadata("authorization", "Bearer two");
  const grpc::Status status = Delete(context);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_FALSE(ErrorInfoOf(status).metadata().at("request_id").empty());
  EXPECT_TRUE(upstream.requests().empty());
}

TEST_F(ServerTest, AnOversizedRequestIsRefusedAndTheNextIsServed) {
  Start();
  auto request = MakeRequest();
  request.set_id(std::string(5 << 20, 'x'));
  grpc::ClientContext context;
  EXPECT_EQ(Delete(context, request).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(upstream.requests().empty());
  EXPECT_TRUE(Delete().ok());
}

TEST_F(ServerTest, ACancelAfterSendingIsNotRepeatedAndItsEndIsRecorded) {
  Start();
  Gate gate;
  upstream.SetDefault(Script().WaitFor(gate).Answer(502));
  grpc::ClientContext context;
  auto call = std::async(std::launch::async, [&] { return Delete(context); });
  ASSERT_TRUE(upstream.WaitForRequests(1));
  context.TryCancel();
  EXPECT_EQ(call.get().error_code(), grpc::StatusCode::CANCELLED);
  gate.Open();
  const auto record = service->records.Wait(0);
  // The reason depends on which of the two, cancel and answer, comes first.
  EXPECT_EQ(record.delivery, core::Delivery::kUnknown);
  EXPECT_EQ(record.attempts, 1U);
  EXPECT_EQ(upstream.requests().size(), 1U);
}

TEST_F(ServerTest, ACallThatIsRefusedKeepsItsRequestId) {
  ServerOptions options = Plain();
  options.drain_delay = milliseconds{0};
  Start(std::move(options));
  Gate gate;
  upstream.SetDefault(Script().WaitFor(gate).Answer(204));
  auto call = std::async(std::launch::async, [&] { return Delete(); });
  ASSERT_TRUE(upstream.WaitForRequests(1));
  service->Shutdown();
  service->WaitForStep(2);  // refusing new calls
  auto request = MakeRequest();
  request.set_request_id("11111111-1111-4111-8111-111111111111");
  grpc::ClientContext context;
  v1::DeleteTicketingUserResponse none;
  const grpc::Status refused = stub->DeleteTicketingUser(&context, request, &none);
  EXPECT_EQ(ErrorInfoOf(refused).reason(), "SHUTTING_DOWN");
  EXPECT_EQ(ErrorInfoOf(refused).metadata().at("request_id"), request.request_id());
  gate.Open();
  EXPECT_TRUE(call.get().ok());
}

TEST_F(ServerTest, AShutdownEndsAStreamWhoseCallerDoesNotRead) {
  ServerOptions options = Plain();
  options.drain_timeout = milliseconds{0};
  Start(std::move(options));
  upstream.SetDefault(Script().SendHead(200).SendFiller(std::uint64_t{64} * 1024 * 1024).End());
  grpc::ClientContext context;
  v1::DeleteTicketingUserStreamRequest request;
  *request.mutable_request() = MakeRequest();
  const auto reader = stub->DeleteTicketingUserStream(&context, request);
  v1::DeleteTicketingUserStreamResponse event;
  ASSERT_TRUE(reader->Read(&event));
  service->Shutdown();
  service->WaitForStep(3);  // ending the calls that are left
  service->Shutdown();      // whatever is told meanwhile
  service->Shutdown();
  service.reset();
}

TEST_F(ServerTest, AShutdownEndsAReflectionStreamThatIsLeftOpen) {
  Start();
  const auto reflection = grpc::reflection::v1::ServerReflection::NewStub(channel);
  grpc::ClientContext context;
  const auto stream = reflection->ServerReflectionInfo(&context);
  grpc::reflection::v1::ServerReflectionRequest request;
  request.set_list_services("*");
  ASSERT_TRUE(stream->Write(request));
  grpc::reflection::v1::ServerReflectionResponse response;
  ASSERT_TRUE(stream->Read(&response));
  service->Shutdown();
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ServerTest, AStreamThatStallsUntilTheCallersDeadlineIsStillADelete) {
  Start();
  Gate never;
  upstream.SetDefault(Script().SendHead(200).SendBody("some").WaitFor(never));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds{3});
  v1::DeleteTicketingUserStreamRequest request;
  *request.mutable_request() = MakeRequest();
  const auto reader = stub->DeleteTicketingUserStream(&context, request);
  v1::DeleteTicketingUserStreamResponse event;
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(event.summary().outcome(), v1::DELETE_OUTCOME_DELETED);
  EXPECT_EQ(event.summary().report().notes(0).reason(), "TRUNCATED");
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(ServerTest, AStreamIsAHeaderTheChunksAndASummary) {
  Start();
  upstream.SetDefault(Script().Answer(200, {{"Content-Type", "application/octet-stream"}}, "some bytes"));
  grpc::ClientContext context;
  v1::DeleteTicketingUserStreamRequest request;
  *request.mutable_request() = MakeRequest();
  const auto reader = stub->DeleteTicketingUserStream(&context, request);
  v1::DeleteTicketingUserStreamResponse event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.header().http_status(), 200U);
  EXPECT_EQ(event.header().content_type(), "application/octet-stream");
  EXPECT_EQ(event.header().content_length(), 10U);
  std::string body;
  while (reader->Read(&event) && event.has_chunk()) body += event.chunk();
  EXPECT_EQ(body, "some bytes");
  EXPECT_EQ(event.summary().outcome(), v1::DELETE_OUTCOME_DELETED);
  EXPECT_EQ(event.summary().report().attempts(), 1U);
  EXPECT_FALSE(reader->Read(&event));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(ServerTest, AStreamsViolationsNameTheFieldsOfItsOwnRequest) {
  Start();
  grpc::ClientContext context;
  const auto reader = stub->DeleteTicketingUserStream(&context, v1::DeleteTicketingUserStreamRequest());
  v1::DeleteTicketingUserStreamResponse event;
  EXPECT_FALSE(reader->Read(&event));
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  google::rpc::Status details;
  google::rpc::BadRequest bad;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  for (const auto& detail : details.details()) detail.UnpackTo(&bad);
  ASSERT_FALSE(bad.field_violations().empty());
  EXPECT_EQ(bad.field_violations(0).field(), "request.id");
}

TEST_F(ServerTest, ASlowReaderHoldsTheSenderBack) {
  Start();
  constexpr std::uint64_t kSize = 64 << 20;
  upstream.SetDefault(Script().SendHead(200).SendFiller(kSize).End());
  grpc::ClientContext context;
  v1::DeleteTicketingUserStreamRequest request;
  *request.mutable_request() = MakeRequest();
  const auto reader = stub->DeleteTicketingUserStream(&context, request);
  v1::DeleteTicketingUserStreamResponse event;
  ASSERT_TRUE(reader->Read(&event));
  ASSERT_TRUE(upstream.WaitForProgress(0, ReceivedRequest::Progress::kAnswering));
  // While nobody reads, another call is served, and the body is far from sent.
  upstream.Enqueue(Script().Answer(200, {}, "{}"));
  ASSERT_TRUE(Delete().ok());
  EXPECT_LT(upstream.requests().at(0).body_bytes, kSize / 2);
  std::uint64_t bytes = 0;
  while (reader->Read(&event) && event.has_chunk()) bytes += event.chunk().size();
  EXPECT_EQ(bytes, kSize);
  EXPECT_EQ(event.summary().report().notes_size(), 0);
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(ServerTest, ADrainFinishesWhatIsInFlightAndRefusesWhatIsNew) {
  Start();
  Gate gate;
  upstream.Enqueue(Script().WaitFor(gate).Answer(200, {}, "{}"));
  grpc::ClientContext context;
  auto call = std::async(std::launch::async, [&] { return Delete(context); });
  ASSERT_TRUE(upstream.WaitForRequests(1));
  service->Shutdown();
  service->WaitForStep(2);
  v1::DeleteTicketingUserResponse unused;
  grpc::ClientContext late;
  const grpc::Status refused = stub->DeleteTicketingUser(&late, MakeRequest(), &unused);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorInfoOf(refused).reason(), "SHUTTING_DOWN");
  EXPECT_EQ(ErrorInfoOf(refused).metadata().at("delivery"), "NOT_SENT");
  gate.Open();
  EXPECT_TRUE(call.get().ok());
  EXPECT_EQ(upstream.requests().size(), 1U);
}

TEST_F(ServerTest, AnImpatientShutdownIsHonestAboutWhatWasSent) {
  Start();
  upstream.SetDefault(Script());  // never answers
  grpc::ClientContext context;
  auto call = std::async(std::launch::async, [&] { return Delete(context); });
  ASSERT_TRUE(upstream.WaitForRequests(1));
  service->Shutdown();
  service->Shutdown();
  const grpc::Status status = call.get();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNKNOWN);
  EXPECT_EQ(ErrorInfoOf(status).reason(), "OUTCOME_UNKNOWN");
  EXPECT_EQ(ErrorInfoOf(status).metadata().at("delivery"), "UNKNOWN");
}

TEST_F(ServerTest, ATakenPortIsAnErrorNotASecondListener) {
  Start();
  ServerOptions options = Plain();
  options.listen = service->address();
  const TestService second(options, upstream.url());
  EXPECT_EQ(second.address(), "");
}

class MutualTlsTest : public ServerTest {
 protected:
  MutualTlsTest() {
    options_ = Plain();
    options_.tls = {.identity = &identity_, .client_authorities = &authorities_};
    options_.callers.allowed_clients = {"spiffe://test/ns/*"};
  }
  ~MutualTlsTest() override { service.reset(); }

  // What the service shows, signed by `authority`.
  static core::TlsIdentity Served(const support::CertificateAuthority& authority) {
    const auto served = authority.Issue({.common_name = "service", .dns_names = {"localhost"}});
    return {.certificate = served.certificate_pem, .key = served.key_pem};
  }

  void Connect(const support::CertifiedKey& client) { Connect(client, authority_); }
  // On a connection of its own, to a service that `authority` vouches for.
  void Connect(const support::CertifiedKey& client, const support::CertificateAuthority& authority) {
    grpc::SslCredentialsOptions credentials;
    credentials.pem_root_certs = authority.certificate_pem();
    credentials.pem_cert_chain = client.certificate_pem;
    credentials.pem_private_key = client.key_pem;
    const std::string port = service->address().substr(service->address().rfind(':'));
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel = grpc::CreateCustomChannel("localhost" + port, grpc::SslCredentials(credentials), arguments);
    stub = v1::TicketingUserService::NewStub(channel);
  }

  support::CertificateAuthority authority_{"test authority"};
  support::FixedSource<core::TlsIdentity> identity_{Served(authority_)};
  support::FixedSource<core::TlsAuthorities> authorities_{authority_.certificate_pem()};
  ServerOptions options_;
};

TEST_F(MutualTlsTest, AnAllowedClientIsServed) {
  Start(options_);
  Connect(authority_.Issue({.common_name = "client", .uris = {"spiffe://test/ns/a/sa/caller"}}));
  const grpc::Status status = Delete();
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(MutualTlsTest, WithoutAuthoritiesAClientNeedsNoCertificate) {
  options_.tls.client_authorities = nullptr;
  options_.callers.allowed_clients = {};
  Start(options_);
  Connect({});
  EXPECT_TRUE(Delete().ok());
}

TEST_F(MutualTlsTest, AClientOffTheListMayNotCall) {
  Start(options_);
  Connect(authority_.Issue({.common_name = "client", .uris = {"spiffe://other/ns/a"}}));
  const grpc::Status status = Delete();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(ErrorInfoOf(status).reason(), "CALLER_NOT_ALLOWED");
  // An operator who wants it on the list finds its name.
  EXPECT_EQ(service->records.Wait(0).caller, "spiffe://other/ns/a");
  EXPECT_TRUE(upstream.requests().empty());
}

TEST_F(MutualTlsTest, AClientOfAnotherAuthorityGetsNoConnection) {
  Start(options_);
  const support::CertificateAuthority other("another authority");
  Connect(other.Issue({.common_name = "client", .uris = {"spiffe://test/ns/a/sa/caller"}}));
  EXPECT_EQ(Delete().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(upstream.requests().empty());
}

TEST_F(MutualTlsTest, WhatIsShownAndTrustedChangesWithTheNextConnection) {
  Start(options_);
  const support::CertifiedKey client = authority_.Issue({.common_name = "client", .uris = {"spiffe://test/ns/a"}});
  Connect(client);
  EXPECT_TRUE(Delete().ok());
  const support::CertificateAuthority next("next authority");
  identity_.Replace(Served(next));
  authorities_.Replace(next.certificate_pem());
  // The connection that is there stays.
  EXPECT_TRUE(Delete().ok());
  Connect(next.Issue({.common_name = "client", .uris = {"spiffe://test/ns/a"}}), next);
  EXPECT_TRUE(Delete().ok());
  Connect(client, next);
  EXPECT_EQ(Delete().error_code(), grpc::StatusCode::UNAVAILABLE);
}

// ---- Liveness

TEST_F(MutualTlsTest, TheProbeOfTheListenerNeedsNoCertificate) {
  Start(options_);
  EXPECT_EQ(ProbeListener(service->address(), /*tls=*/true, kAmple), std::nullopt);
}

TEST_F(ServerTest, TheProbeOfTheListenerHearsGrpcAnswer) {
  Start();
  EXPECT_EQ(ProbeListener(service->address(), /*tls=*/false, kAmple), std::nullopt);
}

TEST_F(ServerTest, TheProbeOfTheListenerTellsWhenNobodyAcceptsOrAnswers) {
  boost::asio::io_context loop;
  using boost::asio::ip::tcp;
  tcp::acceptor silent(loop, {boost::asio::ip::address_v4::loopback(), 0});
  const std::string address = "127.0.0.1:" + std::to_string(silent.local_endpoint().port());
  for (const bool tls : {false, true}) {
    EXPECT_THAT(ProbeListener(address, tls, milliseconds{50}), Optional(HasSubstr("did not answer")));
  }
  silent.close();
  EXPECT_THAT(ProbeListener(address, false, kAmple), Optional(HasSubstr("refused")));
}

TEST_F(ServerTest, ABeatComesThroughBothThreads) {
  Start();
  service->Beat();
}

}  // namespace
}  // namespace ticketing::rpc
