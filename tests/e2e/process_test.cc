// The service as a process: its settings, its log, its end, its way to Truto over TLS.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <future>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/e2e/programs.h"
#include "tests/e2e/running_service.h"
#include "tests/support/scripted_upstream.h"

namespace ticketing::e2e {
namespace {

using support::Gate;
using support::Protocol;
using support::Script;
using support::ScriptedUpstream;
using testing::HasSubstr;
using testing::Not;

constexpr char kAccount[] = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";

grpc::Status Delete(RunningService& service, v1::DeleteTicketingUserResponse& response) {
  grpc::ClientContext context;
  return service.stub().DeleteTicketingUser(&context, MakeRequest("42", kAccount), &response);
}

TEST(ServiceProcess, NamesEveryWrongSettingInOneMessage) {
  const Finished finished = RunProgram({ServiceProgram(), "--max-attempts", "none"},
                                       {{"TICKETING_LISTEN", "nowhere"}, {"TRUTO_BASE_URL", "http://api.truto.one"}});
  EXPECT_NE(finished.exit_code, 0);
  for (const char* name : {"TICKETING_LISTEN", "TRUTO_BASE_URL", "--max-attempts", "TRUTO_API_TOKEN"}) {
    EXPECT_THAT(finished.errors, HasSubstr(name));
  }
}

TEST(ServiceProcess, HelpListsEverySetting) {
  const Finished finished = RunProgram({ServiceProgram(), "--help"});
  EXPECT_EQ(finished.exit_code, 0);
  for (const char* name : {"TICKETING_LISTEN", "TICKETING_ADMIN_LISTEN", "TRUTO_CA_FILE", "TICKETING_ACCOUNT_BURST",
                           "TICKETING_DRAIN_TIMEOUT", "TICKETING_ALLOWED_CLIENTS"}) {
    EXPECT_THAT(finished.output, HasSubstr(name));
  }
}

TEST(ServiceProcess, EndsCleanlyOnSigtermAfterTheCallInFlight) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  Gate gate;
  upstream.SetDefault(Script().WaitFor(gate).Answer(200, {}, "{}"));
  RunningService service(upstream.url());
  v1::DeleteTicketingUserResponse response;
  auto call = std::async(std::launch::async, [&] { return Delete(service, response); });
  ASSERT_TRUE(upstream.WaitForRequests(1));
  service.process().Signal(SIGTERM);
  ASSERT_TRUE(service.process().WaitForLine("refusing new calls"));
  gate.Open();
  EXPECT_TRUE(call.get().ok());
  EXPECT_EQ(service.process().Wait(), 0);
}

TEST(ServiceProcess, ASecondSigtermSkipsTheWaitingNotTheHonesty) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  upstream.SetDefault(Script());  // never answers
  RunningService service(upstream.url());
  v1::DeleteTicketingUserResponse response;
  auto call = std::async(std::launch::async, [&] { return Delete(service, response); });
  ASSERT_TRUE(upstream.WaitForRequests(1));
  service.process().Signal(SIGTERM);
  ASSERT_TRUE(service.process().WaitForLine("refusing new calls"));
  service.process().Signal(SIGTERM);
  const grpc::Status status = call.get();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNKNOWN);
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(status)->metadata().at("delivery"), "UNKNOWN");
  EXPECT_EQ(service.process().Wait(), 0);
}

TEST(ServiceProcess, WritesOneJsonLineForEachCallAndNeverAToken) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  upstream.Enqueue(Script().Answer(200, {}, R"({"id":"42","name":"Ada Lovelace"})"));
  upstream.Enqueue(
      Script().Answer(400, {}, R"({"statusCode":400,"error":"Bad Request","message":"Bearer sandbox-token?"})"));
  RunningService service(upstream.url());
  v1::DeleteTicketingUserResponse response;
  EXPECT_TRUE(Delete(service, response).ok());
  const grpc::Status refused = Delete(service, response);
  EXPECT_THAT(refused.error_message(), Not(HasSubstr(kToken)));
  service.process().Signal(SIGTERM);
  EXPECT_EQ(service.process().Wait(), 0);

  std::vector<nlohmann::json> calls;
  std::istringstream lines(service.process().output());
  for (std::string line; std::getline(lines, line);) {
    auto entry = nlohmann::json::parse(line);
    if (entry.contains("grpc.method")) calls.push_back(std::move(entry));
  }
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_EQ(calls[0].at("grpc.code"), "OK");
  EXPECT_EQ(calls[0].at("outcome"), "DELETED");
  EXPECT_EQ(calls[1].at("reason"), "REJECTED_AS_INVALID");
  EXPECT_EQ(calls[1].at("delivery"), "REJECTED");
  const std::string all = service.process().output() + service.process().errors();
  EXPECT_THAT(all, Not(HasSubstr(kToken)));
  EXPECT_THAT(all, Not(HasSubstr("Ada Lovelace")));
}

TEST(ServiceProcess, SpeaksHttp2OverTlsOnOneConnectionTrustingOnlyTheGivenAuthority) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls});
  RunningService service(upstream.url(), {{"TRUTO_CA_FILE", upstream.ca_file()}});
  v1::DeleteTicketingUserResponse response;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Delete(service, response).ok());
  const auto facts = upstream.facts();
  EXPECT_EQ(facts.requests.size(), 3U);
  EXPECT_EQ(facts.requests.at(0).http_version, "2");
  EXPECT_EQ(facts.connections_accepted, 1U);
}

TEST(ServiceProcess, SendsNothingToAServerItDoesNotTrust) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls});
  RunningService service(upstream.url());  // the system's authorities alone
  v1::DeleteTicketingUserResponse response;
  const grpc::Status status = Delete(service, response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(status)->reason(), "UPSTREAM_MISCONFIGURED");
  EXPECT_TRUE(upstream.requests().empty());
}

TEST(ServiceProcess, NeverLetsLibcurlRepeatADeleteOnADeadConnection) {
  for (const Protocol protocol : {Protocol::kHttp1, Protocol::kHttp2Tls}) {
    ScriptedUpstream upstream({.protocol = protocol});
    RunningService service(upstream.url(), {{"TRUTO_CA_FILE", upstream.ca_file()}, {"TICKETING_MAX_ATTEMPTS", "1"}});
    v1::DeleteTicketingUserResponse response;
    ASSERT_TRUE(Delete(service, response).ok());
    upstream.SetDefault(Script().ResetConnection());
    const grpc::Status status = Delete(service, response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNKNOWN);
    const auto info = DetailOf<google::rpc::ErrorInfo>(status);
    EXPECT_EQ(info->reason(), "OUTCOME_UNKNOWN");
    EXPECT_EQ(info->metadata().at("attempts"), "1");
    EXPECT_EQ(upstream.requests().size(), 2U);
  }
}

TEST(ServiceProcess, ReadsItsTokenAgainWhenTrutoRefusesIt) {
  const std::string file = testing::TempDir() + "/truto-token";
  std::ofstream(file) << "old-token\n";
  ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  upstream.SetHandler([](const support::ReceivedRequest& request) {
    if (core::FindHeader(request.headers, "authorization") == "Bearer new-token") return Script().Answer(200, {}, "{}");
    return Script().Answer(401, {}, R"({"statusCode":401,"error":"Unauthorized","message":"bad token"})");
  });
  RunningService service(upstream.url(), {{"TRUTO_API_TOKEN_FILE", file}});
  v1::DeleteTicketingUserResponse response;
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(Delete(service, response))->reason(), "SERVICE_TOKEN_REJECTED");
  std::ofstream(file) << "new-token\n";
  EXPECT_TRUE(Delete(service, response).ok());
}

TEST(ServiceProcess, CallerModeNeedsNoTokenOfItsOwn) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  RunningService service(upstream.url(), {{"TICKETING_AUTH", "caller"}, {"TRUTO_API_TOKEN", ""}});
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer callers");
  v1::DeleteTicketingUserResponse response;
  // A caller's token may be an integrated-account token, which implies its account.
  EXPECT_TRUE(service.stub().DeleteTicketingUser(&context, MakeRequest("42", ""), &response).ok());
  EXPECT_EQ(core::FindHeader(upstream.requests().at(0).headers, "authorization"), "Bearer callers");
  EXPECT_THAT(upstream.requests().at(0).path, Not(HasSubstr("integrated_account_id")));
}

TEST(ServiceProcess, WritesListsWithIndicesWhereThatIsSet) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  RunningService service(upstream.url(), {{"TRUTO_QUERY_ARRAYS", "indices"}});
  auto request = MakeRequest("42", kAccount);
  request.add_collections()->set_id("99");
  grpc::ClientContext context;
  v1::DeleteTicketingUserResponse response;
  EXPECT_TRUE(service.stub().DeleteTicketingUser(&context, request, &response).ok());
  EXPECT_THAT(upstream.requests().at(0).path, HasSubstr("collections%5B0%5D%5Bid%5D=99"));
}

}  // namespace
}  // namespace ticketing::e2e
