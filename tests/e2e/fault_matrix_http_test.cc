// The fault matrix, rows 46 to 59: what Truto answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/fault_matrix.h"

namespace ticketing::e2e {
namespace {

using grpc::StatusCode;
using std::chrono::seconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;
using support::Protocol;
using support::ReceivedRequest;
using support::Script;
using support::ScriptedUpstream;
using testing::AnyOf;
using testing::Contains;
using testing::IsEmpty;
using ticketing::e2e::PrintTo;  // NOLINT(misc-unused-using-decls): gtest finds it

// An error's body as Truto writes it.
std::string Envelope(int status, const std::string& message = "no") {
  return R"({"statusCode":)" + std::to_string(status) + R"(,"error":"Error","message":")" + message + "\"}";
}

std::string Page(int status) {
  return "<html><head><title>" + std::to_string(status) + "</title></head><body>nginx</body></html>";
}

Script Truto(int status, core::HttpHeaders headers = {}) {
  headers.emplace_back("content-type", "application/json");
  return Script().Answer(status, std::move(headers), Envelope(status));
}

Script Html(int status) {
  return Script().Answer(status, {{"content-type", "text/html"}}, Page(status));
}

// ---- Row 46: every status

enum class Sender { kTruto, kProvider, kHtml, kEmpty };

std::string SenderName(Sender sender) {
  switch (sender) {
    case Sender::kTruto: return "OfTruto";
    case Sender::kProvider: return "OfTheProvider";
    case Sender::kHtml: return "OfAWebServer";
    case Sender::kEmpty: return "WithoutABody";
  }
  return "";
}

std::string BodyOf(Sender sender, int status) {
  switch (sender) {
    case Sender::kTruto: return Envelope(status);
    case Sender::kProvider:
      return R"({"statusCode":)" + std::to_string(status) +
             R"(,"error":"Error","message":"no","truto_is_remote_error":true})";
    case Sender::kHtml: return Page(status);
    case Sender::kEmpty: return "";
  }
  return "";
}

struct Meaning {
  StatusCode code;
  const char* reason;
  const char* delivery;
  std::uint32_t attempts = 1;  // at most
};

// The table of what a status means.
Meaning MeaningOf(int status, Sender sender) {
  const bool provider = sender == Sender::kProvider;
  const bool envelope = provider || sender == Sender::kTruto;
  const Meaning ambiguous{StatusCode::UNKNOWN, "OUTCOME_UNKNOWN", "UNKNOWN", 2};
  if (status < 300) return {StatusCode::OK, "", ""};
  if (status < 400) return {StatusCode::INTERNAL, "UPSTREAM_MISCONFIGURED", "REJECTED"};
  switch (status) {
    case 400:
    case 422: return {StatusCode::INVALID_ARGUMENT, "REJECTED_AS_INVALID", "REJECTED"};
    case 401:
      if (provider) return {StatusCode::FAILED_PRECONDITION, "ACCOUNT_NEEDS_REAUTH", "REJECTED"};
      return {StatusCode::INTERNAL, "SERVICE_TOKEN_REJECTED", "REJECTED"};
    case 403: return {StatusCode::PERMISSION_DENIED, "ACCESS_FORBIDDEN", "REJECTED"};
    case 404:
      if (envelope) return {StatusCode::NOT_FOUND, "USER_NOT_FOUND", "REJECTED"};
      break;
    case 405:
      if (provider) return {StatusCode::FAILED_PRECONDITION, "NOT_SUPPORTED_BY_PROVIDER", "REJECTED"};
      if (envelope) return {StatusCode::FAILED_PRECONDITION, "ACCOUNT_READ_ONLY", "REJECTED"};
      break;
    case 409: return {StatusCode::ABORTED, "CONFLICT", "REJECTED"};
    case 425: return {StatusCode::UNAVAILABLE, "UPSTREAM_UNREACHABLE", "REJECTED", 3};
    case 429: return {StatusCode::RESOURCE_EXHAUSTED, "RATE_LIMITED", "REJECTED"};
    case 408:
    case 500:
    case 502:
    case 504: return ambiguous;
    case 501:
      if (provider) return {StatusCode::FAILED_PRECONDITION, "NOT_SUPPORTED_BY_PROVIDER", "UNKNOWN"};
      break;
    case 503:
      if (sender == Sender::kTruto) return {StatusCode::FAILED_PRECONDITION, "ACCOUNT_BLOCKED", "REJECTED"};
      return ambiguous;
    default: break;
  }
  if (status < 500) return {StatusCode::UNKNOWN, "UNEXPECTED_RESPONSE", "REJECTED"};
  if (provider) return ambiguous;
  return {StatusCode::UNKNOWN, "UNEXPECTED_RESPONSE", "UNKNOWN"};
}

class FaultMatrixEveryStatus : public FaultMatrix, public testing::WithParamInterface<Sender> {};

INSTANTIATE_TEST_SUITE_P(Row46, FaultMatrixEveryStatus,
                         testing::Values(Sender::kTruto, Sender::kProvider, Sender::kHtml, Sender::kEmpty),
                         [](const auto& row) { return SenderName(row.param); });

TEST_P(FaultMatrixEveryStatus, HasItsMeaning) {
  constexpr int kAtATime = 16;
  const Sender sender = GetParam();
  Start({.protocol = Protocol::kHttp1});
  upstream().SetHandler([sender](const ReceivedRequest& request) {
    const int status = std::stoi(request.path.substr(request.path.rfind('/') + 1));  // the id
    const std::string body = status == 204 || status == 304 ? "" : BodyOf(sender, status);
    // A rate limit is not waited for so long.
    return Script().Answer(status, {{"retry-after", status == 429 ? "61" : "0"}}, body);
  });
  for (int first = 200; first < 600; first += kAtATime) {
    std::vector<std::shared_ptr<Call>> calls;
    for (int i = 0; i < kAtATime; ++i) {
      calls.push_back(StartCall(Request(std::to_string(first + i), AccountId(first + i))));
    }
    for (int i = 0; i < kAtATime; ++i) {
      SCOPED_TRACE(first + i);
      const Meaning meaning = MeaningOf(first + i, sender);
      const CallEnd& end = calls[static_cast<std::size_t>(i)]->End();
      EXPECT_EQ(end.code(), meaning.code) << end;
      EXPECT_EQ(end.reason(), meaning.reason) << end;
      EXPECT_EQ(end.delivery(), meaning.delivery) << end;
      EXPECT_GE(end.attempts(), 1U);
      EXPECT_LE(end.attempts(), meaning.attempts) << end;
      if (meaning.code == StatusCode::OK) EXPECT_EQ(end.response.outcome(), v1::DELETE_OUTCOME_DELETED);
    }
  }
}

// ---- Rows 47 and 48: the two kinds of 503

TEST_F(FaultMatrix, Row47ABlockedAccountIsAskedOnceAndOthersAreServed) {
  Start();
  Respond({Truto(503)}, Good());
  const CallEnd blocked = Delete(Request("42", AccountId(1)));
  EXPECT_EQ(blocked.code(), StatusCode::FAILED_PRECONDITION) << blocked;
  EXPECT_EQ(blocked.reason(), "ACCOUNT_BLOCKED");
  EXPECT_EQ(blocked.delivery(), "REJECTED");
  EXPECT_EQ(blocked.attempts(), 1U);
  for (int i = 0; i < 5; ++i) {
    const CallEnd again = Delete(Request("43", AccountId(1)));
    EXPECT_EQ(again.code(), StatusCode::FAILED_PRECONDITION) << again;
    EXPECT_EQ(again.reason(), "ACCOUNT_BLOCKED");
    EXPECT_EQ(again.delivery(), "NOT_SENT");
    EXPECT_EQ(again.origin(), "SERVICE");
    EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(again.status));
  }
  EXPECT_EQ(RequestCount(), 1U);
  EXPECT_TRUE(Delete(Request("42", AccountId(2))).status.ok());
}

TEST_F(FaultMatrix, Row48A503OfTheEdgeIsSentAgainOnceAndThenUnknown) {
  Start();
  Respond(Html(503));
  const CallEnd end = Delete();
  EXPECT_EQ(end.code(), StatusCode::UNKNOWN) << end;
  EXPECT_EQ(end.reason(), "OUTCOME_UNKNOWN");
  EXPECT_EQ(end.delivery(), "UNKNOWN");
  EXPECT_EQ(end.attempts(), 2U);
  EXPECT_EQ(SentOf(end.request_id).size(), 2U);
  Respond({Html(503)}, Good());
  const CallEnd second = Delete();
  EXPECT_TRUE(second.status.ok()) << second;
  EXPECT_EQ(second.attempts(), 2U);
}

// ---- Rows 49 and 50: rate limits

std::string HttpDate(seconds from_now) {
  const std::time_t time = system_clock::to_time_t(system_clock::now() + from_now);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::string date(64, '\0');
  date.resize(std::strftime(date.data(), date.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts));
  return date;
}

struct RetryAfter {
  const char* name;
  std::optional<std::string> header;
  seconds least;  // of the delay that the caller is told; 0: the service itself tries again at once
  seconds most;
};

class FaultMatrixRetryAfter : public FaultMatrix, public testing::WithParamInterface<RetryAfter> {};

INSTANTIATE_TEST_SUITE_P(
    Row49, FaultMatrixRetryAfter,
    testing::Values(RetryAfter{"Ten", "10", seconds{10}, seconds{10}}, RetryAfter{"Zero", "0", seconds{0}, seconds{0}},
                    RetryAfter{"Negative", "-1", seconds{10}, seconds{10}},
                    RetryAfter{"Huge", "99999999999999999999", seconds{86400}, seconds{86400}},
                    RetryAfter{"ADateToCome", HttpDate(seconds{3600}), seconds{3000}, seconds{3600}},
                    RetryAfter{"ADateThatHasPassed", HttpDate(seconds{-3600}), seconds{0}, seconds{0}},
                    RetryAfter{"Garbage", "soon", seconds{10}, seconds{10}},
                    RetryAfter{"Missing", std::nullopt, seconds{10}, seconds{10}}),
    RowName<RetryAfter>);

TEST_P(FaultMatrixRetryAfter, IsWaitedForOrTold) {
  Start({.protocol = Protocol::kHttp2Tls}, {{"TICKETING_DEFAULT_DEADLINE", "5s"}});
  const Script limited =
      Truto(429, GetParam().header ? core::HttpHeaders{{"retry-after", *GetParam().header}} : core::HttpHeaders{});
  Respond({limited}, Good());
  const CallEnd end = Delete();
  if (GetParam().least == seconds{0}) {
    EXPECT_TRUE(end.status.ok()) << end;
    EXPECT_EQ(end.attempts(), 2U);
  } else {
    EXPECT_EQ(end.code(), StatusCode::RESOURCE_EXHAUSTED) << end;
    EXPECT_EQ(end.reason(), "RATE_LIMITED");
    EXPECT_EQ(end.delivery(), "REJECTED");
    EXPECT_EQ(end.attempts(), 1U);
    const auto retry = DetailOf<google::rpc::RetryInfo>(end.status);
    ASSERT_TRUE(retry);
    EXPECT_GE(retry->retry_delay().seconds(), GetParam().least.count());
    EXPECT_LE(retry->retry_delay().seconds(), GetParam().most.count());
    EXPECT_GT(std::stoll(end.pushback), 0);
  }
}

TEST_F(FaultMatrix, Row49ARateLimitIsWaitedForOnlyOnce) {
  Start();
  Respond(Truto(429, {{"retry-after", "0"}}));
  const CallEnd end = Delete();
  EXPECT_EQ(end.code(), StatusCode::RESOURCE_EXHAUSTED) << end;
  EXPECT_EQ(end.attempts(), 2U);
}

TEST_F(FaultMatrix, Row49ADelayThatFitsTheDeadlineIsWaitedFor) {
  Start();
  const seconds delay{Scaled(1, 10)};
  Respond({Truto(429, {{"retry-after", std::to_string(delay.count())}})}, Good());
  const auto before = steady_clock::now();
  const CallEnd end = Delete();
  EXPECT_TRUE(end.status.ok()) << end;
  EXPECT_EQ(end.attempts(), 2U);
  EXPECT_GE(steady_clock::now() - before, delay);
}

constexpr int kAccountRate = 4;  // the defaults
constexpr int kAccountBurst = 10;
const Environment kLimited = {{"TICKETING_ACCOUNT_RATE", std::to_string(kAccountRate)},
                              {"TICKETING_ACCOUNT_BURST", std::to_string(kAccountBurst)},
                              {"TICKETING_TOKEN_RATE", "45"},
                              {"TICKETING_TOKEN_BURST", "50"}};

TEST_F(FaultMatrix, Row50AStormOf429ClosesItsAccountAndTouchesNoOther) {
  const std::string stormy = AccountId(0);
  Start({.protocol = Protocol::kHttp2Tls}, kLimited);
  upstream().SetHandler([stormy](const ReceivedRequest& request) {
    return request.path.ends_with(stormy) ? Truto(429, {{"retry-after", "50"}}) : Good();
  });
  for (int round = 1; round <= 20; ++round) {
    std::vector<std::shared_ptr<Call>> storm;
    for (int i = 0; i < 10; ++i) storm.push_back(StartCall(Request("42", stormy)));
    const CallEnd other = Delete(Request("42", AccountId(round)));
    EXPECT_TRUE(other.status.ok()) << other;
    EXPECT_EQ(other.attempts(), 1U);
    for (const auto& call : storm) {
      const CallEnd& end = call->End();
      EXPECT_THAT(end.reason(), AnyOf("RATE_LIMITED", "OVERLOADED")) << end;
      if (round > 1) EXPECT_EQ(end.delivery(), "NOT_SENT") << end;
    }
  }
  int sent = 0;
  for (const ReceivedRequest& request : upstream().requests()) sent += request.path.ends_with(stormy) ? 1 : 0;
  EXPECT_LE(sent, kAccountBurst);
}

TEST_F(FaultMatrix, Row50AnAccountIsCalledNoMoreOftenThanItsLimit) {
  Start({.protocol = Protocol::kHttp2Tls}, kLimited);
  const auto before = steady_clock::now();
  // Each time no more than the account may have under way.
  for (int round = 0; round < Scaled(2, 40); ++round) {
    std::vector<std::shared_ptr<Call>> calls;
    for (int i = 0; i < 15; ++i) calls.push_back(StartCall(Request()));
    for (const auto& call : calls) {
      const CallEnd& end = call->End();
      if (end.status.ok()) continue;
      EXPECT_EQ(end.reason(), "RATE_LIMITED") << end;
      EXPECT_EQ(end.origin(), "SERVICE");
      EXPECT_EQ(end.delivery(), "NOT_SENT");
      EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(end.status));
    }
  }
  const std::chrono::duration<double> time = steady_clock::now() - before;
  const auto sent = static_cast<double>(RequestCount());
  EXPECT_GE(sent, kAccountBurst);
  EXPECT_LE(sent, kAccountBurst + kAccountRate * time.count() + 1);
}

// ---- Rows 51 to 53

TEST_F(FaultMatrix, Row51A404AfterA502IsAbsentAfterAnAmbiguousAttempt) {
  Start();
  Respond({Truto(502), Truto(404)}, Good());
  const CallEnd end = Delete();
  EXPECT_EQ(end.code(), StatusCode::NOT_FOUND) << end;
  EXPECT_EQ(end.reason(), "ABSENT_AFTER_AMBIGUOUS_ATTEMPT");
  EXPECT_EQ(end.delivery(), "UNKNOWN");
  EXPECT_EQ(end.attempts(), 2U);

  Respond({Truto(502), Truto(404)}, Good());
  auto request = Request();
  request.set_allow_missing(true);
  const CallEnd allowed = Delete(request);
  EXPECT_TRUE(allowed.status.ok()) << allowed;
  EXPECT_EQ(allowed.response.outcome(), v1::DELETE_OUTCOME_ALREADY_ABSENT);
  EXPECT_THAT(allowed.notes(), Contains("DELETED_BY_EARLIER_ATTEMPT"));
}

TEST_F(FaultMatrix, Row51A404AfterA502OfAnEarlierCallIsAbsentAfterAnAmbiguousAttempt) {
  Start({.protocol = Protocol::kHttp2Tls}, {{"TICKETING_MAX_ATTEMPTS", "1"}});
  Respond({Truto(502), Truto(404)}, Good());
  const auto request = Request();
  EXPECT_EQ(Delete(request).reason(), "OUTCOME_UNKNOWN");
  EXPECT_EQ(Delete(request).reason(), "ABSENT_AFTER_AMBIGUOUS_ATTEMPT");
}

TEST_F(FaultMatrix, Row52ARedirectIsNotFollowedAndNoTokenLeaves) {
  const ScriptedUpstream elsewhere({.protocol = Protocol::kHttp2Tls});
  Start();
  for (const int status : {301, 302, 303, 307, 308}) {
    Respond({Script().Answer(status, {{"location", elsewhere.url() + "/unified/ticketing/users/42"}})}, Good());
    const CallEnd end = Delete();
    EXPECT_EQ(end.code(), StatusCode::INTERNAL) << end;
    EXPECT_EQ(end.reason(), "UPSTREAM_MISCONFIGURED");
    EXPECT_EQ(end.delivery(), "REJECTED");
    EXPECT_EQ(end.attempts(), 1U);
  }
  EXPECT_EQ(elsewhere.facts().connections_accepted, 0U);
  EXPECT_EQ(RequestCount(), 5U);
}

TEST_F(FaultMatrix, Row53A204IsASuccess) {
  Start();
  Respond(Script().Answer(204));
  const CallEnd end = Delete();
  EXPECT_TRUE(end.status.ok()) << end;
  EXPECT_EQ(end.response.outcome(), v1::DELETE_OUTCOME_DELETED);
  EXPECT_EQ(end.response.result_case(), v1::DeleteTicketingUserResponse::RESULT_NOT_SET);
  EXPECT_THAT(end.notes(), IsEmpty());
}

// ---- Rows 54 to 58: JSON

std::string Nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

struct OddBody {
  const char* name;
  std::string body;
  const char* note;  // null: none
};

const OddBody kOddBodies[] = {
    {"Row54_Depth17", R"({"remote_data":{"a":)" + Nested(17) + "}}", "TOO_DEEP"},
    {"Row54_Depth100000", Nested(100'000), "TYPE_MISMATCH"},
    {"Row54_Depth100000InAField", R"({"remote_data":{"a":)" + Nested(100'000) + "}}", "TOO_DEEP"},
    {"Row54_Depth100000ThatNeverCloses", std::string(100'000, '['), "INVALID_JSON"},
    {"Row55_InvalidUtf8", "{\"name\":\"A\xff\"}", "INVALID_UTF8"},
    {"Row55_InvalidUtf8InAKey", "{\"A\xff\":1}", "INVALID_UTF8"},
    {"Row55_LoneSurrogate", R"({"name":"\ud800"})", "INVALID_UTF8"},
    {"Row56_AnIntegerBeyond2To53", R"({"custom":9007199254740993})", "UNSAFE_INTEGER"},
    {"Row56_ANumberBeyondADouble", R"({"custom":1e400})", "UNSAFE_INTEGER"},
    {"Row56_NotANumber", R"({"custom":NaN})", "INVALID_JSON"},
    {"Row57_DuplicateKeys", R"({"id":"1","id":"2","custom":1,"custom":2})", "DUPLICATE_KEY"},
    {"Row58_AList", "[1,2]", "TYPE_MISMATCH"},
    {"Row58_Null", "null", "TYPE_MISMATCH"},
    {"Row58_ANumber", "42", "TYPE_MISMATCH"},
    {"Row58_WrongTypes", R"({"id":42,"is_active":"yes","emails":{},"roles":[1],"created_at":0})", "TYPE_MISMATCH"},
    {"Row58_Empty", "", nullptr},
    {"Row58_AByteOrderMark", "\xef\xbb\xbf{\"id\":\"42\"}", nullptr},
};

class FaultMatrixOddBody : public FaultMatrix, public testing::WithParamInterface<OddBody> {
 protected:
  CallEnd DeleteAnswered(int status) {
    Respond(Script().Answer(status, {{"content-type", "application/json"}}, GetParam().body));
    return Delete(Request(std::to_string(status), AccountId(status)));
  }
};

INSTANTIATE_TEST_SUITE_P(, FaultMatrixOddBody, testing::ValuesIn(kOddBodies), RowName<OddBody>);

TEST_P(FaultMatrixOddBody, LeavesTheStatusItsMeaning) {
  Start({.protocol = Protocol::kHttp1});
  const CallEnd deleted = DeleteAnswered(200);
  EXPECT_TRUE(deleted.status.ok()) << deleted;
  EXPECT_EQ(deleted.response.outcome(), v1::DELETE_OUTCOME_DELETED);
  if (GetParam().note == nullptr) {
    EXPECT_THAT(deleted.notes(), IsEmpty());
  } else {
    EXPECT_THAT(deleted.notes(), Contains(GetParam().note));
  }
  EXPECT_EQ(DeleteAnswered(400).reason(), "REJECTED_AS_INVALID");
  EXPECT_EQ(DeleteAnswered(404).reason(), "UNEXPECTED_RESPONSE");
  EXPECT_EQ(DeleteAnswered(502).reason(), "OUTCOME_UNKNOWN");
  EXPECT_EQ(DeleteAnswered(503).reason(), "OUTCOME_UNKNOWN");
}

// ---- Row 59: long texts

std::string Repeated(const std::string& text, std::size_t size) {
  std::string all;
  while (all.size() < size) all += text;
  return all;
}

struct LongText {
  const char* name;
  std::string text;
};

class FaultMatrixLongText : public FaultMatrix, public testing::WithParamInterface<LongText> {};

INSTANTIATE_TEST_SUITE_P(Row59, FaultMatrixLongText,
                         testing::Values(LongText{"OfLetters", Repeated("no such thing ", 64 * 1024)},
                                         LongText{"OfEmoji", Repeated("\xf0\x9f\x8e\xab", 64 * 1024)},
                                         LongText{"OfPercentSigns", Repeated("%", 64 * 1024)},
                                         LongText{"OfControlCharacters", Repeated("\\u0000\\n", 64 * 1024)}),
                         RowName<LongText>);

TEST_P(FaultMatrixLongText, LeavesTheCodeAsItIs) {
  Start({.protocol = Protocol::kHttp1});
  const std::string failure = R"({"field":")" + GetParam().text + R"(","message":")" + GetParam().text + "\"}";
  std::string body = Envelope(409, GetParam().text);
  body.insert(1, R"("details":{"failures":[)" + failure + "," + failure + "]},");
  Respond(Script().Answer(409, {{"content-type", "application/json"}}, body));
  const CallEnd end = Delete();
  EXPECT_EQ(end.code(), StatusCode::ABORTED) << end;
  EXPECT_EQ(end.reason(), "CONFLICT");
  EXPECT_LE(end.status.error_message().size(), 1024U);
  EXPECT_LE(end.status.error_details().size(), 3U * 1024U);
}

}  // namespace
}  // namespace ticketing::e2e
