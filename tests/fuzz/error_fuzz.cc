// Whatever answer that is no 2xx becomes a failure that says no more than is known, and fits a status.
#include <chrono>
#include <string>

#include "rpc/status_conversion.h"
#include "tests/fuzz/fuzz.h"
#include "truto/error_mapping.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ticketing;  // NOLINT(google-build-using-namespace)
  using fuzz::Require;
  fuzz::Input input(data, size);
  const int status = 300 + (input.TakeByte() + 256 * input.TakeByte()) % 300;
  const core::HttpResponse response = fuzz::TakeResponse(input, status);
  const core::Failure failure = truto::MapHttpError(
      response, {.user_id = "42",
                 .integrated_account_id = "62f44730-dd91-461e-bd6a-aedd9e0ad79d",
                 .caller_token = false,
                 .now = std::chrono::system_clock::time_point{std::chrono::seconds{1'800'000'000}}});

  Require(failure.code != core::StatusCode::kOk, "a failure is no success");
  Require(failure.delivery != core::Delivery::kNotSent, "an answer proves that it was sent");
  Require(failure.code != core::StatusCode::kUnavailable || failure.delivery == core::Delivery::kRejected,
          "UNAVAILABLE only when nothing was executed");
  Require(failure.http_status == status, "the status is told");
  Require(!failure.retry_after ||
              (*failure.retry_after >= std::chrono::milliseconds{0} && *failure.retry_after <= std::chrono::hours{24}),
          "a delay is between nothing and a day");
  Require(failure.message.find('\n') == std::string::npos, "a message is one line");
  const grpc::Status converted = rpc::ToGrpcStatus(failure);
  Require(static_cast<int>(converted.error_code()) == static_cast<int>(failure.code), "the code stays");
  Require(converted.error_details().size() <= rpc::kMaxStatusDetailsBytes, "details are at most 3 KiB");
  Require(converted.error_message().size() <= rpc::kMaxStatusMessageBytes, "a message is at most 1 KiB");
  return 0;
}
