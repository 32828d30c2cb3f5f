// Messages as JSON.
#pragma once

#include <google/protobuf/message.h>

#include <optional>
#include <string>

namespace ticketing::cli {

// Protobuf's JSON in one line, with the names of the .proto file. Nothing when the message can't be JSON (a timestamp
// out of range, NaN in a Value, an Any of unknown type).
std::optional<std::string> MessageJson(const google::protobuf::Message& message);

// The same for people: keys sorted, and a note in place of what can't be JSON.
std::string ReadableJson(const google::protobuf::Message& message);

}  // namespace ticketing::cli
