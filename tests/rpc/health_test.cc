#include "rpc/health.h"

#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/rpc/queue_server.h"

namespace ticketing::rpc {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

constexpr char kService[] = "ticketing.v1.TicketingUserService";

class HealthTest : public testing::Test {
 protected:
  // One that watches `service`.
  class Watcher {
   public:
    Watcher(Health::Stub& stub, const std::string& service) {
      HealthCheckRequest request;
      request.set_service(service);
      stream_ = stub.Watch(&context_, request);
    }
    HealthCheckResponse::ServingStatus Next() {
      HealthCheckResponse event;
      EXPECT_TRUE(stream_->Read(&event));
      return event.status();
    }
    grpc::Status End() {
      HealthCheckResponse event;
      EXPECT_FALSE(stream_->Read(&event)) << event.DebugString();
      return stream_->Finish();
    }
    void Cancel() { context_.TryCancel(); }

   private:
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> stream_;
  };

  grpc::Status Check(const std::string& service) {
    grpc::ClientContext context;
    HealthCheckRequest request;
    request.set_service(service);
    return stub->Check(&context, request, &response);
  }

  HealthService health{{"", kService}};
  QueueServer server{health};
  std::unique_ptr<Health::Stub> stub = Health::NewStub(server.channel());
  HealthCheckResponse response;
};

TEST_F(HealthTest, NothingIsServingAtFirst) {
  ASSERT_TRUE(Check("").ok());
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
}

TEST_F(HealthTest, TheServerAndItsServiceAreInTheSameState) {
  health.SetServing(true);
  for (const char* service : {"", kService}) {
    ASSERT_TRUE(Check(service).ok());
    EXPECT_EQ(response.status(), HealthCheckResponse::SERVING) << service;
  }
}

TEST_F(HealthTest, ACheckOfAnUnknownServiceIsNotFound) {
  health.SetServing(true);
  EXPECT_EQ(Check("nothing").error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(HealthTest, AWatchTellsTheStateAndEachChange) {
  Watcher watcher(*stub, kService);
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::NOT_SERVING);
  health.SetServing(true);
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::SERVING);
  health.SetServing(true);  // nothing new
  health.SetServing(false);
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::NOT_SERVING);
}

TEST_F(HealthTest, AWatchOfAnUnknownServiceGoesOn) {
  Watcher watcher(*stub, "nothing");
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::SERVICE_UNKNOWN);
  health.SetServing(true);
  health.Close();
  EXPECT_EQ(watcher.End().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(HealthTest, ManyMayWatch) {
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < 100; ++i) watchers.push_back(std::make_unique<Watcher>(*stub, ""));
  for (const auto& watcher : watchers) EXPECT_EQ(watcher->Next(), HealthCheckResponse::NOT_SERVING);
  health.SetServing(true);
  for (const auto& watcher : watchers) EXPECT_EQ(watcher->Next(), HealthCheckResponse::SERVING);
}

TEST_F(HealthTest, AWatcherThatGoesIsForgotten) {
  Watcher leaver(*stub, "");
  EXPECT_EQ(leaver.Next(), HealthCheckResponse::NOT_SERVING);
  leaver.Cancel();
  EXPECT_EQ(leaver.End().error_code(), grpc::StatusCode::CANCELLED);
  Watcher stayer(*stub, "");
  EXPECT_EQ(stayer.Next(), HealthCheckResponse::NOT_SERVING);
  health.SetServing(true);
  EXPECT_EQ(stayer.Next(), HealthCheckResponse::SERVING);
}

TEST_F(HealthTest, ClosingEndsEveryWatchAlsoOneThatComesLater) {
  Watcher early(*stub, "");
  EXPECT_EQ(early.Next(), HealthCheckResponse::NOT_SERVING);
  health.Close();
  EXPECT_EQ(early.End().error_code(), grpc::StatusCode::UNAVAILABLE);
  Watcher late(*stub, "");
  EXPECT_EQ(late.Next(), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(late.End().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace ticketing::rpc
