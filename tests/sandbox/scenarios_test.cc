#include "tests/sandbox/scenarios.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/sandbox/sandbox_fixture.h"

namespace ticketing::sandbox {
namespace {

using ::testing::HasSubstr;

class ScenariosTest : public SandboxTest {};

bool IsEnvelope(const Json& body) {
  return body.is_object() && body.contains("statusCode") && body.contains("error") && body.contains("message");
}

TEST_F(ScenariosTest, EachHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (const Scenario& scenario : Scenarios()) {
    EXPECT_TRUE(names.insert(scenario.name).second) << scenario.name;
    EXPECT_TRUE(scenario.name.starts_with("provoke-"));
    EXPECT_THAT(DescribeScenarios(), HasSubstr(scenario.name));
  }
}

TEST_F(ScenariosTest, EachAnswersWhatItsDescriptionSays) {
  for (const Scenario& scenario : Scenarios()) {
    SCOPED_TRACE(scenario.name);
    const std::string answers(scenario.answers);
    const auto says = [&](const char* words) { return answers.find(words) != std::string::npos; };
    Own("POST", "/sandbox/reset");
    const Answer answer = Delete(scenario.name, kHive);
    if (says("connection closes")) {
      EXPECT_EQ(answer.ending, Answer::Ending::kCloses);
      continue;
    }
    if (says("no answer ever")) {
      EXPECT_EQ(answer.ending, Answer::Ending::kNever);
      continue;
    }
    EXPECT_EQ(answer.status, std::stoi(answers.substr(0, 3)));
    EXPECT_EQ(answer.ending == Answer::Ending::kBreaksOff, says("breaks off"));
    EXPECT_EQ(answer.delay > std::chrono::seconds(0), says("after"));
    EXPECT_EQ(core::FindHeader(answer.headers, "retry-after").has_value(), says("Retry-After"));
    EXPECT_EQ(core::FindHeader(answer.headers, "location").has_value(), says("Location"));
    if (says("no body")) EXPECT_EQ(answer.body, "");
    if (says("HTML")) EXPECT_TRUE(answer.body.starts_with("<html>"));
    if (says("Truto") || says("provider")) {
      const Json body = Json::parse(answer.body);
      EXPECT_TRUE(IsEnvelope(body));
      EXPECT_EQ(body["statusCode"], answer.status);
      EXPECT_EQ(body.contains("truto_is_remote_error"), says("provider"));
      EXPECT_EQ(body.contains("raw_response"), says("provider"));
      EXPECT_EQ(body.contains("details"), says("details.failures"));
      EXPECT_EQ(answer.body.find("missing_scopes") != std::string::npos, says("missing_scopes"));
    } else {
      EXPECT_EQ(answer.body.find("statusCode"), std::string::npos);
    }
  }
}

TEST_F(ScenariosTest, OneThatEndsInSuccessSucceedsOnTheNextRequestWithTheSameKey) {
  for (const Scenario& scenario : Scenarios()) {
    if (scenario.next != Next::kSuccess) continue;
    SCOPED_TRACE(scenario.name);
    const auto request = [&](const char* key) {
      return sandbox_.Handle(WithKey(MakeRequest(scenario.name, kHelpScout), key));
    };
    const Answer first = request("one");
    EXPECT_TRUE(first.status >= 400 || first.ending == Answer::Ending::kCloses);
    const Answer of_another_key = request("two");
    EXPECT_TRUE(of_another_key.status >= 400 || of_another_key.ending == Answer::Ending::kCloses);
    EXPECT_EQ(request("one").body, R"({"id":")" + std::string(scenario.name) + R"("})");
    EXPECT_EQ(request("one").status, 200) << "a success is repeated";
  }
}

TEST_F(ScenariosTest, AnAmbiguousAttemptThatDidDeleteIsFollowedBy404) {
  EXPECT_EQ(Delete("provoke-502-then-404", kHive).status, 502);
  EXPECT_EQ(Delete("provoke-502-then-404", kHive).status, 404);
}

TEST_F(ScenariosTest, ADateInRetryAfterIsAnHttpDate) {
  const Answer answer = Delete("provoke-429-remote", kHive);
  EXPECT_EQ(core::FindHeader(answer.headers, "retry-after"), "Sun, 01 Sep 2024 10:00:02 GMT");
}

TEST_F(ScenariosTest, MissingScopesAndTextsAreWhereTheErrorGuideSays) {
  const Json scopes = Json::parse(Delete("provoke-403-scopes", kHive).body);
  EXPECT_EQ(scopes["truto_error_insight"]["forbidden_error"]["value"]["missing_scopes"],
            Json::array({"users.read", "users.delete"}));
  EXPECT_TRUE(scopes["truto_error_insight"].contains("remote_error"));
  const Json text = Json::parse(Delete("provoke-422-remote", kHive).body);
  EXPECT_EQ(text["message"], "");
  EXPECT_TRUE(text["raw_response"].is_string());
  const Json failures = Json::parse(Delete("provoke-400", kHive).body)["details"]["failures"];
  EXPECT_EQ(failures[0], Json({{"field", "id"}, {"message", "must be a number"}}));
}

}  // namespace
}  // namespace ticketing::sandbox
