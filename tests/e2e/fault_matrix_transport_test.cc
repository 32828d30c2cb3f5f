// The fault matrix, rows 20 to 45: the way to Truto and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/fault_matrix.h"
#include "tests/e2e/preload.h"
#include "tests/support/dead_ports.h"

namespace ticketing::e2e {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using support::ConnectionBehavior;
using support::Gate;
using support::Http2Error;
using support::Protocol;
using support::ReceivedRequest;
using support::Script;
using testing::AnyOf;
using testing::Contains;
using testing::IsEmpty;
using ticketing::e2e::PrintTo;  // NOLINT(misc-unused-using-decls): gtest finds it
using Opening = ConnectionBehavior::Opening;
using Certificate = ConnectionBehavior::Certificate;

constexpr std::size_t kMebibyte = std::size_t{1} << 20;

std::string ProtocolName(const testing::TestParamInfo<Protocol>& protocol) {
  return protocol.param == Protocol::kHttp2Tls ? "Http2" : "Http1";
}

// ---- Rows 20 to 24: no way to Truto

class FaultMatrixUnreachable : public FaultMatrix {
 protected:
  // The service in front of the upstream's name, with its resolver in the hands of the test.
  void StartBehindAName(Environment environment = {}) {
    StartUpstream({.protocol = Protocol::kHttp2Tls});
    environment.merge(preload_.Environment());
    environment["TRUTO_BASE_URL"] = "https://" + std::string(kPreloadedHost) + ':' + std::to_string(upstream().port());
    StartService(std::move(environment));
  }

  void ExpectUnreachable(const CallEnd& end, std::uint32_t attempts) {
    EXPECT_EQ(end.code(), StatusCode::UNAVAILABLE) << end;
    EXPECT_EQ(end.reason(), "UPSTREAM_UNREACHABLE");
    EXPECT_EQ(end.delivery(), "NOT_SENT");
    EXPECT_EQ(end.origin(), "SERVICE");
    EXPECT_EQ(end.attempts(), attempts) << end;
    EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(end.status));
    EXPECT_GE(std::stoi("0" + end.pushback), 0);
    EXPECT_NE(end.pushback, "-1");
    EXPECT_THAT(SentOf(end.request_id), IsEmpty());
  }

  Preload preload_;
};

TEST_F(FaultMatrixUnreachable, Row20ANameThatIsNotThereIsUnavailable) {
  StartBehindAName();
  preload_.SetResolver(Resolver::kDenies);
  ExpectUnreachable(Delete(), 3);
  preload_.SetResolver(Resolver::kFinds);
}

// The real resolver, whatever it says.
TEST_F(FaultMatrixUnreachable, Row20ANameThatCanNotExistIsUnavailable) {
  Start({.protocol = Protocol::kHttp2Tls}, {{"TRUTO_BASE_URL", "https://nobody.invalid"}});
  ExpectUnreachable(Delete(), 3);
  auto request = Request();
  request.set_validate_only(true);
  EXPECT_TRUE(Delete(request).status.ok());
  Stop();
}

TEST_F(FaultMatrixUnreachable, Row21ALookupThatHangsIsUnavailableAndHoldsUpNobodyElse) {
  StartBehindAName({{"TICKETING_MAX_ATTEMPTS", "1"}});
  ASSERT_TRUE(Delete().status.ok());
  preload_.SetResolver(Resolver::kHangs);
  // Streams have connections of their own, so this one has to look the name up; the others have one already.
  auto hanging = std::async(std::launch::async, [this] { return DeleteStream(Request()); });
  ASSERT_TRUE(preload_.WaitForHangingLookups(1));
  EXPECT_TRUE(Delete().status.ok());
  EXPECT_EQ(hanging.wait_for(milliseconds{0}), std::future_status::timeout) << "it was to hang meanwhile";
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(Delete().status.ok());
  ExpectUnreachable(hanging.get(), 1);
  // It still does: neither the calls at the end nor the service's own end wait for it.
  ASSERT_TRUE(preload_.WaitForHangingLookups(1));
}

TEST_F(FaultMatrixUnreachable, Row22ARefusedConnectionIsUnavailable) {
  Start();
  upstream().StopListening();
  const support::RefusingPort refusing(upstream().port());
  ExpectUnreachable(Delete(), 3);
}

TEST_F(FaultMatrixUnreachable, Row23ASynThatIsSwallowedIsUnavailable) {
  Start({.protocol = Protocol::kHttp2Tls}, {{"TICKETING_MAX_ATTEMPTS", "1"}});
  upstream().StopListening();
  const support::SilentPort silent(upstream().port());
  ExpectUnreachable(Delete(), 1);
}

TEST_F(FaultMatrixUnreachable, Row24AHandshakeThatStallsIsUnavailable) {
  Start({.protocol = Protocol::kHttp2Tls, .behavior = {.opening = Opening::kStall}}, {{"TICKETING_MAX_ATTEMPTS", "1"}});
  ExpectUnreachable(Delete(), 1);
}

TEST_F(FaultMatrixUnreachable, Row24AHandshakeThatBreaksOffIsUnavailable) {
  Start({.protocol = Protocol::kHttp2Tls, .behavior = {.opening = Opening::kReset}});
  ExpectUnreachable(Delete(), 3);
}

// ---- Row 25: certificates

struct BadCertificate {
  const char* name;
  Certificate certificate;
};

class FaultMatrixBadCertificate : public FaultMatrix, public testing::WithParamInterface<BadCertificate> {};

INSTANTIATE_TEST_SUITE_P(Row25, FaultMatrixBadCertificate,
                         testing::Values(BadCertificate{"Expired", Certificate::kExpired},
                                         BadCertificate{"WrongHost", Certificate::kWrongHost},
                                         BadCertificate{"UnknownAuthority", Certificate::kUnknownCa}),
                         RowName<BadCertificate>);

TEST_P(FaultMatrixBadCertificate, IsInternalAndNothingIsSent) {
  Start({.protocol = Protocol::kHttp2Tls, .behavior = {.certificate = GetParam().certificate}});
  const CallEnd end = Delete();
  EXPECT_EQ(end.code(), StatusCode::INTERNAL) << end;
  EXPECT_EQ(end.reason(), "UPSTREAM_MISCONFIGURED");
  EXPECT_EQ(end.delivery(), "NOT_SENT");
  EXPECT_EQ(end.attempts(), 1U);
  EXPECT_EQ(end.pushback, "-1");
  EXPECT_EQ(RequestCount(), 0U);
}

// ---- Rows 26 to 31 and 34: the answer gets lost

struct LostAnswer {
  const char* name;
  Protocol protocol;
  bool warm;  // whether the connection has served a call before
  Script script;
};

const LostAnswer kLostAnswers[] = {
    {"Row26_ResetOfAWarmHttp2Connection", Protocol::kHttp2Tls, true, Script().ResetConnection()},
    {"Row27_ResetOfAWarmHttp1Connection", Protocol::kHttp1, true, Script().ResetConnection()},
    {"Row27_ResetOfAWarmHttp1ConnectionWithTls", Protocol::kHttp1Tls, true, Script().ResetConnection()},
    {"Row28_CloseOfAWarmHttp2Connection", Protocol::kHttp2Tls, true, Script().Close()},
    {"Row28_CloseOfAColdHttp2Connection", Protocol::kHttp2Tls, false, Script().Close()},
    {"Row28_CloseOfAWarmHttp1Connection", Protocol::kHttp1, true, Script().Close()},
    {"Row28_CloseOfAColdHttp1Connection", Protocol::kHttp1, false, Script().Close()},
    {"Row29_ResetOfAColdHttp2Connection", Protocol::kHttp2Tls, false, Script().ResetConnection()},
    {"Row29_ResetOfAColdHttp1Connection", Protocol::kHttp1, false, Script().ResetConnection()},
    {"Row30_RefusedStreamOfAWarmConnection", Protocol::kHttp2Tls, true,
     Script().ResetStream(Http2Error::kRefusedStream)},
    {"Row30_RefusedStreamOfAColdConnection", Protocol::kHttp2Tls, false,
     Script().ResetStream(Http2Error::kRefusedStream)},
    {"Row31_GoAwayBelowTheStreamOfAWarmConnection", Protocol::kHttp2Tls, true, Script().GoAwayBelow().Close()},
    {"Row31_GoAwayBelowTheStreamOfAColdConnection", Protocol::kHttp2Tls, false, Script().GoAwayBelow().Close()},
    {"Row34_StreamResetWithInternalError", Protocol::kHttp2Tls, true, Script().ResetStream(Http2Error::kInternalError)},
    {"Row34_StreamResetWithCancel", Protocol::kHttp2Tls, true, Script().ResetStream(Http2Error::kCancel)},
};

class FaultMatrixLostAnswer : public FaultMatrix, public testing::WithParamInterface<LostAnswer> {
 protected:
  void StartRow(Environment environment = {}) {
    Start({.protocol = GetParam().protocol}, std::move(environment));
    if (GetParam().warm) ASSERT_TRUE(Delete().status.ok());
  }
};

INSTANTIATE_TEST_SUITE_P(, FaultMatrixLostAnswer, testing::ValuesIn(kLostAnswers), RowName<LostAnswer>);

TEST_P(FaultMatrixLostAnswer, IsSentOnceMoreWithTheSameKey) {
  StartRow();
  Respond({GetParam().script}, Good());
  const CallEnd end = Delete();
  EXPECT_TRUE(end.status.ok()) << end;
  EXPECT_EQ(end.attempts(), 2U);
  EXPECT_EQ(SentOf(end.request_id).size(), 2U);
}

TEST_P(FaultMatrixLostAnswer, IsUnknownAfterTheSecondTime) {
  StartRow();
  Respond(GetParam().script);
  const CallEnd end = Delete();
  EXPECT_EQ(end.code(), StatusCode::UNKNOWN) << end;
  EXPECT_EQ(end.reason(), "OUTCOME_UNKNOWN");
  EXPECT_EQ(end.delivery(), "UNKNOWN");
  EXPECT_EQ(end.attempts(), 2U);
  EXPECT_EQ(end.pushback, "-1");
  EXPECT_EQ(SentOf(end.request_id).size(), 2U);
}

TEST_P(FaultMatrixLostAnswer, IsUnknownAtOnceWhereNothingIsSentAgain) {
  StartRow({{"TICKETING_MAX_ATTEMPTS", "1"}});
  Respond({GetParam().script}, Good());
  const CallEnd end = Delete();
  EXPECT_EQ(end.code(), StatusCode::UNKNOWN) << end;
  EXPECT_EQ(end.attempts(), 1U);
  EXPECT_EQ(SentOf(end.request_id).size(), 1U);
}

// UNAVAILABLE would be the code of the second attempt alone.
TEST_P(FaultMatrixLostAnswer, StaysUnknownWhenTrutoIsGoneAfterwards) {
  StartRow();
  Gate gate;
  Respond(Script().WaitFor(gate).Append(GetParam().script));
  const auto call = StartCall(Request());
  ASSERT_TRUE(upstream().WaitForRequests(GetParam().warm ? 2 : 1));
  upstream().StopListening();
  const support::RefusingPort refusing(upstream().port());
  gate.Open();
  const CallEnd& end = call->End();
  EXPECT_EQ(end.code(), StatusCode::UNKNOWN) << end;
  EXPECT_EQ(end.reason(), "OUTCOME_UNKNOWN");
  EXPECT_EQ(end.attempts(), 2U);
}

// ---- Rows 32 and 33: GOAWAY

TEST_F(FaultMatrix, Row32AGoAwayThatCoversTheStreamIsFollowedByItsAnswer) {
  Start();
  ASSERT_TRUE(Delete().status.ok());
  Respond({Script().GoAwayCovering().Answer(200, {}, "{}")}, Good());
  const CallEnd end = Delete();
  EXPECT_TRUE(end.status.ok()) << end;
  EXPECT_EQ(end.attempts(), 1U);
  // The next one goes over another connection.
  const CallEnd next = Delete();
  EXPECT_TRUE(next.status.ok()) << next;
  EXPECT_EQ(next.attempts(), 1U);
  EXPECT_EQ(upstream().facts().connections_accepted, 2U);
}

TEST_F(FaultMatrix, Row33EnhanceYourCalmTwiceToManyCallsLeadsToNoLoop) {
  constexpr int kCalls = 16;
  Start();
  ASSERT_TRUE(Delete().status.ok());
  upstream().SetHandler([](const ReceivedRequest& request) {
    if (request.connection <= 2) return Script().GoAwayBelow(Http2Error::kEnhanceYourCalm).Close();
    return Good();
  });
  for (const auto& call : StartCalls(kCalls)) {
    EXPECT_THAT(call->End().code(), AnyOf(StatusCode::OK, StatusCode::UNKNOWN)) << call->End();
    EXPECT_LE(SentOf(call->End().request_id).size(), 2U);
  }
  // Not how many at a time: the upstream may learn of the end of an old one after the beginning of a new one.
  EXPECT_LE(upstream().facts().connections_accepted, 2U + 4U);
}

// ---- Rows 35 to 37 and 39: the head is there, so the delete is done

struct BrokenBody {
  const char* name;
  Protocol protocol;
  Script end;
};

const BrokenBody kBrokenBodies[] = {
    {"Row35_ResetOfTheStream", Protocol::kHttp2Tls, Script().ResetStream(Http2Error::kInternalError)},
    {"Row35_ResetOfTheHttp2Connection", Protocol::kHttp2Tls, Script().ResetConnection()},
    {"Row35_CloseOfTheHttp2Connection", Protocol::kHttp2Tls, Script().Close()},
    {"Row35_ResetOfTheHttp1Connection", Protocol::kHttp1, Script().ResetConnection()},
    {"Row35_CloseOfTheHttp1Connection", Protocol::kHttp1, Script().Close()},
};

class FaultMatrixBrokenBody : public FaultMatrix, public testing::WithParamInterface<BrokenBody> {};

INSTANTIATE_TEST_SUITE_P(, FaultMatrixBrokenBody, testing::ValuesIn(kBrokenBodies), RowName<BrokenBody>);

TEST_P(FaultMatrixBrokenBody, IsASuccessWithANote) {
  Start({.protocol = GetParam().protocol});
  ASSERT_TRUE(Delete().status.ok());
  // A reset may overtake what was sent: it waits until the service can have read the head.
  const Script head = Script().SendHead(200, {{"content-type", "application/json"}}).SendBody(R"({"id":)");
  Respond({Script(head).Delay(milliseconds{50}).Append(GetParam().end)}, Good());
  const CallEnd end = Delete();
  EXPECT_TRUE(end.status.ok()) << end;
  EXPECT_EQ(end.response.outcome(), v1::DELETE_OUTCOME_DELETED);
  EXPECT_EQ(end.attempts(), 1U);
  EXPECT_THAT(end.notes(), Contains("TRUNCATED"));
  EXPECT_EQ(SentOf(end.request_id).size(), 1U);
}

class FaultMatrixProtocol : public FaultMatrix, public testing::WithParamInterface<Protocol> {};

INSTANTIATE_TEST_SUITE_P(, FaultMatrixProtocol, testing::Values(Protocol::kHttp2Tls, Protocol::kHttp1), ProtocolName);

TEST_P(FaultMatrixProtocol, Row36EnormousHeadersLeadToNoSecondSending) {
  Start({.protocol = GetParam()});
  for (const bool warm : {false, true}) {
    if (warm) ASSERT_TRUE(Delete().status.ok());
    Respond({Script().Answer(200, support::LargeHeaders(360 * 1024), "{}")}, Good());
    const CallEnd end = Delete();
    EXPECT_THAT(end.code(), AnyOf(StatusCode::OK, StatusCode::UNKNOWN)) << end;
    EXPECT_EQ(SentOf(end.request_id).size(), end.attempts()) << end;
  }
}

TEST_P(FaultMatrixProtocol, Row37ABodyOfOneByteASecondIsASuccessBeforeTheDeadline) {
  Start({.protocol = GetParam()}, {{"TICKETING_DEFAULT_DEADLINE", "1s"}});
  Script script = Script().SendHead(200, {{"content-type", "application/json"}});
  for (const char byte : std::string(R"({"id":"42","name":"Ada"})")) {
    script.SendBody(std::string(1, byte)).Delay(milliseconds{1000});
  }
  Respond({script}, Good());
  const CallEnd end = Delete();
  EXPECT_TRUE(end.status.ok()) << end;
  EXPECT_EQ(end.attempts(), 1U);
  EXPECT_THAT(end.notes(), Contains("TRUNCATED"));
}

TEST_P(FaultMatrixProtocol, Row38NoAnswerEverIsDeadlineExceededAfterOneSending) {
  Start({.protocol = GetParam()}, {{"TICKETING_DEFAULT_DEADLINE", "1s"}});
  for (const bool warm : {false, true}) {
    if (warm) ASSERT_TRUE(Delete().status.ok());
    Respond({Script()}, Good());
    const CallEnd end = Delete();
    EXPECT_EQ(end.code(), StatusCode::DEADLINE_EXCEEDED) << end;
    EXPECT_EQ(end.reason(), "DEADLINE_EXCEEDED_OUTCOME_UNKNOWN");
    EXPECT_EQ(end.delivery(), "UNKNOWN");
    EXPECT_EQ(end.attempts(), 1U);
    EXPECT_EQ(SentOf(end.request_id).size(), 1U);
  }
}

TEST_P(FaultMatrixProtocol, Row39ABodyOf10MebibytesIsCutOnTheUnaryCallAndWholeOnTheStream) {
  constexpr std::size_t kSize = 10 * kMebibyte;
  Start({.protocol = GetParam()});
  Respond(Script().SendHead(200, {{"content-type", "application/octet-stream"}}).SendFiller(kSize).End());
  const CallEnd end = Delete();
  ASSERT_TRUE(end.status.ok()) << end;
  EXPECT_THAT(end.notes(), Contains("TRUNCATED"));
  EXPECT_TRUE(end.response.raw().truncated());
  EXPECT_EQ(end.response.raw().data().size(), kMebibyte);
  std::string body;
  EXPECT_TRUE(DeleteStream(Request(), &body).status.ok());
  EXPECT_EQ(body.size(), kSize);
}

// Larger ones than the row says, so that their memory could not be overlooked.
TEST_P(FaultMatrixProtocol, Row39LargeBodiesTakeBoundedMemory) {
  constexpr std::size_t kSize = 64 * kMebibyte;
  constexpr int kCalls = 8;  // over four connections
  Start({.protocol = GetParam()}, {{"TICKETING_MAX_BODY_BYTES", "64KiB"}});
  ASSERT_TRUE(Delete().status.ok());
  BoundMemory(2 * kSize);
  Respond(Script().SendHead(200, {{"content-type", "application/octet-stream"}}).SendFiller(kSize).End());
  for (const auto& call : StartCalls(kCalls)) {
    EXPECT_TRUE(call->End().status.ok()) << call->End();
    EXPECT_EQ(call->End().response.raw().data().size(), kMebibyte / 16);
  }
  std::string body;
  EXPECT_TRUE(DeleteStream(Request(), &body).status.ok());
  EXPECT_EQ(body.size(), kSize);
  ExpectBoundedMemory();
}

// 64 MiB of zeros.
std::string GzipBomb() {
  z_stream stream{};
  EXPECT_EQ(::deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string zeros(kMebibyte, '\0');
  std::string bomb(kMebibyte, '\0');
  stream.next_out = reinterpret_cast<Bytef*>(bomb.data());
  stream.avail_out = static_cast<uInt>(bomb.size());
  constexpr int kPieces = 64;
  for (int i = 0; i < kPieces; ++i) {
    stream.next_in = reinterpret_cast<Bytef*>(zeros.data());
    stream.avail_in = static_cast<uInt>(zeros.size());
    const bool last = i == kPieces - 1;
    EXPECT_EQ(::deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH), last ? Z_STREAM_END : Z_OK);
  }
  bomb.resize(stream.total_out);
  ::deflateEnd(&stream);
  return bomb;
}

TEST_P(FaultMatrixProtocol, Row39AGzipBombIsHandedOnAsTheBytesThatItIs) {
  Start({.protocol = GetParam()});
  ASSERT_TRUE(Delete().status.ok());
  BoundMemory(16 * kMebibyte);
  const std::string bomb = GzipBomb();
  Respond(Script().Answer(200, {{"content-type", "application/json"}, {"content-encoding", "gzip"}}, bomb));
  const CallEnd end = Delete();
  ASSERT_TRUE(end.status.ok()) << end;
  EXPECT_EQ(end.response.raw().data(), bomb);
  EXPECT_EQ(core::FindHeader(upstream().requests().back().headers, "accept-encoding"), std::nullopt);
  std::string streamed;
  EXPECT_TRUE(DeleteStream(Request(), &streamed).status.ok());
  EXPECT_EQ(streamed, bomb);
  ExpectBoundedMemory();
}

// ---- Rows 40 to 45: unusual, and no fault

TEST_P(FaultMatrixProtocol, Row40InterimAnswersAreNotTheAnswer) {
  Start({.protocol = GetParam()});
  Respond(Script()
              .SendInformational(103, {{"link", "</style.css>; rel=preload"}})
              .SendInformational(102)
              .Answer(200, {{"content-type", "application/json"}}, R"({"id":"42"})"));
  const CallEnd end = Delete();
  EXPECT_TRUE(end.status.ok()) << end;
  EXPECT_EQ(end.response.user().id(), "42");
  EXPECT_EQ(end.response.report().http_status(), 200U);
  EXPECT_EQ(end.attempts(), 1U);
}

TEST_F(FaultMatrix, Row41AServerWithoutHttp2IsSpokenToInHttp1) {
  Start({.protocol = Protocol::kHttp1Tls});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Delete().status.ok());
  for (const auto& call : StartCalls(10)) EXPECT_TRUE(call->End().status.ok()) << call->End();
  EXPECT_EQ(upstream().requests().at(0).http_version, "1.1");
  EXPECT_LE(upstream().facts().connections_peak, 4U);
}

TEST_F(FaultMatrix, Row42OneStreamAtATimeIsEnough) {
  Start({.protocol = Protocol::kHttp2Tls, .behavior = {.max_concurrent_streams = 1}});
  for (const auto& call : StartCalls(20)) {
    EXPECT_TRUE(call->End().status.ok()) << call->End();
    EXPECT_EQ(call->End().attempts(), 1U);
  }
  EXPECT_LE(upstream().facts().connections_peak, 4U);
}

TEST_P(FaultMatrixProtocol, Row43ABurstOf500OpensNoMoreConnectionsThanConfigured) {
  constexpr int kCalls = 500;
  Start({.protocol = GetParam()}, {{"TICKETING_MAX_CONNECTIONS", "3"}});
  // What was shed, with nothing sent, is called again, as its callers would.
  std::vector<v1::DeleteTicketingUserRequest> open;
  for (int i = 0; i < kCalls; ++i) open.push_back(Request("user-" + std::to_string(i), AccountId(i)));
  for (int round = 0; !open.empty() && round < kCalls; ++round) {
    std::vector<std::shared_ptr<Call>> calls;
    for (const auto& request : open) calls.push_back(StartCall(request));
    std::vector<v1::DeleteTicketingUserRequest> shed;
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const CallEnd& end = calls[i]->End();
      if (end.status.ok()) continue;
      ASSERT_EQ(end.reason(), "OVERLOADED") << end;
      shed.push_back(open[i]);
    }
    open = std::move(shed);
  }
  EXPECT_THAT(open, IsEmpty());
  std::set<std::string> paths;
  for (const ReceivedRequest& request : upstream().requests()) paths.insert(request.path);
  EXPECT_EQ(paths.size(), static_cast<std::size_t>(kCalls));
  EXPECT_EQ(RequestCount(), static_cast<std::size_t>(kCalls));
  EXPECT_LE(upstream().facts().connections_peak, 3U);
  EXPECT_LE(upstream().facts().connections_accepted, 3U);
}

TEST_P(FaultMatrixProtocol, Row44AnAnswerInSingleBytesIsWhole) {
  Start({.protocol = GetParam(), .behavior = {.write_size = 1, .frame_size = 1}});
  const CallEnd end = Delete();
  EXPECT_TRUE(end.status.ok()) << end;
  EXPECT_EQ(end.response.user().name(), "Ada");
  EXPECT_THAT(end.notes(), IsEmpty());
  EXPECT_EQ(end.attempts(), 1U);
}

TEST_P(FaultMatrixProtocol, Row45AnswersThatTakeAround5SecondsAreWaitedFor) {
  constexpr int kCalls = 12;
  Start({.protocol = GetParam()}, {{"TICKETING_MAX_CONNECTIONS", "12"}});
  std::vector<Script> slow;
  for (int i = 0; i < kCalls; ++i) {
    slow.push_back(Script().Delay(milliseconds{4000 + 100 * i}).Answer(200, {}, "{}"));
  }
  Respond(slow, Good());
  for (const auto& call : StartCalls(kCalls)) {
    EXPECT_TRUE(call->End().status.ok()) << call->End();
    EXPECT_EQ(call->End().attempts(), 1U);
  }
  EXPECT_EQ(RequestCount(), static_cast<std::size_t>(kCalls));
}

}  // namespace
}  // namespace ticketing::e2e
