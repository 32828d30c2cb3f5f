#include "http/curl_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tests/support/dead_ports.h"
#include "tests/support/fixed_source.h"
#include "tests/support/run_coroutine.h"
#include "tests/support/scripted_upstream.h"

namespace ticketing::http {
namespace {

using namespace std::chrono_literals;
using core::ResponseHead;
using core::TransportError;
using support::ConnectionBehavior;
using support::Elsewhere;
using support::Facts;
using support::Gate;
using support::Http2Error;
using support::Protocol;
using support::ReceivedRequest;
using support::Run;
using support::Script;
using support::ScriptedUpstream;
using ::testing::ElementsAre;
using ::testing::Pair;
using Exchange = std::unique_ptr<call::HttpExchange>;
using HeadOutcome = std::variant<ResponseHead, TransportError>;
using Kind = TransportError::Kind;
using Certificate = ConnectionBehavior::Certificate;

// Long enough never to be what ends a test that does not speak of time.
constexpr auto kAmple = 60s;
// Short, where a time-out is the subject.
constexpr auto kBrief = 60ms;

// All of an answer, or why there is none.
struct Answer {
  int status = 0;  // 0: none
  core::HttpHeaders headers;
  std::string body;
  bool complete = false;
  TransportError error;
};

boost::asio::awaitable<Answer> ReadAll(call::HttpExchange& exchange) {
  Answer answer;
  HeadOutcome head = co_await exchange.Head();
  if (auto* error = std::get_if<TransportError>(&head)) {
    answer.error = std::move(*error);
    co_return answer;
  }
  answer.status = std::get<ResponseHead>(head).status;
  answer.headers = std::move(std::get<ResponseHead>(head).headers);
  while (true) {
    const call::BodyPiece piece = co_await exchange.Read();
    answer.body += piece.bytes;
    if (piece.end) {
      answer.complete = piece.complete;
      co_return answer;
    }
  }
}

// A loop with a client on it. What happens on the loop happens while one of its functions runs.
class Client {
 public:
  explicit Client(const CurlOptions& options) : curl_(context_, options) {}
  explicit Client(const ScriptedUpstream& upstream) : Client(OptionsFor(upstream)) {}

  static CurlOptions OptionsFor(const ScriptedUpstream& upstream) {
    CurlOptions options;
    options.allow_plaintext = true;
    options.authorities = &upstream.authorities();
    options.connect_timeout = kAmple;
    options.settle_time = kAmple;
    return options;
  }

  Exchange Start(core::HttpRequest request, std::chrono::milliseconds time = kAmple, bool streaming = false) {
    return curl_.Start(std::move(request),
                       {.deadline = std::chrono::steady_clock::now() + time, .streaming = streaming});
  }
  Exchange Start(const std::string& url) { return Start(core::HttpRequest{"DELETE", url, {}}); }
  Exchange StartStreaming(const std::string& url) { return Start({"DELETE", url, {}}, kAmple, true); }

  HeadOutcome Head(const Exchange& exchange) { return Run(context_, exchange->Head()); }
  call::BodyPiece Read(const Exchange& exchange) { return Run(context_, exchange->Read()); }
  Answer Finish(const Exchange& exchange) { return Run(context_, ReadAll(*exchange)); }
  Answer Delete(const std::string& url) { return Finish(Start(url)); }

  // Runs the loop while `wait` waits.
  bool RunWhile(std::function<bool()> wait) { return Run(context_, Elsewhere(std::move(wait))); }
  void Post(std::function<void()> action) { boost::asio::post(context_, std::move(action)); }

 private:
  boost::asio::io_context context_;
  CurlClient curl_;
};

void ExpectNotSent(const Answer& answer, Kind kind) {
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(answer.error.kind, kind) << answer.error.message;
  EXPECT_FALSE(answer.error.request_sent);
  EXPECT_NE(answer.error.message, "");
}

void ExpectBroken(const Answer& answer) {
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(answer.error.kind, Kind::kBroken) << answer.error.message;
  EXPECT_TRUE(answer.error.request_sent);
  EXPECT_NE(answer.error.message, "");
  EXPECT_EQ(answer.error.message.find("callback"), std::string::npos) << "our own doing: " << answer.error.message;
}

std::string ProtocolName(Protocol protocol) {
  switch (protocol) {
    case Protocol::kHttp1: return "Http1";
    case Protocol::kHttp1Tls: return "Http1Tls";
    case Protocol::kHttp2Tls: return "Http2Tls";
  }
  return "";
}

// Promises that hold whatever is spoken.
class CurlClientOverAnyProtocol : public ::testing::TestWithParam<Protocol> {
 protected:
  ScriptedUpstream upstream_{{.protocol = GetParam()}};
  Client client_{upstream_};
  std::string url_ = upstream_.url() + "/unified/ticketing/users/1";
};

INSTANTIATE_TEST_SUITE_P(, CurlClientOverAnyProtocol,
                         ::testing::Values(Protocol::kHttp1, Protocol::kHttp1Tls, Protocol::kHttp2Tls),
                         [](const auto& test) { return ProtocolName(test.param); });

// ---- Connections

TEST(CurlClient, SpeaksHttp2OverTlsAndReusesTheConnection) {
  const ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls});
  Client client(upstream);
  EXPECT_EQ(client.Delete(upstream.url() + "/a").status, 200);
  EXPECT_EQ(client.Delete(upstream.url() + "/b").status, 200);
  const auto requests = upstream.requests();
  ASSERT_EQ(requests.size(), 2);
  EXPECT_EQ(requests[0].http_version, "2");
  EXPECT_EQ(requests[1].http_version, "2");
  EXPECT_EQ(requests[0].connection, requests[1].connection);
  EXPECT_EQ(upstream.facts().connections_accepted, 1);
}

TEST(CurlClient, SpeaksHttp11WhereThatIsAllThereIs) {
  const ScriptedUpstream upstream({.protocol = Protocol::kHttp1Tls});
  Client client(upstream);
  EXPECT_EQ(client.Delete(upstream.url() + "/a").status, 200);
  EXPECT_EQ(client.Delete(upstream.url() + "/b").status, 200);
  const auto requests = upstream.requests();
  ASSERT_EQ(requests.size(), 2);
  EXPECT_EQ(requests[0].http_version, "1.1");
  EXPECT_EQ(requests[0].connection, requests[1].connection);
}

TEST_P(CurlClientOverAnyProtocol, OpensNoMoreConnectionsThanAllowed) {
  constexpr std::size_t kCalls = 50;
  CurlOptions options = Client::OptionsFor(upstream_);
  options.max_connections = 3;
  upstream_.SetBehavior({.max_concurrent_streams = 8});
  Gate gate;
  upstream_.SetDefault(Script().WaitFor(gate).Answer(200));
  Client client(options);
  std::vector<Exchange> exchanges;
  for (std::size_t i = 0; i < kCalls; ++i) exchanges.push_back(client.Start(url_));
  // Held back here, so that all others have to find their place or wait for one.
  ASSERT_TRUE(client.RunWhile([&] { return upstream_.WaitForRequests(3); }));
  gate.Open();
  for (const Exchange& exchange : exchanges) {
    const Answer answer = client.Finish(exchange);
    EXPECT_EQ(answer.status, 200) << answer.error.message;
  }
  const Facts facts = upstream_.facts();
  EXPECT_EQ(facts.request_count, kCalls);
  EXPECT_LE(facts.connections_peak, 3);
}

TEST(CurlClient, HandlesAServerThatAllowsOneStreamAtATime) {
  const ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls, .behavior = {.max_concurrent_streams = 1}});
  Client client(upstream);
  std::vector<Exchange> exchanges;
  for (int i = 0; i < 20; ++i) exchanges.push_back(client.Start(upstream.url() + "/a"));
  for (const Exchange& exchange : exchanges) {
    const Answer answer = client.Finish(exchange);
    EXPECT_EQ(answer.status, 200) << answer.error.message;
  }
  EXPECT_EQ(upstream.facts().request_count, 20);
  EXPECT_LE(upstream.facts().connections_peak, 4);
}

TEST(CurlClient, SharesANewConnectionAlthoughItsFirstAnswerIsLate) {
  constexpr std::size_t kCalls = 10;
  ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls});
  CurlOptions options = Client::OptionsFor(upstream);
  options.max_connections = 1;
  options.settle_time = kBrief;
  Gate gate;
  upstream.SetDefault(Script().WaitFor(gate).Answer(200));
  Client client(options);
  std::vector<Exchange> exchanges;
  for (std::size_t i = 0; i < kCalls; ++i) exchanges.push_back(client.Start(upstream.url() + "/a"));
  EXPECT_TRUE(client.RunWhile([&] { return upstream.WaitForRequests(kCalls); }));
  gate.Open();
  for (const Exchange& exchange : exchanges) EXPECT_EQ(client.Finish(exchange).status, 200);
  EXPECT_EQ(upstream.facts().connections_accepted, 1);
}

TEST_P(CurlClientOverAnyProtocol, ReplacesAConnectionThatWasClosedWhileIdle) {
  ASSERT_EQ(client_.Delete(url_).status, 200);
  upstream_.CloseConnections();
  EXPECT_EQ(client_.Delete(url_).status, 200);
  EXPECT_EQ(upstream_.facts().request_count, 2);
  EXPECT_EQ(upstream_.facts().connections_accepted, 2);
}

TEST_P(CurlClientOverAnyProtocol, IsUnaffectedByProxiesInTheEnvironment) {
  const support::RefusingPort nobody;
  const std::string proxy = "http://127.0.0.1:" + std::to_string(nobody.port());
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"}) {
    ::setenv(name, proxy.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): no other thread looks
  }
  EXPECT_EQ(client_.Delete(url_).status, 200);
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"}) {
    ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe): no other thread looks
  }
}

// ---- What is sent

TEST_P(CurlClientOverAnyProtocol, SendsTheGivenHeadersTheHostAndNothingElse) {
  upstream_.Enqueue(Script().Answer(200, {{"set-cookie", "session=1"}}));
  ASSERT_EQ(client_.Delete(url_).status, 200);
  const core::HttpRequest request{"DELETE", url_, {{"x-first", "1"}, {"x-second", "2"}}};
  EXPECT_EQ(client_.Finish(client_.Start(request)).status, 200);
  const auto requests = upstream_.requests();
  ASSERT_EQ(requests.size(), 2);
  const std::string host = "127.0.0.1:" + std::to_string(upstream_.port());
  EXPECT_THAT(requests[0].headers, ElementsAre(Pair("host", host)));
  EXPECT_THAT(requests[1].headers, ElementsAre(Pair("host", host), Pair("x-first", "1"), Pair("x-second", "2")));
  EXPECT_EQ(requests[1].method, "DELETE");
  EXPECT_EQ(requests[1].body, "");
}

TEST_P(CurlClientOverAnyProtocol, SendsHeaderValuesByteForByte) {
  const core::HttpHeaders headers{{"authorization", "Bearer a.b-c_d~e+f/g=="},
                                  {"accept", "application/json"},
                                  {"content-type", "application/json"},
                                  {"x-signs", R"(a;b, "c": d  e\f{}%41)"},
                                  {"x-utf8",
                                   "Gr\xc3\xbc\xc3\x9f"
                                   "e \xf0\x9f\x8e\xab"},
                                  {"x-empty", ""},
                                  {"x-repeated", "1"},
                                  {"x-repeated", "2"}};
  ASSERT_EQ(client_.Finish(client_.Start(core::HttpRequest{"DELETE", url_, headers})).status, 200);
  core::HttpHeaders seen = upstream_.requests()[0].headers;
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.front().first, "host");
  seen.erase(seen.begin());
  EXPECT_EQ(seen, headers);
}

TEST_P(CurlClientOverAnyProtocol, SendsThePathAsItIs) {
  for (const std::string path :
       {"/users/%2e%2e", "/users/%2E", "/users/a%2Fb?c[]=1&d%5B%5D=2", "/a/./b/../c", "/%25"}) {
    EXPECT_EQ(client_.Delete(upstream_.url() + path).status, 200);
    EXPECT_EQ(upstream_.requests().back().path, path);
  }
}

// ---- Answers

TEST_P(CurlClientOverAnyProtocol, HandsOnStatusHeadersAndBody) {
  upstream_.Enqueue(Script().Answer(
      418, {{"X-Mixed-Case", "Value  With \"Signs\""}, {"set-cookie", "a"}, {"Set-Cookie", "b"}, {"x-latin", "\xe9"}},
      "short and stout"));
  const Answer answer = client_.Delete(url_);
  EXPECT_EQ(answer.status, 418);
  EXPECT_THAT(answer.headers,
              ElementsAre(Pair("x-mixed-case", "Value  With \"Signs\""), Pair("set-cookie", "a"),
                          Pair("set-cookie", "b"), Pair("x-latin", "\xe9"), Pair("content-length", "15")));
  EXPECT_EQ(answer.body, "short and stout");
  EXPECT_TRUE(answer.complete);
}

TEST_P(CurlClientOverAnyProtocol, AnswerWithoutBodyIsComplete) {
  upstream_.Enqueue(Script().Answer(204));
  const Answer answer = client_.Delete(url_);
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.body, "");
  EXPECT_TRUE(answer.complete);
}

TEST_P(CurlClientOverAnyProtocol, AnswerInSingleBytesIsWhole) {
  upstream_.SetBehavior({.write_size = 1, .frame_size = 1});
  upstream_.Enqueue(Script().SendHead(200, {{"x-header", "value"}}).SendBody(R"({"id":"1"})").End());
  const Answer answer = client_.Delete(url_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(core::FindHeader(answer.headers, "x-header"), "value");
  EXPECT_EQ(answer.body, R"({"id":"1"})");
  EXPECT_TRUE(answer.complete);
}

TEST_P(CurlClientOverAnyProtocol, InterimAnswersAreNotTheAnswer) {
  upstream_.Enqueue(Script()
                        .SendInformational(103, {{"link", "</style.css>"}})
                        .SendInformational(103, {{"link", "</script.js>"}})
                        .Answer(200, {{"x-final", "yes"}}, "{}"));
  const Answer answer = client_.Delete(url_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(core::FindHeader(answer.headers, "link"), std::nullopt);
  EXPECT_EQ(core::FindHeader(answer.headers, "x-final"), "yes");
  EXPECT_EQ(answer.body, "{}");
  EXPECT_TRUE(answer.complete);
}

TEST_P(CurlClientOverAnyProtocol, FollowsNoRedirect) {
  const ScriptedUpstream elsewhere({.protocol = GetParam()});
  for (const int status : {301, 302, 303, 307, 308}) {
    upstream_.Enqueue(Script().Answer(status, {{"location", elsewhere.url() + "/stolen"}}));
    const Answer answer = client_.Delete(url_);
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(core::FindHeader(answer.headers, "location"), elsewhere.url() + "/stolen");
  }
  EXPECT_EQ(elsewhere.facts().connections_accepted, 0);
  EXPECT_EQ(upstream_.facts().request_count, 5);
}

TEST_P(CurlClientOverAnyProtocol, HeadArrivesBeforeTheBodyDoes) {
  Gate gate;
  upstream_.Enqueue(Script().SendHead(200).WaitFor(gate).SendBody("late").End());
  const Exchange exchange = client_.Start(url_);
  const HeadOutcome head = client_.Head(exchange);
  ASSERT_TRUE(std::holds_alternative<ResponseHead>(head));
  EXPECT_EQ(std::get<ResponseHead>(head).status, 200);
  gate.Open();
  std::string body;
  call::BodyPiece piece;
  while (!piece.end) {
    piece = client_.Read(exchange);
    body += piece.bytes;
  }
  EXPECT_EQ(body, "late");
  EXPECT_TRUE(piece.complete);
}

// ---- Bodies that break off: the status stands

struct BreakCase {
  const char* name;
  std::function<void(Script&)> end;
};

class CurlClientBrokenBody : public ::testing::TestWithParam<std::tuple<Protocol, BreakCase>> {};

INSTANTIATE_TEST_SUITE_P(
    , CurlClientBrokenBody,
    ::testing::Combine(
        ::testing::Values(Protocol::kHttp1, Protocol::kHttp2Tls),
        ::testing::Values(BreakCase{"ByResettingTheConnection", [](Script& script) { script.ResetConnection(); }},
                          BreakCase{"ByClosingTheConnection", [](Script& script) { script.Close(); }},
                          BreakCase{"ByResettingTheStream",
                                    [](Script& script) { script.ResetStream(Http2Error::kInternalError); }})),
    [](const auto& test) { return std::get<1>(test.param).name + ("Over" + ProtocolName(std::get<0>(test.param))); });

TEST_P(CurlClientBrokenBody, LeavesTheStatusAndSaysThatTheBodyIsIncomplete) {
  const auto& [protocol, break_case] = GetParam();
  ScriptedUpstream upstream({.protocol = protocol});
  Client client(upstream);
  Gate gate;
  Script script;
  script.SendHead(200).SendBody("part").WaitFor(gate);
  break_case.end(script);
  ASSERT_EQ(client.Delete(upstream.url() + "/warm").status, 200);
  upstream.Enqueue(script);
  const Exchange exchange = client.Start(upstream.url() + "/a");
  const HeadOutcome head = client.Head(exchange);
  ASSERT_TRUE(std::holds_alternative<ResponseHead>(head));
  EXPECT_EQ(std::get<ResponseHead>(head).status, 200);
  std::string body = client.Read(exchange).bytes;
  gate.Open();
  call::BodyPiece piece;
  while (!piece.end) {
    piece = client.Read(exchange);
    body += piece.bytes;
  }
  EXPECT_EQ(body, "part");
  EXPECT_FALSE(piece.complete);
  EXPECT_EQ(upstream.facts().request_count, 2);
}

TEST(CurlClient, BodyShorterThanItsContentLengthIsIncomplete) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  Client client(upstream);
  upstream.Enqueue(Script().SendHead(200, {{"content-length", "100"}}).SendBody("part").Close());
  const Answer answer = client.Delete(upstream.url());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "part");
  EXPECT_FALSE(answer.complete);
}

// ---- One request is sent once

struct LossCase {
  const char* name;
  Script script;
};

class CurlClientLostAnswer : public ::testing::TestWithParam<std::tuple<Protocol, LossCase>> {};

std::string LossCaseName(const ::testing::TestParamInfo<std::tuple<Protocol, LossCase>>& test) {
  const auto& [protocol, loss] = test.param;
  return loss.name + ("Over" + ProtocolName(protocol));
}

INSTANTIATE_TEST_SUITE_P(
    , CurlClientLostAnswer,
    ::testing::Combine(
        ::testing::Values(Protocol::kHttp1, Protocol::kHttp1Tls, Protocol::kHttp2Tls),
        ::testing::Values(LossCase{"ConnectionReset", Script().ResetConnection()},
                          LossCase{"ConnectionClosed", Script().Close()},
                          LossCase{"StreamReset", Script().ResetStream(Http2Error::kInternalError)},
                          LossCase{"StreamCancelled", Script().ResetStream(Http2Error::kCancel)},
                          LossCase{"StreamRefused", Script().ResetStream(Http2Error::kRefusedStream)},
                          LossCase{"GoneAwayBelowTheStream", Script().GoAwayBelow().Close()},
                          LossCase{"ToldToCalmDown", Script().GoAwayBelow(Http2Error::kEnhanceYourCalm).Close()},
                          LossCase{"InterimAnswerThenReset", Script().SendInformational(103).ResetConnection()})),
    LossCaseName);

TEST_P(CurlClientLostAnswer, OnAWarmConnectionIsReportedAndNeverSentAgain) {
  const auto& [protocol, loss] = GetParam();
  ScriptedUpstream upstream({.protocol = protocol});
  Client client(upstream);
  ASSERT_EQ(client.Delete(upstream.url() + "/warm").status, 200);
  upstream.Enqueue(loss.script);
  ExpectBroken(client.Delete(upstream.url() + "/lost"));
  EXPECT_EQ(client.Delete(upstream.url() + "/next").status, 200);
  const auto requests = upstream.requests();
  ASSERT_EQ(requests.size(), 3);
  EXPECT_EQ(requests[0].connection, requests[1].connection);
  EXPECT_EQ(requests[1].path, "/lost");
  EXPECT_EQ(requests[2].path, "/next");
}

TEST_P(CurlClientLostAnswer, OnANewConnectionIsReportedAndNeverSentAgain) {
  const auto& [protocol, loss] = GetParam();
  ScriptedUpstream upstream({.protocol = protocol});
  Client client(upstream);
  upstream.Enqueue(loss.script);
  ExpectBroken(client.Delete(upstream.url() + "/lost"));
  EXPECT_EQ(client.Delete(upstream.url() + "/next").status, 200);
  EXPECT_EQ(upstream.facts().request_count, 2);
}

TEST_P(CurlClientLostAnswer, OfManyAtOnceIsReportedForEachAndNeverSentAgain) {
  const auto& [protocol, loss] = GetParam();
  ScriptedUpstream upstream({.protocol = protocol});
  Client client(upstream);
  ASSERT_EQ(client.Delete(upstream.url() + "/warm").status, 200);
  upstream.SetDefault(loss.script);
  std::vector<Exchange> exchanges;
  for (int i = 0; i < 10; ++i) exchanges.push_back(client.Start(upstream.url() + "/" + std::to_string(i)));
  for (const Exchange& exchange : exchanges) EXPECT_EQ(client.Finish(exchange).status, 0);
  std::vector<std::string> paths;
  for (const ReceivedRequest& request : upstream.requests()) paths.push_back(request.path);
  std::ranges::sort(paths);
  EXPECT_EQ(std::ranges::adjacent_find(paths), paths.end()) << "a request came twice";
}

TEST(CurlClient, GoAwayThatCoversTheRequestLetsItsAnswerCome) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls});
  Client client(upstream);
  ASSERT_EQ(client.Delete(upstream.url() + "/warm").status, 200);
  upstream.Enqueue(Script().GoAwayCovering().Answer(200, {}, "done"));
  const Answer answer = client.Delete(upstream.url() + "/a");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "done");
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(client.Delete(upstream.url() + "/b").status, 200);
  const auto requests = upstream.requests();
  ASSERT_EQ(requests.size(), 3);
  EXPECT_NE(requests[1].connection, requests[2].connection);
}

TEST_P(CurlClientOverAnyProtocol, EnormousHeadersOnAWarmConnectionLeadToNoSecondRequest) {
  ASSERT_EQ(client_.Delete(url_).status, 200);
  upstream_.Enqueue(Script().Answer(200, support::LargeHeaders(360 * 1024), "{}"));
  const Answer answer = client_.Delete(url_);
  if (answer.status == 0) {
    ExpectBroken(answer);
  } else {
    EXPECT_EQ(answer.status, 200);
  }
  EXPECT_EQ(client_.Delete(url_).status, 200);
  EXPECT_EQ(upstream_.facts().request_count, 3);
}

// ---- Requests that could not be sent

TEST(CurlClient, RefusedConnectionIsUnreachable) {
  const support::RefusingPort nobody;
  Client client({.allow_plaintext = true});
  ExpectNotSent(client.Delete("http://127.0.0.1:" + std::to_string(nobody.port())), Kind::kUnreachable);
  ExpectNotSent(client.Delete("https://127.0.0.1:" + std::to_string(nobody.port())), Kind::kUnreachable);
}

TEST(CurlClient, UnknownHostIsNotSent) {
  Client client(CurlOptions{});
  const Answer answer = client.Finish(client.Start({"DELETE", "https://nowhere.invalid/", {}}, 2s));
  // Where no resolver answers at all, the time is up first.
  ExpectNotSent(answer, answer.error.kind == Kind::kTimedOut ? Kind::kTimedOut : Kind::kUnreachable);
}

TEST(CurlClient, UrlThatIsNoneIsMisconfigured) {
  Client client(CurlOptions{});
  ExpectNotSent(client.Delete("https://:443:/"), Kind::kMisconfigured);
  ExpectNotSent(client.Delete("ftp://127.0.0.1/"), Kind::kMisconfigured);
}

TEST(CurlClient, SendsNothingInPlaintextUnlessAllowed) {
  const ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  Client client(CurlOptions{});
  ExpectNotSent(client.Delete(upstream.url()), Kind::kMisconfigured);
  EXPECT_EQ(upstream.facts().connections_accepted, 0);
}

TEST(CurlClient, SwallowedConnectionEndsAfterTheConnectTimeout) {
  const support::SilentPort silent;
  Client client({.connect_timeout = kBrief});
  ExpectNotSent(client.Delete("https://127.0.0.1:" + std::to_string(silent.port())), Kind::kUnreachable);
}

TEST(CurlClient, SwallowedConnectionEndsAtTheDeadline) {
  const support::SilentPort silent;
  Client client({.connect_timeout = kAmple});
  const std::string url = "https://127.0.0.1:" + std::to_string(silent.port());
  ExpectNotSent(client.Finish(client.Start({"DELETE", url, {}}, kBrief)), Kind::kTimedOut);
}

TEST(CurlClient, StalledHandshakeEndsAfterTheConnectTimeout) {
  const ScriptedUpstream upstream(
      {.protocol = Protocol::kHttp2Tls, .behavior = {.opening = ConnectionBehavior::Opening::kStall}});
  CurlOptions options = Client::OptionsFor(upstream);
  options.connect_timeout = kBrief;
  Client client(options);
  ExpectNotSent(client.Delete(upstream.url()), Kind::kUnreachable);
  EXPECT_EQ(upstream.facts().request_count, 0);
}

TEST(CurlClient, StalledHandshakeEndsAtTheDeadline) {
  ScriptedUpstream upstream(
      {.protocol = Protocol::kHttp2Tls, .behavior = {.opening = ConnectionBehavior::Opening::kStall}});
  Client client(upstream);
  ExpectNotSent(client.Finish(client.Start({"DELETE", upstream.url(), {}}, kBrief)), Kind::kTimedOut);
  EXPECT_TRUE(client.RunWhile([&] { return upstream.WaitForOpenConnections(0); }));
  EXPECT_EQ(upstream.facts().request_count, 0);
}

TEST(CurlClient, HandshakeThatBreaksOffIsUnreachable) {
  for (const auto opening : {ConnectionBehavior::Opening::kClose, ConnectionBehavior::Opening::kReset}) {
    const ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls, .behavior = {.opening = opening}});
    Client client(upstream);
    ExpectNotSent(client.Delete(upstream.url()), Kind::kUnreachable);
    EXPECT_EQ(upstream.facts().request_count, 0);
  }
}

class CurlClientCertificates : public ::testing::TestWithParam<Certificate> {};

INSTANTIATE_TEST_SUITE_P(, CurlClientCertificates,
                         ::testing::Values(Certificate::kExpired, Certificate::kWrongHost, Certificate::kUnknownCa),
                         [](const auto& test) {
                           return test.param == Certificate::kExpired     ? "Expired"
                                  : test.param == Certificate::kWrongHost ? "WrongHost"
                                                                          : "UnknownCa";
                         });

TEST_P(CurlClientCertificates, AreRefusedBeforeAnythingIsSent) {
  for (const Protocol protocol : {Protocol::kHttp1Tls, Protocol::kHttp2Tls}) {
    const ScriptedUpstream upstream({.protocol = protocol, .behavior = {.certificate = GetParam()}});
    Client client(upstream);
    ExpectNotSent(client.Delete(upstream.url()), Kind::kMisconfigured);
    EXPECT_EQ(upstream.facts().request_count, 0);
    EXPECT_EQ(upstream.facts().connections_accepted, 1);
  }
}

TEST(CurlClient, CertificateFromOutsideTheSystemsStoreIsRefusedWithoutACaFile) {
  const ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls});
  Client client(CurlOptions{});
  ExpectNotSent(client.Delete(upstream.url()), Kind::kMisconfigured);
  EXPECT_EQ(upstream.facts().request_count, 0);
}

TEST(CurlClient, AReplacedAuthorityIsTrustedAtTheNextRequestAndTheOldOneNoMore) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls});
  support::FixedSource<core::TlsAuthorities> authorities(*upstream.other_authorities().Current());
  CurlOptions options = Client::OptionsFor(upstream);
  options.authorities = &authorities;
  Client client(options);
  ExpectNotSent(client.Delete(upstream.url()), Kind::kMisconfigured);
  authorities.Replace(*upstream.authorities().Current());
  EXPECT_EQ(client.Delete(upstream.url()).status, 200);
  authorities.Replace(*upstream.other_authorities().Current());
  // Not even on the connection that is there.
  ExpectNotSent(client.Delete(upstream.url()), Kind::kMisconfigured);
  EXPECT_EQ(upstream.facts().request_count, 1);
}

// ---- Time

TEST_P(CurlClientOverAnyProtocol, DeadlineAfterSendingLeavesTheOutcomeOpen) {
  upstream_.Enqueue(Script());
  const Exchange exchange = client_.Start(url_);
  ASSERT_TRUE(client_.RunWhile([&] { return upstream_.WaitForRequests(1); }));
  exchange->SetDeadline(std::chrono::steady_clock::now() + kBrief);
  const Answer answer = client_.Finish(exchange);
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(answer.error.kind, Kind::kTimedOut);
  EXPECT_TRUE(answer.error.request_sent);
  EXPECT_TRUE(client_.RunWhile([&] { return upstream_.WaitForProgress(0, ReceivedRequest::Progress::kAbandoned); }));
}

TEST_P(CurlClientOverAnyProtocol, DeadlineCanBeMovedForwardWhileWaiting) {
  upstream_.Enqueue(Script());
  const Exchange exchange = client_.Start(url_);
  ASSERT_TRUE(client_.RunWhile([&] { return upstream_.WaitForRequests(1); }));
  client_.Post([&] { exchange->SetDeadline(std::chrono::steady_clock::now() + kBrief); });
  const HeadOutcome head = client_.Head(exchange);
  ASSERT_TRUE(std::holds_alternative<TransportError>(head));
  EXPECT_EQ(std::get<TransportError>(head).kind, Kind::kTimedOut);
  EXPECT_TRUE(std::get<TransportError>(head).request_sent);
}

TEST_P(CurlClientOverAnyProtocol, DeadlineCanBePutOff) {
  upstream_.Enqueue(Script().Delay(3 * kBrief).Answer(200));
  const Exchange exchange = client_.Start({"DELETE", url_, {}}, kBrief);
  exchange->SetDeadline(std::chrono::steady_clock::now() + kAmple);
  EXPECT_EQ(client_.Finish(exchange).status, 200);
}

TEST_P(CurlClientOverAnyProtocol, DeadlineInTheBodyEndsItAsIncomplete) {
  upstream_.Enqueue(Script().SendHead(200).SendBody("part"));
  const Exchange exchange = client_.Start(url_);
  const HeadOutcome head = client_.Head(exchange);
  ASSERT_TRUE(std::holds_alternative<ResponseHead>(head));
  std::string body = client_.Read(exchange).bytes;
  exchange->SetDeadline(std::chrono::steady_clock::now() + kBrief);
  call::BodyPiece piece;
  while (!piece.end) {
    piece = client_.Read(exchange);
    body += piece.bytes;
  }
  EXPECT_EQ(body, "part");
  EXPECT_FALSE(piece.complete);
}

// ---- Giving up

TEST(CurlClient, CancelWhileConnectingMeansThatNothingIsSent) {
  ScriptedUpstream upstream(
      {.protocol = Protocol::kHttp2Tls, .behavior = {.opening = ConnectionBehavior::Opening::kStall}});
  Client client(upstream);
  const Exchange exchange = client.Start(upstream.url());
  ASSERT_TRUE(client.RunWhile([&] { return upstream.WaitForConnections(1); }));
  EXPECT_FALSE(exchange->request_sent());
  client.Post([&] { exchange->CancelUnlessSent(); });  // while Head() waits
  ExpectNotSent(client.Finish(exchange), Kind::kCancelled);
  EXPECT_TRUE(client.RunWhile([&] { return upstream.WaitForOpenConnections(0); }));
  EXPECT_EQ(upstream.facts().request_count, 0);
}

TEST(CurlClient, CancelBeforeTheLoopEverRanMeansThatNothingIsSent) {
  const ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls});
  Client client(upstream);
  const Exchange exchange = client.Start(upstream.url() + "/cancelled");
  exchange->CancelUnlessSent();
  ExpectNotSent(client.Finish(exchange), Kind::kCancelled);
  EXPECT_EQ(client.Delete(upstream.url() + "/next").status, 200);
  const auto requests = upstream.requests();
  ASSERT_EQ(requests.size(), 1);
  EXPECT_EQ(requests[0].path, "/next");
}

TEST(CurlClient, CancelWhileWaitingForAConnectionMeansThatNothingIsSent) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  CurlOptions options = Client::OptionsFor(upstream);
  options.max_connections = 1;
  Client client(options);
  Gate gate;
  upstream.Enqueue(Script().WaitFor(gate).Answer(200));
  const Exchange first = client.Start(upstream.url() + "/first");
  ASSERT_TRUE(client.RunWhile([&] { return upstream.WaitForRequests(1); }));
  const Exchange second = client.Start(upstream.url() + "/second");
  client.Post([&] { second->CancelUnlessSent(); });
  ExpectNotSent(client.Finish(second), Kind::kCancelled);
  gate.Open();
  EXPECT_EQ(client.Finish(first).status, 200);
  EXPECT_EQ(client.Delete(upstream.url() + "/third").status, 200);
  const auto requests = upstream.requests();
  ASSERT_EQ(requests.size(), 2);
  EXPECT_EQ(requests[1].path, "/third");
}

TEST_P(CurlClientOverAnyProtocol, CancelAfterSendingLetsTheAnswerCome) {
  Gate gate;
  upstream_.Enqueue(Script().WaitFor(gate).Answer(200, {}, "done"));
  const Exchange exchange = client_.Start(url_);
  ASSERT_TRUE(client_.RunWhile([&] { return upstream_.WaitForRequests(1); }));
  EXPECT_TRUE(exchange->request_sent());
  exchange->CancelUnlessSent();
  gate.Open();
  const Answer answer = client_.Finish(exchange);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "done");
  EXPECT_TRUE(answer.complete);
}

TEST_P(CurlClientOverAnyProtocol, DestroyingAnExchangeStopsItBeforeTheAnswer) {
  upstream_.Enqueue(Script());
  Exchange exchange = client_.Start(url_);
  ASSERT_TRUE(client_.RunWhile([&] { return upstream_.WaitForRequests(1); }));
  exchange.reset();
  EXPECT_TRUE(client_.RunWhile([&] { return upstream_.WaitForProgress(0, ReceivedRequest::Progress::kAbandoned); }));
  EXPECT_EQ(client_.Delete(url_).status, 200);
}

TEST_P(CurlClientOverAnyProtocol, DestroyingAnExchangeStopsItsBody) {
  upstream_.Enqueue(Script().SendHead(200).SendFiller(1ULL << 40).End());
  Exchange exchange = client_.StartStreaming(url_);
  ASSERT_TRUE(std::holds_alternative<ResponseHead>(client_.Head(exchange)));
  EXPECT_FALSE(client_.Read(exchange).end);
  exchange.reset();
  EXPECT_TRUE(client_.RunWhile([&] { return upstream_.WaitForProgress(0, ReceivedRequest::Progress::kAbandoned); }));
}

TEST(CurlClient, DestroyingAnExchangeLeavesTheOthersOnItsConnectionAlone) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls});
  Client client(upstream);
  ASSERT_EQ(client.Delete(upstream.url() + "/warm").status, 200);
  Gate gate;
  upstream.Enqueue(Script());
  upstream.Enqueue(Script().WaitFor(gate).Answer(200));
  Exchange first = client.Start(upstream.url() + "/first");
  const Exchange second = client.Start(upstream.url() + "/second");
  ASSERT_TRUE(client.RunWhile([&] { return upstream.WaitForRequests(3); }));
  first.reset();
  gate.Open();
  EXPECT_EQ(client.Finish(second).status, 200);
  EXPECT_TRUE(client.RunWhile([&] { return upstream.WaitForProgress(1, ReceivedRequest::Progress::kAbandoned); }));
  EXPECT_EQ(upstream.facts().connections_accepted, 1);
}

TEST_P(CurlClientOverAnyProtocol, DestroyingTheClientClosesItsConnections) {
  {
    Client client(upstream_);
    ASSERT_EQ(client.Delete(url_).status, 200);
  }
  EXPECT_TRUE(upstream_.WaitForOpenConnections(0));
}

// ---- Large bodies

TEST_P(CurlClientOverAnyProtocol, BodyThatNobodyReadsStaysWithTheServer) {
  constexpr std::uint64_t kSize = 64ULL << 20;
  // What the system's buffers may hold on both sides (Linux lets a receive buffer grow to 6 MiB), and the client's own.
  constexpr std::uint64_t kHeldBack = 10ULL << 20;
  upstream_.Enqueue(Script().SendHead(200).SendFiller(kSize).End());
  const Exchange exchange = client_.StartStreaming(url_);
  ASSERT_TRUE(std::holds_alternative<ResponseHead>(client_.Head(exchange)));
  // The loop has every chance to read on: other calls go their way meanwhile.
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client_.Delete(url_).status, 200);
  EXPECT_LE(upstream_.requests()[0].body_bytes, kHeldBack);

  std::uint64_t received = 0;
  std::uint64_t longest_piece = 0;
  bool intact = true;
  call::BodyPiece piece;
  while (!piece.end) {
    piece = client_.Read(exchange);
    for (const char byte : piece.bytes) intact = intact && byte == support::FillerByte(received++);
    longest_piece = std::max<std::uint64_t>(longest_piece, piece.bytes.size());
    ASSERT_LE(upstream_.requests()[0].body_bytes, received + kHeldBack);
  }
  EXPECT_TRUE(piece.complete);
  EXPECT_TRUE(intact);
  EXPECT_EQ(received, kSize);
  EXPECT_LE(longest_piece, 1ULL << 20);
}

TEST_P(CurlClientOverAnyProtocol, BodyThatIsReadAfterTheConnectionWasClosedIsWhole) {
  // More than the client takes unasked (256 KiB), but no more besides than what the system's buffers hold.
  constexpr std::uint64_t kSize = 384 * 1024;
  upstream_.Enqueue(Script().SendHead(200).SendFiller(kSize).End());
  const Exchange exchange = client_.StartStreaming(url_);
  ASSERT_TRUE(std::holds_alternative<ResponseHead>(client_.Head(exchange)));
  ASSERT_TRUE(client_.RunWhile([&] { return upstream_.WaitForProgress(0, ReceivedRequest::Progress::kAnswered); }));
  upstream_.CloseConnections();
  EXPECT_EQ(client_.Finish(client_.StartStreaming(url_)).status, 200);
  std::uint64_t received = 0;
  call::BodyPiece piece;
  while (!piece.end) {
    piece = client_.Read(exchange);
    received += piece.bytes.size();
  }
  EXPECT_TRUE(piece.complete);
  EXPECT_EQ(received, kSize);
}

TEST_P(CurlClientOverAnyProtocol, UnreadStreamsDoNotStallOtherCalls) {
  constexpr int kStreams = 3;
  std::vector<Exchange> streams;
  for (int i = 0; i < kStreams; ++i) {
    upstream_.Enqueue(Script().SendHead(200).SendFiller(1ULL << 40).End());
    streams.push_back(client_.StartStreaming(url_));
    ASSERT_TRUE(std::holds_alternative<ResponseHead>(client_.Head(streams.back())));
  }
  std::vector<Exchange> calls;
  for (int i = 0; i < 50; ++i) calls.push_back(client_.Start(url_));
  for (const Exchange& exchange : calls) EXPECT_EQ(client_.Finish(exchange).status, 200);
  std::vector<std::uint64_t> connections;
  const auto requests = upstream_.requests();
  for (int i = 0; i < kStreams; ++i) connections.push_back(requests[static_cast<std::size_t>(i)].connection);
  for (std::size_t i = kStreams; i < requests.size(); ++i) {
    EXPECT_THAT(connections, ::testing::Not(::testing::Contains(requests[i].connection)));
  }
}

}  // namespace
}  // namespace ticketing::http
