// The forms of option values, one rule each.
//
// A Check function returns what is wrong with a value, or an empty text. Pure but for the file of a remote query.
#pragma once

#include <google/protobuf/struct.pb.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "ticketing/v1/ticketing_user_service.pb.h"

namespace ticketing::cli {

// `unified`, `raw`, ...: the formats of an answer by the names that the endpoint has for them.
const std::map<std::string, ticketing::v1::TrutoResponseFormat>& ResponseFormats();
std::string CheckFormat(const std::string& text);

// `true` or `false`.
std::string CheckBoolean(const std::string& text);

// How many calls may be under way at a time: 1 to 100.
std::optional<int> ParseConcurrency(const std::string& text);
std::string CheckConcurrency(const std::string& text);

bool IsUuid(std::string_view text);
std::string CheckUuid(const std::string& text);

// A number with a unit as in `250ms`, `5s`, `2m`, `1h`; 1 ms to 1 h, the longest that the service grants. Nothing for
// any other text.
std::optional<std::chrono::milliseconds> ParseDuration(const std::string& text);
std::string CheckDuration(const std::string& text);

// A host name, an IPv4 address or an IPv6 address in brackets, and a port.
struct HostAndPort {
  std::string host;  // without brackets
  std::string port;
};
std::optional<HostAndPort> ParseServer(const std::string& text);
std::string CheckServer(const std::string& text);

// Whether packets to `host` stay on this machine: `localhost`, 127.0.0.0/8 and ::1.
bool IsLoopback(const std::string& host);

// The most levels that a remote query may have; the service's limit.
inline constexpr int kRemoteQueryLevels = 16;

// A JSON object. The error is what is wrong: no JSON, no object, and whatever a Struct would change silently: a key
// that stands twice, a number beyond 2^53 - 1, nesting beyond `max_levels`.
std::variant<google::protobuf::Struct, std::string> ParseJsonObject(const std::string& text,
                                                                    int max_levels = kRemoteQueryLevels);

// The same, or `@FILE` for a file that holds one.
std::variant<google::protobuf::Struct, std::string> ParseRemoteQuery(const std::string& text);
std::string CheckRemoteQuery(const std::string& text);

// At most 128 characters of visible ASCII, else the service would ignore it.
std::string CheckCorrelationId(const std::string& text);

// `00-TRACE-PARENT-FLAGS` (https://www.w3.org/TR/trace-context/#traceparent-header); the service would ignore any other
// form.
std::string CheckTraceparent(const std::string& text);

// For options whose empty value would mean something else than what the caller had in mind (`--account "$UNSET"`).
std::string CheckNotEmpty(const std::string& text);

}  // namespace ticketing::cli
