#include "cli/list_result.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace ticketing::cli {
namespace {

constexpr std::array<std::pair<LineOutcome, std::string_view>, 5> kNames = {{
    {LineOutcome::kDeleted, "deleted"},
    {LineOutcome::kAlreadyAbsent, "already_absent"},
    {LineOutcome::kValid, "valid"},
    {LineOutcome::kFailed, "failed"},
    {LineOutcome::kUnknown, "unknown"},
}};

}  // namespace

std::string FormatResult(const LineResult& result) {
  using nlohmann::ordered_json;
  const auto* const name = std::ranges::find(kNames, result.outcome, &decltype(kNames)::value_type::first);
  ordered_json json{{"line", result.line},
                    {"id", result.id},
                    {"integrated_account_id", result.account},
                    {"request_id", result.request_id},
                    {"outcome", name->second}};
  const auto add = [&](const char* key, const std::string& text) {
    if (!text.empty()) json[key] = text;
  };
  add("code", result.code);
  add("reason", result.reason);
  add("delivery", result.delivery);
  add("message", result.message);
  return json.dump(-1, ' ', /*ensure_ascii=*/false, ordered_json::error_handler_t::replace);
}

std::optional<LineResult> ParseResult(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    const auto* const name =
        std::ranges::find(kNames, json.at("outcome").get<std::string>(), &decltype(kNames)::value_type::second);
    if (name == kNames.end()) return std::nullopt;
    return LineResult{.line = json.at("line").get<std::size_t>(),
                      .id = json.at("id").get<std::string>(),
                      .account = json.at("integrated_account_id").get<std::string>(),
                      .request_id = json.at("request_id").get<std::string>(),
                      .outcome = name->first,
                      .code = json.value("code", ""),
                      .reason = json.value("reason", ""),
                      .delivery = json.value("delivery", ""),
                      .message = json.value("message", "")};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace ticketing::cli
