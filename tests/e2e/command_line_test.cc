// The command line against the real service and the sandbox.
#include <gmock/gmock.h>
#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/e2e/programs.h"
#include "tests/e2e/running_service.h"
#include "tests/support/scripted_upstream.h"

namespace ticketing::e2e {
namespace {

using support::Protocol;
using support::ScriptedUpstream;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kHelpScout[] = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";
constexpr char kPivotalTracker[] = "0a4b9e1c-5d3f-4c7a-9b21-6f0e8d7c5a11";

Finished CommandLine(const std::string& server, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), CommandLineProgram());
  arguments.insert(arguments.end(), {"--server", server});
  return RunProgram(std::move(arguments));
}

class CommandLineProgramTest : public testing::Test {
 protected:
  Finished Call(std::vector<std::string> arguments) { return CommandLine(service.address(), std::move(arguments)); }

  RunningSandbox sandbox;
  RunningService service{sandbox.url()};
};

TEST_F(CommandLineProgramTest, DeletesAUserAndSaysSo) {
  const Finished finished = Call({"delete", "23423523", "--account", kHelpScout});
  EXPECT_EQ(finished.exit_code, 0) << finished.errors;
  EXPECT_THAT(finished.output, HasSubstr("Deleted"));
  EXPECT_THAT(finished.output, HasSubstr("23423523"));
  EXPECT_THAT(finished.errors, IsEmpty());
}

TEST_F(CommandLineProgramTest, PrintsTheAnswerAsJson) {
  const Finished finished = Call({"delete", "23423523", "--account", kHelpScout, "--json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.errors;
  EXPECT_EQ(nlohmann::json::parse(finished.output).at("user").at("id"), "23423523");
}

TEST_F(CommandLineProgramTest, ExitsWith64AndTheCodeAndTellsReasonAndAdvice) {
  const Finished finished = Call({"delete", "16200", "--account", kPivotalTracker});
  EXPECT_EQ(finished.exit_code, 64 + grpc::StatusCode::INVALID_ARGUMENT);
  for (const char* text : {"INVALID_ARGUMENT", "REJECTED_AS_INVALID", "collections", "advice", "https://"}) {
    EXPECT_THAT(finished.errors, HasSubstr(text));
  }
  const Finished json = Call({"delete", "16200", "--account", kPivotalTracker, "--json"});
  EXPECT_EQ(json.exit_code, finished.exit_code);
  EXPECT_THAT(json.output + json.errors, HasSubstr("google.rpc.ErrorInfo"));
}

TEST_F(CommandLineProgramTest, AnAbsentUserIsFineWhereThatIsAskedFor) {
  EXPECT_EQ(Call({"delete", "nobody", "--account", kHelpScout}).exit_code, 64 + grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Call({"delete", "nobody", "--account", kHelpScout, "--allow-missing"}).exit_code, 0);
}

TEST_F(CommandLineProgramTest, ValidateShowsTheRequestAndDeletesNothing) {
  const Finished shown = Call({"validate", "23423523", "--account", kHelpScout, "--collection", "7"});
  EXPECT_EQ(shown.exit_code, 0) << shown.errors;
  EXPECT_THAT(shown.output, HasSubstr("/unified/ticketing/users/23423523?collections"));
  EXPECT_THAT(shown.output, HasSubstr("collections%5B%5D%5Bid%5D=7"));
  EXPECT_THAT(shown.output, HasSubstr("Bearer ***"));
  EXPECT_EQ(Call({"delete", "23423523", "--account", kHelpScout}).exit_code, 0) << "the user is still there";
}

TEST_F(CommandLineProgramTest, StreamsTheBodyToStandardOutput) {
  const Finished finished = Call({"delete", "23423524", "--account", kHelpScout, "--format", "stream", "--stream"});
  EXPECT_EQ(finished.exit_code, 0) << finished.errors;
  EXPECT_FALSE(finished.output.empty());
  EXPECT_THAT(finished.errors, HasSubstr("200"));
}

TEST_F(CommandLineProgramTest, SendsEveryParameter) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  RunningService plain(upstream.url());
  const Finished finished = CommandLine(plain.address(), {"delete",
                                                          "a/b",
                                                          "--account",
                                                          kHelpScout,
                                                          "--collection",
                                                          "1",
                                                          "--collection",
                                                          "2",
                                                          "--organization",
                                                          "42",
                                                          "--format",
                                                          "raw",
                                                          "--ignore-remote-data=false",
                                                          "--exclude-field",
                                                          "id",
                                                          "--exclude-field",
                                                          "name",
                                                          "--remote-query",
                                                          R"({"a":{"b":[1,true,null]}})",
                                                          "--skip-api-call",
                                                          "--request-id",
                                                          "0b0a6f1e-9a7e-4a9e-8f5a-1d2c3b4a5f60"});
  EXPECT_EQ(finished.exit_code, 0) << finished.errors;
  ASSERT_EQ(upstream.requests().size(), 1U);
  const auto request = upstream.requests().at(0);
  EXPECT_EQ(request.path,
            "/unified/ticketing/users/a%2Fb?collections%5B%5D%5Bid%5D=1&collections%5B%5D%5Bid%5D=2"
            "&organization%5Bid%5D=42&integrated_account_id=62f44730-dd91-461e-bd6a-aedd9e0ad79d"
            "&truto_response_format=raw&truto_ignore_remote_data=false&truto_exclude_fields%5B%5D=id"
            "&truto_exclude_fields%5B%5D=name&remote_query%5Ba%5D%5Bb%5D%5B%5D=1&remote_query%5Ba%5D%5Bb%5D%5B%5D=true"
            "&remote_query%5Ba%5D%5Bb%5D%5B%5D=&truto_skip_api_call=true");
  EXPECT_EQ(core::FindHeader(request.headers, "idempotency-key"), "0b0a6f1e-9a7e-4a9e-8f5a-1d2c3b4a5f60");
}

TEST(CommandLineUsage, WrongUsageExitsWithTwo) {
  EXPECT_EQ(RunProgram({CommandLineProgram()}).exit_code, 2);
  EXPECT_EQ(RunProgram({CommandLineProgram(), "delete"}).exit_code, 2);
  EXPECT_EQ(RunProgram({CommandLineProgram(), "delete", "42", "--format", "xml"}).exit_code, 2);
}

}  // namespace
}  // namespace ticketing::e2e
