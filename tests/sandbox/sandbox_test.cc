#include "tests/sandbox/sandbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/sandbox/sandbox_fixture.h"

namespace ticketing::sandbox {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr std::string_view kProject99 = "&collections[][id]=99";

Json Body(const Answer& answer) {
  return Json::parse(answer.body);
}

void SetHeader(Request& request, const std::string& name, const std::string& value) {
  std::erase_if(request.headers, [&](const auto& header) { return header.first == name; });
  if (!value.empty()) request.headers.emplace_back(name, value);
}

// ---------------------------------------------------------------------------------------------------------------------
// Users and integrations
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(SandboxTest, HasAsManyMoreUsersAsItIsToldAlsoAfterAReset) {
  Sandbox sandbox({.extra_users = 3}, [this] { return now_; });
  for (int round = 0; round < 2; ++round) {
    for (const char* id : {"1", "2", "3"}) EXPECT_EQ(sandbox.Handle(MakeRequest(id, kHelpScout)).status, 200) << id;
    EXPECT_EQ(sandbox.Handle(MakeRequest("4", kHelpScout)).status, 404);
    sandbox.Handle({.method = "POST", .target = "/sandbox/reset"});
  }
  EXPECT_EQ(Delete("1", kHelpScout).status, 404);
}

TEST_F(SandboxTest, DeletesEverySeededUserOnceAndThenAnswers404OfTheProvider) {
  const Json seeded = Body(Own("GET", "/sandbox/users"));
  ASSERT_THAT(seeded.at("accounts"), SizeIs(4));
  for (const Json& account : seeded["accounts"]) {
    ASSERT_GE(account["users"].size(), 5U);
    for (const Json& user : account["users"]) {
      SCOPED_TRACE(user.dump());
      Request request = MakeRequest("", account["integrated_account_id"].get<std::string>());
      request.target = user["path"].get<std::string>() + request.target.substr(request.target.find('?'));
      if (account["integration"] == "Pivotal Tracker") {
        request.target += "&collections[][id]=" + user["groups"][0].get<std::string>();
      }
      const Answer first = sandbox_.Handle(request);
      EXPECT_EQ(first.status, user["unified_answer"] == "204, no body" ? 204 : 200);
      if (first.status == 200) EXPECT_EQ(Body(first)["id"], user["id"]);

      const Answer second = sandbox_.Handle(request);
      EXPECT_EQ(second.status, 404);
      EXPECT_EQ(Body(second)["statusCode"], 404);
      EXPECT_EQ(Body(second)["truto_is_remote_error"], true);
    }
  }
  const Json left = Body(Own("GET", "/sandbox/users"));
  for (const Json& account : left["accounts"]) EXPECT_THAT(account["users"], IsEmpty());
  Own("POST", "/sandbox/reset");
  EXPECT_EQ(Delete("23423523", kHelpScout).status, 200);
}

TEST_F(SandboxTest, PivotalTrackerRequiresAProjectThatTheUserBelongsTo) {
  const Answer refused = Delete("16200", kPivotalTracker);
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(Body(refused)["truto_error_insight"]["missing_required_query_parameters"]["value"],
            Json::array({"collections"}));
  EXPECT_FALSE(Body(refused).contains("truto_is_remote_error"));
  EXPECT_EQ(Delete("16200", kPivotalTracker, "&collections[][id]=98").status, 404);
  EXPECT_EQ(Delete("16200", kPivotalTracker, "&collections[0][id]=99").status, 200);
}

TEST_F(SandboxTest, ZohoProjectsFindsUsersOnlyInTheirOrganization) {
  EXPECT_EQ(Delete("2063927000000079003", kZohoProjects, "&organization[id]=1").status, 404);
  EXPECT_EQ(Delete("2063927000000079003", kZohoProjects, "&organization[id]=20063927").status, 200);
  EXPECT_EQ(Delete("2063927000000079005", kZohoProjects).status, 200);
}

TEST_F(SandboxTest, TakesIdsThatNeedEncodingAsOneSegment) {
  EXPECT_EQ(Delete("teams/ops%207", kHive).status, 404);
  EXPECT_EQ(Body(Delete("teams%2Fops%207", kHive))["id"], "teams/ops 7");
  EXPECT_EQ(Body(Delete("zo%C3%AB.m%C3%BCller", kHive))["id"], "zoë.müller");
}

// ---------------------------------------------------------------------------------------------------------------------
// Formats
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(SandboxTest, UnifiedIsTheUserOfThePageAsFarAsItsAnswerGoes) {
  const Json full = Body(Delete("23423523", kHelpScout));
  for (const char* field : {"id", "name", "avatar", "created_at", "emails", "etag", "first_name", "is_active",
                            "last_name", "remote_data", "roles", "team_ids", "updated_at", "username"}) {
    EXPECT_TRUE(full.contains(field)) << field;
  }
  EXPECT_EQ(full["emails"], Json::array({{{"email", "vernon.bear@example.com"}, {"type", "work"}}}));
  EXPECT_EQ(full["team_ids"], Json::array({"101", "102"}));
  EXPECT_EQ(full["remote_data"]["id"], 23423523);
  EXPECT_EQ(Body(Delete("23423525", kHelpScout)), Json({{"id", "23423525"}}));
  EXPECT_EQ(Delete("23423527", kHelpScout, "&truto_response_format=unified").status, 204);
}

TEST_F(SandboxTest, LeavesOutRemoteDataAndExcludedFields) {
  const Json user = Body(Delete(
      "23423523", kHelpScout, "&truto_ignore_remote_data=true&truto_exclude_fields[]=id&truto_exclude_fields[]=name"));
  EXPECT_FALSE(user.contains("remote_data"));
  EXPECT_FALSE(user.contains("id"));
  EXPECT_FALSE(user.contains("name"));
  EXPECT_TRUE(user.contains("emails"));
  EXPECT_TRUE(Body(Delete("23423524", kHelpScout, "&truto_ignore_remote_data=false")).contains("remote_data"));
}

TEST_F(SandboxTest, NormalizedHasEveryFieldOfThePageAndNoRemoteData) {
  const Json user =
      Body(Delete("23423525", kHelpScout, "&truto_response_format=normalized&truto_exclude_fields[]=avatar"));
  EXPECT_EQ(user["id"], "23423525");
  EXPECT_TRUE(user.at("name").is_null());
  EXPECT_FALSE(user.contains("remote_data"));
  EXPECT_FALSE(user.contains("avatar"));
}

TEST_F(SandboxTest, RawIsTheProvidersOwnAnswer) {
  const std::string raw = "&truto_response_format=raw";
  EXPECT_EQ(Delete("16200", kPivotalTracker, std::string(kProject99) + raw).body,
            R"({"kind":"project_membership","id":16200,"deleted":true})");
  EXPECT_EQ(Delete("2063927000000079003", kZohoProjects, raw).body,
            R"({"response":"User Deleted Successfully","id":2063927000000079003})");
  EXPECT_EQ(Delete("23423523", kHelpScout, raw).status, 204);
  EXPECT_EQ(Body(Delete("nKqyGsBwaFCyJvCKz", kHive, raw))["isRemoved"], true);
}

TEST_F(SandboxTest, StreamIsAsLongAsTheRemoteQueryAsks) {
  const std::string stream = "&truto_response_format=stream";
  const Answer csv = Delete("16200", kPivotalTracker, std::string(kProject99) + stream);
  EXPECT_EQ(csv.content_type, "text/csv");
  EXPECT_EQ(csv.streamed_bytes, 64U * 1024);
  const Answer binary = Delete("23423523", kHelpScout, stream + "&remote_query[sandbox_stream_bytes]=5000000");
  EXPECT_EQ(binary.content_type, "application/octet-stream");
  EXPECT_EQ(binary.streamed_bytes, 5'000'000U);
}

TEST(StreamedBytes, AreTheSameInWhateverPiecesTheyAreTaken) {
  const std::string whole = StreamedBytes(0, 1000);
  ASSERT_THAT(whole, SizeIs(1000));
  std::string pieces;
  for (std::size_t offset = 0; offset < 1000; offset += 7) {
    pieces += StreamedBytes(offset, std::min<std::size_t>(7, 1000 - offset));
  }
  EXPECT_EQ(pieces, whole);
  EXPECT_THAT(StreamedBytes(5, 0), IsEmpty());
}

TEST_F(SandboxTest, DebugShowsTheResultAndTheExchangeWithTheProvider) {
  const Json body = Body(Delete("16200", kPivotalTracker,
                                std::string(kProject99) + "&truto_response_format=debug&remote_query[a][b]=c%20d"));
  EXPECT_EQ(body["result"]["id"], "16200");
  EXPECT_EQ(body["debug"]["requestUrl"],
            "https://www.pivotaltracker.com/services/v5/projects/99/memberships/16200?a%5Bb%5D=c%20d");
  EXPECT_EQ(body["debug"]["requestOptions"]["method"], "DELETE");
  EXPECT_EQ(body["debug"]["data"]["deleted"], true);
  EXPECT_EQ(body["debug"]["responseHeaders"]["content-type"], "application/json");
}

TEST_F(SandboxTest, DebugIsNullForAStaticAnswerAndItsDataWithoutABody) {
  const std::string debug = "&truto_response_format=debug";
  EXPECT_TRUE(Body(Delete("pD5sKfWm7ZyGhLc3V", kHive, debug)).at("debug").is_null());
  const Json without_body = Body(Delete("23423527", kHelpScout, debug));
  EXPECT_TRUE(without_body.at("result").is_null());
  EXPECT_TRUE(without_body["debug"].at("data").is_null());
}

TEST_F(SandboxTest, SkippingTheCallDeletesNothing) {
  const std::string skip = "&truto_skip_api_call=true";
  EXPECT_EQ(Delete("23423523", kHelpScout, skip).body, R"({"id":"23423523"})");
  EXPECT_EQ(Delete("23423523", kHelpScout, skip + "&truto_response_format=debug").body,
            R"({"result":{"id":"23423523"},"debug":null})");
  EXPECT_EQ(Delete("23423523", kHelpScout, skip + "&truto_response_format=raw").status, 204);
  EXPECT_EQ(Delete("23423523", kHelpScout).status, 200);
}

// ---------------------------------------------------------------------------------------------------------------------
// Idempotency-Key
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(SandboxTest, ARepeatWithTheSameKeyIsAnsweredAgainAndNotExecuted) {
  const Request request = WithKey(MakeRequest("23423523", kHelpScout), "one");
  const Answer first = sandbox_.Handle(request);
  const Answer repeated = sandbox_.Handle(request);
  EXPECT_EQ(repeated.status, 200);
  EXPECT_EQ(repeated.body, first.body);
  EXPECT_EQ(Body(Own("GET", "/sandbox/requests"))["requests"][1]["note"], "answered again");
  EXPECT_EQ(sandbox_.Handle(WithKey(MakeRequest("23423523", kHelpScout), "two")).status, 404);
  EXPECT_EQ(sandbox_.Handle(WithKey(MakeRequest("23423524", kHelpScout), "one")).status, 200)
      << "another request is executed";
}

// ---------------------------------------------------------------------------------------------------------------------
// Tokens and accounts
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(SandboxTest, Answers401WithoutExactlyOneKnownBearerToken) {
  for (const char* value : {"", "Bearer wrong", "sandbox-token", "Basic sandbox-token", "Bearer "}) {
    SCOPED_TRACE(value);
    Request request = MakeRequest("23423523", kHelpScout);
    SetHeader(request, "authorization", value);
    const Answer answer = sandbox_.Handle(request);
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(Body(answer)["error"], "Unauthorized");
  }
  Request twice = MakeRequest("23423523", kHelpScout);
  twice.headers.emplace_back("authorization", "Bearer sandbox-token");
  EXPECT_EQ(sandbox_.Handle(twice).status, 401);
}

TEST_F(SandboxTest, AnAccountTokenImpliesItsAccountAndSeesNoOther) {
  Request request = MakeRequest("23423523", kHelpScout);
  SetHeader(request, "authorization", "Bearer sandbox-token-help-scout");
  EXPECT_EQ(sandbox_.Handle(request).status, 200) << "the id may be sent all the same";

  request.target = "/unified/ticketing/users/23423524";
  EXPECT_EQ(sandbox_.Handle(request).status, 200);

  Request of_another = MakeRequest("nKqyGsBwaFCyJvCKz", kHive);
  SetHeader(of_another, "authorization", "Bearer sandbox-token-help-scout");
  EXPECT_EQ(sandbox_.Handle(of_another).status, 404);
  EXPECT_EQ(Delete("nKqyGsBwaFCyJvCKz", kHive).status, 200);
}

TEST_F(SandboxTest, AnUnknownAccountIs404OfTruto) {
  const Answer answer = Delete("23423523", "00000000-0000-4000-8000-000000000000");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(Body(answer)["statusCode"], 404);
  EXPECT_FALSE(Body(answer).contains("truto_is_remote_error"));
}

TEST_F(SandboxTest, AnAccountsUuidMayBeInUpperCase) {
  EXPECT_EQ(Delete("23423523", "62F44730-DD91-461E-BD6A-AEDD9E0AD79D").status, 200);
}

// ---------------------------------------------------------------------------------------------------------------------
// What is refused
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(SandboxTest, RefusesFaultyParametersWithAListOfAllOfThem) {
  const Answer answer = Delete("23423523", kHelpScout, "&foo=1&truto_skip_api_call=yes&collections[][name]=a");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(Body(answer)["error"], "Bad Request");
  EXPECT_THAT(Failures(answer), ElementsAre("foo", "truto_skip_api_call", "collections[][name]"));
  EXPECT_EQ(Delete("23423523", kHelpScout).status, 200) << "nothing was deleted";
}

TEST_F(SandboxTest, RequiresAnAccountIdWithAnApiToken) {
  Request request = MakeRequest("23423523", kHelpScout);
  request.target = "/unified/ticketing/users/23423523";
  EXPECT_THAT(Failures(sandbox_.Handle(request)), ElementsAre("integrated_account_id"));
  EXPECT_THAT(Failures(Delete("23423523", "42")), ElementsAre("integrated_account_id"));
}

TEST_F(SandboxTest, RequiresTheDocumentedHeadersAndNoBody) {
  for (const char* header : {"accept", "content-type"}) {
    Request request = MakeRequest("23423523", kHelpScout);
    SetHeader(request, header, "text/plain");
    EXPECT_THAT(Failures(sandbox_.Handle(request)), ElementsAre(header));
    SetHeader(request, header, "");
    EXPECT_THAT(Failures(sandbox_.Handle(request)), ElementsAre(header));
  }
  Request request = MakeRequest("23423523", kHelpScout);
  request.has_body = true;
  EXPECT_THAT(Failures(sandbox_.Handle(request)), ElementsAre("body"));

  request.has_body = false;
  SetHeader(request, "accept", "*/*");
  EXPECT_EQ(sandbox_.Handle(request).status, 200) << "as curl sends it";
}

TEST_F(SandboxTest, RefusesAnIdThatIsNotPercentEncodedUtf8) {
  EXPECT_THAT(Failures(Delete("%4", kHelpScout)), ElementsAre("id"));
  EXPECT_THAT(Failures(Delete("%FF", kHelpScout)), ElementsAre("id"));
}

TEST_F(SandboxTest, OtherAddressesAndMethodsGetNoEnvelope) {
  for (const char* segment : {"", ".", "..", "a/b", "23423523/"}) {
    SCOPED_TRACE(segment);
    const Answer answer = Delete(segment, kHelpScout);
    EXPECT_EQ(answer.status, 404);
    EXPECT_THAT(answer.content_type, HasSubstr("text/plain"));
  }
  Request request = MakeRequest("23423523", kHelpScout);
  request.method = "GET";
  EXPECT_EQ(sandbox_.Handle(request).status, 405);
  request.method = "DELETE";
  request.target = "/unified/ticketing/tickets/1";
  EXPECT_EQ(sandbox_.Handle(request).status, 404);
}

// ---------------------------------------------------------------------------------------------------------------------
// Rate limits
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(SandboxTest, LimitsAnAccountTo50RequestsIn10Seconds) {
  for (int i = 0; i < 50; ++i) ASSERT_EQ(Delete("nobody", kHelpScout).status, 404);
  const Answer limited = Delete("23423523", kHelpScout);
  EXPECT_EQ(limited.status, 429);
  EXPECT_EQ(Body(limited)["statusCode"], 429);
  EXPECT_EQ(core::FindHeader(limited.headers, "retry-after"), "10");
  EXPECT_EQ(core::FindHeader(limited.headers, "ratelimit-limit"), "50;w=10");
  EXPECT_EQ(core::FindHeader(limited.headers, "ratelimit-remaining"), "0");
  EXPECT_EQ(core::FindHeader(limited.headers, "ratelimit-reset"), "10");
  EXPECT_EQ(Delete("nKqyGsBwaFCyJvCKz", kHive).status, 200) << "other accounts go on";

  now_ += std::chrono::seconds(10);
  const Answer again = Delete("23423523", kHelpScout);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(core::FindHeader(again.headers, "ratelimit-remaining"), "49");
}

TEST(SandboxLimits, LimitATokenOverAllAccounts) {
  Sandbox sandbox({.account_limit = 0, .token_limit = 2}, [] { return Time(); });
  Request request{.method = "DELETE",
                  .target = "/unified/ticketing/users/a?integrated_account_id=" + std::string(kHive),
                  .headers = {{"authorization", "Bearer sandbox-token"},
                              {"accept", "application/json"},
                              {"content-type", "application/json"}}};
  EXPECT_EQ(sandbox.Handle(request).status, 404);
  EXPECT_EQ(sandbox.Handle(request).status, 404);
  EXPECT_EQ(sandbox.Handle(request).status, 429);
  SetHeader(request, "authorization", "Bearer sandbox-token-hive");
  EXPECT_EQ(sandbox.Handle(request).status, 404) << "another token has its own";
}

// ---------------------------------------------------------------------------------------------------------------------
// What it shows
// ---------------------------------------------------------------------------------------------------------------------

TEST_F(SandboxTest, ShowsEveryRequestWithItsTokenMasked) {
  Delete("teams%2Fops%207", kHive, "&remote_query%5Bfoo%5D=bar");
  Delete("provoke-never", kHive);
  ASSERT_THAT(lines_, SizeIs(2));
  EXPECT_THAT(lines_[0],
              AllOf(HasSubstr(R"(DELETE "/unified/ticketing/users/teams/ops 7")"), HasSubstr("users/teams%2Fops%207?"),
                    HasSubstr(R"(authorization="Bearer ***")"), EndsWith("-> 200 (deleted)")));
  EXPECT_THAT(lines_[1], EndsWith("-> no answer (provoked)"));

  const Answer requests = Own("GET", "/sandbox/requests");
  EXPECT_THAT(requests.body, Not(HasSubstr("sandbox-token")));
  const Json entry = Body(requests)["requests"][0];
  EXPECT_EQ(entry["number"], 1);
  EXPECT_EQ(entry["path"], "/unified/ticketing/users/teams/ops 7");
  EXPECT_THAT(entry["query"].get<std::vector<std::string>>(), Contains("remote_query[foo]=bar"));
  EXPECT_EQ(entry["headers"]["authorization"], Json::array({"Bearer ***"}));
  EXPECT_EQ(entry["caller"], "API token");
  EXPECT_EQ(entry["status"], 200);
  EXPECT_EQ(entry["note"], "deleted");
  EXPECT_TRUE(Body(requests)["requests"][1].at("status").is_null());

  EXPECT_EQ(Own("DELETE", "/sandbox/requests").status, 204);
  EXPECT_THAT(Body(Own("GET", "/sandbox/requests"))["requests"], IsEmpty());
}

TEST_F(SandboxTest, ARequestIsOneLineWhateverItHolds) {
  Request request = MakeRequest("a%0Ab", kHive);
  request.headers.emplace_back("x-odd", "\xFF\n\x1B");
  sandbox_.Handle(request);
  ASSERT_THAT(lines_, SizeIs(1));
  EXPECT_TRUE(std::ranges::none_of(lines_[0], [](char c) { return c == '\n' || c == '\x1B'; }));
  EXPECT_EQ(Own("GET", "/sandbox/requests").status, 200);
}

TEST_F(SandboxTest, ListsTheScenariosAndKnowsNoOtherAddressesOfItsOwn) {
  EXPECT_THAT(Own("GET", "/sandbox/scenarios").body, HasSubstr("provoke-503-blocked"));
  EXPECT_EQ(Own("GET", "/sandbox/nothing").status, 404);
  EXPECT_EQ(Own("GET", "/sandbox/reset").status, 404);
}

TEST_F(SandboxTest, AResetForgetsKeysAndLimits) {
  const Request request = WithKey(MakeRequest("23423525", kHelpScout), "one");
  for (int i = 0; i < 51; ++i) sandbox_.Handle(request);
  EXPECT_EQ(sandbox_.Handle(request).status, 429);
  EXPECT_EQ(Own("POST", "/sandbox/reset").status, 204);
  EXPECT_EQ(sandbox_.Handle(request).status, 200);
  EXPECT_EQ(Body(Own("GET", "/sandbox/requests"))["requests"].back()["note"], "deleted");
}

}  // namespace
}  // namespace ticketing::sandbox
