#include "tests/sandbox/delete_query.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <set>

#include "tests/sandbox/percent_encoding.h"

namespace ticketing::sandbox {
namespace {

constexpr std::size_t kMaxStreamBytes = std::size_t{1} << 30;
constexpr std::string_view kNotTwice = "is given more than once";

// `a[b][]` is the name "a" and the brackets "b" and "".
struct Key {
  std::string name;
  std::vector<std::string> brackets;
};

std::optional<Key> ParseKey(std::string_view text) {
  Key key;
  const std::size_t name_end = std::min(text.find_first_of("[]"), text.size());
  key.name = text.substr(0, name_end);
  text.remove_prefix(name_end);
  while (!text.empty()) {
    const std::size_t end = text.find(']');
    if (text[0] != '[' || end == std::string_view::npos) return std::nullopt;
    const std::string_view inside = text.substr(1, end - 1);
    if (inside.find('[') != std::string_view::npos) return std::nullopt;
    key.brackets.emplace_back(inside);
    text.remove_prefix(end + 1);
  }
  if (key.name.empty()) return std::nullopt;
  return key;
}

std::vector<std::string_view> SplitPairs(std::string_view query) {
  std::vector<std::string_view> pairs;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    if (end > 0) pairs.push_back(query.substr(0, end));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return pairs;
}

bool IsListBracket(std::string_view bracket) {
  return bracket.find_first_not_of("0123456789") == std::string_view::npos;
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::string_view("0123456789abcdefABCDEF").find(text[i]) == std::string_view::npos) {
      return false;
    }
  }
  return true;
}

std::optional<ResponseFormat> ParseFormat(std::string_view text) {
  constexpr auto kFormats =
      std::to_array<std::pair<std::string_view, ResponseFormat>>({{"unified", ResponseFormat::kUnified},
                                                                  {"raw", ResponseFormat::kRaw},
                                                                  {"normalized", ResponseFormat::kNormalized},
                                                                  {"stream", ResponseFormat::kStream},
                                                                  {"debug", ResponseFormat::kDebug}});
  for (const auto& [name, format] : kFormats) {
    if (name == text) return format;
  }
  return std::nullopt;
}

class QueryReader {
 public:
  void Read(std::string_view pair) {
    const std::size_t sign = std::min(pair.find('='), pair.size());
    const std::optional<std::string> key = PercentDecode(pair.substr(0, sign), true);
    const std::optional<std::string> value = PercentDecode(pair.substr(std::min(sign + 1, pair.size())), true);
    field_ = key.value_or(std::string(pair.substr(0, sign)));
    const std::string_view fault = key && value ? Take(*value) : "is not percent-encoded UTF-8";
    if (!fault.empty()) result_.faults.push_back({field_, std::string(fault)});
  }

  ParsedQuery TakeResult() { return std::move(result_); }

 private:
  // Each of these tells what is wrong; empty when nothing is.

  std::string_view Take(const std::string& value) {
    const std::optional<Key> key = ParseKey(field_);
    if (!key) return "has malformed brackets";
    if (key->name == "collections") return TakeCollection(key->brackets, value);
    if (key->name == "organization") return TakeOrganization(key->brackets, value);
    if (key->name == "truto_exclude_fields") return TakeExcludedField(key->brackets, value);
    if (key->name == "remote_query") return TakeRemoteQuery(key->brackets, value);
    if (key->name != "integrated_account_id" && key->name != "truto_response_format" &&
        key->name != "truto_ignore_remote_data" && key->name != "truto_skip_api_call") {
      return "is not a parameter of this endpoint";
    }
    if (!key->brackets.empty()) return "takes no brackets";
    return TakeScalar(value);
  }

  std::string_view TakeScalar(const std::string& value) {
    DeleteParameters& parameters = result_.parameters;
    if (IsRepeated()) return kNotTwice;
    if (field_ == "integrated_account_id") {
      if (!IsUuid(value)) return "must be a uuid";
      parameters.integrated_account_id = value;
      return {};
    }
    if (field_ == "truto_response_format") {
      const std::optional<ResponseFormat> format = ParseFormat(value);
      if (!format) return "must be unified, raw, normalized, stream or debug";
      parameters.response_format = *format;
      return {};
    }
    if (value != "true" && value != "false") return "must be true or false";
    bool& flag = field_ == "truto_skip_api_call" ? parameters.skip_api_call : parameters.ignore_remote_data;
    flag = value == "true";
    return {};
  }

  std::string_view TakeCollection(const std::vector<std::string>& brackets, const std::string& value) {
    if (brackets.size() != 2 || !IsListBracket(brackets[0]) || brackets[1] != "id" || value.empty()) {
      return "must be a list of objects, each with an id and nothing else";
    }
    if (!brackets[0].empty() && IsRepeated()) return kNotTwice;
    result_.parameters.collections.push_back(value);
    return {};
  }

  std::string_view TakeOrganization(const std::vector<std::string>& brackets, const std::string& value) {
    if (brackets != std::vector<std::string>{"id"} || value.empty()) {
      return "must be an object with an id and nothing else";
    }
    if (IsRepeated()) return kNotTwice;
    result_.parameters.organization = value;
    return {};
  }

  std::string_view TakeExcludedField(const std::vector<std::string>& brackets, const std::string& value) {
    if (brackets.size() != 1 || !IsListBracket(brackets[0]) || value.empty()) {
      return "must be a list of the names of fields";
    }
    if (!brackets[0].empty() && IsRepeated()) return kNotTwice;
    result_.parameters.exclude_fields.push_back(value);
    return {};
  }

  std::string_view TakeRemoteQuery(const std::vector<std::string>& brackets, const std::string& value) {
    if (brackets.empty() || brackets[0].empty()) return "must be an object";
    std::string provider_key = brackets[0];
    for (std::size_t i = 1; i < brackets.size(); ++i) provider_key += "[" + brackets[i] + "]";
    if (provider_key == "sandbox_stream_bytes") {
      const char* end = std::to_address(value.end());
      std::size_t& bytes = result_.parameters.stream_bytes;
      const auto parsed = std::from_chars(value.data(), end, bytes);
      if (parsed.ec != std::errc() || parsed.ptr != end || bytes > kMaxStreamBytes) {
        return "must be a number of bytes, at most 1 GiB";
      }
    }
    result_.parameters.remote_query.emplace_back(std::move(provider_key), value);
    return {};
  }

  bool IsRepeated() { return !seen_.insert(field_).second; }

  ParsedQuery result_;
  std::string field_;  // the key that is being read, decoded
  std::set<std::string> seen_;
};

}  // namespace

ParsedQuery ParseDeleteQuery(std::string_view query) {
  QueryReader reader;
  for (const std::string_view pair : SplitPairs(query)) reader.Read(pair);
  return reader.TakeResult();
}

std::vector<std::string> DescribeQuery(std::string_view query) {
  std::vector<std::string> parameters;
  for (const std::string_view pair : SplitPairs(query)) {
    parameters.push_back(PercentDecode(pair, true).value_or(std::string(pair)));
  }
  return parameters;
}

}  // namespace ticketing::sandbox
