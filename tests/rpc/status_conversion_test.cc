#include "rpc/status_conversion.h"

#include <gmock/gmock.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ticketing::rpc {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::IsEmpty;
using testing::StartsWith;

constexpr std::string_view kCutMark = "… (cut)";

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

// The only detail of its type.
template <typename Detail>
std::optional<Detail> Find(const grpc::Status& status) {
  const google::rpc::Status details = DetailsOf(status);
  std::optional<Detail> found;
  for (const auto& any : details.details()) {
    if (!any.Is<Detail>()) continue;
    EXPECT_FALSE(found.has_value()) << "twice: " << any.type_url();
    EXPECT_TRUE(any.UnpackTo(&found.emplace()));
  }
  return found;
}

core::Failure RateLimited() {
  core::Failure failure;
  failure.code = core::StatusCode::kResourceExhausted;
  failure.reason = core::ErrorReason::kRateLimited;
  failure.message = "slow down";
  failure.origin = core::Origin::kTruto;
  failure.delivery = core::Delivery::kRejected;
  failure.request_id = "8d5b5f2e-66a4-4a7a-9a2b-6a2b0f5b7a11";
  failure.attempts = 2;
  failure.http_status = 429;
  failure.retry_after = milliseconds(10'500);
  return failure;
}

// Well-formed by protobuf's own rules: a string field that is not is refused by a JSON or text printer and by clients.
bool IsUtf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80   ? 1
                               : lead < 0xC2 ? 0
                               : lead < 0xE0 ? 2
                               : lead < 0xF0 ? 3
                               : lead < 0xF5 ? 4
                                             : 0;
    if (length == 0 || i + length > text.size()) return false;
    std::uint32_t point = length == 1 ? lead : lead & (0x7FU >> length);
    for (std::size_t k = 1; k < length; ++k) {
      const auto tail = static_cast<unsigned char>(text[i + k]);
      if ((tail & 0xC0U) != 0x80) return false;
      point = point << 6 | (tail & 0x3FU);
    }
    constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kSmallest[length] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
    i += length;
  }
  return true;
}

std::size_t PercentEncodedSize(std::string_view text) {
  std::size_t size = 0;
  for (const char c : text) size += c >= ' ' && c <= '~' && c != '%' ? 1 : 3;
  return size;
}

TEST(StatusConversion, CarriesEveryFactOfAFailure) {
  core::Failure failure = RateLimited();
  failure.field_violations = {{"collections[0].id", "must not be empty"}, {"id", "too long"}};
  failure.quota_violations = {{"API token", "500 requests in 10 s"}};
  failure.precondition_violations = {{"ACCOUNT_BLOCKED", "62f44730", "blocked"}};
  failure.missing_user = "42";
  failure.metadata = {{"missing_scopes", "users.write"}};
  const grpc::Status status = ToGrpcStatus(failure);

  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "slow down");
  EXPECT_EQ(DetailsOf(status).code(), 8);
  EXPECT_EQ(DetailsOf(status).message(), "slow down");
  EXPECT_EQ(DetailsOf(status).details_size(), 8);

  const auto info = Find<google::rpc::ErrorInfo>(status);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->reason(), "RATE_LIMITED");
  EXPECT_EQ(info->domain(), "ticketing.v1.TicketingUserService");
  const std::map<std::string, std::string> metadata(info->metadata().begin(), info->metadata().end());
  EXPECT_EQ(metadata, (std::map<std::string, std::string>{{"request_id", failure.request_id},
                                                          {"attempts", "2"},
                                                          {"delivery", "REJECTED"},
                                                          {"origin", "TRUTO"},
                                                          {"http_status", "429"},
                                                          {"missing_scopes", "users.write"}}));

  const auto bad_request = Find<google::rpc::BadRequest>(status);
  ASSERT_TRUE(bad_request);
  ASSERT_EQ(bad_request->field_violations_size(), 2);
  EXPECT_EQ(bad_request->field_violations(0).field(), "collections[0].id");
  EXPECT_EQ(bad_request->field_violations(0).description(), "must not be empty");
  EXPECT_EQ(bad_request->field_violations(1).field(), "id");

  const auto retry = Find<google::rpc::RetryInfo>(status);
  ASSERT_TRUE(retry);
  EXPECT_EQ(retry->retry_delay().seconds(), 10);
  EXPECT_EQ(retry->retry_delay().nanos(), 500'000'000);

  const auto quota = Find<google::rpc::QuotaFailure>(status);
  ASSERT_TRUE(quota);
  EXPECT_EQ(quota->violations(0).subject(), "API token");
  EXPECT_EQ(quota->violations(0).description(), "500 requests in 10 s");

  const auto precondition = Find<google::rpc::PreconditionFailure>(status);
  ASSERT_TRUE(precondition);
  EXPECT_EQ(precondition->violations(0).type(), "ACCOUNT_BLOCKED");
  EXPECT_EQ(precondition->violations(0).subject(), "62f44730");
  EXPECT_EQ(precondition->violations(0).description(), "blocked");

  const auto resource = Find<google::rpc::ResourceInfo>(status);
  ASSERT_TRUE(resource);
  EXPECT_EQ(resource->resource_type(), "ticketing.v1.TicketingUser");
  EXPECT_EQ(resource->resource_name(), "42");

  const auto request = Find<google::rpc::RequestInfo>(status);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->request_id(), failure.request_id);
}

TEST(StatusConversion, LeavesOutWhatDoesNotApply) {
  const grpc::Status status = ToGrpcStatus(core::MakeServiceFailure(
      core::StatusCode::kUnauthenticated, core::ErrorReason::kCallerUnauthenticated, "no token"));
  EXPECT_EQ(DetailsOf(status).details_size(), 2);
  const auto info = Find<google::rpc::ErrorInfo>(status);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->metadata().at("origin"), "SERVICE");
  EXPECT_EQ(info->metadata().at("delivery"), "NOT_SENT");
  EXPECT_EQ(info->metadata().at("attempts"), "0");
  EXPECT_EQ(info->metadata().at("request_id"), "");
  EXPECT_FALSE(info->metadata().contains("http_status"));
  EXPECT_TRUE(Find<google::rpc::Help>(status));
}

TEST(StatusConversion, TellsWhatToDoAboutEachReason) {
  std::set<std::string> texts;
  constexpr int kReasons = static_cast<int>(core::ErrorReason::kNotSupportedByProvider) + 1;
  for (int reason = 0; reason < kReasons; ++reason) {
    core::Failure failure;
    failure.reason = static_cast<core::ErrorReason>(reason);
    SCOPED_TRACE(core::ToString(failure.reason));
    const auto help = Find<google::rpc::Help>(ToGrpcStatus(failure));
    ASSERT_TRUE(help);
    ASSERT_EQ(help->links_size(), 1);
    EXPECT_THAT(help->links(0).description(), EndsWith("."));
    EXPECT_THAT(help->links(0).url(), StartsWith("https://"));
    texts.insert(help->links(0).description());
  }
  EXPECT_EQ(texts.size(), kReasons);
}

TEST(StatusConversion, NeverChangesTheCode) {
  for (int code = 0; code <= 20; ++code) {
    core::Failure failure = RateLimited();
    failure.code = static_cast<core::StatusCode>(code);
    const grpc::Status status = ToGrpcStatus(failure);
    EXPECT_EQ(static_cast<int>(status.error_code()), code);
    EXPECT_EQ(DetailsOf(status).code(), code);
  }
}

TEST(StatusConversion, MetadataCanNotPassForAStandardKey) {
  core::Failure failure = RateLimited();
  failure.http_status.reset();
  failure.metadata = {{"delivery", "NOT_SENT"}, {"http_status", "200"}, {"origin", "?"}};
  const auto info = Find<google::rpc::ErrorInfo>(ToGrpcStatus(failure));
  ASSERT_TRUE(info);
  EXPECT_EQ(info->metadata().at("delivery"), "REJECTED");
  EXPECT_EQ(info->metadata().at("origin"), "TRUTO");
  EXPECT_FALSE(info->metadata().contains("http_status"));
}

TEST(StatusConversion, CutsTheLongestTextsFirstAndMarksThem) {
  core::Failure failure = RateLimited();
  failure.message = std::string(64 * 1024, 'm');
  const std::string short_text(300, 's');
  failure.field_violations = {{"id", short_text}, {"remote_query", std::string(5000, 'l')}};
  failure.metadata = {{"hints", std::string(5000, 'h')}};
  const grpc::Status status = ToGrpcStatus(failure);
  EXPECT_LE(status.error_details().size(), kMaxStatusDetailsBytes);
  EXPECT_GT(status.error_details().size(), kMaxStatusDetailsBytes - 100) << "the room is used";
  EXPECT_THAT(status.error_message(), StartsWith("mmm"));
  EXPECT_THAT(status.error_message(), EndsWith(kCutMark));
  const auto bad_request = Find<google::rpc::BadRequest>(status);
  ASSERT_TRUE(bad_request);
  ASSERT_EQ(bad_request->field_violations_size(), 2);
  EXPECT_EQ(bad_request->field_violations(0).description(), short_text);
  EXPECT_THAT(bad_request->field_violations(1).description(), EndsWith(kCutMark));
  EXPECT_EQ(bad_request->field_violations(1).description().size(), status.error_message().size());
  EXPECT_THAT(Find<google::rpc::ErrorInfo>(status)->metadata().at("hints"), EndsWith(kCutMark));
}

TEST(StatusConversion, AMessageOfUpToOneKibibyteIsWhole) {
  core::Failure failure = RateLimited();
  failure.message = std::string(kMaxStatusMessageBytes, 'm');
  EXPECT_EQ(ToGrpcStatus(failure).error_message(), failure.message);
  failure.message += 'm';
  const std::string cut = ToGrpcStatus(failure).error_message();
  EXPECT_EQ(cut.size(), kMaxStatusMessageBytes);
  EXPECT_THAT(cut, EndsWith(kCutMark));
}

TEST(StatusConversion, CutsBetweenCharacters) {
  for (const std::string character : {"é", "…", "😀"}) {
    for (std::size_t shift = 0; shift < 4; ++shift) {
      core::Failure failure;
      failure.message = std::string(shift, 'x');
      for (int i = 0; i < 1000; ++i) failure.message += character;
      const std::string message = ToGrpcStatus(failure).error_message();
      EXPECT_TRUE(IsUtf8(message));
      EXPECT_THAT(message, EndsWith(character + std::string(kCutMark)));
      EXPECT_LE(PercentEncodedSize(message), kMaxEncodedMessageBytes);
      EXPECT_GT(PercentEncodedSize(message), kMaxEncodedMessageBytes - 60);
    }
  }
}

TEST(StatusConversion, MendsTextThatIsNotUtf8) {
  core::Failure failure;
  failure.message =
      "a\xFF"
      "b\xC3";
  failure.missing_user = "\xED\xA0\x80";  // half of a surrogate pair
  failure.metadata = {{"k\x80", "\xF5"}};
  const grpc::Status status = ToGrpcStatus(failure);
  EXPECT_EQ(status.error_message(), "a\uFFFDb\uFFFD");
  EXPECT_EQ(Find<google::rpc::ResourceInfo>(status)->resource_name(), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(Find<google::rpc::ErrorInfo>(status)->metadata().at("k\uFFFD"), "\uFFFD");
}

TEST(StatusConversion, KeepsAsManyViolationsAsFitAndCountsTheRest) {
  constexpr int kCount = 10'000;
  core::Failure failure = RateLimited();
  for (int i = 0; i < kCount; ++i) {
    failure.field_violations.push_back({"collections[" + std::to_string(i) + "].id", std::string(500, 'v')});
  }
  const grpc::Status status = ToGrpcStatus(failure);
  EXPECT_LE(status.error_details().size(), kMaxStatusDetailsBytes);
  const auto bad_request = Find<google::rpc::BadRequest>(status);
  ASSERT_TRUE(bad_request);
  const int kept = bad_request->field_violations_size() - 1;
  EXPECT_GE(kept, 10);
  EXPECT_EQ(bad_request->field_violations(kept - 1).field(), "collections[" + std::to_string(kept - 1) + "].id");
  EXPECT_THAT(bad_request->field_violations(kept).field(), IsEmpty());
  EXPECT_EQ(bad_request->field_violations(kept).description(), std::to_string(kCount - kept) + " more");
  EXPECT_THAT(status.error_message(), "slow down");
}

TEST(StatusConversion, EveryListCountsWhatItLeavesOut) {
  core::Failure failure = RateLimited();
  failure.precondition_violations.resize(300, {"TYPE", "subject", std::string(100, 'd')});
  failure.quota_violations.resize(300, {"subject", std::string(100, 'd')});
  for (int i = 0; i < 300; ++i) failure.metadata["key_" + std::to_string(i)] = std::string(100, 'v');
  failure.field_violations.resize(300, {"field", std::string(100, 'd')});
  const grpc::Status status = ToGrpcStatus(failure);
  EXPECT_LE(status.error_details().size(), kMaxStatusDetailsBytes);
  const auto precondition = Find<google::rpc::PreconditionFailure>(status);
  ASSERT_TRUE(precondition);
  EXPECT_GT(precondition->violations_size(), 1);
  EXPECT_EQ(precondition->violations().rbegin()->description(),
            std::to_string(301 - precondition->violations_size()) + " more");
  EXPECT_EQ(Find<google::rpc::QuotaFailure>(status)->violations(0).description(), "300 more");
  EXPECT_EQ(Find<google::rpc::BadRequest>(status)->field_violations(0).description(), "300 more");
  EXPECT_EQ(Find<google::rpc::ErrorInfo>(status)->metadata().at("left_out"), "300 more");
}

TEST(StatusConversion, RetryInfoAndPushbackAreTheSameDelayButThatGrpcHangsAtNone) {
  core::Failure failure = RateLimited();
  EXPECT_EQ(RetryPushback(failure), "10500");
  failure.retry_after = milliseconds(0);
  EXPECT_EQ(RetryPushback(failure), "1");
  EXPECT_TRUE(Find<google::rpc::RetryInfo>(ToGrpcStatus(failure)));
  failure.retry_after = milliseconds(-5);
  EXPECT_EQ(RetryPushback(failure), "1");
  failure.retry_after.reset();
  EXPECT_EQ(RetryPushback(failure), "-1");
  EXPECT_FALSE(Find<google::rpc::RetryInfo>(ToGrpcStatus(failure)));
}

TEST(StatusConversion, ADelayOfAnyLengthCanBeWritten) {
  core::Failure failure = RateLimited();
  failure.retry_after = milliseconds::max();
  const auto retry = Find<google::rpc::RetryInfo>(ToGrpcStatus(failure));
  ASSERT_TRUE(retry);
  EXPECT_EQ(retry->retry_delay().seconds(), 315'576'000'000);
  EXPECT_EQ(RetryPushback(failure), "2147483647");
}

TEST(StatusConversion, UnavailableMayBeRepeatedAfterASecond) {
  const core::Failure failure =
      core::MakeServiceFailure(core::StatusCode::kUnavailable, core::ErrorReason::kShuttingDown, "shutting down");
  EXPECT_EQ(RetryPushback(failure), "1000");
  const auto retry = Find<google::rpc::RetryInfo>(ToGrpcStatus(failure));
  ASSERT_TRUE(retry);
  EXPECT_EQ(retry->retry_delay().seconds(), 1);
}

TEST(StatusConversion, NoClientIsToldToRepeatWhatMayHaveBeenExecuted) {
  core::Failure failure = RateLimited();
  failure.delivery = core::Delivery::kUnknown;
  EXPECT_EQ(RetryPushback(failure), "-1");
  EXPECT_TRUE(Find<google::rpc::RetryInfo>(ToGrpcStatus(failure))) << "a rate limit always says when it ends";
  failure.code = core::StatusCode::kUnknown;
  failure.reason = core::ErrorReason::kOutcomeUnknown;
  EXPECT_EQ(RetryPushback(failure), "-1");
  EXPECT_FALSE(Find<google::rpc::RetryInfo>(ToGrpcStatus(failure)));
}

TEST(StatusConversion, ARequestIdThatIsNoUuidIsBounded) {
  core::Failure failure = RateLimited();
  failure.request_id = std::string(100'000, 'r');
  const grpc::Status status = ToGrpcStatus(failure);
  EXPECT_LE(status.error_details().size(), kMaxStatusDetailsBytes);
  EXPECT_THAT(Find<google::rpc::ErrorInfo>(status)->metadata().at("request_id"), StartsWith("rrr"));
}

// Failures of every size and of any bytes, the same ones in each run.
class RandomFailures {
 public:
  core::Failure Next() {
    core::Failure failure;
    failure.code = static_cast<core::StatusCode>(Below(17));
    failure.reason = static_cast<core::ErrorReason>(Below(27));
    failure.message = Text();
    failure.origin = static_cast<core::Origin>(Below(3));
    failure.delivery = static_cast<core::Delivery>(Below(3));
    if (Below(4) != 0) failure.request_id = "8d5b5f2e-66a4-4a7a-9a2b-6a2b0f5b7a11";
    failure.attempts = static_cast<std::uint32_t>(random_());
    if (Below(2) != 0) failure.http_status = static_cast<int>(Below(1000));
    if (Below(2) != 0) failure.retry_after = milliseconds(static_cast<std::int64_t>(random_()));
    if (Below(2) != 0) failure.missing_user = Text();
    for (std::size_t i = Count(); i > 0; --i) failure.field_violations.push_back({Text(), Text()});
    for (std::size_t i = Count(); i > 0; --i) failure.quota_violations.push_back({Text(), Text()});
    for (std::size_t i = Count(); i > 0; --i) failure.precondition_violations.push_back({Text(), Text(), Text()});
    for (std::size_t i = Count(); i > 0; --i) failure.metadata[Text()] = Text();
    return failure;
  }

 private:
  std::size_t Below(std::size_t end) { return static_cast<std::size_t>(random_() % end); }

  std::size_t Count() {
    constexpr std::size_t kCounts[] = {0, 0, 0, 1, 2, 5, 40, 300};
    return Below(kCounts[Below(std::size(kCounts))] + 1);
  }

  std::string Text() {
    constexpr std::size_t kSizes[] = {0, 10, 100, 1000, 3000};
    constexpr std::string_view kPieces[] = {"a", "Z", " ", "%", "\n", "é", "…", "😀", "\xFF", "\xC3", "\xED\xA0\x80"};
    const std::size_t known = Below(8) == 0 ? std::size(kPieces) : 8;  // mostly valid UTF-8
    std::string text;
    for (std::size_t i = Below(kSizes[Below(std::size(kSizes))] + 1); i > 0; --i) text += kPieces[Below(known)];
    return text;
  }

  std::mt19937_64 random_{20240901};
};

template <typename Text>
void ExpectUtf8(const Text& text) {
  EXPECT_TRUE(IsUtf8(text));
}

TEST(StatusConversion, KeepsItsPromisesForAnyFailure) {
  RandomFailures failures;
  int cut = 0;
  for (int i = 0; i < 500; ++i) {
    SCOPED_TRACE(i);
    const core::Failure failure = failures.Next();
    const grpc::Status status = ToGrpcStatus(failure);

    ASSERT_LE(status.error_details().size(), kMaxStatusDetailsBytes);
    ASSERT_LE(status.error_message().size(), kMaxStatusMessageBytes);
    ASSERT_LE(PercentEncodedSize(status.error_message()), kMaxEncodedMessageBytes);
    ASSERT_TRUE(IsUtf8(status.error_message()));
    ASSERT_EQ(static_cast<int>(status.error_code()), static_cast<int>(failure.code));
    ASSERT_EQ(DetailsOf(status).code(), static_cast<int>(failure.code));
    ASSERT_EQ(DetailsOf(status).message(), status.error_message());
    if (status.error_message().ends_with(kCutMark)) ++cut;

    const auto info = Find<google::rpc::ErrorInfo>(status);
    ASSERT_TRUE(info);
    EXPECT_EQ(info->reason(), core::ToString(failure.reason));
    EXPECT_EQ(info->domain(), kErrorDomain);
    EXPECT_EQ(info->metadata().at("request_id"), failure.request_id);
    EXPECT_EQ(info->metadata().at("attempts"), std::to_string(failure.attempts));
    EXPECT_EQ(info->metadata().at("delivery"), core::ToString(failure.delivery));
    EXPECT_EQ(info->metadata().at("origin"), core::ToString(failure.origin));
    ASSERT_EQ(info->metadata().contains("http_status"), failure.http_status.has_value());
    if (failure.http_status) EXPECT_EQ(info->metadata().at("http_status"), std::to_string(*failure.http_status));
    for (const auto& [key, value] : info->metadata()) {
      ExpectUtf8(key);
      ExpectUtf8(value);
    }

    const auto bad_request = Find<google::rpc::BadRequest>(status);
    ASSERT_EQ(bad_request.has_value(), !failure.field_violations.empty());
    if (bad_request) {
      for (const auto& violation : bad_request->field_violations()) {
        ExpectUtf8(violation.field());
        ExpectUtf8(violation.description());
      }
    }
    EXPECT_EQ(Find<google::rpc::QuotaFailure>(status).has_value(), !failure.quota_violations.empty());
    EXPECT_EQ(Find<google::rpc::PreconditionFailure>(status).has_value(), !failure.precondition_violations.empty());
    EXPECT_EQ(Find<google::rpc::ResourceInfo>(status).has_value(), failure.missing_user.has_value());
    EXPECT_TRUE(Find<google::rpc::Help>(status));
    if (failure.delivery == core::Delivery::kUnknown) EXPECT_EQ(RetryPushback(failure), "-1");
  }
  EXPECT_GT(cut, 50) << "the generator makes failures that are too large";
}

}  // namespace
}  // namespace ticketing::rpc
