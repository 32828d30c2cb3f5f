#include "rpc/caller.h"

#include <gtest/gtest.h>

#include <string>

namespace ticketing::rpc {
namespace {

TEST(ClientPattern, MatchesAUriExactlyOrByItsStart) {
  EXPECT_TRUE(MatchesUriPattern("spiffe://a/ns/x/sa/y", "spiffe://a/ns/x/sa/y"));
  EXPECT_FALSE(MatchesUriPattern("spiffe://a/ns/x/sa/yz", "spiffe://a/ns/x/sa/y"));
  EXPECT_TRUE(MatchesUriPattern("spiffe://a/ns/x/sa/y", "spiffe://a/ns/x/*"));
  EXPECT_FALSE(MatchesUriPattern("spiffe://a/ns/xy/sa/y", "spiffe://a/ns/x/*"));
  EXPECT_FALSE(MatchesUriPattern("SPIFFE://a/ns/x", "spiffe://a/ns/x"));
}

TEST(ClientPattern, MatchesADnsNameInAnyCaseOrOneLabelOfIt) {
  EXPECT_TRUE(MatchesDnsPattern("Caller.example", "caller.example"));
  EXPECT_TRUE(MatchesDnsPattern("one.example", "*.example"));
  EXPECT_FALSE(MatchesDnsPattern("two.one.example", "*.example"));
  EXPECT_FALSE(MatchesDnsPattern("example", "*.example"));
  EXPECT_FALSE(MatchesDnsPattern(".example", "*.example"));
  EXPECT_FALSE(MatchesDnsPattern("evil-caller.example", "caller.example"));
}

TEST(ClientPattern, OneForDnsNamesNeverAllowsAUriAndTheOtherWayRound) {
  EXPECT_FALSE(MatchesUriPattern("spiffe://x.example", "*.example"));
  EXPECT_FALSE(MatchesDnsPattern("x.example", "spiffe://*"));
}

TEST(BearerToken, IsTheVisibleTextAfterTheScheme) {
  EXPECT_EQ(ParseBearerToken("Bearer abc.def"), "abc.def");
  EXPECT_EQ(ParseBearerToken("bearer abc"), "abc");
}

TEST(BearerToken, IsNothingInAnyOtherForm) {
  for (const char* text : {"", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "Bearer \ta", "Bearer a\r\nX: y", "abc",
                           "Bearer  abc", "Bearer caf\xC3\xA9"}) {
    EXPECT_EQ(ParseBearerToken(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace ticketing::rpc
