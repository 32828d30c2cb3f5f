// A tokenizer of our own instead of nlohmann's SAX parser. That one throws away what this project promises to keep: it
// refuses the whole text for one number like 1e400 (error 406), one lone surrogate or one byte that is not UTF-8 (101),
// hands integers over without their text, and can't tell where in the text it is, which the exact text of a deeply
// nested value needs. Working around it takes a scan of the text before it, so the scan may as well be the parser.
#include "truto/json_to_struct.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ranges>
#include <system_error>
#include <utility>

#include "core/ascii.h"

namespace ticketing::truto {
namespace {

using core::IsDigit;
using google::protobuf::ListValue;
using google::protobuf::Struct;
using google::protobuf::Value;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Building recurses once for each level; deeper text is only skipped, which does not.
constexpr int kMaxRecursion = 64;

// Number.MAX_SAFE_INTEGER + 1 of JavaScript: up to it every integer is a double of its own.
constexpr std::uint64_t kMaxExactInteger = std::uint64_t{1} << 53;

// No double has more significant digits than this.
constexpr std::size_t kMaxDoubleDigits = 767;

// What may stand in a string as it is and needs no look at its neighbours: ASCII but quote, backslash and controls.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t byte = 0x20; byte < 0x80; ++byte) plain.at(byte) = byte != '"' && byte != '\\';
  return plain;
}();

bool IsPlain(char c) {
  return kPlain[static_cast<unsigned char>(c)];
}

struct Utf8Step {
  std::size_t length;
  bool valid;
};

// The next character, or as much of it as there is (table 3-7 of the Unicode standard; what is not a character is taken
// by its "maximal subpart", as browsers do). `begin` < `end`.
Utf8Step NextUtf8(const char* begin, const char* end) {
  const auto lead = static_cast<unsigned char>(*begin);
  if (lead < 0x80) return {1, true};
  if (lead < 0xC2 || lead > 0xF4) return {1, false};
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (std::size_t i = 1; i < length; ++i) {
    if (begin + i == end) return {i, false};
    const auto byte = static_cast<unsigned char>(begin[i]);
    if (byte < low || byte > high) return {i, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true};
}

void AppendUtf8(unsigned code_point, std::string& out) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80U | ((code_point >> shift) & 0x3FU)); };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0U | (code_point >> 6));
    tail(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0U | (code_point >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | (code_point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

// The significant digits of a number's text: "-0.0120e5" -> "12".
std::string SignificantDigits(std::string_view number) {
  std::string digits;
  for (const char c : number) {
    if (c == 'e' || c == 'E') break;
    if (IsDigit(c) && (c != '0' || !digits.empty())) digits += c;
  }
  digits.erase(digits.find_last_not_of('0') + 1);
  return digits;
}

// Whether `number`, written with as many digits as `text` has, is `text` again: then a reader of the double has all
// that the writer of the text said. True of whatever was a double when it was written.
bool HoldsAllDigits(double number, std::string_view text) {
  constexpr std::size_t kAlwaysHeld = std::numeric_limits<double>::digits10;
  constexpr double kSmallestFull = std::numeric_limits<double>::min();  // below it a double has fewer digits
  const bool full = std::abs(number) >= kSmallestFull;
  if (full && text.size() <= kAlwaysHeld) return true;
  const std::string digits = SignificantDigits(text);
  if (digits.empty()) return true;
  if (full && digits.size() <= kAlwaysHeld) return true;
  if (digits.size() > kMaxDoubleDigits) return false;
  std::array<char, kMaxDoubleDigits + 16> buffer;  // NOLINT(*-member-init): written before it is read
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                                     std::chars_format::scientific, static_cast<int>(digits.size()) - 1);
  return written.ec == std::errc() &&
         SignificantDigits({buffer.data(), static_cast<std::size_t>(written.ptr - buffer.data())}) == digits;
}

// The double that stands for a number's text, if one does.
std::optional<double> ToDouble(std::string_view text, bool is_integer) {
  const char* const end = text.data() + text.size();
  if (is_integer) {
    const bool negative = text.front() == '-';
    std::uint64_t magnitude = 0;
    if (std::from_chars(text.data() + (negative ? 1 : 0), end, magnitude).ec != std::errc()) return std::nullopt;
    if (magnitude > kMaxExactInteger) return std::nullopt;
    const auto number = static_cast<double>(magnitude);
    return negative ? -number : number;
  }
  double number = 0;
  if (std::from_chars(text.data(), end, number).ec != std::errc()) return std::nullopt;
  if (!std::isfinite(number) || !HoldsAllDigits(number, text)) return std::nullopt;
  return number;
}

// The least that things take in protobuf's encoding: tags and lengths of one byte each.
constexpr std::size_t kValueBytes = 2;  // a Value in its list or map entry, itself empty
constexpr std::size_t kNumberBytes = 9;
constexpr std::size_t kFlagBytes = 2;  // also of a null
constexpr std::size_t kStringBytes = 2;
constexpr std::size_t kContainerBytes = 2;
constexpr std::size_t kMemberBytes = 4;  // a map entry with its key

}  // namespace

std::string ToValidUtf8(std::string_view text, bool* replaced) {
  std::string valid;
  valid.reserve(text.size());
  bool any = false;
  const char* const end = text.data() + text.size();
  for (const char* cursor = text.data(); cursor != end;) {
    const Utf8Step step = NextUtf8(cursor, end);
    step.valid ? valid.append(cursor, step.length) : valid.append(kReplacement);
    any |= !step.valid;
    cursor += step.length;
  }
  if (replaced != nullptr) *replaced = any;
  return valid;
}

std::string JsonPath::ToPointer(bool& cut) const {
  std::vector<const JsonPath*> links;
  for (const JsonPath* link = this; link->parent_ != nullptr; link = link->parent_) links.push_back(link);
  std::string pointer;
  cut = false;
  for (const JsonPath* link : std::ranges::reverse_view(links)) {
    const std::size_t fits = pointer.size();
    pointer += '/';
    if (link->index_.has_value()) {
      pointer += std::to_string(*link->index_);
    } else {
      // What is behind so much of a key doesn't fit anyway, and keys can be megabytes long.
      for (const char c : link->key_.substr(0, kMaxNotePathBytes)) {
        if (c == '~') {
          pointer += "~0";
        } else if (c == '/') {
          pointer += "~1";
        } else {
          pointer += c;
        }
      }
    }
    if (pointer.size() > kMaxNotePathBytes) {
      cut = true;
      pointer.resize(fits);
      break;
    }
  }
  return pointer;
}

void ConversionNotes::Add(const JsonPath& path, std::string_view reason) {
  exact_bytes_required_ |= reason == note_reason::kDuplicateKey || reason == note_reason::kInvalidUtf8 ||
                           reason == note_reason::kTooLarge || reason == note_reason::kUnknownField;
  if (notes_.size() == kMaxNotes) {
    more_ = true;
    exact_bytes_required_ = true;
    return;
  }
  bool cut = false;
  std::string pointer = path.ToPointer(cut);
  exact_bytes_required_ |= cut;
  if (!notes_.empty() && notes_.back().reason() == reason && notes_.back().path() == pointer) return;
  ticketing::v1::ConversionNote& note = notes_.emplace_back();
  note.set_path(std::move(pointer));
  note.set_reason(std::string(reason));
}

std::vector<ticketing::v1::ConversionNote> ConversionNotes::Take() && {
  if (more_) {
    notes_.back().clear_path();
    notes_.back().set_reason(std::string(note_reason::kMoreNotes));
  }
  return std::move(notes_);
}

void ConversionNotes::Rewind(const Mark& mark) {
  notes_.resize(mark.count);
  more_ = mark.more;
  exact_bytes_required_ = mark.exact_bytes_required;
}

JsonReader::JsonReader(std::string_view text, ConversionNotes& notes, std::size_t max_encoded_bytes)
    : cursor_(text.data()), end_(text.data() + text.size()), notes_(notes), max_encoded_bytes_(max_encoded_bytes) {
  if (text.starts_with(kByteOrderMark)) cursor_ += kByteOrderMark.size();
}

void JsonReader::SkipSpace() {
  while (cursor_ != end_ && (*cursor_ == ' ' || *cursor_ == '\n' || *cursor_ == '\r' || *cursor_ == '\t')) ++cursor_;
}

// At its end the text gives nothing more to anybody, so nobody else needs to ask for `failed_`.
bool JsonReader::Fail() {
  failed_ = true;
  cursor_ = end_;
  return false;
}

void JsonReader::Rewind(const Mark& mark) {
  if (failed_) return;
  cursor_ = mark.cursor;
  encoded_bytes_ = mark.encoded_bytes;
  notes_.Rewind(mark.notes);
}

JsonReader::Kind JsonReader::Peek() {
  SkipSpace();
  switch (cursor_ == end_ ? '\0' : *cursor_) {
    case '{': return Kind::kObject;
    case '[': return Kind::kList;
    case '"': return Kind::kString;
    case 't':
    case 'f': return Kind::kBool;
    case 'n': return Kind::kNull;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': return Kind::kNumber;
    default: Fail(); return Kind::kNone;
  }
}

bool JsonReader::NextInContainer(bool& first, char close) {
  SkipSpace();
  if (cursor_ == end_) return Fail();
  if (*cursor_ == close) {
    ++cursor_;
    return false;
  }
  if (first) {
    first = false;
    return true;
  }
  if (*cursor_ != ',') return Fail();
  ++cursor_;
  SkipSpace();
  return true;
}

bool JsonReader::NextMember(bool& first, std::string& buffer, std::string_view& key, const JsonPath& object) {
  if (!NextInContainer(first, '}')) return false;
  if (cursor_ == end_ || *cursor_ != '"') return Fail();
  bool replaced = false;
  key = ScanString(buffer, replaced);
  SkipSpace();
  if (cursor_ == end_ || *cursor_ != ':') return Fail();
  ++cursor_;
  if (replaced) notes_.Add(JsonPath(object, key), note_reason::kInvalidUtf8);
  return true;
}

// From the opening quote to behind the closing one. The content is a piece of the text where it is plain ASCII, else it
// is in `buffer`.
std::string_view JsonReader::ScanString(std::string& buffer, bool& replaced) {
  const char* begin = ++cursor_;
  while (cursor_ != end_ && IsPlain(*cursor_)) ++cursor_;
  if (cursor_ != end_ && *cursor_ == '"') {
    ++cursor_;
    return {begin, static_cast<std::size_t>(cursor_ - 1 - begin)};
  }
  buffer.assign(begin, cursor_);
  while (cursor_ != end_) {
    if (IsPlain(*cursor_)) {
      begin = cursor_;
      while (cursor_ != end_ && IsPlain(*cursor_)) ++cursor_;
      buffer.append(begin, cursor_);
    } else if (*cursor_ == '"') {
      ++cursor_;
      return buffer;
    } else if (*cursor_ == '\\') {
      ++cursor_;
      if (!ScanEscape(buffer, replaced)) break;
    } else if (static_cast<unsigned char>(*cursor_) < 0x20) {
      break;
    } else {
      const Utf8Step step = NextUtf8(cursor_, end_);
      step.valid ? buffer.append(cursor_, step.length) : buffer.append(kReplacement);
      replaced |= !step.valid;
      cursor_ += step.length;
    }
  }
  Fail();
  return {};
}

// What follows a backslash.
bool JsonReader::ScanEscape(std::string& buffer, bool& replaced) {
  if (cursor_ == end_) return false;
  switch (*cursor_++) {
    case '"': buffer += '"'; return true;
    case '\\': buffer += '\\'; return true;
    case '/': buffer += '/'; return true;
    case 'b': buffer += '\b'; return true;
    case 'f': buffer += '\f'; return true;
    case 'n': buffer += '\n'; return true;
    case 'r': buffer += '\r'; return true;
    case 't': buffer += '\t'; return true;
    case 'u': break;
    default: return false;
  }
  const std::optional<unsigned> unit = ScanHex4();
  if (!unit) return false;
  if (*unit < 0xD800 || *unit > 0xDFFF) {
    AppendUtf8(*unit, buffer);
    return true;
  }
  if (*unit < 0xDC00 && end_ - cursor_ >= 2 && cursor_[0] == '\\' && cursor_[1] == 'u') {
    const char* const second = cursor_;
    cursor_ += 2;
    const std::optional<unsigned> low = ScanHex4();
    if (!low) return false;
    if (*low >= 0xDC00 && *low <= 0xDFFF) {
      AppendUtf8(0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00), buffer);
      return true;
    }
    cursor_ = second;  // an escape of its own
  }
  buffer.append(kReplacement);
  replaced = true;
  return true;
}

std::optional<unsigned> JsonReader::ScanHex4() {
  unsigned unit = 0;
  if (end_ - cursor_ < 4 || std::from_chars(cursor_, cursor_ + 4, unit, 16).ptr != cursor_ + 4) return std::nullopt;
  cursor_ += 4;
  return unit;
}

JsonReader::Number JsonReader::ScanNumber() {
  const char* const begin = cursor_;
  const auto digits = [this] {
    const char* const first = cursor_;
    while (cursor_ != end_ && IsDigit(*cursor_)) ++cursor_;
    return cursor_ != first;
  };
  Number number;
  if (*cursor_ == '-') ++cursor_;
  if (cursor_ != end_ && *cursor_ == '0') {
    ++cursor_;
  } else if (!digits()) {
    Fail();
    return number;
  }
  if (cursor_ != end_ && *cursor_ == '.') {
    number.is_integer = false;
    ++cursor_;
    if (!digits()) {
      Fail();
      return number;
    }
  }
  if (cursor_ != end_ && (*cursor_ == 'e' || *cursor_ == 'E')) {
    number.is_integer = false;
    ++cursor_;
    if (cursor_ != end_ && (*cursor_ == '+' || *cursor_ == '-')) ++cursor_;
    if (!digits()) {
      Fail();
      return number;
    }
  }
  number.text = {begin, static_cast<std::size_t>(cursor_ - begin)};
  return number;
}

bool JsonReader::ScanLiteral(std::string_view literal) {
  if (!std::string_view(cursor_, static_cast<std::size_t>(end_ - cursor_)).starts_with(literal)) return Fail();
  cursor_ += literal.size();
  return true;
}

// One bit for each level is all that it needs: text of any depth is safe here.
std::string_view JsonReader::SkipValue() {
  std::vector<bool> objects;  // of the containers around the cursor, whether each is an object
  std::string buffer;
  bool replaced = false;
  bool first = false;
  SkipSpace();
  const char* const begin = cursor_;
  do {
    switch (Peek()) {
      case Kind::kNone: return {};
      case Kind::kNull: ScanLiteral("null"); break;
      case Kind::kBool: ReadBool(); break;
      case Kind::kNumber: ScanNumber(); break;
      case Kind::kString: ScanString(buffer, replaced); break;
      case Kind::kList:
      case Kind::kObject:
        objects.push_back(*cursor_ == '{');
        first = true;
        Enter();
        break;
    }
    while (!objects.empty() && !NextInContainer(first, objects.back() ? '}' : ']')) {
      if (failed_) return {};
      objects.pop_back();
      first = false;
    }
    if (!objects.empty() && objects.back()) {
      if (cursor_ == end_ || *cursor_ != '"') Fail();
      if (!failed_) ScanString(buffer, replaced);
      SkipSpace();
      if (cursor_ == end_ || *cursor_ != ':') Fail();
      if (!failed_) ++cursor_;
    }
  } while (!objects.empty());
  if (failed_) return {};
  return {begin, static_cast<std::size_t>(cursor_ - begin)};
}

std::string JsonReader::ReadString(const JsonPath& path) {
  std::string buffer;
  bool replaced = false;
  const std::string_view content = ScanString(buffer, replaced);
  if (replaced) notes_.Add(path, note_reason::kInvalidUtf8);
  if (content.data() == buffer.data()) return buffer;
  return std::string(content);
}

bool JsonReader::ReadBool() {
  const bool value = *cursor_ == 't';
  ScanLiteral(value ? "true" : "false");
  return value;
}

std::optional<std::int64_t> JsonReader::ReadInteger() {
  const char* const begin = cursor_;
  const Number number = ScanNumber();
  std::int64_t integer = 0;
  if (failed_) return std::nullopt;
  if (number.is_integer &&
      std::from_chars(number.text.data(), number.text.data() + number.text.size(), integer).ec == std::errc()) {
    return integer;
  }
  cursor_ = begin;
  return std::nullopt;
}

bool JsonReader::Finish() {
  SkipSpace();
  return !failed_ && cursor_ == end_;
}

bool JsonReader::Spend(std::size_t bytes) {
  encoded_bytes_ += bytes;
  return encoded_bytes_ <= max_encoded_bytes_;
}

bool JsonReader::ReadValue(Value& value, const JsonPath& path, int max_depth) {
  const Mark before = mark();
  if (Build(value, path, std::min(max_depth, kMaxRecursion))) return true;
  value.Clear();
  if (failed_) return false;
  Rewind(before);
  SkipValue();
  if (!failed_) notes_.Add(path, note_reason::kTooLarge);
  return false;
}

// Build... return false when the text is not JSON, and when it does not fit `max_encoded_bytes`.
bool JsonReader::Build(Value& value, const JsonPath& path, int depth_left) {
  if (!Spend(kValueBytes)) return false;
  switch (Peek()) {
    case Kind::kNone: return false;
    case Kind::kNull:
      value.set_null_value(google::protobuf::NULL_VALUE);
      return ScanLiteral("null") && Spend(kFlagBytes);
    case Kind::kBool: value.set_bool_value(ReadBool()); return !failed_ && Spend(kFlagBytes);
    case Kind::kNumber: return BuildNumber(value, path);
    case Kind::kString: {
      std::string& text = *value.mutable_string_value();
      text = ReadString(path);
      return !failed_ && Spend(kStringBytes + text.size());
    }
    case Kind::kList:
      if (depth_left <= 0) return BuildTooDeep(value, path);
      return Spend(kContainerBytes) && BuildList(*value.mutable_list_value(), path, depth_left - 1);
    case Kind::kObject:
      if (depth_left <= 0) return BuildTooDeep(value, path);
      return Spend(kContainerBytes) && BuildObject(*value.mutable_struct_value(), path, depth_left - 1);
  }
  return false;
}

bool JsonReader::BuildObject(Struct& object, const JsonPath& path, int depth_left) {
  std::string buffer;
  std::string_view key;
  bool first = true;
  for (Enter(); NextMember(first, buffer, key, path);) {
    const auto [member, is_new] = object.mutable_fields()->try_emplace(std::string(key));
    const JsonPath here(path, member->first);
    if (!is_new) {
      notes_.Add(here, note_reason::kDuplicateKey);
      member->second.Clear();
    }
    if (!Spend(kMemberBytes + key.size()) || !Build(member->second, here, depth_left)) return false;
  }
  return !failed_;
}

bool JsonReader::BuildList(ListValue& list, const JsonPath& path, int depth_left) {
  bool first = true;
  for (Enter(); NextElement(first);) {
    const JsonPath here(path, static_cast<std::size_t>(list.values_size()));
    if (!Build(*list.add_values(), here, depth_left)) return false;
  }
  return !failed_;
}

bool JsonReader::BuildTooDeep(Value& value, const JsonPath& path) {
  const std::string_view text = SkipValue();
  if (failed_ || !Spend(kStringBytes + text.size())) return false;
  notes_.Add(path, note_reason::kTooDeep);
  bool replaced = false;
  value.set_string_value(ToValidUtf8(text, &replaced));
  if (replaced) notes_.Add(path, note_reason::kInvalidUtf8);
  return true;
}

bool JsonReader::BuildNumber(Value& value, const JsonPath& path) {
  const Number number = ScanNumber();
  if (failed_) return false;
  if (const std::optional<double> held = ToDouble(number.text, number.is_integer)) {
    value.set_number_value(*held);
    return Spend(kNumberBytes);
  }
  value.set_string_value(std::string(number.text));
  notes_.Add(path, note_reason::kUnsafeInteger);
  return Spend(kStringBytes + number.text.size());
}

std::optional<JsonDocument> ParseJson(std::string_view text, int max_depth) {
  ConversionNotes notes;
  JsonReader reader(text, notes);
  JsonDocument document;
  if (!reader.ReadValue(document.value, JsonPath(), max_depth) || !reader.Finish()) return std::nullopt;
  document.notes = std::move(notes).Take();
  return document;
}

}  // namespace ticketing::truto
