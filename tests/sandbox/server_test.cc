#include "tests/sandbox/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <thread>

#include "tests/sandbox/sandbox_fixture.h"

namespace ticketing::sandbox {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// The real server on a port of its own.
class ServerTest : public SandboxTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.Listen("127.0.0.1", 0));
    client_ = std::make_unique<httplib::Client>(server_.url());
    client_->set_keep_alive(true);
  }

  httplib::Result Delete(const std::string& segment, const std::string& more = "", httplib::Headers headers = {}) {
    headers.insert({{"Authorization", "Bearer sandbox-token"},
                    {"Accept", "application/json"},
                    {"Content-Type", "application/json"}});
    const std::string query = "?integrated_account_id=" + std::string(kHive) + more;
    return client_->Delete("/unified/ticketing/users/" + segment + query, headers);
  }

  Json Received() { return Json::parse(client_->Get("/sandbox/requests")->body)["requests"]; }

  Server server_{sandbox_};
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(ServerTest, AnswersOverHttpWithTheHeadersOfTheAnswer) {
  const httplib::Result answer = Delete("teams%2Fops%207");
  ASSERT_TRUE(answer) << to_string(answer.error());
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->get_header_value("Content-Type"), "application/json; charset=utf-8");
  EXPECT_EQ(answer->get_header_value("ratelimit-limit"), "50;w=10");
  EXPECT_EQ(Json::parse(answer->body)["id"], "teams/ops 7");
  EXPECT_EQ(Received()[0]["target"],
            "/unified/ticketing/users/teams%2Fops%207?integrated_account_id=" + std::string(kHive));
}

TEST_F(ServerTest, KeepsAConnectionForManyRequests) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Delete("nobody")->status, 404);
  const Json received = Received();
  for (const Json& request : received) EXPECT_EQ(request["peer"], received[0]["peer"]);
}

TEST_F(ServerTest, A204HasNeitherBodyNorContentLength) {
  const httplib::Result answer = Delete("hT8vNcRj4MwQgXb6A");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 204);
  EXPECT_FALSE(answer->has_header("Content-Length"));
  EXPECT_EQ(Delete("nobody")->status, 404) << "the connection goes on";
}

TEST_F(ServerTest, StreamsInChunks) {
  const httplib::Result answer =
      Delete("nKqyGsBwaFCyJvCKz", "&truto_response_format=stream&remote_query[sandbox_stream_bytes]=3000000");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->get_header_value("Transfer-Encoding"), "chunked");
  EXPECT_EQ(answer->body, StreamedBytes(0, 3'000'000));
}

TEST_F(ServerTest, RefusesABodyAndGoesOn) {
  EXPECT_EQ(client_->Delete("/unified/ticketing/users/a", {}, "{}", "application/json")->status, 401);
  const httplib::Headers headers = {{"Authorization", "Bearer sandbox-token"}, {"Accept", "*/*"}};
  const std::string target = "/unified/ticketing/users/a?integrated_account_id=" + std::string(kHive);
  const httplib::Result answer = client_->Delete(target, headers, "{}", "application/json");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 400);
  EXPECT_THAT(answer->body, HasSubstr("body"));
  EXPECT_EQ(Delete("nobody")->status, 404);
}

TEST_F(ServerTest, DoesNotTakeTheChunksOfABodyForAnotherRequest) {
  const auto write_chunk = [](std::size_t, httplib::DataSink& sink) {
    sink.write("GET / HTTP/1.1\r\n\r\n", 18);
    sink.done();
    return true;
  };
  const httplib::Result answer = client_->Post("/nowhere", httplib::Headers(), write_chunk, "text/plain");
  ASSERT_TRUE(answer) << to_string(answer.error());
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(Delete("nobody")->status, 404);
  EXPECT_THAT(Received(), SizeIs(2));
}

TEST_F(ServerTest, ResetsOnAPostWithoutABody) {
  EXPECT_EQ(Delete("nKqyGsBwaFCyJvCKz")->status, 200);
  EXPECT_EQ(client_->Post("/sandbox/reset")->status, 204);
  EXPECT_EQ(Delete("nKqyGsBwaFCyJvCKz")->status, 200);
}

TEST_F(ServerTest, ClosesWithoutAnAnswerAndBreaksBodiesOff) {
  EXPECT_EQ(Delete("provoke-closed").error(), httplib::Error::Read);
  EXPECT_EQ(Delete("provoke-broken-body").error(), httplib::Error::Read);
  EXPECT_EQ(Delete("nobody")->status, 404);
}

TEST_F(ServerTest, SendsHugeBodiesWhole) {
  const httplib::Result answer = Delete("provoke-huge");
  ASSERT_TRUE(answer);
  EXPECT_GT(answer->body.size(), 10U * 1024 * 1024);
}

TEST(Server, EndsWhileARequestWaitsForAnAnswerThatNeverComes) {
  std::promise<void> received;
  Sandbox sandbox({}, [] { return Time(); }, [&](const std::string&) { received.set_value(); });
  auto server = std::make_unique<Server>(sandbox);
  ASSERT_TRUE(server->Listen("127.0.0.1", 0));
  std::thread caller([url = server->url()] {
    httplib::Client client(url);
    client.set_read_timeout(std::chrono::minutes(5));
    const httplib::Headers headers = {{"Authorization", "Bearer sandbox-token-hive"},
                                      {"Accept", "application/json"},
                                      {"Content-Type", "application/json"}};
    EXPECT_EQ(client.Delete("/unified/ticketing/users/provoke-never", headers).error(), httplib::Error::Read);
  });
  received.get_future().wait();
  server.reset();
  caller.join();
}

TEST(Server, DoesNotShareAPort) {
  Sandbox sandbox({}, [] { return Time(); });
  Server first(sandbox);
  ASSERT_TRUE(first.Listen("127.0.0.1", 0));
  Server second(sandbox);
  EXPECT_FALSE(second.Listen("127.0.0.1", std::stoi(first.url().substr(first.url().rfind(':') + 1))));
}

}  // namespace
}  // namespace ticketing::sandbox
