// The query parameters of the endpoint, checked as strictly as its page describes them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/sandbox/envelope.h"

namespace ticketing::sandbox {

enum class ResponseFormat { kUnified, kRaw, kNormalized, kStream, kDebug };

// The parameters under their own names (reference: the endpoint's page).
struct DeleteParameters {
  std::optional<std::string> integrated_account_id;
  std::vector<std::string> collections;     // their ids
  std::optional<std::string> organization;  // its id
  ResponseFormat response_format = ResponseFormat::kUnified;
  bool ignore_remote_data = false;
  bool skip_api_call = false;
  std::vector<std::string> exclude_fields;
  // As the provider gets them: remote_query[a][b]=c is {"a[b]", "c"}.
  std::vector<std::pair<std::string, std::string>> remote_query;
  // `remote_query[sandbox_stream_bytes]`: how long the answer in the format `stream` is.
  std::size_t stream_bytes = std::size_t{64} * 1024;
};

struct ParsedQuery {
  DeleteParameters parameters;
  std::vector<Fault> faults;  // in the order of the query; `field` is the key as it reads, decoded
};

// Reads what stands after the '?'. Keys may be encoded or not, lists have empty brackets or indices. Faults are:
// malformed percent-encoding or brackets, unknown parameters, repeated ones, values of another type than documented.
// Which parameters must be there is not decided here: it depends on the token and the account.
ParsedQuery ParseDeleteQuery(std::string_view query);

// The query for people: "key=value", decoded where that is possible.
std::vector<std::string> DescribeQuery(std::string_view query);

}  // namespace ticketing::sandbox
