// A value or the reason why there is none.
#pragma once

#include <utility>
#include <variant>

namespace ticketing::core {

// Holds a `Value` or an `Error`, which are of different types. Errors are values here: nothing throws.
//
//   Result<Port, std::string> port = ParsePort(text);
//   if (!port.ok()) return port.error();
template <typename Value, typename Error>
class [[nodiscard]] Result {
 public:
  Result(Value value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }

  // Only when ok().
  Value& value() & { return *std::get_if<0>(&state_); }
  const Value& value() const& { return *std::get_if<0>(&state_); }
  Value&& value() && { return std::move(*std::get_if<0>(&state_)); }

  // Only when not ok().
  Error& error() & { return *std::get_if<1>(&state_); }
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<Value, Error> state_;
};

}  // namespace ticketing::core
