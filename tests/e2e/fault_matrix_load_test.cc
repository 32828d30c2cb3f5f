// The fault matrix, rows 66 to 72: load, outages, the clock, and callers that mean harm.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/fault_matrix.h"
#include "tests/e2e/preload.h"
#include "tests/e2e/raw_http2_client.h"

namespace ticketing::e2e {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using support::ConnectionBehavior;
using support::Gate;
using support::Protocol;
using support::ReceivedRequest;
using support::Script;
using Opening = ConnectionBehavior::Opening;
using Progress = ReceivedRequest::Progress;

constexpr std::size_t kMebibyte = std::size_t{1} << 20;

// ---- Rows 66 to 68: load, outage, recovery

class FaultMatrixLoad : public FaultMatrix {
 protected:
  // A figure of the row, for whoever reads its output: a ratio, or what callers were told; never a speed.
  static void Tell(const char* what, double figure) { std::cout << "figure: " << what << ": " << figure << '\n'; }

  // Many calls, `at_a_time` of them under way, each of another account; `visit` sees how each ended.
  void DeleteMany(int count, int at_a_time, const std::function<void(const CallEnd&)>& visit) {
    for (int done = 0; done < count; done += at_a_time) {
      for (const auto& call : StartCalls(at_a_time)) visit(call->End());
    }
  }

  static milliseconds DelayOf(const CallEnd& end) {
    const auto retry = DetailOf<google::rpc::RetryInfo>(end.status);
    EXPECT_TRUE(retry) << end;
    if (!retry) return {};
    return seconds{retry->retry_delay().seconds()} + milliseconds{retry->retry_delay().nanos() / 1'000'000};
  }

  // Nothing at all is served any more, and the service has understood that.
  void BreakDown() {
    upstream().SetBehavior({.opening = Opening::kReset});
    upstream().CloseConnections();
    for (int i = 0; i < 10; ++i) {
      if (Delete().attempts() == 0U) return;
    }
    FAIL() << "the service goes on as if nothing had happened";
  }
};

TEST_F(FaultMatrixLoad, Row66TwiceTheCapacityIsServedAsFarAsThatGoesInFlatMemory) {
  constexpr int kCapacity = 40;
  const int rounds = Scaled(25, 2500);
  Start({.protocol = Protocol::kHttp2Tls}, {{"TICKETING_MAX_IN_FLIGHT", std::to_string(kCapacity)}});
  RaiseConcurrencyLimit(kCapacity);
  Respond(Script().Delay(milliseconds{10}).Answer(200, {}, "{}"));
  const std::uint64_t before = RequestCount();
  // What is kept of deletes that may be repeated grows up to 64 MiB.
  BoundMemory(static_cast<std::size_t>(Scaled(16, 96)) * kMebibyte);
  std::uint64_t served = 0;
  DeleteMany(rounds * 2 * kCapacity, 2 * kCapacity, [&](const CallEnd& end) {
    if (end.status.ok()) {
      ++served;
      return;
    }
    EXPECT_EQ(end.code(), StatusCode::UNAVAILABLE) << end;
    EXPECT_EQ(end.reason(), "OVERLOADED");
    EXPECT_EQ(end.attempts(), 0U);
    EXPECT_GT(DelayOf(end), milliseconds{0});
  });
  EXPECT_GE(served, static_cast<std::uint64_t>(rounds * kCapacity) * 9 / 10);
  EXPECT_EQ(RequestCount() - before, served) << "work that was for nothing";
  Tell("goodput at twice the capacity, of that at the capacity", static_cast<double>(served) / (rounds * kCapacity));
  ExpectBoundedMemory();
}

TEST_F(FaultMatrixLoad, Row67WhenEveryAnswerIsAnErrorTheUpstreamGetsAFifthMoreAtMost) {
  const int kCalls = Scaled(1000, 50'000);
  Start();
  Respond(Script().Answer(500, {}, R"({"statusCode":500,"error":"Error","message":"down"})"));
  DeleteMany(kCalls, 20, [](const CallEnd& end) { EXPECT_EQ(end.reason(), "OUTCOME_UNKNOWN") << end; });
  EXPECT_LE(RequestCount(), static_cast<std::uint64_t>(kCalls) * 12 / 10);
  Tell("requests for each call while every answer is an error", static_cast<double>(RequestCount()) / kCalls);
}

TEST_F(FaultMatrixLoad, Row67WhenNothingCanBeReachedItIsLeftAlone) {
  const int kCalls = Scaled(1000, 50'000);
  Start({.protocol = Protocol::kHttp2Tls, .behavior = {.opening = Opening::kReset}});
  DeleteMany(kCalls, 20, [](const CallEnd& end) {
    EXPECT_EQ(end.reason(), "UPSTREAM_UNREACHABLE") << end;
    EXPECT_GT(DelayOf(end), milliseconds{0});
  });
  EXPECT_EQ(RequestCount(), 0U);
  const std::uint64_t connections = upstream().facts().connections_accepted;
  EXPECT_LE(connections, static_cast<std::uint64_t>(kCalls) / 5);
  Tell("connections for each call while nothing can be reached", static_cast<double>(connections) / kCalls);
}

// What the caller is told counts, not how long the test takes.
TEST_F(FaultMatrixLoad, Row68WhoeverComesBackWhenToldIsServedWithin10SecondsOfTheRecovery) {
  Start();
  ASSERT_TRUE(Delete().status.ok());
  BreakDown();
  upstream().SetBehavior({});
  milliseconds told{0};
  for (CallEnd end = Delete(); !end.status.ok(); end = Delete()) {
    ASSERT_EQ(end.code(), StatusCode::UNAVAILABLE) << end;
    const milliseconds delay = DelayOf(end);
    told += delay;
    ASSERT_LE(told, seconds{10});
    std::this_thread::sleep_for(delay);  // as the caller is told to
  }
  Tell("seconds from the recovery to the first success, as callers are told", static_cast<double>(told.count()) / 1000);
}

TEST_F(FaultMatrixLoad, Row68TheRecoveringUpstreamMeetsOneCallAndNoHerd) {
  Start();
  ASSERT_TRUE(Delete().status.ok());
  BreakDown();
  // From now on a connection is accepted, and no more: the first call that gets through keeps waiting for it.
  upstream().SetBehavior({.opening = Opening::kStall});
  const std::uint64_t before = upstream().facts().connections_accepted;
  std::shared_ptr<Call> probe;
  while (!probe) {
    const auto call = StartCall(Request());
    while (!call->ended() && upstream().facts().connections_accepted == before) std::this_thread::sleep_for(kLookAgain);
    if (!call->ended()) probe = call;
  }
  std::vector<milliseconds> delays;
  for (int i = 0; i < Scaled(10, 100); ++i) {
    DeleteMany(20, 20, [&](const CallEnd& end) {
      EXPECT_EQ(end.code(), StatusCode::UNAVAILABLE) << end;
      delays.push_back(DelayOf(end));
    });
    const std::uint64_t now = upstream().facts().connections_accepted;
    if (probe->ended()) break;  // its time was up: now another one may try
    EXPECT_EQ(now, before + 1);
  }
  // Nor do they all come back at once.
  const auto [earliest, latest] = std::ranges::minmax(delays);
  EXPECT_GE(latest - earliest, milliseconds{300});
  upstream().SetBehavior({});
  upstream().ResetConnections();
}

// ---- Row 69: the clock

constexpr std::chrono::hours kFarJump{10'000};

// "2026-11"
std::string MonthIn(std::chrono::hours time) {
  const std::time_t then = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() + time);
  std::tm parts{};
  ::gmtime_r(&then, &parts);
  std::string month(16, '\0');
  month.resize(std::strftime(month.data(), month.size(), "%Y-%m", &parts));
  return month;
}

TEST_F(FaultMatrix, Row69JumpsOfTheClockChangeNothing) {
  Preload preload;
  Environment environment = preload.Environment();
  environment.insert({{"TICKETING_ACCOUNT_RATE", "4"}, {"TICKETING_ACCOUNT_BURST", "4"}});
  Start({.protocol = Protocol::kHttp2Tls}, environment);
  const CallSetup with_deadline = [](grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + seconds{20});
  };
  int account = 0;
  for (const auto jump : {std::chrono::hours{1}, std::chrono::hours{-1}, kFarJump}) {
    SCOPED_TRACE(jump.count());
    Gate gate;
    Respond({Script().WaitFor(gate).Answer(200, {}, "{}"), Script().Answer(425, {{"retry-after", "1"}})}, Good());
    ++account;
    const std::uint64_t before = RequestCount();
    const auto in_flight = StartCall(Request("in-flight", AccountId(account)), with_deadline);
    ASSERT_TRUE(upstream().WaitForRequests(before + 1));
    const auto in_backoff = StartCall(Request("in-backoff", AccountId(account)), with_deadline);
    ASSERT_TRUE(upstream().WaitForProgress(before + 1, Progress::kAnswered));
    std::vector<std::shared_ptr<Call>> queued;
    for (int i = 0; i < 6; ++i) queued.push_back(StartCall(Request("queued", AccountId(account)), with_deadline));
    preload.ShiftClock(jump);
    EXPECT_TRUE(Delete(Request("new", AccountId(100 + account)), with_deadline).status.ok());
    EXPECT_TRUE(Delete(Request("new", AccountId(100 + account))).status.ok());
    for (const auto& call : queued) EXPECT_TRUE(call->End().status.ok()) << call->End();
    EXPECT_TRUE(in_backoff->End().status.ok()) << in_backoff->End();
    gate.Open();
    EXPECT_TRUE(in_flight->End().status.ok()) << in_flight->End();
    preload.ShiftClock(seconds{0});
  }
  EXPECT_TRUE(Delete().status.ok());
  Stop();
  // The clock did jump: the log says so.
  EXPECT_THAT(service().process().output(), testing::HasSubstr("\"time\":\"" + MonthIn(kFarJump)));
}

// ---- Rows 70 to 72: callers that mean harm

TEST_F(FaultMatrix, Row70AFloodOfPingsIsStoppedAndDisturbsNobody) {
  const int kPings = Scaled(10'000, 1'000'000);
  Start();
  ASSERT_TRUE(Delete().status.ok());
  BoundMemory(32 * kMebibyte);
  RawHttp2Client client(service().address());
  bool open = true;
  for (int i = 0; open && i < kPings; ++i) {
    client.Ping();
    if (i % 100 == 99) open = client.Send();
    if (i % 1000 == 999) EXPECT_TRUE(Delete().status.ok());
  }
  EXPECT_TRUE(client.WaitUntil([&] { return client.go_away().has_value(); }) || client.go_away());
  EXPECT_EQ(client.go_away(), static_cast<std::uint32_t>(support::Http2Error::kEnhanceYourCalm));
  EXPECT_TRUE(Delete().status.ok());
  ExpectBoundedMemory();
}

TEST_F(FaultMatrix, Row71StreamsThatAreResetAtOnceDisturbNobodyAndSendNothing) {
  const int kStreams = Scaled(2'000, 200'000);
  Start();
  ASSERT_TRUE(Delete().status.ok());
  BoundMemory(32 * kMebibyte);
  std::uint64_t deletes = 1;
  RawHttp2Client client(service().address());
  bool open = true;
  for (int i = 0; open && i < kStreams; ++i) {
    const auto stream = client.StartCall(std::nullopt);
    open = client.Send();
    client.ResetStream(stream);
    if (i % 200 != 199) continue;
    EXPECT_TRUE(Delete().status.ok());
    ++deletes;
  }
  EXPECT_EQ(RequestCount(), deletes);
  ExpectBoundedMemory();
}

TEST_F(FaultMatrix, Row71DeletesThatAreResetAtOnceAreSentOnceAtMost) {
  const int kStreams = Scaled(500, 50'000);
  Start();
  ASSERT_TRUE(Delete().status.ok());
  RawHttp2Client client(service().address());
  bool open = true;
  for (int i = 0; open && i < kStreams; ++i) {
    const auto request = Request("reset", AccountId(i % 10));
    const auto stream = client.StartCall(request.SerializeAsString());
    open = client.Send();
    client.ResetStream(stream);
    Record({.request_id = request.request_id(), .status = grpc::Status::CANCELLED, .response = {}, .pushback = {}});
    if (i % 50 == 49) EXPECT_TRUE(Delete(Request("42", AccountId(100))).status.ok());
  }
  EXPECT_TRUE(open);
  std::map<std::string, int> sent;
  for (const ReceivedRequest& request : upstream().requests()) {
    const std::string key(core::FindHeader(request.headers, "idempotency-key").value_or(""));
    EXPECT_EQ(++sent[key], 1) << key;
  }
}

TEST_F(FaultMatrix, Row72StreamsThatNobodyReadsTakeBoundedMemoryAndHoldUpNobody) {
  constexpr std::size_t kStreams = 8;
  constexpr std::uint64_t kSize = 64 * kMebibyte;
  Start();
  ASSERT_TRUE(Delete().status.ok());
  BoundMemory(64 * kMebibyte);
  upstream().SetHandler([](const ReceivedRequest& request) {
    if (request.path.find("unread") != std::string::npos) return Script().SendHead(200).SendFiller(kSize).End();
    return Good();
  });
  struct Stream {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::DeleteTicketingUserStreamResponse>> reader;
  };
  std::vector<Stream> streams(kStreams);
  for (Stream& stream : streams) {
    v1::DeleteTicketingUserStreamRequest request;
    *request.mutable_request() = Request("unread");
    stream.reader = service().stub().DeleteTicketingUserStream(&stream.context, request);
    v1::DeleteTicketingUserStreamResponse event;
    ASSERT_TRUE(stream.reader->Read(&event));
    EXPECT_EQ(event.header().http_status(), 200U);
    Record({.request_id = request.request().request_id(),
            .status = grpc::Status::CANCELLED,
            .response = {},
            .pushback = {}});
  }
  for (int i = 0; i < 10; ++i) {
    for (const auto& call : StartCalls(10)) EXPECT_TRUE(call->End().status.ok()) << call->End();
  }
  for (const ReceivedRequest& request : upstream().requests()) EXPECT_LT(request.body_bytes, kSize / 2);
  ExpectBoundedMemory();
  for (Stream& stream : streams) {
    stream.context.TryCancel();
    EXPECT_EQ(stream.reader->Finish().error_code(), StatusCode::CANCELLED);
  }
}

TEST_F(FaultMatrix, Row72ConnectionsThatSayNothingHoldUpNobody) {
  const int kConnections = Scaled(200, 1000);
  Start();
  const IdleConnections silent(service().address(), kConnections, "");
  const IdleConnections halfway(service().address(), kConnections, "PRI * HTTP/2.0\r\n");
  const IdleConnections wrong(service().address(), kConnections, "GET / HTTP/1.1\r\n\r\n");
  for (int i = 0; i < 10; ++i) {
    for (const auto& call : StartCalls(10)) EXPECT_TRUE(call->End().status.ok()) << call->End();
  }
}

TEST_F(FaultMatrix, Row72CallsWhoseMessageNeverComesHoldUpNobody) {
  const int kStreams = Scaled(90, 90);  // of one connection: gRPC takes about a hundred
  Start();
  std::vector<std::unique_ptr<RawHttp2Client>> clients;
  for (int connection = 0; connection < Scaled(5, 50); ++connection) {
    clients.push_back(std::make_unique<RawHttp2Client>(service().address()));
    for (int i = 0; i < kStreams; ++i) clients.back()->StartCall(std::nullopt);
    ASSERT_TRUE(clients.back()->Send());
  }
  for (int i = 0; i < 10; ++i) {
    for (const auto& call : StartCalls(10)) EXPECT_TRUE(call->End().status.ok()) << call->End();
  }
  EXPECT_EQ(RequestCount(), 100U);
}

}  // namespace
}  // namespace ticketing::e2e
