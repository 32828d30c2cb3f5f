#include "cli/json_text.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

namespace ticketing::cli {

std::optional<std::string> MessageJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return std::nullopt;
  return text;
}

std::string ReadableJson(const google::protobuf::Message& message) {
  std::string note = "(can't be shown as JSON)";
  const auto text = MessageJson(message);
  if (!text) return note;
  // Protobuf writes maps in an order that changes from run to run; nlohmann sorts keys.
  const auto parsed = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  return parsed.is_discarded() ? note : parsed.dump();
}

}  // namespace ticketing::cli
