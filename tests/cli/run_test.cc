// The whole program against a real gRPC server with canned answers.
#include "cli/run.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"
#include "ticketing/v1/ticketing_user_service.grpc.pb.h"

namespace ticketing::cli {
namespace {

using google::protobuf::TextFormat;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
using ticketing::v1::DeleteTicketingUserRequest;
using ticketing::v1::DeleteTicketingUserResponse;
using ticketing::v1::DeleteTicketingUserStreamRequest;
using ticketing::v1::DeleteTicketingUserStreamResponse;

constexpr char kUuid[] = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";

// Answers as it is told and keeps what it was asked. The test's thread reads after a call has ended.
class CannedService final : public ticketing::v1::TicketingUserService::Service {
 public:
  grpc::Status DeleteTicketingUser(grpc::ServerContext* context, const DeleteTicketingUserRequest* received,
                                   DeleteTicketingUserResponse* answer) override {
    Keep(*context, *received);
    if (hang) WaitForCancel(*context);
    *answer = response;
    return status;
  }

  grpc::Status DeleteTicketingUserStream(grpc::ServerContext* context, const DeleteTicketingUserStreamRequest* received,
                                         grpc::ServerWriter<DeleteTicketingUserStreamResponse>* writer) override {
    Keep(*context, received->request());
    for (const auto& event : events) {
      if (!writer->Write(event)) break;
    }
    if (hang) WaitForCancel(*context);
    return status;
  }

  grpc::Status status;
  DeleteTicketingUserResponse response;
  std::vector<DeleteTicketingUserStreamResponse> events;
  bool hang = false;

  std::atomic<int> calls = 0;
  DeleteTicketingUserRequest request;
  std::multimap<std::string, std::string> metadata;

 private:
  void Keep(const grpc::ServerContext& context, const DeleteTicketingUserRequest& received) {
    request = received;
    metadata.clear();
    for (const auto& [key, value] : context.client_metadata()) {
      metadata.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
    }
    ++calls;
  }
  static void WaitForCancel(const grpc::ServerContext& context) {
    while (!context.IsCancelled()) std::this_thread::yield();
  }
};

struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
};

class Run : public testing::Test {
 public:
  ~Run() override { server_->Shutdown(std::chrono::system_clock::now()); }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

 protected:
  explicit Run(const std::shared_ptr<grpc::ServerCredentials>& credentials = grpc::InsecureServerCredentials()) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", credentials, &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    variables_["TICKETING_SERVER"] = "127.0.0.1:" + std::to_string(port);
    EXPECT_TRUE(TextFormat::ParseFromString(
        "outcome: DELETE_OUTCOME_DELETED user { id: '5' } report { request_id: 'r' attempts: 1 http_status: 200 }",
        &service_.response));
  }
  Outcome Do(const std::vector<std::string>& arguments) {
    std::vector<const char*> argv{"ticketing-user"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    const Process process{.in = in,
                          .out = out,
                          .err = err,
                          .out_is_terminal = terminal_,
                          .err_is_terminal = terminal_,
                          .environment = [&](const std::string& name) -> std::optional<std::string> {
                            const auto variable = variables_.find(name);
                            if (variable == variables_.end()) return std::nullopt;
                            return variable->second;
                          }};
    const int exit_code = cli::Run(static_cast<int>(argv.size()), argv.data(), process);
    return {exit_code, out.str(), err.str()};
  }

  // The events of a stream: header, chunks, summary.
  void StreamBody(const std::vector<std::string>& chunks, bool with_summary = true) {
    auto& header = *service_.events.emplace_back().mutable_header();
    header.set_http_status(200);
    header.set_content_type("text/csv");
    for (const auto& chunk : chunks) service_.events.emplace_back().set_chunk(chunk);
    if (!with_summary) return;
    auto& summary = *service_.events.emplace_back().mutable_summary();
    summary = service_.response;
    summary.clear_user();
  }

  CannedService service_;
  std::unique_ptr<grpc::Server> server_;
  std::map<std::string, std::string> variables_;
  bool terminal_ = false;
};

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// ---------------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(Run, DeletesAndPrintsTheAnswer) {
  const Outcome outcome = Do({"delete", "5", "--account", "62f44730-dd91-461e-bd6a-aedd9e0ad79d", "--collection", "9"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out,
            "Deleted: user 5\n"
            "user\n"
            "  id                 5\n"
            "report\n"
            "  request_id         r\n"
            "  attempts           1\n"
            "  http_status        200\n"
            "  time               0 ms (waiting 0 ms, HTTP 0 ms)\n");
  EXPECT_THAT(outcome.err, IsEmpty());
  EXPECT_EQ(service_.calls, 1);

  DeleteTicketingUserRequest expected;
  expected.set_id("5");
  expected.set_integrated_account_id("62f44730-dd91-461e-bd6a-aedd9e0ad79d");
  expected.add_collections()->set_id("9");
  expected.set_request_id(service_.request.request_id());
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(service_.request, expected));
}

TEST_F(Run, NamesADeleteThatHasNoNameYet) {
  Do({"delete", "5"});
  const std::string first = service_.request.request_id();
  EXPECT_TRUE(std::regex_match(first, std::regex(kUuid))) << first;
  Do({"delete", "5"});
  EXPECT_NE(service_.request.request_id(), first);
  Do({"delete", "5", "--request-id", first});
  EXPECT_EQ(service_.request.request_id(), first);
}

TEST_F(Run, PrintsTheMessageAsOneJsonDocument) {
  const Outcome outcome = Do({"delete", "5", "--json"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out.find('\n'), outcome.out.size() - 1);
  EXPECT_THAT(outcome.out, HasSubstr("\"http_status\":200"));
  DeleteTicketingUserResponse parsed;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(outcome.out, &parsed).ok()) << outcome.out;
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(parsed, service_.response));
}

TEST_F(Run, ShowsAPlannedRequest) {
  service_.response.Clear();
  service_.response.set_outcome(ticketing::v1::DELETE_OUTCOME_NOT_SENT);
  service_.response.mutable_planned_request()->set_method("DELETE");
  service_.response.mutable_planned_request()->set_url("https://api.truto.one/unified/ticketing/users/5");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"validate", "5"}, {"validate", "5", "--stream", "--output", "/nonexistent/x"}}) {
    const Outcome outcome = Do(arguments);
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_TRUE(service_.request.validate_only());
    EXPECT_THAT(outcome.out,
                AllOf(StartsWith("Not sent"), HasSubstr("https://api.truto.one/unified/ticketing/users/5")));
  }
}

TEST_F(Run, AnAbsentUserIsASuccessWithAllowMissing) {
  service_.response.set_outcome(ticketing::v1::DELETE_OUTCOME_ALREADY_ABSENT);
  const Outcome outcome = Do({"delete", "5", "--allow-missing"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_TRUE(service_.request.allow_missing());
  EXPECT_THAT(outcome.out, StartsWith("Already absent: user 5\n"));
}

TEST_F(Run, AnOutcomeThatProvesNothingIsNoSuccess) {
  service_.response.set_outcome(ticketing::v1::DELETE_OUTCOME_NOT_SENT);
  EXPECT_EQ(Do({"delete", "5"}).exit_code, 66);
  service_.response.set_outcome(ticketing::v1::DELETE_OUTCOME_UNSPECIFIED);
  EXPECT_EQ(Do({"delete", "5"}).exit_code, 66);
}

TEST_F(Run, PrintsAnAnswerThatIsNoJsonAsText) {
  service_.response.mutable_user()->mutable_created_at()->set_seconds(999'999'999'999'999);
  const Outcome outcome = Do({"delete", "5", "--json"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("the call succeeded"), HasSubstr("Deleted: user 5\n")));
}

TEST_F(Run, ColoursOnlyTerminalsAndNotWithNoColor) {
  EXPECT_EQ(Do({"delete", "5"}).out.find('\x1b'), std::string::npos);
  terminal_ = true;
  EXPECT_NE(Do({"delete", "5"}).out.find('\x1b'), std::string::npos);
  variables_["NO_COLOR"] = "";
  EXPECT_NE(Do({"delete", "5"}).out.find('\x1b'), std::string::npos);
  variables_["NO_COLOR"] = "1";
  EXPECT_EQ(Do({"delete", "5"}).out.find('\x1b'), std::string::npos);
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(Run, ExitsWith64AndTheCodeOfTheStatus) {
  for (int code = 1; code <= 16; ++code) {
    service_.status = {static_cast<grpc::StatusCode>(code), "no"};
    const Outcome outcome = Do({"delete", "5"});
    EXPECT_EQ(outcome.exit_code, 64 + code);
    EXPECT_THAT(outcome.out, IsEmpty());
    EXPECT_THAT(outcome.err, AllOf(StartsWith("Error "), HasSubstr("(" + std::to_string(code) + "): no\n")));
  }
}

TEST_F(Run, PrintsTheDetailsOfAnError) {
  google::rpc::ErrorInfo info;
  info.set_reason("USER_NOT_FOUND");
  info.set_domain("ticketing.v1.TicketingUserService");
  (*info.mutable_metadata())["delivery"] = "REJECTED";
  google::rpc::Status details;
  details.set_code(5);
  details.add_details()->PackFrom(info);
  service_.status = {grpc::StatusCode::NOT_FOUND, "no such user", details.SerializeAsString()};

  const Outcome text = Do({"delete", "5"});
  EXPECT_EQ(text.exit_code, 69);
  EXPECT_EQ(text.err,
            "Error NOT_FOUND (5): no such user\n"
            "  reason             USER_NOT_FOUND\n"
            "  delivery           REJECTED: it was sent, and provably not executed\n"
            "  advice             Check the id and the account.\n"
            "  options            --allow-missing makes an absent user a success\n");

  const Outcome json = Do({"delete", "5", "--json", "--request-id", "r"});
  EXPECT_EQ(json.exit_code, 69);
  EXPECT_THAT(json.out, IsEmpty());
  EXPECT_EQ(nlohmann::json::parse(json.err),
            nlohmann::json::parse(R"({"code":5,"code_name":"NOT_FOUND","message":"no such user","request_id":"r",
              "deleted":false,
              "details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"USER_NOT_FOUND",
                          "domain":"ticketing.v1.TicketingUserService","metadata":{"delivery":"REJECTED"}}]})"));
}

TEST_F(Run, NeverCallsTwiceByItself) {
  service_.status = {grpc::StatusCode::UNAVAILABLE, "come back"};
  EXPECT_EQ(Do({"delete", "5"}).exit_code, 78);
  EXPECT_EQ(service_.calls, 1);
}

TEST_F(Run, GivesUpAtItsDeadlineAndSaysWhatThatMeans) {
  service_.hang = true;
  const Outcome outcome = Do({"delete", "5", "--deadline", "300ms"});
  EXPECT_EQ(outcome.exit_code, 68);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("DEADLINE_EXCEEDED"), HasSubstr("The user may have been deleted")));
}

TEST_F(Run, WrongUsageSendsNothing) {
  const Outcome outcome = Do({"delete", "5", "--remote-query", "[]"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err, StartsWith("ticketing-user: --remote-query: is JSON, but no object\n"));
  EXPECT_EQ(service_.calls, 0);
}

TEST_F(Run, HelpGoesToStandardOutput) {
  const Outcome outcome = Do({"--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("delete"), HasSubstr("validate")));
  EXPECT_THAT(outcome.err, IsEmpty());
}

// ---------------------------------------------------------------------------------------------------------------------
// Streams
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(Run, WritesABodyByteForByteToStandardOutput) {
  const std::string binary("\0\x1b\xff\n", 4);
  StreamBody({binary, "", "more"});
  const Outcome outcome = Do({"delete", "5", "--stream"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out, binary + "more");
  EXPECT_THAT(outcome.err, StartsWith("HTTP 200, text/csv\nDeleted: user 5\nreport\n"));
}

TEST_F(Run, WritesHeaderAndSummaryOfAStreamAsJsonLines) {
  StreamBody({"body"});
  const Outcome outcome = Do({"delete", "5", "--stream", "--json"});
  EXPECT_EQ(outcome.out, "body");
  std::istringstream lines(outcome.err);
  std::string header;
  std::string summary;
  std::getline(lines, header);
  std::getline(lines, summary);
  EXPECT_EQ(nlohmann::json::parse(header).at("header").at("content_type"), "text/csv");
  EXPECT_EQ(nlohmann::json::parse(summary).at("outcome"), "DELETE_OUTCOME_DELETED");
}

TEST_F(Run, WritesABodyToAFileInPlaceOfWhatWasThere) {
  const support::TemporaryDirectory directory;
  const std::string path = directory.WriteFile("body", "an older and longer body");
  StreamBody({"new ", "body"});
  const Outcome outcome = Do({"delete", "5", "--stream", "--output", path});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(ReadFile(path), "new body");
  EXPECT_THAT(outcome.out, IsEmpty());
}

TEST_F(Run, KeepsAFileWhenTheDeleteFails) {
  const support::TemporaryDirectory directory;
  const std::string path = directory.WriteFile("body", "older");
  service_.status = {grpc::StatusCode::NOT_FOUND, "no"};
  EXPECT_EQ(Do({"delete", "5", "--stream", "--output", path}).exit_code, 69);
  EXPECT_EQ(ReadFile(path), "older");
}

TEST_F(Run, ChecksTheFileBeforeItSends) {
  const Outcome outcome = Do({"delete", "5", "--stream", "--output", "/nonexistent/body"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--output: the file '/nonexistent/body' can't be opened for writing"));
  EXPECT_EQ(service_.calls, 0);
}

TEST_F(Run, SaysThatTheDeleteIsDoneWhenItsBodyCanNotBeWritten) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  StreamBody({"body"});
  const Outcome outcome = Do({"delete", "5", "--stream", "--output", "/dev/full"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("the call succeeded, but the body could not be written to the file '/dev/full'"));
}

TEST_F(Run, WritesNoBodyToATerminalUnlessAskedTo) {
  terminal_ = true;
  StreamBody({"body"});
  EXPECT_EQ(Do({"delete", "5", "--stream"}).exit_code, 2);
  EXPECT_EQ(service_.calls, 0);
  const Outcome forced = Do({"delete", "5", "--stream", "--output", "-"});
  EXPECT_EQ(forced.exit_code, 0);
  EXPECT_EQ(forced.out, "body");
}

TEST_F(Run, ABrokenBodyIsAnErrorOfADeleteThatIsDone) {
  StreamBody({"half"}, /*with_summary=*/false);
  service_.status = {grpc::StatusCode::UNAVAILABLE, "gone"};
  const Outcome outcome = Do({"delete", "5", "--stream"});
  EXPECT_EQ(outcome.exit_code, 78);
  EXPECT_EQ(outcome.out, "half");
  EXPECT_THAT(outcome.err, HasSubstr("the user is deleted: the answer had begun; its body is incomplete"));
}

TEST_F(Run, AStreamWithoutSummaryIsNoSuccess) {
  StreamBody({"half"}, /*with_summary=*/false);
  EXPECT_EQ(Do({"delete", "5", "--stream"}).exit_code, 66);
  service_.events.clear();
  const Outcome nothing = Do({"delete", "5", "--stream"});
  EXPECT_EQ(nothing.exit_code, 66);
  EXPECT_THAT(nothing.err, HasSubstr("The user may have been deleted"));
}

// ---------------------------------------------------------------------------------------------------------------------
// Connection
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(Run, SendsItsMetadataAndNoTokenWithoutOne) {
  Do({"delete", "5", "--correlation-id", "ticket-1", "--traceparent",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"});
  EXPECT_EQ(service_.metadata.find("x-request-id")->second, "ticket-1");
  EXPECT_EQ(service_.metadata.find("traceparent")->second, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  EXPECT_FALSE(service_.metadata.contains("authorization"));
  EXPECT_THAT(service_.metadata.find("user-agent")->second, StartsWith("ticketing-user/"));
}

TEST_F(Run, SendsTheTokenOfTheEnvironmentOrOfAFile) {
  variables_["TICKETING_TOKEN"] = "from-environment";
  EXPECT_EQ(Do({"delete", "5"}).exit_code, 0);
  ASSERT_EQ(service_.metadata.count("authorization"), 1U);
  EXPECT_EQ(service_.metadata.find("authorization")->second, "Bearer from-environment");

  const support::TemporaryDirectory directory;
  const std::string path = directory.WriteFile("token", "from-file\n");
  EXPECT_EQ(Do({"delete", "5", "--token-file", path}).exit_code, 0);
  ASSERT_EQ(service_.metadata.count("authorization"), 1U);
  EXPECT_EQ(service_.metadata.find("authorization")->second, "Bearer from-file");
}

TEST_F(Run, RefusesATokenThatIsNoneAndNeverShowsIt) {
  for (const std::string& token :
       {std::string("sec ret"), std::string("sec\nret"), std::string("sécret"), std::string(5000, 's')}) {
    variables_["TICKETING_TOKEN"] = token;
    const Outcome outcome = Do({"delete", "5"});
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("TICKETING_TOKEN"), Not(HasSubstr(token))));
  }
  EXPECT_EQ(service_.calls, 0);
}

TEST_F(Run, SendsNoTokenInPlainTextToAnotherMachine) {
  variables_["TICKETING_TOKEN"] = "s3cret";
  for (const char* server : {"192.0.2.1:50051", "example.com:50051", "127.0.0.1.example.com:1", "[2001:db8::1]:1"}) {
    const Outcome outcome = Do({"delete", "5", "--server", server, "--deadline", "1ms"});
    EXPECT_EQ(outcome.exit_code, 2) << server;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("TICKETING_TOKEN"), HasSubstr("--tls"), Not(HasSubstr("s3cret"))));
  }
  // With TLS it may go, and there is nothing to connect to.
  EXPECT_GT(Do({"delete", "5", "--server", "192.0.2.1:50051", "--tls", "--deadline", "1ms"}).exit_code, 64);
}

TEST_F(Run, NamesAFileThatCanNotBeRead) {
  for (const std::vector<std::string>& options : {std::vector<std::string>{"--token-file", "/nonexistent"},
                                                  {"--ca-file", "/nonexistent"},
                                                  {"--cert-file", "/nonexistent", "--key-file", "/nonexistent"}}) {
    std::vector<std::string> arguments{"delete", "5"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Outcome outcome = Do(arguments);
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr(options[0]), HasSubstr("'/nonexistent' can't be read")));
  }
}

class TlsRun : public Run {
 protected:
  TlsRun() : TlsRun(std::make_unique<support::CertificateAuthority>("test CA")) {}

  std::vector<std::string> WithClientCertificate(std::vector<std::string> arguments) {
    const auto client = authority_->Issue({.common_name = "client", .dns_names = {"client"}});
    arguments.insert(arguments.end(), {"--cert-file", directory_.WriteFile("cert.pem", client.certificate_pem),
                                       "--key-file", directory_.WriteFile("key.pem", client.key_pem)});
    return arguments;
  }
  std::string CaFile() const { return directory_.WriteFile("ca.pem", authority_->certificate_pem()); }

  support::TemporaryDirectory directory_;
  std::unique_ptr<support::CertificateAuthority> authority_;

 private:
  explicit TlsRun(std::unique_ptr<support::CertificateAuthority> authority)
      : Run(Credentials(*authority)), authority_(std::move(authority)) {}

  // A server for the name "ticketing.test" that lets only those in who have a certificate.
  static std::shared_ptr<grpc::ServerCredentials> Credentials(const support::CertificateAuthority& authority) {
    const auto server = authority.Issue({.common_name = "server", .dns_names = {"ticketing.test"}});
    grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = authority.certificate_pem();
    options.pem_key_cert_pairs = {{server.key_pem, server.certificate_pem}};
    return grpc::SslServerCredentials(options);
  }
};

TEST_F(TlsRun, PresentsItsCertificateAndSendsItsToken) {
  variables_["TICKETING_TOKEN"] = "s3cret";
  const Outcome outcome =
      Do(WithClientCertificate({"delete", "5", "--ca-file", CaFile(), "--server-name", "ticketing.test"}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(service_.metadata.find("authorization")->second, "Bearer s3cret");
}

TEST_F(TlsRun, TrustsNeitherAnotherNameNorAnotherAuthority) {
  const Outcome name = Do(WithClientCertificate({"delete", "5", "--ca-file", CaFile()}));
  EXPECT_EQ(name.exit_code, 78) << name.err;
  const Outcome authority = Do(WithClientCertificate({"delete", "5", "--tls", "--server-name", "ticketing.test"}));
  EXPECT_EQ(authority.exit_code, 78) << authority.err;
  EXPECT_EQ(service_.calls, 0);
}

}  // namespace
}  // namespace ticketing::cli
