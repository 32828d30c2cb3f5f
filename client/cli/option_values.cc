#include "cli/option_values.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/read_file.h"

namespace ticketing::cli {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr double kMaxExactInteger = 9007199254740991;  // 2^53 - 1: no other integer becomes the same double

// The unit's length in milliseconds; 0 for what is no unit.
std::int64_t UnitMilliseconds(std::string_view unit) {
  if (unit == "ms") return 1;
  if (unit == "s") return 1000;
  if (unit == "m") return 60'000;
  if (unit == "h") return 3'600'000;
  return 0;
}

// False where a number is not exact.
bool Convert(const json& from, Value& to) {  // NOLINT(misc-no-recursion): at most 16 levels
  switch (from.type()) {
    case json::value_t::object: {
      auto& fields = *to.mutable_struct_value()->mutable_fields();
      for (const auto& [key, value] : from.items()) {
        if (!Convert(value, fields[key])) return false;
      }
      return true;
    }
    case json::value_t::array:
      to.mutable_list_value();
      for (const json& value : from) {
        if (!Convert(value, *to.mutable_list_value()->add_values())) return false;
      }
      return true;
    case json::value_t::string: to.set_string_value(from.get<std::string>()); return true;
    case json::value_t::boolean: to.set_bool_value(from.get<bool>()); return true;
    case json::value_t::null: to.set_null_value(google::protobuf::NULL_VALUE); return true;
    default: to.set_number_value(from.get<double>()); return std::abs(to.number_value()) <= kMaxExactInteger;
  }
}

bool Matches(const std::string& text, const char* pattern) {
  return std::regex_match(text, std::regex(pattern));
}

}  // namespace

const std::map<std::string, v1::TrutoResponseFormat>& ResponseFormats() {
  static const std::map<std::string, v1::TrutoResponseFormat> kFormats = {
      {"unified", v1::TRUTO_RESPONSE_FORMAT_UNIFIED},
      {"raw", v1::TRUTO_RESPONSE_FORMAT_RAW},
      {"normalized", v1::TRUTO_RESPONSE_FORMAT_NORMALIZED},
      {"stream", v1::TRUTO_RESPONSE_FORMAT_STREAM},
      {"debug", v1::TRUTO_RESPONSE_FORMAT_DEBUG}};
  return kFormats;
}

std::string CheckFormat(const std::string& text) {
  return ResponseFormats().contains(text) ? "" : "'" + text + "' is none of unified, raw, normalized, stream and debug";
}

std::string CheckBoolean(const std::string& text) {
  return text == "true" || text == "false" ? "" : "'" + text + "' is neither true nor false";
}

std::optional<int> ParseConcurrency(const std::string& text) {
  int number = 0;
  const char* const end = std::to_address(text.end());
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || number < 1 || number > 100) return std::nullopt;
  return number;
}

std::string CheckConcurrency(const std::string& text) {
  return ParseConcurrency(text) ? "" : "'" + text + "' is no number from 1 to 100";
}

bool IsUuid(std::string_view text) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  constexpr std::string_view kHexDigits = "0123456789abcdefABCDEF";
  return std::ranges::equal(text, kForm, [&](char c, char form) {
    return form == 'x' ? kHexDigits.find(c) != std::string_view::npos : c == form;
  });
}

std::string CheckUuid(const std::string& text) {
  return IsUuid(text) ? "" : "must be a UUID such as 62f44730-dd91-461e-bd6a-aedd9e0ad79d";
}

std::optional<milliseconds> ParseDuration(const std::string& text) {
  std::int64_t number = 0;
  const char* const end = std::to_address(text.end());
  const auto [unit, error] = std::from_chars(text.data(), end, number);
  const std::int64_t unit_milliseconds = UnitMilliseconds({unit, end});
  constexpr std::int64_t kLongest = milliseconds(std::chrono::hours(1)).count();
  if (error != std::errc() || unit_milliseconds == 0 || number < 1 || number > kLongest / unit_milliseconds) {
    return std::nullopt;
  }
  return milliseconds(number * unit_milliseconds);
}

std::string CheckDuration(const std::string& text) {
  return ParseDuration(text) ? "" : "'" + text + "' is no duration from 1ms to 1h such as 250ms, 5s, 2m or 1h";
}

std::optional<HostAndPort> ParseServer(const std::string& text) {
  std::smatch match;
  static const std::regex kForm(R"((?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5}))");
  if (!std::regex_match(text, match, kForm)) return std::nullopt;
  HostAndPort server{.host = match[1].matched ? match[1] : match[2], .port = match[3]};
  const int port = std::stoi(server.port);
  if (port < 1 || port > 65535) return std::nullopt;
  return server;
}

std::string CheckServer(const std::string& text) {
  return ParseServer(text) ? "" : "'" + text + "' is not of the form HOST:PORT, such as localhost:50051 or [::1]:50051";
}

bool IsLoopback(const std::string& host) {
  if (host == "localhost") return true;
  in_addr v4{};
  in6_addr v6{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24U) == 127;
  return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::variant<Struct, std::string> ParseJsonObject(const std::string& text, int max_levels) {
  std::optional<std::string> duplicate_key;
  bool too_deep = false;
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start: keys.emplace_back(); [[fallthrough]];
      case json::parse_event_t::array_start: too_deep = too_deep || depth >= max_levels; break;
      case json::parse_event_t::key:
        if (!keys.back().insert(parsed.get<std::string>()).second) {
          duplicate_key = parsed.get<std::string>();
        }
        break;
      case json::parse_event_t::object_end: keys.pop_back(); break;
      default: break;
    }
    return !too_deep;
  };

  json parsed;
  try {
    parsed = json::parse(text, watch);
  } catch (const json::parse_error& error) {
    return "is not JSON: see its byte " + std::to_string(error.byte);
  } catch (const json::exception&) {
    return "is not JSON";
  }
  if (too_deep) return "is nested more than " + std::to_string(max_levels) + " levels deep";
  if (duplicate_key) return "has the key '" + *duplicate_key + "' twice in one object";
  Value value;
  if (!parsed.is_object()) return "is JSON, but no object";
  if (!Convert(parsed, value)) return "has a number beyond 2^53 - 1, which would arrive changed; write it as a string";
  return std::move(*value.mutable_struct_value());
}

std::variant<Struct, std::string> ParseRemoteQuery(const std::string& text) {
  if (!text.starts_with('@')) return ParseJsonObject(text);
  const auto content = ReadFile(text.substr(1));
  if (!content) return "the file '" + text.substr(1) + "' can't be read, or is empty";
  return ParseJsonObject(*content);
}

std::string CheckRemoteQuery(const std::string& text) {
  const auto parsed = ParseRemoteQuery(text);
  const auto* const error = std::get_if<std::string>(&parsed);
  return error == nullptr ? "" : *error;
}

std::string CheckCorrelationId(const std::string& text) {
  return Matches(text, "[!-~]{1,128}") ? "" : "must be 1 to 128 visible characters of ASCII";
}

std::string CheckTraceparent(const std::string& text) {
  return Matches(text, "(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
             ? ""
             : "must be of the form 00-TRACE-PARENT-FLAGS with 32, 16 and 2 digits in lower-case hexadecimal";
}

std::string CheckNotEmpty(const std::string& text) {
  return text.empty() ? "must not be empty" : "";
}

}  // namespace ticketing::cli
