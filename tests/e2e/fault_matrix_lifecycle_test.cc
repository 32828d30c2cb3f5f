// The fault matrix, rows 60 to 65: cancels, and the service's own life.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/e2e/fault_matrix.h"
#include "tests/e2e/raw_http2_client.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"

namespace ticketing::e2e {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using support::ConnectionBehavior;
using support::Facts;
using support::Gate;
using support::Protocol;
using support::ReceivedRequest;
using support::Script;
using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using Progress = ReceivedRequest::Progress;

// ---- Row 60: cancels

class FaultMatrixCancel : public FaultMatrix {
 protected:
  // Cancels a call that has reached the service. Waits until the service has ended it, too.
  void Cancel(Call& call) {
    // What comes later over the same connection is taken up later.
    EXPECT_TRUE(Delete(ValidationOnly()).status.ok());
    EXPECT_FALSE(call.ended());
    call.Cancel();
    EXPECT_EQ(call.End().code(), StatusCode::CANCELLED) << call.End();
    WaitForEndInLog(call.End().request_id);
  }

 private:
  v1::DeleteTicketingUserRequest ValidationOnly() {
    auto request = Request("42", AccountId(7));
    request.set_validate_only(true);
    return request;
  }
};

TEST_F(FaultMatrixCancel, Row60WhileItWaitsForItsRateMeansThatNothingIsSent) {
  Start({.protocol = Protocol::kHttp2Tls}, {{"TICKETING_ACCOUNT_RATE", "0.6"}, {"TICKETING_ACCOUNT_BURST", "1"}});
  ASSERT_TRUE(Delete().status.ok());
  const auto queued = StartCall(Request());
  Cancel(*queued);
  EXPECT_THAT(SentOf(queued->End().request_id), IsEmpty());
  // Its permit is left to the next one.
  EXPECT_TRUE(Delete().status.ok());
}

TEST_F(FaultMatrixCancel, Row60WhileItWaitsForAConnectionMeansThatNothingIsSent) {
  Start({.protocol = Protocol::kHttp1}, {{"TICKETING_MAX_CONNECTIONS", "1"}});
  Gate gate;
  Respond({Script().WaitFor(gate).Answer(200, {}, "{}")}, Good());
  const auto first = StartCall(Request("1", AccountId(1)));
  ASSERT_TRUE(upstream().WaitForRequests(1));
  const auto waiting = StartCall(Request("2", AccountId(2)));
  Cancel(*waiting);
  gate.Open();
  EXPECT_TRUE(first->End().status.ok());
  EXPECT_THAT(SentOf(waiting->End().request_id), IsEmpty());
}

TEST_F(FaultMatrixCancel, Row60WhileItWaitsToBeSentAgainMeansThatItIsNot) {
  Start();
  Respond({Script().Answer(425, {{"retry-after", "10"}})}, Good());
  const auto call = StartCall(Request());
  ASSERT_TRUE(upstream().WaitForProgress(0, Progress::kAnswered));
  Cancel(*call);
  EXPECT_EQ(SentOf(call->End().request_id).size(), 1U);
}

TEST_F(FaultMatrixCancel, Row60InFlightLetsTheDeleteFinishAndTellsTheAuditWhatBecameOfIt) {
  Start();
  Gate gate;
  Respond({Script().WaitFor(gate).Answer(200, {}, "{}")}, Good());
  const auto call = StartCall(Request("cancelled-in-flight"));
  ASSERT_TRUE(upstream().WaitForRequests(1));
  call->Cancel();
  EXPECT_EQ(call->End().code(), StatusCode::CANCELLED);
  ASSERT_TRUE(Delete(Request("43", AccountId(1))).status.ok());  // by now the service knows
  gate.Open();
  EXPECT_TRUE(upstream().WaitForProgress(0, Progress::kAnswered));
  const auto audit = service().process().WaitForLine("\"user_id\":\"cancelled-in-flight\"");
  ASSERT_TRUE(audit);
  EXPECT_THAT(*audit, HasSubstr("\"delivery\":\"DONE\""));
}

TEST_F(FaultMatrixCancel, Row60InFlightMeansThatAnAmbiguousAnswerIsNotFollowedByAnotherSending) {
  Start();
  Gate gate;
  Respond({Script().WaitFor(gate).Answer(502)}, Good());
  const auto call = StartCall(Request("cancelled-in-flight"));
  ASSERT_TRUE(upstream().WaitForRequests(1));
  call->Cancel();
  EXPECT_EQ(call->End().code(), StatusCode::CANCELLED);
  ASSERT_TRUE(Delete(Request("43", AccountId(1))).status.ok());
  gate.Open();
  const auto audit = service().process().WaitForLine("\"user_id\":\"cancelled-in-flight\"");
  ASSERT_TRUE(audit);
  EXPECT_THAT(*audit, HasSubstr("\"delivery\":\"UNKNOWN\""));
  EXPECT_EQ(SentOf(call->End().request_id).size(), 1U);
}

TEST_F(FaultMatrixCancel, Row60RacingTheAnswerIsOneOfBoth) {
  const int kCalls = Scaled(300, 20'000);
  Start();
  ASSERT_TRUE(Delete().status.ok());

  // Cancels each call at the moment at which its request arrives, while the upstream answers it.
  std::mutex mutex;
  std::condition_variable arrived;
  std::map<std::string, std::shared_ptr<Call>> calls;
  std::deque<std::string> keys;
  bool over = false;
  std::thread canceller([&] {
    std::unique_lock lock(mutex);
    for (;;) {
      arrived.wait(lock, [&] { return over || !keys.empty(); });
      if (keys.empty()) return;
      const auto call = calls.find(keys.front());
      keys.pop_front();
      if (call != calls.end()) call->second->Cancel();
    }
  });
  upstream().SetHandler([&](const ReceivedRequest& request) {
    const std::lock_guard lock(mutex);
    keys.emplace_back(core::FindHeader(request.headers, "idempotency-key").value_or(""));
    arrived.notify_one();
    return Good();
  });
  for (int i = 0; i < kCalls; i += 10) {
    std::vector<std::shared_ptr<Call>> batch;
    for (int j = 0; j < 10; ++j) {
      const auto request = Request("42", AccountId(j));
      const std::lock_guard lock(mutex);
      batch.push_back(calls[request.request_id()] = StartCall(request));
    }
    for (const auto& call : batch) {
      EXPECT_THAT(call->End().code(), AnyOf(StatusCode::OK, StatusCode::CANCELLED)) << call->End();
    }
  }
  Respond(Good());
  {
    const std::lock_guard lock(mutex);
    over = true;
    arrived.notify_one();
  }
  canceller.join();

  // None is repeated, now or later.
  EXPECT_TRUE(Delete().status.ok());
  Stop();
  std::map<std::string, int> sent;
  for (const ReceivedRequest& request : upstream().requests()) {
    const std::string key(core::FindHeader(request.headers, "idempotency-key").value_or(""));
    EXPECT_EQ(++sent[key], 1) << key;
  }
}

// ---- Rows 61 and 62: SIGTERM

class FaultMatrixSigterm : public FaultMatrix {
 protected:
  static constexpr int kCalls = 100;

  // Calls that have all been sent, and get their answer when the gate opens.
  std::vector<std::shared_ptr<Call>> StartHundred() {
    RaiseConcurrencyLimit(kCalls);
    const std::uint64_t before = RequestCount();
    Respond(Script().WaitFor(gate_).Answer(200, {}, "{}"));
    auto calls = StartCalls(kCalls);
    EXPECT_TRUE(upstream().WaitForRequests(before + kCalls));
    return calls;
  }

  void Signal() { service().process().Signal(SIGTERM); }
  void WaitForStep(const std::string& step) { EXPECT_TRUE(service().process().WaitForLine(step)); }

  static void ExpectOutcomeUnknown(const CallEnd& end) {
    EXPECT_EQ(end.code(), StatusCode::UNKNOWN) << end;
    EXPECT_EQ(end.reason(), "OUTCOME_UNKNOWN");
    EXPECT_EQ(end.delivery(), "UNKNOWN");
    EXPECT_EQ(end.pushback, "-1");
  }

  Gate gate_;
};

TEST_F(FaultMatrixSigterm, Row61With100InFlightAnswersThemAll) {
  Start();
  const auto calls = StartHundred();
  Signal();
  WaitForStep("refusing new calls");
  const CallEnd late = Delete();
  EXPECT_EQ(late.code(), StatusCode::UNAVAILABLE) << late;
  EXPECT_EQ(late.reason(), "SHUTTING_DOWN");
  EXPECT_THAT(SentOf(late.request_id), IsEmpty());
  gate_.Open();
  for (const auto& call : calls) EXPECT_TRUE(call->End().status.ok()) << call->End();
  ExpectCleanExit();
}

TEST_F(FaultMatrixSigterm, Row61With100InFlightThatGetNoAnswerIsUnknownForThemAll) {
  Start({.protocol = Protocol::kHttp2Tls}, {{"TICKETING_DRAIN_TIMEOUT", "100ms"}});
  const auto calls = StartHundred();
  Signal();
  for (const auto& call : calls) ExpectOutcomeUnknown(call->End());
  ExpectCleanExit();
}

TEST_F(FaultMatrixSigterm, Row61TellsThoseThatWereSentFromThoseThatWereNot) {
  Start({.protocol = Protocol::kHttp1}, {{"TICKETING_MAX_CONNECTIONS", "1"}, {"TICKETING_DRAIN_TIMEOUT", "100ms"}});
  Respond(Script());
  const auto calls = StartCalls(15);
  ASSERT_TRUE(upstream().WaitForRequests(1));
  Signal();
  int sent = 0;
  for (const auto& call : calls) {
    const CallEnd& end = call->End();
    if (SentOf(end.request_id).empty()) {
      EXPECT_EQ(end.code(), StatusCode::UNAVAILABLE) << end;
      EXPECT_EQ(end.reason(), "SHUTTING_DOWN");
      EXPECT_EQ(end.delivery(), "NOT_SENT");
    } else {
      ExpectOutcomeUnknown(end);
      ++sent;
    }
  }
  EXPECT_EQ(sent, 1);
  ExpectCleanExit();
}

TEST_F(FaultMatrixSigterm, Row62ASecondOneSkipsTheWaitingNotTheHonesty) {
  Start({.protocol = Protocol::kHttp2Tls}, {{"TICKETING_DRAIN_DELAY", "10m"}, {"TICKETING_DRAIN_TIMEOUT", "1h"}});
  const auto calls = StartHundred();
  Signal();
  WaitForStep("still accepting calls");
  Signal();
  for (const auto& call : calls) ExpectOutcomeUnknown(call->End());
  ExpectCleanExit();
}

// ---- Row 63: descriptors

class FaultMatrixDescriptors : public FaultMatrix {
 protected:
  // Fewer than the service has open: it gets no more.
  void Exhaust() { SetLimit(16); }
  void Relieve() { SetLimit(limit_.rlim_max); }

  std::shared_ptr<grpc::Channel> NewConnection() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(service().address(), grpc::InsecureChannelCredentials(), arguments);
  }

 private:
  void SetLimit(rlim_t count) {
    const pid_t pid = service().process().pid();
    ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit_), 0);
    limit_.rlim_cur = count;
    ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, &limit_, nullptr), 0);
  }

  rlimit limit_{};
};

TEST_F(FaultMatrixDescriptors, Row63ThatAreUsedUpMeanUnavailableUntilThereAreSomeAgain) {
  Start();
  ASSERT_TRUE(Delete().status.ok());
  Exhaust();
  EXPECT_TRUE(Delete().status.ok()) << "a connection that is open needs no new one";
  upstream().CloseConnections();
  const CallEnd end = Delete();
  EXPECT_EQ(end.code(), StatusCode::UNAVAILABLE) << end;
  EXPECT_EQ(end.delivery(), "NOT_SENT");
  Relieve();
  EXPECT_TRUE(DeleteUntilServed().status.ok());
}

// gRPC 1.51 does not accept again after that. It is Kubernetes that brings the service back, once /livez says so.
TEST_F(FaultMatrixDescriptors, Row63ThatStoppedGrpcFromAcceptingMeanThatTheServiceIsNotAlive) {
  Start();
  ASSERT_TRUE(Delete().status.ok());
  ASSERT_EQ(GetAdminPage(service(), "/livez").status, 200);
  Exhaust();
  // Until gRPC has met the limit: a few descriptors below it may be free.
  std::vector<std::shared_ptr<grpc::Channel>> connections;
  do {
    connections.push_back(NewConnection());
  } while (connections.back()->WaitForConnected(std::chrono::system_clock::now() + milliseconds{500}));
  Relieve();
  const AdminPage page = GetAdminPage(service(), "/livez");
  if (page.status == 200) {
    const CallEnd end = DeleteThrough(NewConnection());
    EXPECT_TRUE(end.status.ok()) << "alive, and yet: " << end;
  } else {
    EXPECT_EQ(page.status, 503);
    EXPECT_THAT(page.text, HasSubstr("gRPC did not answer a new connection"));
  }
}

// ---- Rows 64 and 65: what is replaced under the running service

class FaultMatrixRotation : public FaultMatrix {
 protected:
  // Replaces a file as a whole.
  void Replace(const std::string& name, const std::string& content) {
    std::filesystem::rename(files_.WriteFile("new", content), files_.path() / name);
  }

  // The files that the service is served with, in a folder that is replaced as a whole, as Kubernetes does it.
  struct Identity {
    support::CertifiedKey served;
    std::string client_authorities;
  };
  void Replace(const Identity& identity) {
    const auto folder = files_.path() / ("identity-" + std::to_string(++identities_));
    std::filesystem::create_directory(folder);
    const std::string name = folder.filename().string();
    files_.WriteFile(name + "/cert.pem", identity.served.certificate_pem);
    files_.WriteFile(name + "/key.pem", identity.served.key_pem);
    files_.WriteFile(name + "/ca.pem", identity.client_authorities);
    const auto link = files_.path() / "new-link";
    std::filesystem::create_symlink(folder, link);
    std::filesystem::rename(link, files_.path() / "identity");
  }

  void StartWithFiles() {
    StartUpstream({.protocol = Protocol::kHttp2Tls});
    Replace({.served = Serve(old_authority_), .client_authorities = old_authority_.certificate_pem()});
    Replace("token", "old-token");
    Replace("truto-ca.pem", ReadFile(upstream().ca_file()));
    StartService({{"TICKETING_TLS_CERT_FILE", Path("identity/cert.pem")},
                  {"TICKETING_TLS_KEY_FILE", Path("identity/key.pem")},
                  {"TICKETING_TLS_CLIENT_CA_FILE", Path("identity/ca.pem")},
                  {"TRUTO_CA_FILE", Path("truto-ca.pem")},
                  {"TRUTO_API_TOKEN_FILE", Path("token")},
                  {"TRUTO_API_TOKEN", ""}});
    CallThrough(Connect(old_authority_, old_authority_));
  }

  static support::CertifiedKey Serve(const support::CertificateAuthority& authority) {
    return authority.Issue({.common_name = "service", .dns_names = {"localhost"}});
  }

  // A connection of a client that has a certificate of one authority and trusts the other one.
  std::shared_ptr<grpc::Channel> Connect(const support::CertificateAuthority& own,
                                         const support::CertificateAuthority& trusted) {
    const auto client = own.Issue({.common_name = "client", .uris = {"spiffe://test/ns/a/sa/caller"}});
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = trusted.certificate_pem();
    options.pem_cert_chain = client.certificate_pem;
    options.pem_private_key = client.key_pem;
    const std::string port = service().address().substr(service().address().rfind(':'));
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel("localhost" + port, grpc::SslCredentials(options), arguments);
  }

  // Whether a client of the new files is served, in the end.
  bool IsServedWithNewFiles() {
    const auto patience = steady_clock::now() + seconds{30};
    while (!DeleteThrough(Connect(new_authority_, new_authority_)).status.ok()) {
      if (steady_clock::now() > patience) return false;
      std::this_thread::sleep_for(kLookAgain);  // the service looks at its files once a second
    }
    return true;
  }

  // Waits until the service has read so many contents of a credential, or passed so many over.
  void WaitUntilLoaded(const std::string& credential, int count) {
    EXPECT_TRUE(service().process().WaitForLine(R"("loaded a credential","credential":")" + credential + '"', count));
  }
  void WaitUntilPassedOver(const std::string& credential, int count) {
    EXPECT_TRUE(
        service().process().WaitForLine(R"("keeping the old credential","credential":")" + credential + '"', count));
  }

  static std::string ReadFile(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string Path(const std::string& name) const { return (files_.path() / name).string(); }

  support::TemporaryDirectory files_;
  support::CertificateAuthority old_authority_{"old authority"};
  support::CertificateAuthority new_authority_{"new authority"};
  std::map<std::string, int> passed_over_;
  int identities_ = 0;
};

// Calls without a pause while it lives, each of which has to succeed.
class Load {
 public:
  explicit Load(std::function<std::vector<std::shared_ptr<Call>>()> start)
      : thread_([this, start = std::move(start)] {
          while (!over_) {
            for (const auto& call : start()) EXPECT_TRUE(call->End().status.ok()) << call->End();
          }
        }) {}
  ~Load() {
    over_ = true;
    thread_.join();
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
};

TEST_F(FaultMatrixRotation, Row64OfTokenCertificateAndAuthoritiesCausesNoError) {
  StartWithFiles();
  std::atomic<bool> old_token_accepted{true};
  std::atomic<int> new_token_seen{0};
  // Slow, so that there is always something in flight.
  Script good = Script().Delay(milliseconds{20}).Answer(200, {}, "{}");
  upstream().SetHandler([&](const ReceivedRequest& request) {
    const auto token = core::FindHeader(request.headers, "authorization");
    if (token == "Bearer new-token") ++new_token_seen;
    if (token == "Bearer new-token" || (token == "Bearer old-token" && old_token_accepted)) return good;
    return Script().Answer(401, {}, R"({"statusCode":401,"error":"Unauthorized","message":"bad token"})");
  });
  {
    const Load load([this] { return StartCalls(8); });

    Replace("token", "new-token");
    EXPECT_TRUE(upstream().WaitUntil([&](const Facts& /*facts*/) { return new_token_seen > 0; }));
    old_token_accepted = false;

    const Identity both{.served = Serve(new_authority_),
                        .client_authorities = old_authority_.certificate_pem() + new_authority_.certificate_pem()};
    Replace(both);
    EXPECT_TRUE(IsServedWithNewFiles());

    Replace("truto-ca.pem", ReadFile(upstream().ca_file()) + ReadFile(upstream().other_ca_file()));
    WaitUntilLoaded("truto_ca", 2);
    // Streams have connections of their own: a handshake.
    const CallEnd stream = DeleteStream(Request("42", AccountId(100)));
    EXPECT_TRUE(stream.status.ok()) << stream;
  }
  for (const auto certificate :
       {ConnectionBehavior::Certificate::kUnknownCa, ConnectionBehavior::Certificate::kValid}) {
    upstream().SetBehavior({.certificate = certificate});
    upstream().CloseConnections();
    const CallEnd end = Delete();
    EXPECT_TRUE(end.status.ok()) << end;
    EXPECT_EQ(end.attempts(), 1U);
  }
  Respond(Good());
}

TEST_F(FaultMatrixRotation, Row64OfATokenThatIsRefusedAlreadyCausesNoError) {
  StartWithFiles();
  std::atomic<bool> rotated{false};
  upstream().SetHandler([&](const ReceivedRequest& request) {
    const auto token = core::FindHeader(request.headers, "authorization");
    if (token == (rotated ? "Bearer new-token" : "Bearer old-token")) return Good();
    return Script().Answer(401, {}, R"({"statusCode":401,"error":"Unauthorized","message":"bad token"})");
  });
  ASSERT_TRUE(Delete().status.ok());
  rotated = true;
  Replace("token", "new-token");
  EXPECT_TRUE(Delete().status.ok());
}

TEST_F(FaultMatrixRotation, Row65AHalfWrittenCertificateOrAuthorityLeavesTheOldOneInUse) {
  StartWithFiles();
  const support::CertifiedKey next = Serve(new_authority_);
  const std::string authority = old_authority_.certificate_pem();
  for (const auto& [name, content, credential] :
       {std::tuple{"identity/key.pem", next.key_pem.substr(0, 100), "served_certificate"},
        std::tuple{"identity/key.pem", next.key_pem, "served_certificate"},  // the certificate has yet to come
        std::tuple{"identity/cert.pem", next.certificate_pem.substr(0, 100), "served_certificate"},
        std::tuple{"identity/ca.pem", authority.substr(0, authority.size() / 2), "client_ca"},
        std::tuple{"truto-ca.pem", std::string(), "truto_ca"}}) {
    files_.WriteFile(name, content);
    WaitUntilPassedOver(credential, ++passed_over_[credential]);
    // A new handshake on both sides.
    upstream().CloseConnections();
    const CallEnd end = DeleteThrough(Connect(old_authority_, old_authority_));
    EXPECT_TRUE(end.status.ok()) << name << ": " << end;
  }
}

TEST_F(FaultMatrixRotation, Row65AHalfWrittenTokenLeavesTheOldOneInUse) {
  StartWithFiles();
  for (const char* broken : {"", "\n", "new-\ntoken", "new token", "new-\x01token"}) {
    Replace("token", broken);
    // A refusal makes the service read it at once.
    Respond({Script().Answer(401, {}, R"({"statusCode":401,"error":"Unauthorized","message":"bad token"})")}, Good());
    EXPECT_EQ(Delete().reason(), "SERVICE_TOKEN_REJECTED");
    EXPECT_TRUE(Delete().status.ok());
    EXPECT_EQ(core::FindHeader(upstream().requests().back().headers, "authorization"), "Bearer old-token");
  }
  Replace("token", "new-token");
  Respond({Script().Answer(401, {}, R"({"statusCode":401,"error":"Unauthorized","message":"bad token"})")}, Good());
  EXPECT_TRUE(Delete().status.ok());
}

}  // namespace
}  // namespace ticketing::e2e
