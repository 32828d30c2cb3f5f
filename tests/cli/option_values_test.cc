#include "cli/option_values.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "tests/support/temporary_directory.h"

namespace ticketing::cli {
namespace {

using google::protobuf::Struct;
using google::protobuf::util::MessageDifferencer;
using std::chrono::milliseconds;
using testing::HasSubstr;

TEST(Duration, HasAUnitAndLiesBetweenOneMillisecondAndOneHour) {
  EXPECT_EQ(ParseDuration("1ms"), milliseconds(1));
  EXPECT_EQ(ParseDuration("250ms"), milliseconds(250));
  EXPECT_EQ(ParseDuration("10s"), milliseconds(10'000));
  EXPECT_EQ(ParseDuration("2m"), milliseconds(120'000));
  EXPECT_EQ(ParseDuration("1h"), milliseconds(3'600'000));
  EXPECT_EQ(ParseDuration("60m"), milliseconds(3'600'000));
}

TEST(Duration, IsNothingElse) {
  for (const char* text : {"", "10", "s", "0s", "-1s", "+1s", "1.5s", "1 s", " 1s", "1s ", "1d", "61m", "3600001ms",
                           "99999999999999999999s", "9223372036854775807h", "1sx"}) {
    EXPECT_EQ(ParseDuration(text), std::nullopt) << text;
    EXPECT_THAT(CheckDuration(text), HasSubstr("250ms, 5s, 2m or 1h")) << text;
  }
}

TEST(Server, IsAHostAndAPort) {
  for (const char* text : {"localhost:50051", "10.0.0.1:1", "[::1]:65535", "svc.default.svc.cluster.local:443"}) {
    EXPECT_EQ(CheckServer(text), "") << text;
  }
  EXPECT_EQ(ParseServer("[::1]:443")->host, "::1");
  EXPECT_EQ(ParseServer("[::1]:443")->port, "443");
}

TEST(Server, IsNoUriAndNoBareHost) {
  for (const char* text : {"", "localhost", "localhost:", ":50051", "localhost:0", "localhost:65536", "::1:443",
                           "unix:///tmp/x", "dns:///localhost:1", "http://localhost:1", "ipv4:10.0.0.1:1", "a b:1"}) {
    EXPECT_NE(CheckServer(text), "") << text;
  }
}

TEST(Loopback, IsThisMachineAlone) {
  for (const char* host : {"localhost", "127.0.0.1", "127.255.255.254", "::1"}) EXPECT_TRUE(IsLoopback(host)) << host;
  for (const char* host : {"127.0.0.1.example.com", "127.evil.com", "localhost.example.com", "10.0.0.1",
                           "::", "0.0.0.0", "128.0.0.1", "::2"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

TEST(RemoteQuery, KeepsEveryKindOfValue) {
  const auto parsed = ParseRemoteQuery(
      R"({"text":"ä\n","number":1.5,"whole":-9007199254740991,"yes":true,"none":null,"list":[1,"a",[],{}],"object":{"a":{}}})");
  ASSERT_TRUE(std::holds_alternative<Struct>(parsed)) << std::get<std::string>(parsed);
  Struct expected;
  auto& fields = *expected.mutable_fields();
  fields["text"].set_string_value("ä\n");
  fields["number"].set_number_value(1.5);
  fields["whole"].set_number_value(-9007199254740991);
  fields["yes"].set_bool_value(true);
  fields["none"].set_null_value(google::protobuf::NULL_VALUE);
  auto& list = *fields["list"].mutable_list_value();
  list.add_values()->set_number_value(1);
  list.add_values()->set_string_value("a");
  list.add_values()->mutable_list_value();
  list.add_values()->mutable_struct_value();
  (*fields["object"].mutable_struct_value()->mutable_fields())["a"].mutable_struct_value();
  EXPECT_TRUE(MessageDifferencer::Equals(std::get<Struct>(parsed), expected));
}

TEST(RemoteQuery, MayBeEmpty) {
  const auto parsed = ParseRemoteQuery("{}");
  ASSERT_TRUE(std::holds_alternative<Struct>(parsed));
  EXPECT_TRUE(std::get<Struct>(parsed).fields().empty());
}

TEST(RemoteQuery, ComesFromAFile) {
  const support::TemporaryDirectory directory;
  const auto parsed = ParseRemoteQuery("@" + directory.WriteFile("query.json", "{\"foo\": \"bar\"}\n"));
  ASSERT_TRUE(std::holds_alternative<Struct>(parsed)) << std::get<std::string>(parsed);
  EXPECT_EQ(std::get<Struct>(parsed).fields().at("foo").string_value(), "bar");
  EXPECT_THAT(CheckRemoteQuery("@" + (directory.path() / "absent").string()), HasSubstr("can't be read"));
  EXPECT_THAT(CheckRemoteQuery("@" + directory.path().string()), HasSubstr("can't be read"));
}

TEST(RemoteQuery, IsRefusedWhereItWouldChangeSilently) {
  const std::string open(17, '[');
  const std::string close(17, ']');
  const std::string deep = "{\"a\":" + open.substr(1) + close.substr(1) + "}";
  EXPECT_THAT(CheckRemoteQuery(""), HasSubstr("is not JSON"));
  EXPECT_THAT(CheckRemoteQuery("{a:1}"), HasSubstr("is not JSON"));
  EXPECT_THAT(CheckRemoteQuery("{\"a\":1} x"), HasSubstr("is not JSON"));
  EXPECT_THAT(CheckRemoteQuery("{\"a\":1e400}"), HasSubstr("is not JSON"));
  EXPECT_THAT(CheckRemoteQuery("[]"), HasSubstr("no object"));
  EXPECT_THAT(CheckRemoteQuery("null"), HasSubstr("no object"));
  EXPECT_THAT(CheckRemoteQuery("{\"a\":{\"b\":1,\"b\":2}}"), HasSubstr("the key 'b' twice"));
  EXPECT_THAT(CheckRemoteQuery("{\"\":1,\"\":2}"), HasSubstr("the key '' twice"));
  EXPECT_EQ(CheckRemoteQuery("{\"a\":{\"b\":1},\"c\":{\"b\":2}}"), "");
  EXPECT_THAT(CheckRemoteQuery("{\"a\":9007199254740993}"), HasSubstr("2^53"));
  EXPECT_THAT(CheckRemoteQuery("{\"a\":[18446744073709551616]}"), HasSubstr("2^53"));
  EXPECT_THAT(CheckRemoteQuery(deep), HasSubstr("16 levels"));
  EXPECT_THAT(CheckRemoteQuery(std::string(100'000, '[')), HasSubstr("JSON"));
}

TEST(RemoteQuery, MayBeSixteenLevelsDeep) {
  EXPECT_EQ(CheckRemoteQuery("{\"a\":" + std::string(15, '[') + std::string(15, ']') + "}"), "");
}

TEST(TraceContext, HasTheFormThatTheServiceTakes) {
  EXPECT_EQ(CheckTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), "");
  for (const char* text : {"", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                           "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                           "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                           "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x"}) {
    EXPECT_NE(CheckTraceparent(text), "") << text;
  }
}

TEST(CorrelationId, IsVisibleAscii) {
  EXPECT_EQ(CheckCorrelationId("ticket-4711"), "");
  EXPECT_EQ(CheckCorrelationId(std::string(128, 'x')), "");
  for (const std::string& text :
       {std::string(), std::string(129, 'x'), std::string("a b"), std::string("a\nb"), std::string("ä")}) {
    EXPECT_NE(CheckCorrelationId(text), "") << text;
  }
}

}  // namespace
}  // namespace ticketing::cli
