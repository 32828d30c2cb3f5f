// Any bytes that are a request are checked without harm, and what passes can be sent.
#include <string>

#include "tests/fuzz/fuzz.h"
#include "truto/delete_user_request.h"
#include "truto/delete_user_validation.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ticketing;  // NOLINT(google-build-using-namespace)
  using fuzz::Require;
  v1::DeleteTicketingUserRequest request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return 0;
  const truto::Endpoint endpoint{.user_agent = "fuzz"};
  const auto violations = truto::ValidateDeleteUser(request, endpoint, /*account_required=*/true);
  for (const auto& violation : violations) {
    Require(!violation.field.empty() && !violation.description.empty(), "a violation names field and rule");
  }
  if (!violations.empty()) return 0;
  const core::HttpRequest http = truto::BuildDeleteUserRequest(request, endpoint, "token");
  Require(http.url.size() <= truto::kMaxUrlBytes, "a URL is at most 8 KiB");
  for (const char c : http.url) Require(c > ' ' && c < 0x7F, "a URL is visible ASCII");
  for (const auto& [name, value] : http.headers) {
    for (const char c : value) Require(c >= ' ' && c != 0x7F, "a header is one line");
  }
  Require(request.id() != "." && request.id() != ".." && !request.id().empty(), "the id is a segment");
  return 0;
}
