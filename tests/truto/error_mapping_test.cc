#include "truto/error_mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "truto/json_to_struct.h"

namespace ticketing::truto {
namespace {

using core::Delivery;
using core::Failure;
using core::HttpResponse;
using core::Origin;
using core::Resend;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Code = core::StatusCode;
using Reason = core::ErrorReason;

constexpr char kAccount[] = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";

// Wednesday, 2026-04-15 12:00:00 UTC.
constexpr std::chrono::sys_seconds kNow =
    std::chrono::sys_days(std::chrono::year(2026) / 4 / 15) + std::chrono::hours(12);

enum class Sender { kTruto, kProvider, kHtml, kNobody };
constexpr Sender kSenders[] = {Sender::kTruto, Sender::kProvider, Sender::kHtml, Sender::kNobody};

std::ostream& operator<<(std::ostream& out, Sender sender) {
  constexpr const char* kNames[] = {"Truto", "provider", "HTML", "empty"};
  return out << kNames[static_cast<int>(sender)];
}

// Truto's envelope, `more` being further members: R"(, "details": {})".
std::string Envelope(int status, const std::string& more = "", const std::string& message = "Truto's words") {
  return R"({"statusCode":)" + std::to_string(status) + R"(,"error":"Some Name","message":")" + message + R"(")" +
         more + "}";
}

std::string Remote(int status, const std::string& raw_response, const std::string& message = "") {
  return Envelope(status, R"(,"truto_is_remote_error":true,"raw_response":)" + raw_response, message);
}

HttpResponse AnswerOf(Sender sender, int status) {
  switch (sender) {
    case Sender::kTruto:
      return {.status = status, .headers = {{"content-type", "application/json"}}, .body = Envelope(status)};
    case Sender::kProvider:
      return {.status = status,
              .headers = {{"content-type", "application/json"}},
              .body = Remote(status, R"({"error":"the provider's words"})")};
    case Sender::kHtml:
      return {.status = status,
              .headers = {{"content-type", "text/html"}},
              .body = "<html><head><title>Oops</title></head><body>proxy</body></html>"};
    case Sender::kNobody: break;
  }
  return {.status = status, .headers = {}, .body = ""};
}

Failure Map(const HttpResponse& response, bool caller_token = false) {
  return MapHttpError(response,
                      {.user_id = "42", .integrated_account_id = kAccount, .caller_token = caller_token, .now = kNow});
}

Failure Map(int status, std::string body, core::HttpHeaders headers = {}) {
  return Map(HttpResponse{.status = status, .headers = std::move(headers), .body = std::move(body)});
}

std::vector<std::string> TextsOf(const Failure& failure) {
  std::vector<std::string> texts = {failure.message, failure.missing_user.value_or("")};
  for (const auto& violation : failure.field_violations) {
    texts.push_back(violation.field);
    texts.push_back(violation.description);
  }
  for (const auto& violation : failure.quota_violations) {
    texts.push_back(violation.subject);
    texts.push_back(violation.description);
  }
  for (const auto& violation : failure.precondition_violations) {
    texts.push_back(violation.type);
    texts.push_back(violation.subject);
    texts.push_back(violation.description);
  }
  for (const auto& [key, value] : failure.metadata) {
    texts.push_back(key);
    texts.push_back(value);
  }
  return texts;
}

// What holds for every failure of a single attempt, whatever it was.
void ExpectConsistent(const Failure& failure) {
  if (failure.code == Code::kUnavailable) EXPECT_NE(failure.delivery, Delivery::kUnknown);
  if (failure.reason == Reason::kOutcomeUnknown) EXPECT_EQ(failure.delivery, Delivery::kUnknown);
  EXPECT_EQ(failure.code == Code::kUnknown,
            failure.reason == Reason::kOutcomeUnknown || failure.reason == Reason::kUnexpectedResponse);
  switch (failure.resend) {
    case Resend::kSafely: EXPECT_NE(failure.delivery, Delivery::kUnknown); break;
    case Resend::kOnceAmbiguously: EXPECT_EQ(failure.delivery, Delivery::kUnknown); break;
    case Resend::kAfterRetryAfter:
      EXPECT_EQ(failure.code, Code::kResourceExhausted);
      EXPECT_EQ(failure.delivery, Delivery::kRejected);
      EXPECT_TRUE(failure.retry_after.has_value());
      break;
    case Resend::kWithNewToken: EXPECT_EQ(failure.reason, Reason::kServiceTokenRejected); break;
    case Resend::kNever: break;
  }
  EXPECT_NE(failure.code, Code::kOk);
  EXPECT_EQ(failure.missing_user.has_value(), failure.reason == Reason::kUserNotFound);
  EXPECT_EQ(failure.quota_violations.empty(), failure.reason != Reason::kRateLimited);
  EXPECT_FALSE(failure.message.empty());
  for (const std::string& text : TextsOf(failure)) {
    bool replaced = false;
    ToValidUtf8(text, &replaced);
    EXPECT_FALSE(replaced) << text;
    EXPECT_LE(text.size(), 2500U);
    EXPECT_EQ(text.find_first_of(std::string_view("\0\r\n\x1B\x7F", 5)), std::string::npos) << text;
  }
}

struct RowOfTheGuide {
  int status;
  Sender sender;
  Code code;
  Reason reason;
  Delivery delivery;
  Resend resend;
};

// Both tables in one: Truto's error guide, and what the README promises about it.
constexpr RowOfTheGuide kRows[] = {
    {301, Sender::kNobody, Code::kInternal, Reason::kUpstreamMisconfigured, Delivery::kRejected, Resend::kNever},
    {307, Sender::kHtml, Code::kInternal, Reason::kUpstreamMisconfigured, Delivery::kRejected, Resend::kNever},
    {400, Sender::kTruto, Code::kInvalidArgument, Reason::kRejectedAsInvalid, Delivery::kRejected, Resend::kNever},
    {400, Sender::kProvider, Code::kInvalidArgument, Reason::kRejectedAsInvalid, Delivery::kRejected, Resend::kNever},
    {401, Sender::kTruto, Code::kInternal, Reason::kServiceTokenRejected, Delivery::kRejected, Resend::kWithNewToken},
    {401, Sender::kNobody, Code::kInternal, Reason::kServiceTokenRejected, Delivery::kRejected, Resend::kWithNewToken},
    {401, Sender::kProvider, Code::kFailedPrecondition, Reason::kAccountNeedsReauth, Delivery::kRejected,
     Resend::kNever},
    {403, Sender::kTruto, Code::kPermissionDenied, Reason::kAccessForbidden, Delivery::kRejected, Resend::kNever},
    {403, Sender::kProvider, Code::kPermissionDenied, Reason::kAccessForbidden, Delivery::kRejected, Resend::kNever},
    {404, Sender::kTruto, Code::kNotFound, Reason::kUserNotFound, Delivery::kRejected, Resend::kNever},
    {404, Sender::kProvider, Code::kNotFound, Reason::kUserNotFound, Delivery::kRejected, Resend::kNever},
    {404, Sender::kHtml, Code::kUnknown, Reason::kUnexpectedResponse, Delivery::kRejected, Resend::kNever},
    {404, Sender::kNobody, Code::kUnknown, Reason::kUnexpectedResponse, Delivery::kRejected, Resend::kNever},
    {405, Sender::kTruto, Code::kFailedPrecondition, Reason::kAccountReadOnly, Delivery::kRejected, Resend::kNever},
    {405, Sender::kProvider, Code::kFailedPrecondition, Reason::kNotSupportedByProvider, Delivery::kRejected,
     Resend::kNever},
    {405, Sender::kHtml, Code::kUnknown, Reason::kUnexpectedResponse, Delivery::kRejected, Resend::kNever},
    {408, Sender::kTruto, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown, Resend::kOnceAmbiguously},
    {408, Sender::kProvider, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown, Resend::kOnceAmbiguously},
    {409, Sender::kProvider, Code::kAborted, Reason::kConflict, Delivery::kRejected, Resend::kNever},
    {410, Sender::kProvider, Code::kUnknown, Reason::kUnexpectedResponse, Delivery::kRejected, Resend::kNever},
    {418, Sender::kTruto, Code::kUnknown, Reason::kUnexpectedResponse, Delivery::kRejected, Resend::kNever},
    {422, Sender::kProvider, Code::kInvalidArgument, Reason::kRejectedAsInvalid, Delivery::kRejected, Resend::kNever},
    {425, Sender::kTruto, Code::kUnavailable, Reason::kUpstreamUnreachable, Delivery::kRejected, Resend::kSafely},
    {425, Sender::kNobody, Code::kUnavailable, Reason::kUpstreamUnreachable, Delivery::kRejected, Resend::kSafely},
    {429, Sender::kTruto, Code::kResourceExhausted, Reason::kRateLimited, Delivery::kRejected,
     Resend::kAfterRetryAfter},
    {429, Sender::kProvider, Code::kResourceExhausted, Reason::kRateLimited, Delivery::kRejected,
     Resend::kAfterRetryAfter},
    {429, Sender::kHtml, Code::kResourceExhausted, Reason::kRateLimited, Delivery::kRejected, Resend::kAfterRetryAfter},
    {500, Sender::kTruto, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown, Resend::kOnceAmbiguously},
    {500, Sender::kProvider, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown, Resend::kOnceAmbiguously},
    {501, Sender::kProvider, Code::kFailedPrecondition, Reason::kNotSupportedByProvider, Delivery::kUnknown,
     Resend::kNever},
    {501, Sender::kTruto, Code::kUnknown, Reason::kUnexpectedResponse, Delivery::kUnknown, Resend::kNever},
    {502, Sender::kTruto, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown, Resend::kOnceAmbiguously},
    {502, Sender::kHtml, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown, Resend::kOnceAmbiguously},
    {503, Sender::kTruto, Code::kFailedPrecondition, Reason::kAccountBlocked, Delivery::kRejected, Resend::kNever},
    {503, Sender::kHtml, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown, Resend::kOnceAmbiguously},
    {503, Sender::kNobody, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown, Resend::kOnceAmbiguously},
    {503, Sender::kProvider, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown, Resend::kOnceAmbiguously},
    {504, Sender::kTruto, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown, Resend::kOnceAmbiguously},
    {504, Sender::kNobody, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown, Resend::kOnceAmbiguously},
    {507, Sender::kProvider, Code::kUnknown, Reason::kOutcomeUnknown, Delivery::kUnknown, Resend::kOnceAmbiguously},
    {520, Sender::kHtml, Code::kUnknown, Reason::kUnexpectedResponse, Delivery::kUnknown, Resend::kNever},
    {0, Sender::kNobody, Code::kUnknown, Reason::kUnexpectedResponse, Delivery::kUnknown, Resend::kNever},
    {101, Sender::kNobody, Code::kUnknown, Reason::kUnexpectedResponse, Delivery::kUnknown, Resend::kNever},
    {200, Sender::kTruto, Code::kUnknown, Reason::kUnexpectedResponse, Delivery::kUnknown, Resend::kNever},
    {999, Sender::kTruto, Code::kUnknown, Reason::kUnexpectedResponse, Delivery::kUnknown, Resend::kNever},
};

TEST(ErrorMapping, EveryRowOfTheGuideIsMapped) {
  for (const RowOfTheGuide& row : kRows) {
    SCOPED_TRACE(testing::Message() << row.status << " from " << row.sender);
    const Failure failure = Map(AnswerOf(row.sender, row.status));
    EXPECT_EQ(failure.code, row.code);
    EXPECT_EQ(failure.reason, row.reason) << core::ToString(failure.reason);
    EXPECT_EQ(failure.delivery, row.delivery);
    EXPECT_EQ(failure.resend, row.resend);
    EXPECT_EQ(failure.origin, row.sender == Sender::kProvider ? Origin::kProvider : Origin::kTruto);
    EXPECT_EQ(failure.http_status, row.status);
    ExpectConsistent(failure);
  }
}

TEST(ErrorMapping, EveryStatusFromAnybodyIsConsistent) {
  for (int status = 100; status < 600; ++status) {
    for (const Sender sender : kSenders) {
      for (const bool caller_token : {false, true}) {
        SCOPED_TRACE(testing::Message() << status << " from " << sender << ", caller's token: " << caller_token);
        const Failure failure = Map(AnswerOf(sender, status), caller_token);
        ExpectConsistent(failure);
        if (status >= 300 && status < 500 && status != 408) EXPECT_EQ(failure.delivery, Delivery::kRejected);
        if (status >= 500) EXPECT_EQ(failure.delivery == Delivery::kUnknown, failure.reason != Reason::kAccountBlocked);
        if (failure.reason == Reason::kUserNotFound)
          EXPECT_TRUE(sender == Sender::kTruto || sender == Sender::kProvider);
      }
    }
  }
}

TEST(ErrorMapping, TheCallersTokenIsTheCallersToReplace) {
  const Failure failure = Map(AnswerOf(Sender::kTruto, 401), true);
  EXPECT_EQ(failure.code, Code::kUnauthenticated);
  EXPECT_EQ(failure.reason, Reason::kCallerTokenRejected);
  EXPECT_EQ(failure.resend, Resend::kNever);
  EXPECT_EQ(Map(AnswerOf(Sender::kProvider, 401), true).reason, Reason::kAccountNeedsReauth);
}

TEST(ErrorMapping, OnlyTrutosOwnEnvelopeProvesThatAnAccountIsBlocked) {
  const char* const kBodies[] = {
      R"({})",
      R"({"message":"blocked"})",
      R"({"statusCode":503,"message":"no error"})",
      R"({"statusCode":503,"error":"no message"})",
      R"({"error":"Service Unavailable","message":"no statusCode"})",
      R"({"statusCode":500,"error":"Service Unavailable","message":"another status"})",
      R"({"statusCode":"503","error":"Service Unavailable","message":"a text"})",
      R"({"statusCode":503,"error":{},"message":"no name"})",
      R"([{"statusCode":503,"error":"Service Unavailable","message":"in a list"}])",
      R"({"statusCode":503,"error":"Service Unavailable","message":"broken off)",
      R"({"statusCode":503,"error":"Service Unavailable","message":"more behind it"} x)",
  };
  for (const char* body : kBodies) {
    SCOPED_TRACE(body);
    const Failure failure = Map(503, body);
    EXPECT_EQ(failure.reason, Reason::kOutcomeUnknown);
    EXPECT_EQ(failure.delivery, Delivery::kUnknown);
    EXPECT_EQ(Map(404, body).reason, Reason::kUnexpectedResponse);
  }
}

TEST(ErrorMapping, AnEnvelopeMayBeWrittenInOtherWays) {
  const std::string kBodies[] = {
      "\xEF\xBB\xBF" + Envelope(503),
      "\r\n\t " + Envelope(503) + "\n",
      R"({"message":"","error":"Service Unavailable","statusCode":503})",
      R"({"message":null,"error":"Service Unavailable","statusCode":503})",
      R"({"message":["a","b"],"error":"Service Unavailable","statusCode":503})",
      R"({"statusCode":1,"statusCode":503,"error":"the last one counts","message":"x"})",
      Envelope(503, R"(,"truto_is_remote_error":false)"),
      Envelope(503, R"(,"truto_is_remote_error":"true")"),
      Envelope(503, R"(,"truto_error_insight":"odd","details":7)"),
  };
  for (const std::string& body : kBodies) {
    SCOPED_TRACE(body);
    EXPECT_EQ(Map(503, body).reason, Reason::kAccountBlocked);
  }
}

TEST(ErrorMapping, TrutosMessageIsTheMessage) {
  EXPECT_EQ(Map(AnswerOf(Sender::kTruto, 404)).message, "Truto's words");
  EXPECT_EQ(Map(404, Remote(404, R"({"message":"provider"})", "Truto's words")).message, "Truto's words");
  EXPECT_EQ(Map(400, R"({"statusCode":400,"error":"Bad Request","message":["a","b"]})").message, "a; b");
  EXPECT_EQ(Map(400, R"({"statusCode":400,"error":"Bad Request","message":{"text":1}})").message, R"({"text":1})");
}

TEST(ErrorMapping, WithoutAMessageTheProvidersWordsCount) {
  const std::pair<const char*, const char*> kWords[] = {
      {R"("plain text")", "plain text"},
      {R"({"message":"m"})", "m"},
      {R"({"error":"e"})", "e"},
      {R"({"error":{"code":6831,"message":"Input Parameter Missing"}})", "Input Parameter Missing"},
      {R"({"error":"invalid_grant","error_description":"Token revoked"})", "Token revoked"},
      {R"({"errors":[{"message":"one"},{"message":"two"}]})", "one; two"},
      {R"({"errors":["one","two"]})", "one; two"},
      {R"({"detail":"d"})", "d"},
      {R"({"title":"t","status":409})", "t"},
      {R"({"title":"t","detail":"more than t"})", "more than t"},
      {R"({"kind":"error","error":"Invalid.","general_problem":"No such member.","possible_fix":"Check it."})",
       "Invalid. No such member. Check it."},
      {R"({"error":true,"message":"m"})", "m"},
      {R"({"logRef":"x","message":"Bad request"})", "Bad request"},
      {R"({"code":7,"x":[]})", R"({"code":7,"x":[]})"},
      {R"([ {"a": 1},
            2 ])",
       R"([ {"a": 1}, 2 ])"},
      {R"("<html>a page</html>")", "<html>a page</html>"},
      {R"("")", "HTTP 409 (Some Name) from the provider, without a message"},
      {R"(null)", "HTTP 409 (Some Name) from the provider, without a message"},
      {R"({ })", "HTTP 409 (Some Name) from the provider, without a message"},
      {R"([])", "HTTP 409 (Some Name) from the provider, without a message"},
  };
  for (const auto& [raw_response, words] : kWords) {
    SCOPED_TRACE(raw_response);
    EXPECT_EQ(Map(409, Remote(409, raw_response)).message, words);
    EXPECT_EQ(Map(409, Remote(409, raw_response, "  ")).message, words);
  }
  EXPECT_EQ(Map(500, Envelope(500, "", "")).message, "HTTP 500 (Some Name) from Truto, without a message");
  EXPECT_EQ(Map(500, R"({"truto_is_remote_error":true})").message, "HTTP 500 from the provider, without a message");
}

TEST(ErrorMapping, TheProvidersOwnAnswerIsHandedOnBesideTrutosMessage) {
  const core::Failure failure = Map(409, Remote(409, R"({ "code": 7,
      "message": "The user owns open tickets" })",
                                                "Conflict"));
  EXPECT_EQ(failure.message, "Conflict");
  EXPECT_EQ(failure.metadata.at("raw_response"), R"({ "code": 7, "message": "The user owns open tickets" })");
  for (const char* const nothing : {"null", R"("")", "{ }", "[]"}) {
    EXPECT_FALSE(Map(409, Remote(409, nothing, "Conflict")).metadata.contains("raw_response"));
  }
  EXPECT_FALSE(Map(409, Envelope(409)).metadata.contains("raw_response"));
}

TEST(ErrorMapping, WithoutAnEnvelopeTheMessageTellsWhatCame) {
  EXPECT_EQ(Map(503, "").message, "HTTP 503 without Truto's error envelope (no content type, 0 bytes)");
  EXPECT_EQ(
      Map(503, "<html>\n<title>503 Service\x01 Unavailable</title></html>", {{"content-type", "text/html"}}).message,
      "HTTP 503 without Truto's error envelope (text/html, 53 bytes): 503 Service Unavailable");
  EXPECT_EQ(Map(404, R"({"message":"no Route matched"})", {{"content-type", "application/json"}}).message,
            "HTTP 404 without Truto's error envelope (application/json, 30 bytes): no Route matched");
  EXPECT_EQ(Map(307, "", {{"location", "https://elsewhere.example/"}}).message,
            "HTTP 307 without Truto's error envelope (no content type, 0 bytes), redirecting to "
            "https://elsewhere.example/");
  EXPECT_EQ(
      Map({.status = 404, .headers = {}, .body = Envelope(404).substr(0, 20), .truncated = true}).message,
      R"(HTTP 404 without Truto's error envelope (no content type, cut off after 20 bytes): {"statusCode":404,"e)");
  const std::string excerpt = Map(502, std::string(1'000'000, 'x')).message;
  EXPECT_THAT(excerpt, EndsWith("xxx…"));
  EXPECT_LT(excerpt.size(), 400U);
}

TEST(ErrorMapping, NoTextEverHoldsABearerToken) {
  const std::string kEchoes[] = {
      "Authorization: Bearer s3cr3t-value rejected",
      "authorization=bearer%20s3cr3t-value",
      "BEARER   s3cr3t-value",
      "Bearer:s3cr3t-value",
      R"({\"authorization\":\"Bearer s3cr3t-value\"})",
      "The bearer token s3cr3t-value has expired",
      "Bearer Bearer s3cr3t-value",
      "Bearer\\u0000s3cr3t-value",
      "Bearer\\u00a0s3cr3t-value",
      "Bearer\\ns3cr3t-value",
      "Bearer s3cr3t-value" + std::string(5000, 's'),
      std::string(2040, 'x') + " Bearer s3cr3t-value",
  };
  for (const std::string& echo : kEchoes) {
    SCOPED_TRACE(echo);
    const std::string quoted = '"' + echo + '"';
    const std::string insight = R"(,"truto_error_insight":{"forbidden_error":{"value":{"missing_scopes":[)" + quoted +
                                R"(]}},"conditionally_required_query_parameters":{"value":{"a":)" + quoted +
                                R"(}},"missing_required_query_parameters":{"value":[)" + quoted + "]}}";
    const Failure failures[] = {
        Map(400, Envelope(400, insight, echo)),
        Map(400, Envelope(400, R"(,"details":{"failures":[{"field":)" + quoted + R"(,"message":)" + quoted + "}]}")),
        Map(400, Remote(400, quoted)),
        Map(400, Remote(400, R"({"odd":)" + quoted + "}")),
        Map(503, echo, {{"content-type", echo}, {"location", echo}}),
        MapTransportError({.message = echo}),
    };
    for (const Failure& failure : failures) {
      for (const std::string& text : TextsOf(failure)) EXPECT_THAT(text, Not(HasSubstr("3cr3t"))) << text;
    }
  }
}

TEST(ErrorMapping, SentencesAboutTokensStayReadable) {
  for (const char* sentence :
       {"The Bearer token is invalid or missing.", "Use Bearer authentication.", "bearers of bad news"}) {
    EXPECT_EQ(Map(401, Envelope(401, "", sentence)).message, sentence);
  }
  EXPECT_EQ(Map(401, Envelope(401, "", "Bearer abc, please")).message, "Bearer ***, please");
}

TEST(ErrorMapping, MalformedBodiesAreHarmless) {
  const std::string deep_list = std::string(100'000, '[') + std::string(100'000, ']');
  std::string deep_object;
  for (int i = 0; i < 100'000; ++i) deep_object += R"({"error":)";
  deep_object += "1" + std::string(100'000, '}');
  const std::string kBodies[] = {
      "{",
      "}",
      "null",
      "true",
      "\"",
      "[]",
      "[",
      "nul",
      "{\"a\"}",
      "{\"a\":}",
      "{,}",
      "\xEF\xBB\xBF",
      "\xEF\xBB",
      std::string("\0\0\0", 3),
      "\xFF\xFE{\x00}",
      R"({"statusCode":1e400,"error":NaN})",
      R"({"statusCode":)",
      R"({"statusCode":[],"error":[],"message":[]})",
      R"({"message":"\ud800","error":"\udc00","statusCode":404})",
      "{\"message\":\"\xC3\x28\",\"error\":\"\xFF\",\"statusCode\":404}",
      R"({"truto_is_remote_error":true,"raw_response":"\u0000\u001b[31m"})",
      deep_list,
      std::string(1'000'000, '['),
      deep_object,
      Envelope(404, R"(,"details":)" + deep_list),
      Envelope(404, R"(,"details":{"failures":)" + deep_object + "}"),
      Envelope(404, R"(,"truto_error_insight":)" + deep_object),
      Envelope(404, R"(,"truto_error_insight":{"forbidden_error":)" + deep_list + "}"),
      Envelope(404, "", std::string(64 * 1024, 'm')),
      Remote(404, deep_list),
      Remote(404, deep_object),
      Remote(404, '"' + std::string(1'000'000, '\x80') + '"'),
      Remote(404, "[" + std::string(1'000'000, ' ') + "]"),
      R"({"truto_is_remote_error":true,"message":)" + deep_object + "}",
  };
  for (const std::string& body : kBodies) {
    SCOPED_TRACE(body.substr(0, 100));
    for (const int status : {307, 400, 401, 403, 404, 405, 422, 429, 500, 503}) ExpectConsistent(Map(status, body));
  }
  EXPECT_EQ(Map(404, Remote(404, deep_object)).reason, Reason::kUserNotFound);
  EXPECT_EQ(Map(404, Envelope(404, R"(,"details":)" + deep_list)).reason, Reason::kUserNotFound);
  EXPECT_EQ(Map(404, Envelope(404, "", std::string(64 * 1024, 'm'))).message.size(), 2048U);
}

TEST(ErrorMapping, FailuresOfDetailsBecomeFieldViolations) {
  const auto violations = [](const std::string& failures) {
    return Map(400, Envelope(400, R"(,"details":{"failures":)" + failures + "}")).field_violations;
  };
  using Violation = core::FieldViolation;
  EXPECT_THAT(violations(R"([{"field":"collections[][id]","message":"required"},{"path":"id","reason":"odd"}])"),
              ElementsAre(Violation{"collections[].id", "required"}, Violation{"id", "odd"}));
  EXPECT_THAT(violations(R"([{"name":"a","description":"b"},{"property":"c","error":"d"}])"),
              ElementsAre(Violation{"a", "b"}, Violation{"c", "d"}));
  EXPECT_THAT(violations(R"([{"path":["collections",0,"id"],"message":"required"}])"),
              ElementsAre(Violation{"collections[0].id", "required"}));
  EXPECT_THAT(violations(R"(["id is odd","name is missing"])"),
              ElementsAre(Violation{"", "id is odd"}, Violation{"", "name is missing"}));
  EXPECT_THAT(violations(R"({"organization[id]":"required","a":["b","c"]})"),
              ElementsAre(Violation{"a", "b; c"}, Violation{"organization.id", "required"}));
  EXPECT_THAT(violations(R"([{"name":"is required"}])"), ElementsAre(Violation{"name", "is required"}));
  EXPECT_THAT(violations(R"([{"field":"x","code":5}])"), ElementsAre(Violation{"x", "is invalid"}));
  EXPECT_THAT(violations(R"("one text")"), ElementsAre(Violation{"", "one text"}));
  EXPECT_THAT(violations(R"([1,null,true,[],{}])"), IsEmpty());
  EXPECT_THAT(violations("null"), IsEmpty());
  EXPECT_THAT(Map(400, Envelope(400, R"(,"details":["failures"])")).field_violations, IsEmpty());
}

TEST(ErrorMapping, MissingParametersBecomeFieldViolationsWithPathsOfOurRequest) {
  const Failure failure = Map(400, Envelope(400, R"(,"truto_error_insight":{
      "missing_required_query_parameters":{"description":"…","value":["collections","collections[][id]",
        "integrated_account_id","organization[id]","remote_query[a][b]","truto_exclude_fields[]","collections[0][id]",
        "odd[","[x]","]["]},
      "missing_required_body_fields":{"description":"…","value":["name"]}})"));
  std::vector<std::string> fields;
  for (const auto& violation : failure.field_violations) {
    fields.push_back(violation.field);
    EXPECT_THAT(violation.description, EndsWith("it is missing"));
  }
  EXPECT_THAT(fields, ElementsAre("collections", "collections[].id", "integrated_account_id", "organization.id",
                                  "remote_query.a.b", "truto_exclude_fields[]", "collections[0].id", "odd[", ".x", "][",
                                  "name"));
  EXPECT_THAT(Map(404, Remote(404, "{}").insert(1, R"("truto_error_insight":{"missing_required_query_parameters":
      {"value":["collections"]}},)"))
                  .field_violations.size(),
              1U)
      << "they really are missing, whatever the status";
}

TEST(ErrorMapping, ConditionalRulesAreHintsAndNeverViolations) {
  const std::string insight = R"(,"truto_error_insight":{"conditionally_required_query_parameters":
      {"description":"…","value":{"collections":"when the account is of type X"}},
      "conditionally_required_body_fields":{"value":{"b":1}}})";
  const Failure failure = Map(400, Envelope(400, insight));
  EXPECT_THAT(failure.field_violations, IsEmpty());
  EXPECT_EQ(failure.metadata.at("hints"), R"({"collections":"when the account is of type X"} {"b":1})");
  EXPECT_THAT(Map(403, Envelope(403, insight)).metadata, IsEmpty()) << "it says nothing about other errors";
}

TEST(ErrorMapping, MissingScopesAreNamed) {
  const Failure failure = Map(403, Remote(403, "{}").insert(1, R"("truto_error_insight":{"forbidden_error":
      {"description":"…","value":{"missing_scopes":["users.write","users.delete"]}}},)"));
  EXPECT_EQ(failure.reason, Reason::kAccessForbidden);
  EXPECT_EQ(failure.metadata, (std::map<std::string, std::string>{{"missing_scopes", "users.write users.delete"}}));
  EXPECT_FALSE(Map(AnswerOf(Sender::kProvider, 403)).metadata.contains("missing_scopes"));
}

TEST(ErrorMapping, AProvidersRateLimitMayComeAsA403) {
  const std::string insight = R"("truto_error_insight":{"rate_limit_error":{"description":"…"}},)";
  const Failure failure = Map(403, Remote(403, "{}").insert(1, insight), {{"retry-after", "7"}});
  EXPECT_EQ(failure.reason, Reason::kRateLimited);
  EXPECT_EQ(failure.retry_after, milliseconds(7000));
  ExpectConsistent(failure);
  EXPECT_EQ(Map(401, Remote(401, "{}").insert(1, insight)).reason, Reason::kAccountNeedsReauth);
}

TEST(ErrorMapping, AMissingUserIsNamed) {
  EXPECT_EQ(Map(AnswerOf(Sender::kTruto, 404)).missing_user, "42");
  EXPECT_EQ(Map(AnswerOf(Sender::kHtml, 404)).missing_user, std::nullopt);
}

TEST(ErrorMapping, WhatIsWrongWithAnAccountIsAPrecondition) {
  for (const auto& [status, sender] : {std::pair(401, Sender::kProvider),
                                       {405, Sender::kTruto},
                                       {405, Sender::kProvider},
                                       {501, Sender::kProvider},
                                       {503, Sender::kTruto}}) {
    const Failure failure = Map(AnswerOf(sender, status));
    ASSERT_EQ(failure.precondition_violations.size(), 1U);
    EXPECT_EQ(failure.precondition_violations[0].type, core::ToString(failure.reason));
    EXPECT_EQ(failure.precondition_violations[0].subject, kAccount);
    EXPECT_FALSE(failure.precondition_violations[0].description.empty());
  }
  EXPECT_EQ(MapHttpError(AnswerOf(Sender::kTruto, 503), {.now = kNow}).precondition_violations.at(0).subject,
            "the token's integrated account");
}

TEST(ErrorMapping, ARateLimitTellsWhoseItIsAndWhenItEnds) {
  EXPECT_EQ(Map(AnswerOf(Sender::kTruto, 429)).retry_after, milliseconds(10'000)) << "Truto's documented window";
  EXPECT_EQ(Map(429, Envelope(429), {{"retry-after", "3"}}).retry_after, milliseconds(3000));
  EXPECT_EQ(Map(429, Envelope(429), {{"ratelimit-reset", "4"}}).retry_after, milliseconds(4000));
  EXPECT_EQ(Map(429, Envelope(429), {{"retry-after", "0"}}).retry_after, milliseconds(0));

  const auto subject = [](const Failure& failure) { return failure.quota_violations.at(0).subject; };
  EXPECT_EQ(subject(Map(429, Envelope(429))), kAccount);
  EXPECT_EQ(subject(Map(429, Envelope(429), {{"ratelimit-limit", "500;w=10"}})), "API token");
  EXPECT_EQ(subject(Map(429, Envelope(429, "", "Too many requests for this API Token"))), "API token");
  EXPECT_EQ(subject(Map(AnswerOf(Sender::kProvider, 429))), std::string("provider of ") + kAccount);
}

TEST(ErrorMapping, ADelayIsToldOnlyWhereARepeatMayHelp) {
  const core::HttpHeaders headers = {{"retry-after", "7"}, {"ratelimit-reset", "9"}};
  for (const int status : {408, 425, 500, 502, 504}) {
    EXPECT_EQ(Map(status, Envelope(status), headers).retry_after, milliseconds(7000)) << status;
    EXPECT_EQ(Map(status, Envelope(status), {{"ratelimit-reset", "9"}}).retry_after, std::nullopt) << status;
  }
  for (const int status : {301, 400, 401, 403, 404, 405, 409, 422, 501, 503}) {
    EXPECT_EQ(Map(status, Envelope(status), headers).retry_after, std::nullopt) << status;
  }
}

struct DelayCase {
  const char* retry_after;
  std::optional<milliseconds> delay;
};

TEST(ParseRetryAfter, ReadsSecondsAndDates) {
  constexpr milliseconds kDay = std::chrono::hours(24);
  const DelayCase kCases[] = {
      {"10", milliseconds(10'000)},
      {" 10\t", milliseconds(10'000)},
      {"0", milliseconds(0)},
      {"007", milliseconds(7000)},
      {"1.5", milliseconds(1500)},
      {"0.0625", milliseconds(62)},
      {"86400", kDay},
      {"86401", kDay},
      {"99999999999999999999999999", kDay},
      {"9223372036854775807", kDay},
      {"-1", std::nullopt},
      {"+1", std::nullopt},
      {"", std::nullopt},
      {" ", std::nullopt},
      {".", std::nullopt},
      {".5", std::nullopt},
      {"1.5.2", std::nullopt},
      {"1e3", std::nullopt},
      {"10 s", std::nullopt},
      {"soon", std::nullopt},
      {"NaN", std::nullopt},
      // The three forms of RFC 9110, 5.6.7; it is 12:00:00 on 2026-04-15.
      {"Wed, 15 Apr 2026 12:01:30 GMT", milliseconds(90'000)},
      {"Wednesday, 15-Apr-26 12:01:30 GMT", milliseconds(90'000)},
      {"Wed Apr 15 12:01:30 2026", milliseconds(90'000)},
      {"Thu Apr  9 12:01:30 2026", milliseconds(0)},
      {"Sun, 06 Nov 1994 08:49:37 GMT", milliseconds(0)},
      {"Sunday, 06-Nov-94 08:49:37 GMT", milliseconds(0)},
      {"Sun Nov  6 08:49:37 1994", milliseconds(0)},
      {"Friday, 15-Apr-77 12:00:00 GMT", milliseconds(0)},  // 2077 is more than 50 years ahead
      {"Wednesday, 15-Apr-76 12:00:00 GMT", kDay},          // 2076 is not
      {"Wed, 15 Apr 2026 23:59:60 GMT", milliseconds(43'200'000)},
      {"Fri, 31 Dec 9999 23:59:59 GMT", kDay},
      {"Wed, 15 Apr 2026 12:01:30 CEST", std::nullopt},
      {"Wed, 15 Apr 2026 12:01:30", std::nullopt},
      {"Wed, 15 Apr 2026 12:01:30 GMT GMT", std::nullopt},
      {"Wed, 31 Apr 2026 12:01:30 GMT", std::nullopt},
      {"Wed, 15 Foo 2026 12:01:30 GMT", std::nullopt},
      {"Wed, 15 Apr 2026 24:01:30 GMT", std::nullopt},
      {"Wed, 15 Apr 2026 12:60:30 GMT", std::nullopt},
      {"Wed, 15 Apr 20266 12:01:30 GMT", std::nullopt},
      {"2026-04-15T12:01:30Z", std::nullopt},
      {", , , , , , ,", std::nullopt},
  };
  for (const DelayCase& test : kCases) {
    SCOPED_TRACE(test.retry_after);
    EXPECT_EQ(ParseRetryAfter({{"retry-after", test.retry_after}}, kNow), test.delay);
    EXPECT_EQ(ParseRetryAfter({{"retry-after", test.retry_after}, {"ratelimit-reset", "60"}}, kNow),
              test.delay.value_or(milliseconds(60'000)));
  }
}

TEST(ParseRetryAfter, FallsBackToTheReset) {
  EXPECT_EQ(ParseRetryAfter({}, kNow), std::nullopt);
  EXPECT_EQ(ParseRetryAfter({{"ratelimit-reset", " 60 "}}, kNow), milliseconds(60'000));
  EXPECT_EQ(ParseRetryAfter({{"ratelimit-reset", "60;w=10"}}, kNow), milliseconds(60'000));
  EXPECT_EQ(ParseRetryAfter({{"ratelimit-reset", "Wed, 15 Apr 2026 12:01:30 GMT"}}, kNow), std::nullopt);
  EXPECT_EQ(ParseRetryAfter({{"ratelimit-reset", "-5"}}, kNow), std::nullopt);
}

TEST(ParseRetryAfter, NeverEndsBeforeTheDate) {
  const auto now = std::chrono::system_clock::time_point(kNow) + milliseconds(400);
  EXPECT_EQ(ParseRetryAfter({{"retry-after", "Wed, 15 Apr 2026 12:00:01 GMT"}}, now), milliseconds(600));
  EXPECT_EQ(ParseRetryAfter({{"retry-after", "Wed, 15 Apr 2026 12:00:01 GMT"}}, now + std::chrono::microseconds(1)),
            milliseconds(600));
}

struct TransportCase {
  core::TransportError::Kind kind;
  bool request_sent;
  Code code;
  Reason reason;
  Resend resend;
};

TEST(ErrorMapping, EveryTransportErrorIsMapped) {
  using Kind = core::TransportError::Kind;
  const TransportCase kCases[] = {
      {Kind::kUnreachable, false, Code::kUnavailable, Reason::kUpstreamUnreachable, Resend::kSafely},
      {Kind::kMisconfigured, false, Code::kInternal, Reason::kUpstreamMisconfigured, Resend::kNever},
      {Kind::kTimedOut, false, Code::kDeadlineExceeded, Reason::kDeadlineExceededUnsent, Resend::kSafely},
      {Kind::kCancelled, false, Code::kCancelled, Reason::kCallerCancelled, Resend::kNever},
      {Kind::kUnreachable, true, Code::kUnknown, Reason::kOutcomeUnknown, Resend::kOnceAmbiguously},
      {Kind::kMisconfigured, true, Code::kUnknown, Reason::kOutcomeUnknown, Resend::kOnceAmbiguously},
      {Kind::kTimedOut, true, Code::kDeadlineExceeded, Reason::kDeadlineExceededOutcomeUnknown,
       Resend::kOnceAmbiguously},
      {Kind::kCancelled, true, Code::kCancelled, Reason::kCallerCancelled, Resend::kNever},
      {Kind::kBroken, true, Code::kUnknown, Reason::kOutcomeUnknown, Resend::kOnceAmbiguously},
      {Kind::kBroken, false, Code::kUnknown, Reason::kOutcomeUnknown, Resend::kOnceAmbiguously},
  };
  for (const TransportCase& test : kCases) {
    SCOPED_TRACE(testing::Message() << static_cast<int>(test.kind) << ", sent: " << test.request_sent);
    const Failure failure =
        MapTransportError({.kind = test.kind, .request_sent = test.request_sent, .message = "the\ndetail \xFF"});
    EXPECT_EQ(failure.code, test.code);
    EXPECT_EQ(failure.reason, test.reason);
    EXPECT_EQ(failure.resend, test.resend);
    const bool known = !test.request_sent && test.kind != Kind::kBroken;
    EXPECT_EQ(failure.delivery, known ? Delivery::kNotSent : Delivery::kUnknown);
    EXPECT_EQ(failure.origin, Origin::kService);
    EXPECT_EQ(failure.http_status, std::nullopt);
    EXPECT_EQ(failure.retry_after, std::nullopt);
    EXPECT_THAT(failure.message, EndsWith(": the detail \uFFFD"));
    ExpectConsistent(failure);
    ExpectConsistent(MapTransportError({.kind = test.kind, .request_sent = test.request_sent}));
  }
}

TEST(MapHttpError, NeverTellsTheTokenThatWasSent) {
  const core::HttpResponse response{
      .status = 401,
      .headers = {{"content-type", "application/json"}},
      .body = R"({"statusCode":401,"error":"Unauthorized","message":"The API token sk-live-SECRET is not valid"})"};
  const core::Failure failure = MapHttpError(response, {.token = "sk-live-SECRET"});
  EXPECT_EQ(failure.message, "The API token *** is not valid");
}

}  // namespace
}  // namespace ticketing::truto
