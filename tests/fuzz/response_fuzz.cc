// Any 2xx becomes a message that says DELETED, whatever its body, and is small enough for every client.
#include <string>

#include "tests/fuzz/fuzz.h"
#include "truto/delete_user_response.h"

namespace {

using ticketing::v1::DeleteTicketingUserResponse;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using ticketing::fuzz::Require;
  ticketing::fuzz::Input input(data, size);
  const std::uint8_t options = input.TakeByte();
  auto response = ticketing::fuzz::TakeResponse(input, 200);
  response.truncated = (options & 0x10U) != 0;
  const auto format = static_cast<ticketing::v1::TrutoResponseFormat>((options & 7U) % 6);
  const DeleteTicketingUserResponse answer = ticketing::truto::ParseDeleteUserResponse(
      response, {.format = format, .include_http_body = (options & 0x20U) != 0});

  Require(answer.outcome() == ticketing::v1::DELETE_OUTCOME_DELETED, "a 2xx is a delete");
  std::string bytes;
  Require(answer.SerializeToString(&bytes), "every string is UTF-8");
  Require(bytes.size() <= ticketing::truto::kMaxEncodedAnswerBytes, "an answer is at most 3 MiB");
  DeleteTicketingUserResponse again;
  Require(again.ParseFromString(bytes), "what is sent can be read");
  if ((options & 0x20U) != 0) {
    Require(answer.http_body().truncated() || answer.http_body().data() == response.body, "the exact bytes are there");
  }
  return 0;
}
