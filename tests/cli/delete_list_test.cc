// `delete-list` and `health` against a real gRPC server that answers as it is told.
#include "cli/delete_list_command.h"

#include <gmock/gmock.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cli/list_result.h"
#include "cli/run.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/cli/file_size_limit.h"
#include "tests/support/temporary_directory.h"
#include "ticketing/v1/ticketing_user_service.grpc.pb.h"

namespace ticketing::cli {
namespace {

using grpc::StatusCode;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using std::chrono::steady_clock;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;
using ticketing::v1::DeleteTicketingUserRequest;
using ticketing::v1::DeleteTicketingUserResponse;

grpc::Status ServiceError(StatusCode code, const std::string& reason, const std::string& delivery,
                          std::optional<std::chrono::milliseconds> retry_delay = std::nullopt) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  (*info.mutable_metadata())["delivery"] = delivery;
  details.add_details()->PackFrom(info);
  if (retry_delay) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_nanos(static_cast<int>(retry_delay->count()) * 1'000'000);
    details.add_details()->PackFrom(retry);
  }
  return {code, "words", details.SerializeAsString()};
}

// What has come in, in the order of its arrival, and the answers.
class ToldService final : public ticketing::v1::TicketingUserService::Service {
 public:
  struct Received {
    DeleteTicketingUserRequest request;
    steady_clock::time_point at;
  };
  // `earlier`: how many calls with this request_id there were before.
  using Answer = std::function<grpc::Status(grpc::ServerContext&, const DeleteTicketingUserRequest&, int earlier)>;

  grpc::Status DeleteTicketingUser(grpc::ServerContext* context, const DeleteTicketingUserRequest* request,
                                   DeleteTicketingUserResponse* response) override {
    int earlier = 0;
    {
      const std::lock_guard lock(mutex_);
      earlier = static_cast<int>(std::ranges::count_if(
          received_, [&](const Received& received) { return received.request.request_id() == request->request_id(); }));
      received_.push_back({*request, steady_clock::now()});
    }
    response->set_outcome(request->validate_only() ? v1::DELETE_OUTCOME_NOT_SENT : v1::DELETE_OUTCOME_DELETED);
    return answer ? answer(*context, *request, earlier) : grpc::Status::OK;
  }

  std::vector<Received> received() const {
    const std::lock_guard lock(mutex_);
    return received_;
  }
  std::vector<Received> received(const std::string& id) const {
    auto all = received();
    std::erase_if(all, [&](const Received& received) { return received.request.id() != id; });
    return all;
  }

  Answer answer;

 private:
  mutable std::mutex mutex_;
  std::vector<Received> received_;
};

class ToldHealth final : public grpc::health::v1::Health::Service {
 public:
  grpc::Status Check(grpc::ServerContext* /*context*/, const HealthCheckRequest* request,
                     HealthCheckResponse* response) override {
    if (request->service() == "unknown") return {StatusCode::NOT_FOUND, "no such service"};
    response->set_status(request->service() == "down" ? HealthCheckResponse::NOT_SERVING
                                                      : HealthCheckResponse::SERVING);
    return grpc::Status::OK;
  }
};

struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
};

class DeleteList : public testing::Test {
 public:
  ~DeleteList() override { server_->Shutdown(std::chrono::system_clock::now()); }
  DeleteList(const DeleteList&) = delete;
  DeleteList& operator=(const DeleteList&) = delete;

 protected:
  DeleteList() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    builder.RegisterService(&health_);
    server_ = builder.BuildAndStart();
    address_ = "127.0.0.1:" + std::to_string(port);
  }

  Outcome Do(const std::vector<std::string>& arguments, const std::string& input = "") {
    std::vector<const char*> argv{"ticketing-user"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    const Process process{
        .in = in,
        .out = out,
        .err = err,
        .in_is_terminal = terminal_,
        .out_is_terminal = terminal_,
        .err_is_terminal = terminal_,
        .environment = [&](const std::string& name) -> std::optional<std::string> {
          if (name != "TICKETING_SERVER") return std::nullopt;
          return address_;
        },
        .interrupts = [&] { return Interrupts{.count = interrupts_, .signal = interrupts_ > 0 ? SIGINT : 0}; }};
    const int exit_code = cli::Run(static_cast<int>(argv.size()), argv.data(), process);
    return {exit_code, out.str(), err.str()};
  }

  // With --yes and the list that Write() wrote last.
  Outcome DeleteAll(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"delete-list", list_, "--yes"});
    return Do(more);
  }

  void Write(const std::string& content) { list_ = folder_.WriteFile("list.csv", content); }

  // Users "1", "2", ...
  void WriteUsers(int count) {
    std::string content = "id\n";
    for (int i = 1; i <= count; ++i) content += std::to_string(i) + "\n";
    Write(content);
  }

  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  // Of the results file, by user.
  std::multimap<std::string, LineResult> Results() const {
    std::multimap<std::string, LineResult> results;
    std::istringstream lines(Read(list_ + ".results"));
    for (std::string line; std::getline(lines, line);) {
      const auto result = ParseResult(line);
      if (!result) {
        ADD_FAILURE() << line;
        continue;
      }
      results.emplace(result->id, *result);
    }
    return results;
  }

  ToldService service_;
  ToldHealth health_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  support::TemporaryDirectory folder_;
  std::string list_;
  bool terminal_ = false;
  std::atomic<int> interrupts_ = 0;
};

// ---------------------------------------------------------------------------------------------------------------------
// Before anything is sent
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(DeleteList, AsksBeforeItDeletes) {
  terminal_ = true;
  Write("id,account\n1,62f44730-dd91-461e-bd6a-aedd9e0ad79d\n2,62f44730-dd91-461e-bd6a-aedd9e0ad79d\n3,\n");
  for (const char* answer : {"", "no\n", "y\n", "YES\n", "\n"}) {
    const Outcome refused = Do({"delete-list", list_}, answer);
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_THAT(refused.err, HasSubstr("nothing was sent"));
  }
  EXPECT_THAT(service_.received(), IsEmpty());

  const Outcome outcome = Do({"delete-list", list_}, "yes\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, StartsWith("Delete 3 users of 2 accounts through " + address_ +
                                      "?\n"
                                      "  (the account of the token)  1 user\n"
                                      "  62f44730-dd91-461e-bd6a-aedd9e0ad79d  2 users\n"
                                      "This can't be undone. Type 'yes' to go on: "));
  EXPECT_THAT(service_.received(), SizeIs(3));
}

TEST(ConfirmationQuestion, NamesTheFirstAccountsAndCountsTheRest) {
  std::vector<ListLine> lines(12);
  std::vector<const ListLine*> pointers;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    lines[i].request.set_integrated_account_id("account-" + std::string(1, static_cast<char>('a' + i)));
    pointers.push_back(&lines[i]);
  }
  EXPECT_THAT(ConfirmationQuestion(pointers, "there:1"),
              AllOf(StartsWith("Delete 12 users of 12 accounts through there:1?\n"), HasSubstr("  account-j  1 user\n"),
                    Not(HasSubstr("account-k")), HasSubstr("  and of 2 more accounts\n")));
}

TEST_F(DeleteList, RefusesToDeleteWhenNobodyCanBeAsked) {
  WriteUsers(1);
  const Outcome no_terminal = Do({"delete-list", list_}, "yes\n");
  EXPECT_EQ(no_terminal.exit_code, 2);
  EXPECT_THAT(no_terminal.err, AllOf(HasSubstr("standard input is no terminal"), HasSubstr("--yes is required")));
  terminal_ = true;
  const Outcome list = Do({"delete-list", "-", "--results", list_ + ".results"}, "id\n1\n");
  EXPECT_EQ(list.exit_code, 2);
  EXPECT_THAT(list.err, AllOf(HasSubstr("standard input is the list"), HasSubstr("--yes is required")));
  EXPECT_THAT(service_.received(), IsEmpty());
}

TEST_F(DeleteList, TellsEveryMistakeAndSendsNothing) {
  Write("id,account\n1,\n..,\n2,x\n");
  const Outcome outcome = DeleteAll();
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("the list has 2 mistakes; nothing was sent\n"),
                                 HasSubstr("\n  line 3: id: must be neither '.' nor '..'\n"),
                                 HasSubstr("\n  line 4: integrated_account_id: must be a UUID")));
  EXPECT_THAT(service_.received(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(list_ + ".results"));
}

TEST_F(DeleteList, ListAndResultsAndFailuresAreThreeFiles) {
  WriteUsers(1);
  const std::string other = folder_.path() / "." / "list.csv";
  for (const std::vector<std::string>& options : {std::vector<std::string>{"--results", list_},
                                                  {"--failures", list_},
                                                  {"--failures", other},
                                                  {"--results", "r", "--failures", "r"}}) {
    const Outcome outcome = DeleteAll(options);
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.err, HasSubstr("must be three files"));
  }
  EXPECT_EQ(Read(list_), "id\n1\n");
  EXPECT_THAT(service_.received(), IsEmpty());
}

TEST_F(DeleteList, NamesWhatIsMissing) {
  const Outcome no_file = Do({"delete-list", folder_.path() / "missing", "--yes"});
  EXPECT_EQ(no_file.exit_code, 2);
  EXPECT_THAT(no_file.err, HasSubstr("can't be read"));
  const Outcome no_results = Do({"delete-list", "-", "--yes"}, "id\n1\n");
  EXPECT_EQ(no_results.exit_code, 2);
  EXPECT_THAT(no_results.err, HasSubstr("--results: is required"));
}

// ---------------------------------------------------------------------------------------------------------------------
// Sending
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(DeleteList, DeletesEveryLineOnceAndWritesItDown) {
  WriteUsers(50);
  const Outcome outcome = DeleteAll();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(StartsWith("Done: 50 of 50 lines\n"), HasSubstr("  deleted            50\n"),
                                 HasSubstr("\nresults: " + list_ + ".results\n"), Not(HasSubstr("failures:"))));
  EXPECT_THAT(outcome.err, HasSubstr("50/50 100% | 50 deleted"));
  EXPECT_EQ(outcome.err.find('\x1b'), std::string::npos);
  std::set<std::string> ids;
  std::set<std::string> names;
  for (const auto& received : service_.received()) {
    ids.insert(received.request.id());
    names.insert(received.request.request_id());
    EXPECT_FALSE(received.request.validate_only());
  }
  EXPECT_THAT(service_.received(), SizeIs(50));
  EXPECT_THAT(ids, SizeIs(50));
  EXPECT_THAT(names, SizeIs(50));
  EXPECT_THAT(Results(), SizeIs(50));
}

TEST_F(DeleteList, ReadsStandardInput) {
  const std::string results = folder_.path() / "results";
  const Outcome outcome =
      Do({"delete-list", "-", "--yes", "--results", results, "--account", "62f44730-dd91-461e-bd6a-aedd9e0ad79d"},
         "{\"id\":\"1\"}\n{\"id\":\"2\"}\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  ASSERT_THAT(service_.received(), SizeIs(2));
  EXPECT_EQ(service_.received().at(0).request.integrated_account_id(), "62f44730-dd91-461e-bd6a-aedd9e0ad79d");
  EXPECT_TRUE(std::filesystem::exists(results));
}

TEST_F(DeleteList, KeepsNoMoreCallsUnderWayThanItMay) {
  WriteUsers(30);
  std::atomic<int> under_way = 0;
  std::atomic<int> most = 0;
  service_.answer = [&](grpc::ServerContext&, const DeleteTicketingUserRequest& request, int) {
    const int now = ++under_way;
    int seen = most;
    while (seen < now && !most.compare_exchange_weak(seen, now)) {
    }
    // The first three wait for each other.
    if (std::stoi(request.id()) <= 3) {
      while (most < 3) std::this_thread::yield();
    }
    --under_way;
    return grpc::Status::OK;
  };
  EXPECT_EQ(DeleteAll({"--concurrency", "3"}).exit_code, 0);
  EXPECT_EQ(most, 3);
}

TEST_F(DeleteList, ADryRunHasEveryLineCheckedAndLeavesNoFile) {
  WriteUsers(3);
  service_.answer = [](grpc::ServerContext&, const DeleteTicketingUserRequest& request, int) {
    return request.id() == "2" ? ServiceError(StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST", "NOT_SENT")
                               : grpc::Status::OK;
  };
  const Outcome outcome = Do({"delete-list", list_, "--dry-run"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.out, StartsWith("Valid: 2 of 3 lines\n"));
  EXPECT_THAT(outcome.err, HasSubstr("line 3: user 2: failed: INVALID_ARGUMENT INVALID_REQUEST words\n"));
  EXPECT_THAT(service_.received(), SizeIs(3));
  for (const auto& received : service_.received()) EXPECT_TRUE(received.request.validate_only());
  EXPECT_FALSE(std::filesystem::exists(list_ + ".results"));
  EXPECT_FALSE(std::filesystem::exists(list_ + ".failed"));
}

TEST_F(DeleteList, WaitsAsLongAsTheServiceSaysAndSendsAgainUnderTheSameName) {
  constexpr std::chrono::milliseconds kDelay{200};
  WriteUsers(4);
  service_.answer = [&](grpc::ServerContext& context, const DeleteTicketingUserRequest&, int earlier) {
    if (earlier > 0) return grpc::Status::OK;
    context.AddTrailingMetadata("grpc-retry-pushback-ms", std::to_string(kDelay.count()));
    return ServiceError(StatusCode::RESOURCE_EXHAUSTED, "RATE_LIMITED", "NOT_SENT", kDelay);
  };
  const Outcome outcome = DeleteAll({"--concurrency", "1"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("waiting 0:01 as the service says"));
  const auto received = service_.received();
  ASSERT_THAT(received, SizeIs(8));
  for (std::size_t i = 0; i < received.size(); i += 2) {
    EXPECT_EQ(received[i + 1].request.request_id(), received[i].request.request_id());
    EXPECT_GE(received[i + 1].at - received[i].at, kDelay);
  }
}

TEST_F(DeleteList, ARateLimitOfOneAccountHoldsUpNoOther) {
  Write(
      "id,account\n1,62f44730-dd91-461e-bd6a-aedd9e0ad79d\n2,0a4b9e1c-5d3f-4c7a-9b21-6f0e8d7c5a11\n"
      "3,0a4b9e1c-5d3f-4c7a-9b21-6f0e8d7c5a11\n");
  service_.answer = [&](grpc::ServerContext&, const DeleteTicketingUserRequest& request, int earlier) {
    // Until the other account is through, which it would never be if it waited.
    const bool others_done = !service_.received("2").empty() && !service_.received("3").empty();
    if (request.id() != "1" || (earlier > 0 && others_done)) return grpc::Status::OK;
    return ServiceError(StatusCode::RESOURCE_EXHAUSTED, "RATE_LIMITED", "NOT_SENT", std::chrono::milliseconds(300));
  };
  const Outcome outcome = DeleteAll({"--concurrency", "1"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("for the account 62f44730-dd91-461e-bd6a-aedd9e0ad79d"));
  EXPECT_LT(service_.received("3").at(0).at, service_.received("1").at(1).at);
}

TEST_F(DeleteList, NeverRepeatsAnUnknownOutcomeByItself) {
  WriteUsers(3);
  service_.answer = [](grpc::ServerContext&, const DeleteTicketingUserRequest& request, int earlier) {
    return request.id() == "2" && earlier == 0 ? ServiceError(StatusCode::UNKNOWN, "OUTCOME_UNKNOWN", "UNKNOWN")
                                               : grpc::Status::OK;
  };
  const Outcome outcome = DeleteAll();
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("line 3: user 2: unknown, it may have been deleted: UNKNOWN OUTCOME_UNKNOWN"));
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("  unknown            1\n"), HasSubstr("--repeat-unknown --allow-missing")));
  EXPECT_FALSE(std::filesystem::exists(list_ + ".failed")) << "what is fed back in would repeat it";
  EXPECT_EQ(Results().find("2")->second.outcome, LineOutcome::kUnknown);

  const Outcome again = DeleteAll();
  EXPECT_EQ(again.exit_code, 3);
  EXPECT_THAT(again.out, AllOf(HasSubstr("  done before        2\n"), HasSubstr("  unknown before     1\n")));
  EXPECT_THAT(service_.received(), SizeIs(3));

  EXPECT_EQ(DeleteAll({"--repeat-unknown"}).exit_code, 0);
  ASSERT_THAT(service_.received("2"), SizeIs(2));
  EXPECT_EQ(service_.received("2").at(0).request.request_id(), service_.received("2").at(1).request.request_id());
  EXPECT_THAT(service_.received(), SizeIs(4));
}

TEST_F(DeleteList, WritesWhatFailedAsAListAgain) {
  Write("id,organization\n1,a\n\"2\",\"b\nc\"\n3,\n");
  EXPECT_EQ(DeleteAll().exit_code, 2) << "a control character in a name";
  Write("id,organization\r\n1,a\r\n\"2\",\"b\"\"c\"\r\n3,\r\n");
  bool mended = false;
  service_.answer = [&](grpc::ServerContext&, const DeleteTicketingUserRequest& request, int) {
    return request.id() == "1" || mended ? grpc::Status::OK : ServiceError(StatusCode::ABORTED, "CONFLICT", "REJECTED");
  };
  const Outcome outcome = DeleteAll();
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("  failed             2\n"), HasSubstr("  CONFLICT           2\n"),
                                 HasSubstr("failures: " + list_ + ".failed\n")));
  EXPECT_EQ(Read(list_ + ".failed"), "id,organization\n\"2\",\"b\"\"c\"\n3,\n");

  mended = true;
  const Outcome fed_back = Do({"delete-list", list_ + ".failed", "--yes"});
  EXPECT_EQ(fed_back.exit_code, 0) << fed_back.err;
  ASSERT_THAT(service_.received("2"), SizeIs(2));
  EXPECT_EQ(service_.received("2").at(1).request.SerializeAsString(),
            service_.received("2").at(0).request.SerializeAsString());
  EXPECT_THAT(service_.received("1"), SizeIs(1));
}

TEST_F(DeleteList, ASecondRunSendsWhatIsNotDoneAndForgetsOldFailures) {
  WriteUsers(5);
  bool mended = false;
  service_.answer = [&](grpc::ServerContext&, const DeleteTicketingUserRequest& request, int) {
    return request.id() != "4" || mended ? grpc::Status::OK : ServiceError(StatusCode::ABORTED, "CONFLICT", "REJECTED");
  };
  EXPECT_EQ(DeleteAll().exit_code, 3);
  EXPECT_TRUE(std::filesystem::exists(list_ + ".failed"));
  mended = true;
  const Outcome outcome = DeleteAll();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(StartsWith("Done: 5 of 5 lines\n"), HasSubstr("  done before        4\n")));
  EXPECT_THAT(service_.received(), SizeIs(6));
  EXPECT_THAT(service_.received("4"), SizeIs(2));
  EXPECT_FALSE(std::filesystem::exists(list_ + ".failed"));

  EXPECT_EQ(DeleteAll().exit_code, 0);
  EXPECT_THAT(service_.received(), SizeIs(6)) << "nothing is left to send";
}

TEST_F(DeleteList, StopsWhenEveryOtherLineWouldFailToo) {
  WriteUsers(100);
  service_.answer = [](grpc::ServerContext&, const DeleteTicketingUserRequest&, int) {
    return ServiceError(StatusCode::UNAUTHENTICATED, "CALLER_UNAUTHENTICATED", "NOT_SENT");
  };
  const Outcome outcome = DeleteAll({"--concurrency", "2"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("stopping: every other line would fail like line "));
  EXPECT_LE(service_.received().size(), 2U);
  EXPECT_THAT(outcome.out, HasSubstr("not tried"));
}

TEST_F(DeleteList, StopsWhenOneOutcomeAfterTheOtherIsUnknown) {
  WriteUsers(100);
  service_.answer = [](grpc::ServerContext&, const DeleteTicketingUserRequest& request, int) {
    // The fifth breaks the first row.
    return request.id() == "5" ? grpc::Status::OK : ServiceError(StatusCode::UNKNOWN, "OUTCOME_UNKNOWN", "UNKNOWN");
  };
  const Outcome outcome = DeleteAll({"--concurrency", "1"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("stopping: 10 outcomes in a row are unknown"));
  EXPECT_THAT(service_.received(), SizeIs(15));
}

TEST_F(DeleteList, GivesUpWhenTheServiceStaysUnavailable) {
  WriteUsers(20);
  service_.answer = [](grpc::ServerContext& context, const DeleteTicketingUserRequest&, int) {
    context.AddTrailingMetadata("grpc-retry-pushback-ms", "1");
    return ServiceError(StatusCode::UNAVAILABLE, "OVERLOADED", "NOT_SENT");
  };
  const Outcome outcome = DeleteAll({"--concurrency", "1"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(service_.received(), SizeIs(6)) << "one call and five repeats";
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("  failed             1\n"), HasSubstr("  not tried          19\n")));
}

TEST_F(DeleteList, StopsWhenResultsCanNotBeKept) {
  WriteUsers(100);
  const FileSizeLimit limit(10);
  const Outcome outcome = DeleteAll({"--concurrency", "1"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr(list_ + ".results' can't be written"), HasSubstr("\"outcome\":\"deleted\"")));
  EXPECT_THAT(service_.received(), SizeIs(1));
}

TEST_F(DeleteList, SaysWhenFailuresCanNotBeWritten) {
  WriteUsers(1);
  service_.answer = [](grpc::ServerContext&, const DeleteTicketingUserRequest&, int) {
    return ServiceError(StatusCode::ABORTED, "CONFLICT", "REJECTED");
  };
  const Outcome outcome = DeleteAll({"--failures", folder_.path() / "missing" / "failures"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("failures' can't be written"));
}

TEST_F(DeleteList, FinishesWhatIsUnderWayWhenItIsInterrupted) {
  WriteUsers(100);
  service_.answer = [&](grpc::ServerContext&, const DeleteTicketingUserRequest& request, int) {
    if (request.id() == "10") interrupts_ = 1;
    return grpc::Status::OK;
  };
  const Outcome outcome = DeleteAll({"--concurrency", "2"});
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_THAT(outcome.err, HasSubstr("stopping: what is under way is finished first"));
  EXPECT_THAT(outcome.out,
              AllOf(StartsWith("Interrupted by Ctrl-C\n"), HasSubstr("not tried"), HasSubstr("results: ")));
  EXPECT_LT(service_.received().size(), 100U);
  EXPECT_THAT(Results(), SizeIs(service_.received().size()));

  interrupts_ = 0;
  service_.answer = nullptr;
  EXPECT_EQ(DeleteAll().exit_code, 0);
  EXPECT_THAT(service_.received(), SizeIs(100));
  EXPECT_THAT(Results(), SizeIs(100));
}

TEST_F(DeleteList, CancelsWhatIsUnderWayAtTheSecondInterrupt) {
  WriteUsers(3);
  service_.answer = [&](grpc::ServerContext& context, const DeleteTicketingUserRequest&, int) {
    interrupts_ = 2;
    while (!context.IsCancelled()) std::this_thread::yield();
    return grpc::Status::OK;
  };
  const Outcome outcome = DeleteAll({"--concurrency", "1"});
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_THAT(Results(), SizeIs(1));
  EXPECT_EQ(Results().begin()->second.outcome, LineOutcome::kUnknown);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("  unknown            1\n"), HasSubstr("  not tried          2\n")));
}

TEST_F(DeleteList, AnInterruptEndsAWaitAtOnceAndLeavesTheLineUntried) {
  WriteUsers(1);
  service_.answer = [&](grpc::ServerContext& context, const DeleteTicketingUserRequest&, int) {
    interrupts_ = 1;
    context.AddTrailingMetadata("grpc-retry-pushback-ms", "3600000");
    return ServiceError(StatusCode::UNAVAILABLE, "SHUTTING_DOWN", "NOT_SENT");
  };
  const Outcome outcome = DeleteAll();
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_THAT(outcome.out, HasSubstr("  not tried          1\n"));
  EXPECT_THAT(Results(), IsEmpty());
}

TEST_F(DeleteList, DrawsABarOnATerminalAndSteersItWithNothingOfTheList) {
  terminal_ = true;
  Write("id\n\u202e5\n6\n");
  service_.answer = [](grpc::ServerContext&, const DeleteTicketingUserRequest& request, int) {
    return request.id() == "6" ? grpc::Status::OK : grpc::Status(StatusCode::NOT_FOUND, "no\x1b[2J");
  };
  const Outcome outcome = DeleteAll();
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("\r[....................] 0/2 0%\x1b[K"), HasSubstr("2/2 100% | 1 deleted"),
                                 HasSubstr("user \\u202e5: "), HasSubstr("no\\x1b[2J"), Not(HasSubstr("no\x1b"))));
  EXPECT_THAT(outcome.out, HasSubstr("\x1b[1;33mDone: 1 of 2 lines\x1b[0m\n"));
}

// ---------------------------------------------------------------------------------------------------------------------
// health
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(DeleteList, HealthSaysWhetherTheServiceIsServing) {
  const Outcome serving = Do({"health"});
  EXPECT_EQ(serving.exit_code, 0);
  EXPECT_EQ(serving.out, "SERVING\n");
  const Outcome down = Do({"health", "--service", "down"});
  EXPECT_EQ(down.exit_code, 3);
  EXPECT_EQ(down.out, "NOT_SERVING\n");
  const Outcome unknown = Do({"health", "--service", "unknown"});
  EXPECT_EQ(unknown.exit_code, 64 + StatusCode::NOT_FOUND);
  EXPECT_EQ(unknown.err, "Error NOT_FOUND (5): no such service\n");
}

}  // namespace
}  // namespace ticketing::cli
