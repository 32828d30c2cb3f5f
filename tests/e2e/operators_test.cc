// What operators see of the real service: probes, metrics, the log's level.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <csignal>
#include <string>
#include <thread>

#include "tests/e2e/programs.h"
#include "tests/e2e/running_service.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"
#include "tests/support/test_paths.h"

namespace ticketing::e2e {
namespace {

using support::Gate;
using support::Protocol;
using support::Script;
using support::ScriptedUpstream;
using testing::AllOf;
using testing::HasSubstr;

constexpr char kAccount[] = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";

// Over a connection that ends with it: the service's end would wait for one that is idle.
grpc::Status Delete(const RunningService& service) {
  const auto stub =
      v1::TicketingUserService::NewStub(grpc::CreateChannel(service.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::DeleteTicketingUserResponse response;
  return stub->DeleteTicketingUser(&context, MakeRequest("ada@example.com", kAccount), &response);
}

TEST(Operators, ServiceThatListensIsAliveAndReadyWhateverTrutoDoes) {
  const RunningService service("http://127.0.0.1:1");
  EXPECT_EQ(GetAdminPage(service, "/livez").status, 200);
  EXPECT_EQ(GetAdminPage(service, "/readyz").text, "ready\n");
}

TEST(Operators, DrainIsSeenStepByStep) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  Gate gate;
  upstream.SetDefault(Script().WaitFor(gate).Answer(200, {}, "{}"));
  RunningService service(upstream.url(), {{"TICKETING_DRAIN_DELAY", "0s"}});
  std::thread caller([&] { EXPECT_TRUE(Delete(service).ok()); });
  ASSERT_TRUE(upstream.WaitForRequests(1));
  service.process().Signal(SIGTERM);
  ASSERT_TRUE(service.process().WaitForLine("refusing new calls"));
  const AdminPage page = GetAdminPage(service, "/readyz");
  EXPECT_EQ(page.status, 503);
  EXPECT_EQ(page.text, "draining\n");
  // It is not for being killed now.
  EXPECT_EQ(GetAdminPage(service, "/livez").status, 200);
  EXPECT_THAT(GetAdminPage(service, "/metrics").text, HasSubstr("\nticketing_ready 0\n"));
  gate.Open();
  caller.join();
  EXPECT_EQ(service.process().Wait(), 0);
  EXPECT_TRUE(service.process().WaitForLine("not ready: still accepting calls"));
  EXPECT_TRUE(service.process().WaitForLine("\"closing\""));
  EXPECT_TRUE(service.process().WaitForLine("\"stopped\""));
}

TEST(Operators, MetricsTellOfCallsAndOfTheWayToTruto) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls});
  upstream.Enqueue(Script().Answer(502, {}, "<html>"));
  upstream.SetDefault(Script().Answer(200, {}, "{}"));
  RunningService service(upstream.url(), {{"TRUTO_CA_FILE", upstream.ca_file()}});
  ASSERT_TRUE(Delete(service).ok());
  ASSERT_TRUE(service.process().WaitForLine("finished call"));
  const std::string page = GetAdminPage(service, "/metrics").text;
  const std::string labels =
      R"(grpc_method="DeleteTicketingUser",grpc_service="ticketing.v1.TicketingUserService",grpc_type="unary"})";
  EXPECT_THAT(page, AllOf(HasSubstr("grpc_server_started_total{" + labels + " 1\n"),
                          HasSubstr("grpc_server_handled_total{grpc_code=\"OK\"," + labels + " 1\n"),
                          HasSubstr("ticketing_deletes_total{outcome=\"DELETED\"} 1\n"),
                          HasSubstr(R"(ticketing_upstream_requests_total{delivery="UNKNOWN",status_class="5xx"} 1)"),
                          HasSubstr(R"(ticketing_upstream_requests_total{delivery="DONE",status_class="2xx"} 1)"),
                          HasSubstr(R"(ticketing_upstream_retries_total{after="UNKNOWN"} 1)")));
  // One connection for the two requests, and each part of its making has a time.
  EXPECT_THAT(page, AllOf(HasSubstr(R"(ticketing_upstream_connections_total{reused="false"} 1)"),
                          HasSubstr(R"(ticketing_upstream_connections_total{reused="true"} 1)"),
                          HasSubstr(R"(ticketing_upstream_phase_seconds_count{phase="connect"} 1)"),
                          HasSubstr(R"(ticketing_upstream_phase_seconds_count{phase="tls"} 1)"),
                          HasSubstr(R"(ticketing_upstream_phase_seconds_count{phase="first_byte"} 2)")));
  EXPECT_THAT(page, AllOf(HasSubstr("ticketing_ready 1\n"), HasSubstr("ticketing_concurrency_limit 20\n"),
                          HasSubstr("ticketing_calls_in_flight 0\n"), HasSubstr("ticketing_replay_cache_entries 1\n"),
                          HasSubstr(R"(ticketing_credential_loaded_timestamp_seconds{credential="truto_token"})"),
                          HasSubstr(R"(ticketing_credential_expiry_timestamp_seconds{credential="truto_ca"})")));
  EXPECT_THAT(page, testing::Not(testing::AnyOf(HasSubstr("ada"), HasSubstr(kAccount), HasSubstr(kToken))));
}

// The alerts' names of metrics and labels are those of a service that has met what they are for.
TEST(Operators, EveryMetricOfAnAlertOrThePanelOfTheDashboardIsThere) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls});
  upstream.Enqueue(Script().Answer(502, {}, "<html>"));
  upstream.SetDefault(Script().Answer(200, {}, "{}"));
  const support::CertificateAuthority authority("authority");
  const auto served = authority.Issue({.common_name = "service", .dns_names = {"localhost"}});
  const support::TemporaryDirectory files;
  RunningService service(upstream.url(),
                         {{"TRUTO_CA_FILE", upstream.ca_file()},
                          {"TICKETING_TLS_CERT_FILE", files.WriteFile("cert.pem", served.certificate_pem)},
                          {"TICKETING_TLS_KEY_FILE", files.WriteFile("key.pem", served.key_pem)}});
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = authority.certificate_pem();
  const std::string port = service.address().substr(service.address().rfind(':'));
  const auto stub =
      v1::TicketingUserService::NewStub(grpc::CreateChannel("localhost" + port, grpc::SslCredentials(options)));
  grpc::ClientContext context;
  v1::DeleteTicketingUserResponse response;
  ASSERT_TRUE(stub->DeleteTicketingUser(&context, MakeRequest("42", kAccount), &response).ok());
  const std::string page = files.WriteFile("metrics", GetAdminPage(service, "/metrics").text);
  const Finished check = RunProgram({support::TestsDirectory() + "/monitoring/run", "--metrics", page});
  EXPECT_EQ(check.exit_code, 0) << check.output << check.errors;
}

TEST(Operators, LogLevelChangesWhileTheServiceRuns) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  upstream.SetDefault(Script().Answer(200, {}, "{}"));
  RunningService service(upstream.url());
  httplib::Client client("http://" + service.admin_address());
  ASSERT_EQ(client.Put("/log-level", "error", "text/plain")->status, 200);
  ASSERT_TRUE(Delete(service).ok());
  // Told by the thread that would have written the line.
  ASSERT_EQ(GetAdminPage(service, "/metrics").status, 200);
  ASSERT_EQ(client.Put("/log-level", "info", "text/plain")->status, 200);
  ASSERT_TRUE(Delete(service).ok());
  ASSERT_TRUE(service.process().WaitForLine("finished call"));
  service.process().Signal(SIGTERM);
  EXPECT_EQ(service.process().Wait(), 0);
  EXPECT_FALSE(service.process().WaitForLine("finished call", 2));
  // The audit is no matter of level.
  EXPECT_TRUE(service.process().WaitForLine("\"audit\"", 2));
}

TEST(Operators, ATakenAdminPortStopsTheStart) {
  const RunningService first("http://127.0.0.1:1");
  Process second({ServiceProgram()},
                 ServiceEnvironment("http://127.0.0.1:1", {{"TICKETING_ADMIN_LISTEN", first.admin_address()}}));
  EXPECT_EQ(second.Wait(), 1);
  EXPECT_THAT(second.output(), HasSubstr("can't listen on " + first.admin_address()));
}

TEST(Operators, ACertificateThatDoesNotBelongToItsKeyStopsTheStart) {
  const ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls});
  Process service({ServiceProgram()},
                  ServiceEnvironment(upstream.url(), {{"TICKETING_TLS_CERT_FILE", upstream.ca_file()},
                                                      {"TICKETING_TLS_KEY_FILE", upstream.ca_file()}}));
  EXPECT_EQ(service.Wait(), 1);
  EXPECT_THAT(service.output(), AllOf(HasSubstr(upstream.ca_file()), HasSubstr("no private key")));
}

}  // namespace
}  // namespace ticketing::e2e
