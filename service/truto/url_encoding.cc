#include "truto/url_encoding.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <vector>

namespace ticketing::truto {
namespace {

using google::protobuf::ListValue;
using google::protobuf::Struct;
using google::protobuf::Value;
using Fields = google::protobuf::Map<std::string, Value>;

// What encodeURIComponent leaves as it is (ECMA-262, 19.2.6).
constexpr std::array<bool, 256> kUnescaped = [] {
  constexpr std::string_view kCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()";
  std::array<bool, 256> unescaped{};
  for (const char c : kCharacters) unescaped.at(static_cast<unsigned char>(c)) = true;
  return unescaped;
}();

void AppendEncoded(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (kUnescaped[byte]) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4U];
      out += kHex[byte & 0xFU];
    }
  }
}

// Descends into a JSON value with one key that grows and shrinks on the way.
class JsonPairs {
 public:
  JsonPairs(QueryBuilder& query, std::string_view key) : query_(query), key_(key) {}

  void Add(const Value& value) {
    switch (value.kind_case()) {
      case Value::kNullValue: query_.Add(key_, ""); break;
      case Value::kBoolValue: query_.Add(key_, value.bool_value() ? "true" : "false"); break;
      case Value::kNumberValue: query_.Add(key_, FormatNumber(value.number_value())); break;
      case Value::kStringValue: query_.Add(key_, value.string_value()); break;
      case Value::kStructValue: Add(value.struct_value()); break;
      case Value::kListValue: Add(value.list_value()); break;
      case Value::KIND_NOT_SET: break;
    }
  }

  void Add(const Struct& object) {
    // A protobuf map has another order in every process; the same request is the same URL.
    std::vector<const Fields::value_type*> members;
    members.reserve(object.fields().size());
    for (const auto& member : object.fields()) members.push_back(&member);
    std::ranges::sort(members, {}, [](const auto* member) -> const std::string& { return member->first; });
    const std::size_t length = key_.size();
    for (const auto* member : members) {
      key_.append("[").append(member->first).append("]");
      Add(member->second);
      key_.resize(length);
    }
  }

 private:
  void Add(const ListValue& list) {
    const std::size_t length = key_.size();
    for (int i = 0; i < list.values_size(); ++i) {
      key_ += query_.ElementKey("", i);
      Add(list.values(i));
      key_.resize(length);
    }
  }

  QueryBuilder& query_;
  std::string key_;
};

}  // namespace

std::string PercentEncode(std::string_view text) {
  std::string encoded;
  encoded.reserve(text.size());
  AppendEncoded(encoded, text);
  return encoded;
}

// Number::toString (ECMA-262, 6.1.6.1.20).
std::string FormatNumber(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
  if (number == 0) return "0";

  // The fewest digits that read back as the same number: "d.ddde+xx" or "de+xx".
  std::array<char, 32> buffer;  // NOLINT(*-member-init): written before it is read
  const auto written =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(number), std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(written.ptr - buffer.data()));
  const std::size_t mark = text.find('e');
  std::string digits(text.substr(0, mark));
  if (digits.size() > 1) digits.erase(1, 1);
  int exponent = 0;
  std::from_chars(text.data() + mark + 2, written.ptr, exponent);
  if (text[mark + 1] == '-') exponent = -exponent;

  const int count = static_cast<int>(digits.size());
  const int before_point = exponent + 1;  // how many digits stand before the point
  if (before_point > 21 || before_point <= -6) {
    if (count > 1) digits.insert(1, ".");
    digits.append(exponent < 0 ? "e-" : "e+").append(std::to_string(std::abs(exponent)));
  } else if (before_point <= 0) {
    digits.insert(0, "0." + std::string(static_cast<std::size_t>(-before_point), '0'));
  } else if (before_point < count) {
    digits.insert(static_cast<std::size_t>(before_point), ".");
  } else {
    digits.append(static_cast<std::size_t>(before_point - count), '0');
  }
  if (number < 0) digits.insert(0, "-");
  return digits;
}

void QueryBuilder::Add(std::string_view key, std::string_view value) {
  url_ += first_ ? '?' : '&';
  first_ = false;
  AppendEncoded(url_, key);
  url_ += '=';
  AppendEncoded(url_, value);
}

void QueryBuilder::AddJson(std::string_view key, const Value& value) {
  JsonPairs(*this, key).Add(value);
}

void QueryBuilder::AddJson(std::string_view key, const Struct& object) {
  JsonPairs(*this, key).Add(object);
}

std::string QueryBuilder::ElementKey(std::string_view key, int index) const {
  std::string element(key);
  element += '[';
  if (arrays_ == QueryArrays::kIndices) element += std::to_string(index);
  element += ']';
  return element;
}

}  // namespace ticketing::truto
