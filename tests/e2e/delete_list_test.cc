// Whole lists, through the real programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/e2e/process.h"
#include "tests/e2e/programs.h"
#include "tests/e2e/running_service.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/temporary_directory.h"

namespace ticketing::e2e {
namespace {

using support::Gate;
using support::Protocol;
using support::ReceivedRequest;
using support::Script;
using support::ScriptedUpstream;
using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

constexpr char kHelpScout[] = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";
constexpr int kUsers = 1000;

// Without the service's own rate limits, which would make a long list a matter of minutes.
const Environment kUnlimited{{"TICKETING_TOKEN_RATE", "0"}, {"TICKETING_ACCOUNT_RATE", "0"}};

class DeleteListProgram : public testing::Test {
 protected:
  // CSV with the users PREFIX1, PREFIX2, ... of Help Scout.
  std::string WriteUsers(const std::string& prefix, int count) {
    std::string content = "id,account\n";
    for (int i = 1; i <= count; ++i) content += prefix + std::to_string(i) + "," + kHelpScout + "\n";
    return folder_.WriteFile("users.csv", content);
  }

  static std::vector<std::string> Command(const RunningService& service, const std::string& list,
                                          std::vector<std::string> options = {}) {
    options.insert(options.begin(),
                   {CommandLineProgram(), "delete-list", list, "--yes", "--server", service.address()});
    return options;
  }

  // The outcomes in a results file, each with how often it is there.
  static std::map<std::string, int> Outcomes(const std::string& results) {
    std::map<std::string, int> outcomes;
    std::ifstream file(results);
    for (std::string line; std::getline(file, line);) {
      ++outcomes[nlohmann::json::parse(line).at("outcome").get<std::string>()];
    }
    return outcomes;
  }

  support::TemporaryDirectory folder_;
};

// How often each path was asked for.
std::map<std::string, int> Paths(const ScriptedUpstream& upstream) {
  std::map<std::string, int> paths;
  for (const auto& request : upstream.requests()) ++paths[request.path];
  return paths;
}

TEST_F(DeleteListProgram, AThousandDeletesInterruptedAndResumedDeleteEachUserExactlyOnce) {
  constexpr std::uint64_t kBeforeTheInterrupt = 300;
  ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  Gate gate;
  // On the server's thread alone.
  upstream.SetHandler([&, answered = std::uint64_t{0}](const ReceivedRequest&) mutable {
    Script script;
    if (++answered > kBeforeTheInterrupt) script.WaitFor(gate);
    return script.Answer(200, {{"content-type", "application/json"}}, "{}");
  });
  const RunningService service(upstream.url(), kUnlimited);
  const std::string list = WriteUsers("user-", kUsers);

  Process first(Command(service, list, {"--concurrency", "4"}), {});
  ASSERT_TRUE(upstream.WaitForRequests(kBeforeTheInterrupt + 4));
  first.Signal(SIGINT);
  ASSERT_TRUE(first.WaitForLine("stopping: what is under way is finished first"));
  gate.Open();
  EXPECT_EQ(first.Wait(), 128 + SIGINT) << first.errors();
  EXPECT_THAT(first.output(), AllOf(StartsWith("Interrupted by Ctrl-C\nDone: 304 of 1000 lines\n"),
                                    HasSubstr("  deleted            304\n"), HasSubstr("  not tried          696\n")));
  EXPECT_EQ(Outcomes(list + ".results"), (std::map<std::string, int>{{"deleted", 304}}));
  EXPECT_THAT(upstream.requests(), SizeIs(304));

  const Finished second = RunProgram(Command(service, list));
  EXPECT_EQ(second.exit_code, 0) << second.errors;
  EXPECT_THAT(second.output, AllOf(StartsWith("Done: 1000 of 1000 lines\n"), HasSubstr("  deleted            696\n"),
                                   HasSubstr("  done before        304\n")));
  EXPECT_EQ(Outcomes(list + ".results"), (std::map<std::string, int>{{"deleted", kUsers}}));
  const auto paths = Paths(upstream);
  EXPECT_THAT(paths, SizeIs(kUsers));
  for (const auto& [path, count] : paths) EXPECT_EQ(count, 1) << path;
}

// Whenever the kill comes: what was under way was not written down, and is sent again under its name.
TEST_F(DeleteListProgram, AThousandDeletesKilledAndResumedDeleteEachUserOfTheSandboxExactlyOnce) {
  const RunningSandbox sandbox({"--extra-users", std::to_string(kUsers), "--account-limit", "0", "--token-limit", "0"});
  const RunningService service(sandbox.url(), kUnlimited);
  const std::string list = WriteUsers("", kUsers);
  {
    Process first(Command(service, list), {});
    ASSERT_TRUE(first.WaitForLine("/1000 20% ")) << first.errors();
    first.Signal(SIGKILL);
    first.Wait();
  }
  const Finished second = RunProgram(Command(service, list));
  EXPECT_EQ(second.exit_code, 0) << second.output << second.errors;
  EXPECT_THAT(second.output, StartsWith("Done: 1000 of 1000 lines\n"));
  EXPECT_EQ(Outcomes(list + ".results"), (std::map<std::string, int>{{"deleted", kUsers}}));

  const auto answer = httplib::Client(sandbox.url()).Get("/sandbox/requests");
  ASSERT_TRUE(answer);
  std::map<std::string, int> paths;
  const auto requests = nlohmann::json::parse(answer->body).at("requests");
  for (const auto& request : requests) {
    EXPECT_EQ(request.at("status"), 200);
    ++paths[request.at("path").get<std::string>()];
  }
  EXPECT_THAT(paths, SizeIs(kUsers));
  for (const auto& [path, count] : paths) EXPECT_EQ(count, 1) << path;
}

TEST_F(DeleteListProgram, ASecondInterruptCancelsAndTellsWhatIsUnknown) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  upstream.SetDefault(Script().WaitFor(Gate()));
  const RunningService service(upstream.url(), kUnlimited);
  const std::string list = WriteUsers("user-", 3);
  Process process(Command(service, list, {"--concurrency", "1"}), {});
  ASSERT_TRUE(upstream.WaitForRequests(1));
  process.Signal(SIGTERM);
  ASSERT_TRUE(process.WaitForLine("interrupt again to cancel it"));
  process.Signal(SIGTERM);
  EXPECT_EQ(process.Wait(), 128 + SIGTERM);
  EXPECT_THAT(process.output(), AllOf(StartsWith("Interrupted by SIGTERM\n"), HasSubstr("  unknown            1\n"),
                                      HasSubstr("  not tried          2\n"), HasSubstr("--repeat-unknown")));
  EXPECT_EQ(Outcomes(list + ".results"), (std::map<std::string, int>{{"unknown", 1}}));
}

TEST_F(DeleteListProgram, ListensToTheServicesRateLimit) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  const RunningService service(
      upstream.url(),
      {{"TICKETING_TOKEN_RATE", "0"}, {"TICKETING_ACCOUNT_RATE", "20"}, {"TICKETING_ACCOUNT_BURST", "1"}});
  // More than the service lets wait.
  const Finished finished = RunProgram(Command(service, WriteUsers("user-", 50), {"--concurrency", "50"}));
  EXPECT_EQ(finished.exit_code, 0) << finished.output << finished.errors;
  EXPECT_THAT(finished.errors, HasSubstr("as the service says"));
  const auto paths = Paths(upstream);
  EXPECT_THAT(paths, SizeIs(50));
  for (const auto& [path, count] : paths) EXPECT_EQ(count, 1) << path;
}

TEST_F(DeleteListProgram, DeletesAUserOfEachIntegrationAndFeedsBackWhatFailed) {
  const RunningSandbox sandbox;
  const RunningService service(sandbox.url());
  const std::string list = folder_.WriteFile(
      "users.jsonl",
      R"({"id":"16201","account":"0a4b9e1c-5d3f-4c7a-9b21-6f0e8d7c5a11"})"
      "\n"
      R"({"id":"2063927000000079003","account":"1c7d2f4e-8a6b-4e5d-a3c9-2b1f0e9d8c22","organization":"20063927"})"
      "\n"
      R"({"id":"23423523","account":"62f44730-dd91-461e-bd6a-aedd9e0ad79d","truto_response_format":"raw"})"
      "\n"
      R"({"id":"zoë.müller","account":"2e9f3a5d-7b8c-4f6e-b4da-3c2a1f0e9d33","truto_ignore_remote_data":true})"
      "\n");
  const Finished dry = RunProgram(Command(service, list, {"--dry-run"}));
  EXPECT_EQ(dry.exit_code, 0) << dry.errors;
  EXPECT_THAT(dry.output, StartsWith("Valid: 4 of 4 lines\n"));

  const Finished first = RunProgram(Command(service, list));
  EXPECT_EQ(first.exit_code, 3);
  EXPECT_THAT(first.output, AllOf(StartsWith("Done: 3 of 4 lines\n"), HasSubstr("  REJECTED_AS_INVALID 1\n")));
  EXPECT_THAT(first.errors, HasSubstr("line 1: user 16201 of 0a4b9e1c-5d3f-4c7a-9b21-6f0e8d7c5a11: failed: "
                                      "INVALID_ARGUMENT REJECTED_AS_INVALID"));

  // Mended in an editor, and from a pipe.
  const std::string results = folder_.path() / "mended.results";
  const Finished mended = RunProgram(
      {"sh", "-c", R"(sed 's/}$/,"collections":["99"]}/' "$1" | "$2" delete-list - --yes --results "$3" --server "$4")",
       "sh", list + ".failed", CommandLineProgram(), results, service.address()});
  EXPECT_EQ(mended.exit_code, 0) << mended.output << mended.errors;
  EXPECT_EQ(Outcomes(results), (std::map<std::string, int>{{"deleted", 1}}));
}

TEST_F(DeleteListProgram, WaitsForAServiceThatIsNotThereYetUnderTheSameNames) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp1});
  std::string address;
  {
    const RunningService gone(upstream.url(), kUnlimited);
    address = gone.address();
  }
  const std::string list = WriteUsers("user-", 3);
  Process process({CommandLineProgram(), "delete-list", list, "--yes", "--server", address}, {});
  ASSERT_TRUE(process.WaitForLine("waiting ")) << process.errors();
  Environment environment = kUnlimited;
  environment["TICKETING_LISTEN"] = address;
  const RunningService service(upstream.url(), environment);
  EXPECT_EQ(process.Wait(), 0) << process.errors();
  EXPECT_THAT(Paths(upstream), SizeIs(3));
  EXPECT_THAT(upstream.requests(), SizeIs(3));
}

TEST(HealthProgram, FollowsTheServiceFromServingToGone) {
  RunningService service("http://127.0.0.1:1", {{"TICKETING_DRAIN_DELAY", "10m"}});
  const std::vector<std::string> command{CommandLineProgram(), "health", "--server", service.address()};
  const Finished serving = RunProgram(command);
  EXPECT_EQ(serving.exit_code, 0) << serving.errors;
  EXPECT_EQ(serving.output, "SERVING\n");
  service.process().Signal(SIGTERM);
  ASSERT_TRUE(service.process().WaitForLine("not ready"));
  const Finished draining = RunProgram(command);
  EXPECT_EQ(draining.exit_code, 3) << draining.errors;
  EXPECT_EQ(draining.output, "NOT_SERVING\n");
  service.process().Signal(SIGTERM);
  EXPECT_EQ(service.process().Wait(), 0);
  EXPECT_EQ(RunProgram(command).exit_code, 64 + 14);
}

}  // namespace
}  // namespace ticketing::e2e
