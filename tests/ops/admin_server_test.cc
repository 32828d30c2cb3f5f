#include "ops/admin_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <cstdio>
#include <future>
#include <memory>
#include <string>

namespace ticketing::ops {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class AdminServerTest : public testing::Test {
 protected:
  AdminServerTest() {
    auto started = AdminServer::Start("127.0.0.1:0",
                                      {.why_not_alive = [this] { return why_not_alive_; },
                                       .why_not_ready = [this] { return why_not_ready_; },
                                       .metrics = [] { return std::string("up 1\n"); }},
                                      log_);
    EXPECT_TRUE(started.ok());
    if (!started.ok()) return;
    server_ = std::move(started).value();
    client_ = std::make_unique<httplib::Client>("http://" + server_->address());
  }

  std::FILE* output_ = std::tmpfile();
  Log log_{LogLevel::kInfo, LogFormat::kJson, output_};
  std::optional<std::string> why_not_alive_;
  std::optional<std::string> why_not_ready_;
  std::unique_ptr<AdminServer> server_;
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(AdminServerTest, ProbesAnswerWithTheReasonInTheirBody) {
  EXPECT_EQ(client_->Get("/livez")->status, 200);
  EXPECT_EQ(client_->Get("/livez")->body, "alive\n");
  EXPECT_EQ(client_->Get("/readyz")->status, 200);
  EXPECT_EQ(client_->Get("/readyz")->body, "ready\n");
  why_not_alive_ = "a thread hangs";
  why_not_ready_ = "draining";
  EXPECT_EQ(client_->Get("/livez")->status, 503);
  EXPECT_EQ(client_->Get("/livez")->body, "a thread hangs\n");
  EXPECT_EQ(client_->Get("/readyz")->status, 503);
  EXPECT_EQ(client_->Get("/readyz")->body, "draining\n");
}

TEST_F(AdminServerTest, MetricsAreInPrometheusFormat) {
  const auto answer = client_->Get("/metrics");
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "up 1\n");
  EXPECT_THAT(answer->get_header_value("content-type"), StartsWith("text/plain; version=0.0.4"));
}

TEST_F(AdminServerTest, TheLogsLevelCanBeReadAndChanged) {
  EXPECT_EQ(client_->Get("/log-level")->body, "info\n");
  EXPECT_EQ(client_->Put("/log-level", "debug\n", "text/plain")->status, 200);
  EXPECT_EQ(log_.level(), LogLevel::kDebug);
  EXPECT_EQ(client_->Get("/log-level")->body, "debug\n");
  const auto refused = client_->Put("/log-level", "loud", "text/plain");
  EXPECT_EQ(refused->status, 400);
  EXPECT_THAT(refused->body, HasSubstr("trace, debug, info, warn or error"));
  EXPECT_EQ(log_.level(), LogLevel::kDebug);
}

TEST_F(AdminServerTest, AnythingElseIsNotFound) {
  EXPECT_EQ(client_->Get("/")->status, 404);
  EXPECT_EQ(client_->Post("/livez", "", "text/plain")->status, 404);
}

TEST_F(AdminServerTest, ALargeBodyIsRefused) {
  EXPECT_EQ(client_->Put("/log-level", std::string(5000, 'x'), "text/plain")->status, 413);
}

TEST_F(AdminServerTest, ConnectionsThatSayNothingDoNotHoldUpAProbe) {
  // Each takes a thread until its time for reading is up.
  httplib::Client silent("http://" + server_->address());
  silent.set_keep_alive(true);
  ASSERT_EQ(silent.Get("/readyz")->status, 200);
  EXPECT_EQ(client_->Get("/livez")->status, 200);
}

TEST_F(AdminServerTest, ATakenPortIsAnErrorThatSaysSo) {
  const auto second = AdminServer::Start(server_->address(), {}, log_);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.error(), HasSubstr("can't listen on " + server_->address() + ": Address already in use"));
}

TEST_F(AdminServerTest, EndsWhileAClientIsConnected) {
  client_->set_keep_alive(true);
  ASSERT_EQ(client_->Get("/readyz")->status, 200);
  server_.reset();
}

}  // namespace
}  // namespace ticketing::ops
