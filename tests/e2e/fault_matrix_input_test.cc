// The fault matrix, rows 1 to 19: what callers send.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/e2e/fault_matrix.h"
#include "tests/e2e/raw_http2_client.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"

namespace ticketing::e2e {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::system_clock;
using support::Gate;
using support::Protocol;
using support::Script;
using testing::IsEmpty;
using ticketing::e2e::PrintTo;  // NOLINT(misc-unused-using-decls): gtest finds it

// ---- Rows 1 to 11: ids and accounts

struct RefusedInput {
  const char* name;
  std::string id;
  std::string account;
  const char* field;  // that the answer names
};

const RefusedInput kRefusedInputs[] = {
    {"Row01_AnEmptyId", "", AccountId(0), "id"},
    {"Row02_ADot", ".", AccountId(0), "id"},
    {"Row03_TwoDots", "..", AccountId(0), "id"},
    {"Row05_CarriageReturn", "4\r2", AccountId(0), "id"},
    {"Row05_LineFeed", "42\nx-injected: 1", AccountId(0), "id"},
    {"Row05_CarriageReturnAndLineFeed", "42 HTTP/1.1\r\n\r\n", AccountId(0), "id"},
    {"Row05_Nul", std::string("4\0002", 3), AccountId(0), "id"},
    {"Row05_Tab", "4\t2", AccountId(0), "id"},
    {"Row05_Delete", "4\x7f", AccountId(0), "id"},
    {"Row06_MoreThan512Bytes", std::string(513, 'x'), AccountId(0), "id"},
    {"Row11_AnAccountThatIsNoUuid", "42", "my-account", "integrated_account_id"},
    {"Row11_AnAccountThatIsAPath", "42", "../62f44730-dd91-461e-bd6a-000000000", "integrated_account_id"},
    {"Row11_NoAccount", "42", "", "integrated_account_id"},
};

class FaultMatrixRefusedInput : public FaultMatrix, public testing::WithParamInterface<RefusedInput> {};

INSTANTIATE_TEST_SUITE_P(, FaultMatrixRefusedInput, testing::ValuesIn(kRefusedInputs), RowName<RefusedInput>);

TEST_P(FaultMatrixRefusedInput, IsInvalidAndNothingIsSent) {
  Start({.protocol = Protocol::kHttp1});
  const CallEnd end = Delete(Request(GetParam().id, GetParam().account));
  EXPECT_EQ(end.code(), StatusCode::INVALID_ARGUMENT) << end;
  EXPECT_EQ(end.reason(), "INVALID_REQUEST");
  EXPECT_EQ(end.delivery(), "NOT_SENT");
  EXPECT_EQ(end.attempts(), 0U);
  EXPECT_EQ(end.pushback, "-1");
  const auto violations = DetailOf<google::rpc::BadRequest>(end.status);
  ASSERT_TRUE(violations);
  EXPECT_EQ(violations->field_violations(0).field(), GetParam().field);
  EXPECT_THAT(upstream().requests(), IsEmpty());
}

struct EncodedId {
  const char* name;
  std::string id;
  std::string segment;  // as it is sent
};

const EncodedId kEncodedIds[] = {
    {"Row04_EncodedDots", "%2e%2e", "%252e%252e"},
    {"Row06_512Bytes", std::string(512, 'x'), std::string(512, 'x')},
    {"Row07_ASlash", "a/b", "a%2Fb"},
    {"Row07_AClimbingPath", "../../accounts", "..%2F..%2Faccounts"},
    {"Row08_APercentSign", "%", "%25"},
    {"Row09_AnEmoji", "\xf0\x9f\x8e\xab", "%F0%9F%8E%AB"},
    {"Row10_AQuestionMark", "42?truto_response_format=raw", "42%3Ftruto_response_format%3Draw"},
    {"Row10_ANumberSign", "42#top", "42%23top"},
    {"Row10_AnAmpersand", "42&x=1", "42%26x%3D1"},
};

class FaultMatrixEncodedId : public FaultMatrix, public testing::WithParamInterface<EncodedId> {};

INSTANTIATE_TEST_SUITE_P(, FaultMatrixEncodedId, testing::ValuesIn(kEncodedIds), RowName<EncodedId>);

TEST_P(FaultMatrixEncodedId, IsOneSegmentOfThePath) {
  Start();
  const CallEnd end = Delete(Request(GetParam().id));
  ASSERT_TRUE(end.status.ok()) << end;
  const auto sent = SentOf(end.request_id);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].path, "/unified/ticketing/users/" + GetParam().segment + "?integrated_account_id=" + AccountId(0));
}

// ---- Rows 12 to 15: what gRPC itself refuses

class FaultMatrixInput : public FaultMatrix {
 protected:
  // A call whose message is these bytes.
  grpc::Status CallWithBytes(const std::string& bytes) {
    grpc::GenericStub stub(grpc::CreateChannel(service().address(), grpc::InsecureChannelCredentials()));
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer message(&slice, 1);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    grpc::ByteBuffer answer;
    grpc::Status status;
    const auto call =
        stub.PrepareUnaryCall(&context, "/ticketing.v1.TicketingUserService/DeleteTicketingUser", message, &queue);
    call->StartCall();
    call->Finish(&answer, &status, &status);
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue.Next(&tag, &ok));
    return status;
  }
};

TEST_F(FaultMatrixInput, Row12InvalidUtf8IsRefusedAndNothingIsSent) {
  Start({.protocol = Protocol::kHttp1});
  for (const std::string id : {"4\xff\x32", "\xc0\xaf", "\xed\xa0\x80", "\xf0\x9f\x8e"}) {
    // Field 1, then 2: a client that checks nothing can send any bytes as a string.
    const std::string bytes = "\x0a" + std::string(1, static_cast<char>(id.size())) + id + "\x12\x24" + AccountId(0);
    EXPECT_FALSE(CallWithBytes(bytes).ok());
  }
  EXPECT_THAT(upstream().requests(), IsEmpty());
}

TEST_F(FaultMatrixInput, Row13ARequestOf5MebibytesIsRefusedAndItsNeighboursAreNot) {
  Start();
  Gate gate;
  Respond({Script().WaitFor(gate).Answer(200, {}, "{}")}, Good());
  const auto neighbour = StartCall(Request());
  ASSERT_TRUE(upstream().WaitForRequests(1));
  auto request = Request(std::string(5 << 20, 'x'));
  EXPECT_EQ(Delete(request).code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(RequestCount(), 1U);
  gate.Open();
  EXPECT_TRUE(neighbour->End().status.ok()) << neighbour->End();
}

TEST_F(FaultMatrixInput, Row14MoreThan8KibibytesOfMetadataAreRefusedAndNothingIsSent) {
  Start({.protocol = Protocol::kHttp1});
  const CallEnd end = Delete(
      Request(), [](grpc::ClientContext& context) { context.AddMetadata("x-large", std::string(9 * 1024, 'x')); });
  EXPECT_FALSE(end.status.ok());
  EXPECT_THAT(upstream().requests(), IsEmpty());
}

TEST_F(FaultMatrixInput, Row14MoreThan8KibibytesOfMetadataLeaveTheCallsBesideThemAlone) {
  Start();
  Gate gate;
  Respond({Script().WaitFor(gate).Answer(200, {}, "{}")}, Good());
  const auto neighbour = StartCall(Request());
  ASSERT_TRUE(upstream().WaitForRequests(1));
  const CallEnd end = Delete(
      Request(), [](grpc::ClientContext& context) { context.AddMetadata("x-large", std::string(9 * 1024, 'x')); });
  EXPECT_FALSE(end.status.ok());
  EXPECT_EQ(RequestCount(), 1U);
  gate.Open();
  EXPECT_TRUE(neighbour->End().status.ok()) << neighbour->End();
}

TEST_F(FaultMatrixInput, Row15BytesThatAreNoMessageAreRefusedAndNothingIsSent) {
  Start({.protocol = Protocol::kHttp1});
  const std::string good = Request().SerializeAsString();
  for (const std::string& bytes :
       {std::string(1000, '\xff'), std::string("\x0a\xff\xff\xff\xff\x0f"), good.substr(0, good.size() - 1),
        std::string("<html></html>"), std::string(7, '\0'), std::string()}) {
    EXPECT_FALSE(CallWithBytes(bytes).ok());
  }
  EXPECT_THAT(upstream().requests(), IsEmpty());
}

// ---- Rows 16 and 17: deadlines

class FaultMatrixDeadline : public FaultMatrix, public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Row16, FaultMatrixDeadline, testing::Values("0n", "1n", "50m"));

// Over a connection of its own, since gRPC's client would end the call by itself.
TEST_P(FaultMatrixDeadline, ThatIsTooShortIsExceededAndNothingIsSent) {
  Start({.protocol = Protocol::kHttp1});
  RawHttp2Client client(service().address());
  const auto stream = client.StartCall(Request().SerializeAsString(), {{"grpc-timeout", GetParam()}});
  ASSERT_TRUE(client.WaitUntil([&] { return client.StreamEnded(stream); }));
  EXPECT_EQ(client.Header(stream, "grpc-status"), std::to_string(StatusCode::DEADLINE_EXCEEDED));
  EXPECT_THAT(upstream().requests(), IsEmpty());
}

TEST_F(FaultMatrix, Row16ADeadlineThatHasPassedIsExceededAndNothingIsSent) {
  Start({.protocol = Protocol::kHttp1});
  for (const milliseconds time : {milliseconds{-1000}, milliseconds{0}, milliseconds{50}}) {
    const CallEnd end =
        Delete(Request(), [time](grpc::ClientContext& context) { context.set_deadline(system_clock::now() + time); });
    EXPECT_EQ(end.code(), StatusCode::DEADLINE_EXCEEDED) << end;
  }
  EXPECT_THAT(upstream().requests(), IsEmpty());
}

// A delay is only waited for when it fits the time that is left, so two of them tell how much that is.
TEST_F(FaultMatrix, Row17NoDeadlineIsOneOf30Seconds) {
  Start();
  const auto limited = [](const char* seconds) { return Script().Answer(429, {{"retry-after", seconds}}); };
  Respond({limited("30")}, Good());
  const CallEnd longer = Delete();
  EXPECT_EQ(longer.reason(), "RATE_LIMITED") << longer;
  EXPECT_EQ(longer.attempts(), 1U);

  Respond({limited("19")}, Good());  // at most 28.5 s with its jitter
  const auto shorter = StartCall(Request());
  ASSERT_TRUE(upstream().WaitForProgress(1, support::ReceivedRequest::Progress::kAnswered));
  // What comes later is answered later: by then the service has decided to wait.
  EXPECT_TRUE(Delete(Request("43", AccountId(1))).status.ok());
  EXPECT_FALSE(shorter->ended());
  shorter->Cancel();
  EXPECT_EQ(shorter->End().code(), StatusCode::CANCELLED);
  WaitForEndInLog(shorter->End().request_id);
  EXPECT_EQ(SentOf(shorter->End().request_id).size(), 1U);
}

TEST_F(FaultMatrix, Row17TheDefaultDeadlineEndsACallWithoutOne) {
  Start({.protocol = Protocol::kHttp2Tls}, {{"TICKETING_DEFAULT_DEADLINE", "1s"}});
  Respond(Script());
  const CallEnd end = Delete();
  EXPECT_EQ(end.code(), StatusCode::DEADLINE_EXCEEDED) << end;
  EXPECT_EQ(end.reason(), "DEADLINE_EXCEEDED_OUTCOME_UNKNOWN");
  EXPECT_EQ(end.attempts(), 1U);
}

// ---- Row 18: request ids

TEST_F(FaultMatrix, Row18ARequestIdWithOtherParametersIsRefused) {
  Start();
  auto request = Request("42");
  ASSERT_TRUE(Delete(request).status.ok());
  request.set_id("43");
  const CallEnd end = Delete(request);
  EXPECT_EQ(end.code(), StatusCode::INVALID_ARGUMENT) << end;
  EXPECT_EQ(end.reason(), "REQUEST_ID_REUSED");
  EXPECT_EQ(end.attempts(), 0U);
  EXPECT_EQ(RequestCount(), 1U);
}

TEST_F(FaultMatrix, Row18ARequestIdInFlightWithOtherParametersIsRefused) {
  Start();
  Gate gate;
  Respond({Script().WaitFor(gate).Answer(200, {}, "{}")}, Good());
  auto request = Request("42");
  const auto first = StartCall(request);
  ASSERT_TRUE(upstream().WaitForRequests(1));
  request.set_integrated_account_id(AccountId(1));
  EXPECT_EQ(Delete(request).reason(), "REQUEST_ID_REUSED");
  gate.Open();
  EXPECT_TRUE(first->End().status.ok());
  EXPECT_EQ(RequestCount(), 1U);
}

TEST_F(FaultMatrix, Row18ARequestIdInFlightWithTheSameParametersIsOneDelete) {
  Start();
  Gate gate;
  Respond({Script().WaitFor(gate).Answer(200, {}, "{}")}, Good());
  const auto request = Request();
  const auto first = StartCall(request);
  ASSERT_TRUE(upstream().WaitForRequests(1));
  const auto second = StartCall(request);
  gate.Open();
  EXPECT_TRUE(first->End().status.ok());
  EXPECT_TRUE(second->End().status.ok());
  const CallEnd third = Delete(request);
  EXPECT_TRUE(third.response.report().replayed());
  EXPECT_EQ(RequestCount(), 1U);
}

// ---- Row 19: client certificates

class FaultMatrixMutualTls : public FaultMatrix {
 protected:
  FaultMatrixMutualTls() {
    const auto served = authority_.Issue({.common_name = "service", .dns_names = {"localhost"}});
    Start({.protocol = Protocol::kHttp1},
          {{"TICKETING_TLS_CERT_FILE", files_.WriteFile("cert.pem", served.certificate_pem)},
           {"TICKETING_TLS_KEY_FILE", files_.WriteFile("key.pem", served.key_pem)},
           {"TICKETING_TLS_CLIENT_CA_FILE", files_.WriteFile("ca.pem", authority_.certificate_pem())},
           {"TICKETING_ALLOWED_CLIENTS", "spiffe://test/ns/*"}});
    ConnectWith(authority_.Issue(kAllowed));
  }

  void ConnectWith(const support::CertifiedKey& client) {
    grpc::SslCredentialsOptions credentials;
    credentials.pem_root_certs = authority_.certificate_pem();
    credentials.pem_cert_chain = client.certificate_pem;
    credentials.pem_private_key = client.key_pem;
    const std::string port = service().address().substr(service().address().rfind(':'));
    CallThrough(grpc::CreateChannel("localhost" + port, grpc::SslCredentials(credentials)));
  }

  void TearDown() override {
    ConnectWith(authority_.Issue(kAllowed));
    FaultMatrix::TearDown();
  }

  const support::CertificateSubject kAllowed{.common_name = "client", .uris = {"spiffe://test/ns/a/sa/caller"}};
  support::TemporaryDirectory files_;
  support::CertificateAuthority authority_{"test authority"};
};

TEST_F(FaultMatrixMutualTls, Row19ACertificateOfAnotherAuthorityGetsNoRpc) {
  ConnectWith(support::CertificateAuthority("another authority").Issue(kAllowed));
  EXPECT_EQ(Delete().code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(upstream().requests(), IsEmpty());
}

TEST_F(FaultMatrixMutualTls, Row19AnExpiredCertificateGetsNoRpc) {
  auto expired = kAllowed;
  expired.not_before = -std::chrono::hours(48);
  expired.not_after = -std::chrono::hours(24);
  ConnectWith(authority_.Issue(expired));
  EXPECT_EQ(Delete().code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(upstream().requests(), IsEmpty());
}

TEST_F(FaultMatrixMutualTls, Row19NoCertificateGetsNoRpc) {
  ConnectWith({});
  EXPECT_EQ(Delete().code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(upstream().requests(), IsEmpty());
}

TEST_F(FaultMatrixMutualTls, Row19PlaintextGetsNoRpc) {
  CallThrough(grpc::CreateChannel(service().address(), grpc::InsecureChannelCredentials()));
  EXPECT_EQ(Delete().code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(upstream().requests(), IsEmpty());
}

TEST_F(FaultMatrixMutualTls, Row19AValidCertificateOfAnotherNameMayNotCall) {
  ConnectWith(authority_.Issue({.common_name = "client", .uris = {"spiffe://other/ns/a/sa/caller"}}));
  const CallEnd end = Delete();
  EXPECT_EQ(end.code(), StatusCode::PERMISSION_DENIED) << end;
  EXPECT_EQ(end.reason(), "CALLER_NOT_ALLOWED");
  EXPECT_THAT(upstream().requests(), IsEmpty());
}

}  // namespace
}  // namespace ticketing::e2e
