// Users of the four integrations of the endpoint's page, deleted through the service in every response format.
#include <gmock/gmock.h>
#include <google/rpc/error_details.pb.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/e2e/running_service.h"

namespace ticketing::e2e {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kPivotalTracker[] = "0a4b9e1c-5d3f-4c7a-9b21-6f0e8d7c5a11";
constexpr char kZohoProjects[] = "1c7d2f4e-8a6b-4e5d-a3c9-2b1f0e9d8c22";
constexpr char kHelpScout[] = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";
constexpr char kHive[] = "2e9f3a5d-7b8c-4f6e-b4da-3c2a1f0e9d33";

struct Account {
  const char* name;
  const char* id;
  const char* users[5];  // one for each format
};

constexpr Account kAccounts[] = {
    {"PivotalTracker", kPivotalTracker, {"16200", "16201", "16202", "16203", "16204"}},
    {"ZohoProjects",
     kZohoProjects,
     {"2063927000000079003", "2063927000000079005", "2063927000000079007", "2063927000000079009",
      "2063927000000079011"}},
    {"HelpScout", kHelpScout, {"23423523", "23423524", "23423525", "23423526", "23423528"}},
    {"Hive",
     kHive,
     {"nKqyGsBwaFCyJvCKz", "5f9f7e25-3c1a-4b8e-9d2f-7a6b5c4d3e21", "teams/ops 7", "zoë.müller", "bW3xZrTq9LkPfYd2S"}},
};

class EveryIntegration : public testing::TestWithParam<Account> {
 protected:
  EveryIntegration() : service(sandbox.url()) {}

  // What the account's integration needs besides the user.
  static v1::DeleteTicketingUserRequest MakeRequestFor(const std::string& user) {
    auto request = MakeRequest(user, GetParam().id);
    if (request.integrated_account_id() == kPivotalTracker) {
      request.add_collections()->set_id(user == "16202" ? "98" : "99");
    }
    return request;
  }

  grpc::Status Delete(const v1::DeleteTicketingUserRequest& request) {
    grpc::ClientContext context;
    return service.stub().DeleteTicketingUser(&context, request, &response);
  }

  RunningSandbox sandbox;
  RunningService service;
  v1::DeleteTicketingUserResponse response;
};

TEST_P(EveryIntegration, DeletesAUserOnce) {
  const auto request = MakeRequestFor(GetParam().users[0]);
  const grpc::Status status = Delete(request);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.outcome(), v1::DELETE_OUTCOME_DELETED);
  EXPECT_EQ(response.user().id(), request.id());
  EXPECT_EQ(response.report().attempts(), 1U);
  EXPECT_EQ(response.report().http_status(), 200U);
  EXPECT_EQ(Delete(request).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_P(EveryIntegration, AnswersInEveryFormat) {
  int user = 0;
  for (const auto format :
       {v1::TRUTO_RESPONSE_FORMAT_UNIFIED, v1::TRUTO_RESPONSE_FORMAT_NORMALIZED, v1::TRUTO_RESPONSE_FORMAT_DEBUG,
        v1::TRUTO_RESPONSE_FORMAT_RAW, v1::TRUTO_RESPONSE_FORMAT_STREAM}) {
    SCOPED_TRACE(v1::TrutoResponseFormat_Name(format));
    auto request = MakeRequestFor(GetParam().users[user++]);
    request.set_truto_response_format(format);
    const grpc::Status status = Delete(request);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.outcome(), v1::DELETE_OUTCOME_DELETED);
    switch (format) {
      case v1::TRUTO_RESPONSE_FORMAT_UNIFIED:
      case v1::TRUTO_RESPONSE_FORMAT_NORMALIZED: EXPECT_EQ(response.user().id(), request.id()); break;
      case v1::TRUTO_RESPONSE_FORMAT_DEBUG:
        EXPECT_EQ(response.debug().result().id(), request.id());
        EXPECT_THAT(response.debug().debug().request_url(), HasSubstr("https://"));
        break;
      case v1::TRUTO_RESPONSE_FORMAT_STREAM: EXPECT_TRUE(response.raw().has_data() || response.raw().has_json()); break;
      default: EXPECT_FALSE(response.has_user()); break;
    }
  }
}

TEST_P(EveryIntegration, StreamsABodyChunkByChunk) {
  v1::DeleteTicketingUserStreamRequest request;
  *request.mutable_request() = MakeRequestFor(GetParam().users[0]);
  request.mutable_request()->set_truto_response_format(v1::TRUTO_RESPONSE_FORMAT_STREAM);
  grpc::ClientContext context;
  const auto stream = service.stub().DeleteTicketingUserStream(&context, request);
  v1::DeleteTicketingUserStreamResponse event;
  ASSERT_TRUE(stream->Read(&event));
  EXPECT_EQ(event.header().http_status(), 200U);
  std::string body;
  while (stream->Read(&event) && event.has_chunk()) body += event.chunk();
  EXPECT_THAT(body, Not(IsEmpty()));
  EXPECT_EQ(event.summary().outcome(), v1::DELETE_OUTCOME_DELETED);
  EXPECT_THAT(event.summary().report().notes(), IsEmpty());
  EXPECT_FALSE(stream->Read(&event));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_P(EveryIntegration, ShowsTheRequestWithoutSendingIt) {
  auto request = MakeRequestFor(GetParam().users[0]);
  request.set_validate_only(true);
  ASSERT_TRUE(Delete(request).ok());
  EXPECT_EQ(response.outcome(), v1::DELETE_OUTCOME_NOT_SENT);
  EXPECT_EQ(response.planned_request().headers().at("authorization"), "Bearer ***");
  EXPECT_THAT(response.planned_request().url(), HasSubstr(std::string("integrated_account_id=") + GetParam().id));
  request.set_validate_only(false);
  EXPECT_TRUE(Delete(request).ok()) << "the user is still there";
}

TEST_P(EveryIntegration, RemoteDataAndExcludedFieldsStayAway) {
  auto request = MakeRequestFor(GetParam().users[0]);
  request.set_truto_ignore_remote_data(true);
  request.add_truto_exclude_fields("name");
  const grpc::Status status = Delete(request);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_FALSE(response.user().has_remote_data());
  EXPECT_FALSE(response.user().has_name());
}

INSTANTIATE_TEST_SUITE_P(Sandbox, EveryIntegration, testing::ValuesIn(kAccounts),
                         [](const auto& account) { return account.param.name; });

TEST(PivotalTracker, RefusesWithoutACollectionAndNamesTheField) {
  RunningSandbox sandbox;
  RunningService service(sandbox.url());
  grpc::ClientContext context;
  v1::DeleteTicketingUserResponse response;
  const grpc::Status status =
      service.stub().DeleteTicketingUser(&context, MakeRequest("16200", kPivotalTracker), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(status)->reason(), "REJECTED_AS_INVALID");
  EXPECT_EQ(DetailOf<google::rpc::BadRequest>(status)->field_violations(0).field(), "collections");
}

TEST(ZohoProjects, TakesAnOrganization) {
  RunningSandbox sandbox;
  RunningService service(sandbox.url());
  v1::DeleteTicketingUserResponse response;
  auto request = MakeRequest("2063927000000079003", kZohoProjects);
  request.mutable_organization()->set_id("20063928");
  grpc::ClientContext elsewhere;
  EXPECT_EQ(service.stub().DeleteTicketingUser(&elsewhere, request, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
  request.mutable_organization()->set_id("20063927");
  grpc::ClientContext context;
  EXPECT_TRUE(service.stub().DeleteTicketingUser(&context, request, &response).ok());
}

}  // namespace
}  // namespace ticketing::e2e
