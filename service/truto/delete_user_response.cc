#include "truto/delete_user_response.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/timestamp.pb.h"
#include "truto/json_to_struct.h"

namespace ticketing::truto {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::Struct;
using google::protobuf::Timestamp;
using google::protobuf::Value;
using ticketing::v1::DebugInfo;
using ticketing::v1::DebugResult;
using ticketing::v1::DeleteTicketingUserResponse;
using ticketing::v1::HttpBody;
using Kind = JsonReader::Kind;

// The caller adds the rest of the report to what is made here.
constexpr std::size_t kMaxResponseBytes = kMaxEncodedAnswerBytes - std::size_t{4} * 1024;
// Beside a body there are a content type (up to 3 KiB when none of it is UTF-8), tags and one or two notes.
constexpr std::size_t kMaxExactBytes = kMaxResponseBytes - std::size_t{4} * 1024;
constexpr std::size_t kMaxNoteBytes = kMaxNotes * (kMaxNotePathBytes + 32);
constexpr std::size_t kMaxContentTypeBytes = 1024;

std::optional<int> ParseDigits(std::string_view text, std::size_t begin, std::size_t count) {
  int number = 0;
  for (const char c : text.substr(begin, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  return number;
}

// RFC 3339, 5.6: "2024-09-01T10:00:00.000Z", and nothing that a Timestamp can't hold exactly.
std::optional<Timestamp> ParseTimestamp(std::string_view text) {
  constexpr std::size_t kDateTimeLength = 19;
  constexpr std::int64_t kFirstSecond = -62'135'596'800;  // 0001-01-01T00:00:00Z, as timestamp.proto says
  constexpr std::int64_t kLastSecond = 253'402'300'799;   // 9999-12-31T23:59:59Z
  if (text.size() <= kDateTimeLength) return std::nullopt;
  const bool separated =
      text[4] == '-' && text[7] == '-' && (text[10] == 'T' || text[10] == 't') && text[13] == ':' && text[16] == ':';
  const auto year = ParseDigits(text, 0, 4);
  const auto month = ParseDigits(text, 5, 2);
  const auto day = ParseDigits(text, 8, 2);
  const auto hour = ParseDigits(text, 11, 2);
  const auto minute = ParseDigits(text, 14, 2);
  const auto second = ParseDigits(text, 17, 2);
  if (!separated || !year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;

  std::string_view rest = text.substr(kDateTimeLength);
  std::int32_t nanos = 0;
  if (rest.front() == '.') {
    constexpr std::size_t kMaxFractionDigits = 9;
    const std::size_t digits = std::min(rest.find_first_not_of("0123456789", 1), rest.size()) - 1;
    if (digits == 0 || digits > kMaxFractionDigits) return std::nullopt;
    nanos = ParseDigits(rest, 1, digits).value_or(0);
    for (std::size_t i = digits; i < kMaxFractionDigits; ++i) nanos *= 10;
    rest.remove_prefix(digits + 1);
  }
  int offset_minutes = 0;
  if (rest != "Z" && rest != "z") {
    if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':') return std::nullopt;
    const auto offset_hour = ParseDigits(rest, 1, 2);
    const auto offset_minute = ParseDigits(rest, 4, 2);
    if (!offset_hour || !offset_minute || *offset_hour > 23 || *offset_minute > 59) return std::nullopt;
    offset_minutes = (rest[0] == '-' ? -1 : 1) * (*offset_hour * 60 + *offset_minute);
  }

  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const std::int64_t minutes = (days * 24 + *hour) * 60 + *minute - offset_minutes;
  const std::int64_t seconds = minutes * 60 + *second;
  if (seconds < kFirstSecond || seconds > kLastSecond) return std::nullopt;
  Timestamp timestamp;
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(nanos);
  return timestamp;
}

// How a value and the field of its name go together.
enum class Fit {
  kFits,         // it has been read into the field
  kLikeAbsence,  // the field would look as if there were no value
  kOtherType,
  kNoTimestamp,
};

// Reads JSON objects into messages whose fields have the documented names and types, so that the schema is written
// down in one place, the .proto file. What has no field or does not fit goes to the message's `additional_fields`.
class ObjectReader {
 public:
  ObjectReader(JsonReader& reader, ConversionNotes& notes) : reader_(reader), notes_(notes) {}

  // The next value is an object.
  void Read(Message& message, const JsonPath& path) {
    const Descriptor& type = *message.GetDescriptor();
    const FieldDescriptor& additional = *type.FindFieldByName("additional_fields");
    std::uint64_t seen = 0;
    int expected = 0;  // the field that comes next when keys come in the order of the fields
    std::string buffer;
    std::string_view key;
    bool first = true;
    for (reader_.Enter(); reader_.NextMember(first, buffer, key, path);) {
      const JsonPath here(path, key);
      const FieldDescriptor* const field = FindField(type, key, expected);
      if (field == nullptr || field == &additional) {
        ReadAdditional(message, additional, std::string(key), here);
        continue;
      }
      expected = field->index() + 1;
      const std::uint64_t bit = std::uint64_t{1} << field->index();
      if ((seen & bit) != 0) {
        notes_.Add(here, note_reason::kDuplicateKey);
        Forget(message, *field, additional, std::string(key));
      }
      seen |= bit;
      const Fit fit = field->is_repeated() ? ReadList(message, *field, here) : ReadField(message, *field, here);
      if (fit == Fit::kFits) continue;
      if (fit == Fit::kOtherType) notes_.Add(here, note_reason::kTypeMismatch);
      if (fit == Fit::kNoTimestamp) notes_.Add(here, note_reason::kInvalidTimestamp);
      ReadAdditional(message, additional, std::string(key), here);
    }
  }

 private:
  // Truto writes the user's names as the .proto file does, and those of the debug part in camel case. Looked for from
  // `expected` on, which costs less than the pool's hash table.
  static const FieldDescriptor* FindField(const Descriptor& type, std::string_view name, int expected) {
    const bool camel_case = &type == DebugInfo::descriptor();
    const int count = type.field_count();
    for (int i = 0; i < count; ++i) {
      const FieldDescriptor* const field = type.field((expected + i) % count);
      if (name == (camel_case ? field->camelcase_name() : field->name())) return field;
    }
    return nullptr;
  }

  static Struct& Additional(Message& message, const FieldDescriptor& additional) {
    return static_cast<Struct&>(*message.GetReflection()->MutableMessage(&message, &additional));
  }

  // Of two values of one key the last counts, wherever the first one went.
  static void Forget(Message& message, const FieldDescriptor& field, const FieldDescriptor& additional,
                     const std::string& name) {
    const Reflection& reflection = *message.GetReflection();
    reflection.ClearField(&message, &field);
    if (!reflection.HasField(message, &additional)) return;
    Struct& others = Additional(message, additional);
    others.mutable_fields()->erase(name);
    if (others.fields().empty()) reflection.ClearField(&message, &additional);
  }

  void ReadAdditional(Message& message, const FieldDescriptor& additional, const std::string& name,
                      const JsonPath& path) {
    Value value;
    const bool kept = reader_.ReadValue(value, path);
    Struct& others = Additional(message, additional);
    if (kept) {
      const auto [entry, is_new] = others.mutable_fields()->try_emplace(name);
      if (!is_new) notes_.Add(path, note_reason::kDuplicateKey);
      entry->second.Swap(&value);
    } else {
      others.mutable_fields()->erase(name);
    }
    if (others.fields().empty()) message.GetReflection()->ClearField(&message, &additional);
  }

  Fit ReadField(Message& message, const FieldDescriptor& field, const JsonPath& path) {
    const Reflection& reflection = *message.GetReflection();
    const Kind kind = reader_.Peek();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        if (kind != Kind::kString) break;
        reflection.SetString(&message, &field, reader_.ReadString(path));
        return Fit::kFits;
      case FieldDescriptor::CPPTYPE_BOOL:
        if (kind != Kind::kBool) break;
        reflection.SetBool(&message, &field, reader_.ReadBool());
        return Fit::kFits;
      case FieldDescriptor::CPPTYPE_INT64:
        if (kind != Kind::kNumber) break;
        if (const std::optional<std::int64_t> integer = reader_.ReadInteger()) {
          reflection.SetInt64(&message, &field, *integer);
          return Fit::kFits;
        }
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (field.message_type() == Timestamp::descriptor()) {
          if (kind != Kind::kString) break;
          return ReadTimestamp(message, field, path);
        }
        if (field.message_type() == Struct::descriptor() && kind != Kind::kObject) break;
        ReadAny(message, field, path);
        return Fit::kFits;
      default: break;
    }
    return kind == Kind::kNull ? Fit::kLikeAbsence : Fit::kOtherType;
  }

  Fit ReadTimestamp(Message& message, const FieldDescriptor& field, const JsonPath& path) {
    const JsonReader::Mark before = reader_.mark();
    const std::optional<Timestamp> timestamp = ParseTimestamp(reader_.ReadString(path));
    if (!timestamp) {
      reader_.Rewind(before);
      return Fit::kNoTimestamp;
    }
    static_cast<Timestamp&>(*message.GetReflection()->MutableMessage(&message, &field)) = *timestamp;
    return Fit::kFits;
  }

  // A field that is a Value, or a Struct and the next value an object.
  void ReadAny(Message& message, const FieldDescriptor& field, const JsonPath& path) {
    Value value;
    if (!reader_.ReadValue(value, path)) return;
    Message& target = *message.GetReflection()->MutableMessage(&message, &field);
    if (field.message_type() == Value::descriptor()) {
      static_cast<Value&>(target).Swap(&value);
    } else {
      static_cast<Struct&>(target).Swap(value.mutable_struct_value());
    }
  }

  // A list of strings, or of objects that are messages.
  Fit ReadList(Message& message, const FieldDescriptor& field, const JsonPath& path) {
    const Kind kind = reader_.Peek();
    if (kind != Kind::kList) return kind == Kind::kNull ? Fit::kLikeAbsence : Fit::kOtherType;
    const Reflection& reflection = *message.GetReflection();
    const bool strings = field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
    const JsonReader::Mark before = reader_.mark();
    std::size_t index = 0;
    bool first = true;
    for (reader_.Enter(); reader_.NextElement(first); ++index) {
      const JsonPath here(path, index);
      if (reader_.Peek() != (strings ? Kind::kString : Kind::kObject)) {
        reflection.ClearField(&message, &field);
        reader_.Rewind(before);
        return Fit::kOtherType;
      }
      if (strings) {
        reflection.AddString(&message, &field, reader_.ReadString(here));
      } else {
        Read(*reflection.AddMessage(&message, &field), here);
      }
    }
    if (index > 0) return Fit::kFits;
    reader_.Rewind(before);
    return Fit::kLikeAbsence;
  }

  JsonReader& reader_;
  ConversionNotes& notes_;
};

// The envelope {"result": ..., "debug": ...}. It has no place for anything else: the exact bytes have.
void ReadDebugResult(JsonReader& reader, ConversionNotes& notes, DebugResult& envelope) {
  ObjectReader objects(reader, notes);
  const JsonPath root;
  bool has_result = false;
  bool has_debug = false;
  std::string buffer;
  std::string_view key;
  bool first = true;
  for (reader.Enter(); reader.NextMember(first, buffer, key, root);) {
    const JsonPath here(root, key);
    const bool is_result = key == "result";
    if (!is_result && key != "debug") {
      notes.Add(here, note_reason::kUnknownField);
      reader.SkipValue();
      continue;
    }
    bool& seen = is_result ? has_result : has_debug;
    if (seen) {
      notes.Add(here, note_reason::kDuplicateKey);
      is_result ? envelope.clear_result() : envelope.clear_debug();
    }
    seen = true;
    const Kind kind = reader.Peek();
    if (kind == Kind::kObject) {
      objects.Read(is_result ? static_cast<Message&>(*envelope.mutable_result()) : *envelope.mutable_debug(), here);
      continue;
    }
    if (kind != Kind::kNull) {
      notes.Add(here, note_reason::kTypeMismatch);
      notes.RequireExactBytes();
    }
    reader.SkipValue();
  }
  if (!has_result) {
    notes.Add(JsonPath(root, "result"), note_reason::kTypeMismatch);
    notes.RequireExactBytes();
  }
}

bool MayBeJsonScalar(std::string_view content_type) {
  constexpr std::string_view kJson = "json";
  const std::string_view media_type = content_type.substr(0, content_type.find(';'));
  const auto same_letter = [](char a, char b) {
    return (static_cast<unsigned char>(a) | 0x20U) == static_cast<unsigned char>(b);
  };
  return media_type.empty() || !std::ranges::search(media_type, kJson, same_letter).empty();
}

// `raw`: the body as one Value when that says all that it says, else its bytes.
void ReadRaw(const core::HttpResponse& response, bool typed, JsonReader& reader, ConversionNotes& notes,
             DeleteTicketingUserResponse& out) {
  const JsonPath root;
  const ConversionNotes::Mark before = notes.mark();
  if (typed) notes.Add(root, note_reason::kTypeMismatch);
  const std::size_t count = notes.mark().count;
  const Kind kind = reader.Peek();
  Value value;
  const bool converted = reader.ReadValue(value, root);
  const bool is_json = reader.Finish();
  if (!is_json) {
    notes.Rewind(before);
    if (typed) notes.Add(root, note_reason::kInvalidJson);
  }
  const std::string content_type = ContentType(response.headers);
  const bool is_container = kind == Kind::kObject || kind == Kind::kList;
  if (is_json && converted && notes.mark().count == count && (is_container || MayBeJsonScalar(content_type))) {
    out.mutable_raw()->set_content_type(content_type);
    out.mutable_raw()->mutable_json()->Swap(&value);
  } else {
    *out.mutable_raw() = ExactBody(response);
  }
}

DeleteTicketingUserResponse MakeResponse(const core::HttpResponse& response) {
  DeleteTicketingUserResponse out;
  out.set_outcome(ticketing::v1::DELETE_OUTCOME_DELETED);
  ticketing::v1::CallReport& report = *out.mutable_report();
  report.set_http_status(static_cast<std::uint32_t>(response.status));
  if (ticketing::v1::RateLimit limit; ParseRateLimit(response.headers, limit))
    report.mutable_rate_limit()->Swap(&limit);
  return out;
}

void AddNote(DeleteTicketingUserResponse& out, std::string_view reason) {
  out.mutable_report()->add_notes()->set_reason(std::string(reason));
}

bool IsCutOff(const core::HttpResponse& response) {
  return response.truncated || response.body.size() > kMaxExactBytes;
}

// The response whose Values take at most `max_value_bytes`.
DeleteTicketingUserResponse Convert(const core::HttpResponse& response, const ResponseOptions& options,
                                    std::size_t max_value_bytes) {
  DeleteTicketingUserResponse out = MakeResponse(response);
  ConversionNotes notes;
  if (IsCutOff(response)) {
    *out.mutable_raw() = ExactBody(response);
    AddNote(out, note_reason::kTruncated);
  } else if (!response.body.empty()) {
    const bool debug = options.format == ticketing::v1::TRUTO_RESPONSE_FORMAT_DEBUG;
    const bool typed = options.format != ticketing::v1::TRUTO_RESPONSE_FORMAT_RAW &&
                       options.format != ticketing::v1::TRUTO_RESPONSE_FORMAT_STREAM;
    JsonReader reader(response.body, notes, max_value_bytes);
    if (!typed || reader.Peek() != Kind::kObject) {
      ReadRaw(response, typed, reader, notes, out);
    } else {
      if (debug) {
        ReadDebugResult(reader, notes, *out.mutable_debug());
      } else {
        ObjectReader(reader, notes).Read(*out.mutable_user(), JsonPath());
      }
      if (!reader.Finish()) {
        notes.Rewind({});
        notes.Add(JsonPath(), note_reason::kInvalidJson);
        *out.mutable_raw() = ExactBody(response);
      }
    }
  }
  const bool has_bytes = out.raw().has_data();
  if (options.include_http_body || (notes.exact_bytes_required() && !has_bytes)) {
    *out.mutable_http_body() = ExactBody(response);
  }
  for (ticketing::v1::ConversionNote& note : std::move(notes).Take()) out.mutable_report()->add_notes()->Swap(&note);
  return out;
}

// A whole number, and after it nothing but parameters or further limits: "110", "110;w=10", "110, 500;w=60".
std::optional<std::uint64_t> ParseCount(std::optional<std::string_view> header) {
  constexpr std::string_view kSpace = " \t";
  if (!header) return std::nullopt;
  header->remove_prefix(std::min(header->find_first_not_of(kSpace), header->size()));
  std::uint64_t count = 0;
  const char* const end = header->data() + header->size();
  const auto [rest, error] = std::from_chars(header->data(), end, count);
  if (error != std::errc()) return std::nullopt;
  const char* const next = std::find_if(rest, end, [&](char c) { return kSpace.find(c) == std::string_view::npos; });
  if (next != end && *next != ',' && *next != ';') return std::nullopt;
  return count;
}

}  // namespace

std::string ContentType(const core::HttpHeaders& headers) {
  const std::string_view header = core::FindHeader(headers, "content-type").value_or("");
  return ToValidUtf8(header.substr(0, kMaxContentTypeBytes));
}

HttpBody ExactBody(const core::HttpResponse& response) {
  HttpBody body;
  body.set_content_type(ContentType(response.headers));
  if (!response.body.empty()) body.set_data(response.body.substr(0, kMaxExactBytes));
  body.set_truncated(IsCutOff(response));
  return body;
}

DeleteTicketingUserResponse ParseDeleteUserResponse(const core::HttpResponse& response,
                                                    const ResponseOptions& options) {
  DeleteTicketingUserResponse out = Convert(response, options, kMaxResponseBytes);
  if (out.ByteSizeLong() <= kMaxResponseBytes) return out;

  // Fewer Values, so that the exact bytes of what they leave out find room beside them.
  const std::size_t bytes_and_notes = std::min(response.body.size() + kMaxNoteBytes, kMaxResponseBytes);
  out = Convert(response, options, kMaxResponseBytes - bytes_and_notes);
  if (out.ByteSizeLong() <= kMaxResponseBytes) return out;

  out = MakeResponse(response);
  *out.mutable_raw() = ExactBody(response);
  if (IsCutOff(response)) AddNote(out, note_reason::kTruncated);
  AddNote(out, note_reason::kTooLarge);
  return out;
}

bool ParseRateLimit(const core::HttpHeaders& headers, ticketing::v1::RateLimit& rate_limit) {
  constexpr std::uint64_t kMaxSeconds = 315'576'000'000;  // duration.proto
  rate_limit.Clear();
  if (const auto limit = ParseCount(core::FindHeader(headers, "ratelimit-limit"))) rate_limit.set_limit(*limit);
  if (const auto left = ParseCount(core::FindHeader(headers, "ratelimit-remaining"))) rate_limit.set_remaining(*left);
  if (const auto reset = ParseCount(core::FindHeader(headers, "ratelimit-reset")); reset && *reset <= kMaxSeconds) {
    rate_limit.mutable_reset_after()->set_seconds(static_cast<std::int64_t>(*reset));
  }
  return rate_limit.has_limit() || rate_limit.has_remaining() || rate_limit.has_reset_after();
}

}  // namespace ticketing::truto
