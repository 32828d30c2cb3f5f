// Truto's error envelope (reference: Truto's page on errors and its operators' guide).
#pragma once

#include <string>
#include <vector>

#include "tests/sandbox/message.h"

namespace ticketing::sandbox {

// One entry of `details.failures`, whose form Truto does not document: here an object of both.
struct Fault {
  std::string field;
  std::string message;
  bool operator==(const Fault&) const = default;
};

// An error of Truto's own: {"statusCode", "error", "message"} and the members of `extra`.
Answer TrutoError(int status, const std::string& message, const Json& extra = Json::object());

// 400 or 422, with one entry of `details.failures` for each fault.
Answer RefusedRequest(const std::vector<Fault>& faults, int status = 400);

// An error that the provider caused: the envelope with `truto_is_remote_error`, the provider's body (JSON or text) as
// `raw_response`, and the insights `remote_error` and `insights`.
Answer RemoteError(int status, const std::string& message, const Json& raw_response,
                   const Json& insights = Json::object());

// One insight: {"description", "value"}, or without a value where that is null.
Json Insight(const std::string& description, const Json& value = nullptr);

}  // namespace ticketing::sandbox
