#include "ops/admin_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

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
                                       .metrics =
                                           [this] {
                                             if (hang_) hang_();
                                             return std::string("up 1\n");
                                           }},
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
  std::function<void()> hang_;
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

// Connections that send some bytes, or none, and then no more.
class SilentConnections {
 public:
  SilentConnections(const std::string& address, int count) {
    using boost::asio::ip::tcp;
    const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    for (int i = 0; i < count; ++i) {
      sockets_.emplace_back(loop_);
      sockets_.back().connect({boost::asio::ip::address_v4::loopback(), port});
      if (i % 2 == 0) boost::asio::write(sockets_.back(), boost::asio::buffer(std::string("GET /livez HT")));
    }
  }

 private:
  boost::asio::io_context loop_;
  std::vector<boost::asio::ip::tcp::socket> sockets_;
};

std::size_t OpenDescriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

TEST_F(AdminServerTest, ConnectionsThatSayNothingHoldUpNoProbe) {
  const SilentConnections silent(server_->address(), 100);
  // Less than the time that each of them has.
  client_->set_read_timeout(std::chrono::seconds{4});
  for (const char* path : {"/livez", "/readyz", "/metrics"}) {
    const auto answer = client_->Get(path);
    ASSERT_TRUE(answer) << path;
    EXPECT_EQ(answer->status, 200);
  }
}

TEST_F(AdminServerTest, ConnectionsThatSayNothingHoldFewDescriptors) {
  const auto before = OpenDescriptors();
  const SilentConnections silent(server_->address(), 100);
  ASSERT_TRUE(client_->Get("/livez"));  // accepted after all of them
  // Our own 100, the 16 that may stay, and some that are just being closed.
  EXPECT_LE(OpenDescriptors() - before, 100 + 16 + 30U);
}

TEST_F(AdminServerTest, APageThatHangsHoldsUpNoOther) {
  std::promise<void> end;
  const auto ended = end.get_future().share();
  hang_ = [ended] { ended.wait(); };
  auto hanging = std::async(std::launch::async,
                            [this] { return httplib::Client("http://" + server_->address()).Get("/metrics")->status; });
  EXPECT_EQ(client_->Get("/readyz")->status, 200);
  end.set_value();
  EXPECT_EQ(hanging.get(), 200);
}

TEST_F(AdminServerTest, ATakenPortIsAnErrorThatSaysSo) {
  const auto second = AdminServer::Start(server_->address(), {}, log_);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.error(), HasSubstr("can't listen on " + server_->address() + ": Address already in use"));
}

TEST_F(AdminServerTest, EndsAtOnceWhileClientsAreConnected) {
  const SilentConnections silent(server_->address(), 10);
  ASSERT_EQ(client_->Get("/readyz")->status, 200);
  const auto before = std::chrono::steady_clock::now();
  server_.reset();
  // Not after the 5 s that each of them has.
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds{4});
}

}  // namespace
}  // namespace ticketing::ops
