// Any failure becomes a status that a client gets whole: bounded, valid UTF-8, the code unchanged.
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>

#include <chrono>
#include <string>

#include "rpc/status_conversion.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ticketing;  // NOLINT(google-build-using-namespace)
  using fuzz::Require;
  fuzz::Input input(data, size);
  core::Failure failure;
  failure.code = static_cast<core::StatusCode>(1 + input.TakeByte() % 16);
  failure.reason = static_cast<core::ErrorReason>(1 + input.TakeByte() % 26);
  failure.delivery = static_cast<core::Delivery>(input.TakeByte() % 3);
  failure.origin = static_cast<core::Origin>(input.TakeByte() % 3);
  const std::uint8_t parts = input.TakeByte();
  const unsigned repeat = 1U << (input.TakeByte() % 12U);  // long texts from short inputs
  const auto text = [&] {
    const std::string line = input.TakeLine();
    std::string all;
    for (unsigned i = 0; i < repeat && all.size() < 64U * 1024U; ++i) all += line;
    return all;
  };
  failure.message = text();
  failure.request_id = input.TakeLine();
  if ((parts & 1U) != 0) failure.retry_after = std::chrono::milliseconds(input.TakeByte() * 1000);
  if ((parts & 2U) != 0) failure.missing_user = text();
  if ((parts & 4U) != 0) {
    for (unsigned i = 0; i < repeat % 200; ++i) failure.field_violations.push_back({input.TakeLine(), text()});
  }
  if ((parts & 8U) != 0) failure.quota_violations.push_back({text(), text()});
  if ((parts & 16U) != 0) failure.precondition_violations.push_back({text(), text(), text()});
  if ((parts & 32U) != 0) failure.metadata["missing_scopes"] = text();
  failure.metadata["hints"] = input.TakeRest();

  const grpc::Status status = rpc::ToGrpcStatus(failure);
  Require(static_cast<int>(status.error_code()) == static_cast<int>(failure.code), "the code stays");
  Require(status.error_details().size() <= rpc::kMaxStatusDetailsBytes, "details are at most 3 KiB");
  Require(status.error_message().size() <= rpc::kMaxStatusMessageBytes, "a message is at most 1 KiB");
  google::rpc::Status details;
  Require(details.ParseFromString(status.error_details()), "details can be read, and are UTF-8");
  google::rpc::ErrorInfo info;
  bool found = false;
  for (const auto& detail : details.details()) found = found || detail.UnpackTo(&info);
  Require(found && info.reason() == core::ToString(failure.reason), "the reason is there");
  Require(info.metadata().at("delivery") == core::ToString(failure.delivery), "the delivery is there");
  const std::string pushback = rpc::RetryPushback(failure);
  Require(failure.delivery != core::Delivery::kUnknown || pushback == "-1", "what may be done is not repeated");
  return 0;
}
