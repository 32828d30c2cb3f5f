// The service tried out with grpcurl, which learns the contract by reflection.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/e2e/programs.h"
#include "tests/e2e/running_service.h"

namespace ticketing::e2e {
namespace {

using testing::HasSubstr;

constexpr char kMethod[] = "ticketing.v1.TicketingUserService/DeleteTicketingUser";

class Grpcurl : public testing::Test {
 protected:
  void SetUp() override {
    if (GrpcurlProgram().empty()) GTEST_SKIP() << "configured without grpcurl";
  }

  Finished Call(const std::vector<std::string>& flags, const std::vector<std::string>& what) {
    std::vector<std::string> command = {GrpcurlProgram(), "-plaintext"};
    command.insert(command.end(), flags.begin(), flags.end());
    command.push_back(service.address());
    command.insert(command.end(), what.begin(), what.end());
    return RunProgram(std::move(command));
  }

  RunningSandbox sandbox;
  RunningService service{sandbox.url()};
};

TEST_F(Grpcurl, ListsTheServices) {
  const Finished finished = Call({}, {"list"});
  EXPECT_EQ(finished.exit_code, 0) << finished.errors;
  for (const char* name : {"ticketing.v1.TicketingUserService", "grpc.health.v1.Health"}) {
    EXPECT_THAT(finished.output, HasSubstr(name));
  }
}

TEST_F(Grpcurl, DescribesTheContractHealthAndTheDetailsOfErrors) {
  for (const char* symbol : {"ticketing.v1.TicketingUserService", "ticketing.v1.DeleteTicketingUserRequest",
                             "ticketing.v1.ErrorReason", "grpc.health.v1.Health", "google.rpc.ErrorInfo"}) {
    const Finished finished = Call({}, {"describe", symbol});
    EXPECT_EQ(finished.exit_code, 0) << finished.errors;
    EXPECT_THAT(finished.output, HasSubstr(symbol));
  }
}

TEST_F(Grpcurl, ChecksHealth) {
  const Finished finished =
      Call({"-d", R"({"service":"ticketing.v1.TicketingUserService"})"}, {"grpc.health.v1.Health/Check"});
  EXPECT_THAT(finished.output, HasSubstr("SERVING"));
}

TEST_F(Grpcurl, DeletesAUserAndReadsTheAnswer) {
  const Finished finished =
      Call({"-d", R"({"id":"23423523","integrated_account_id":"62f44730-dd91-461e-bd6a-aedd9e0ad79d"})"}, {kMethod});
  ASSERT_EQ(finished.exit_code, 0) << finished.errors;
  const auto answer = nlohmann::json::parse(finished.output);
  EXPECT_EQ(answer.at("outcome"), "DELETE_OUTCOME_DELETED");
  EXPECT_EQ(answer.at("user").at("id"), "23423523");
  EXPECT_EQ(answer.at("report").at("attempts"), 1);
}

TEST_F(Grpcurl, AFailingCallReadsWell) {
  const Finished finished =
      Call({"-format-error", "-d", R"({"id":"16200","integrated_account_id":"0a4b9e1c-5d3f-4c7a-9b21-6f0e8d7c5a11"})"},
           {kMethod});
  EXPECT_EQ(finished.exit_code, 64 + 3);
  const auto status = nlohmann::json::parse(finished.errors);
  const std::string details = status.at("details").dump();
  // Readable, not bytes: the descriptors of the details are there.
  EXPECT_THAT(details, HasSubstr("REJECTED_AS_INVALID"));
  EXPECT_THAT(details, HasSubstr("field_violations"));
  EXPECT_THAT(details, HasSubstr("collections"));
}

TEST_F(Grpcurl, StreamsABody) {
  const Finished finished = Call(
      {"-d",
       R"({"request":{"id":"23423524","integrated_account_id":"62f44730-dd91-461e-bd6a-aedd9e0ad79d","truto_response_format":"TRUTO_RESPONSE_FORMAT_STREAM"}})"},
      {"ticketing.v1.TicketingUserService/DeleteTicketingUserStream"});
  EXPECT_EQ(finished.exit_code, 0) << finished.errors;
  for (const char* part : {"\"header\"", "\"chunk\"", "\"summary\""}) EXPECT_THAT(finished.output, HasSubstr(part));
}

}  // namespace
}  // namespace ticketing::e2e
