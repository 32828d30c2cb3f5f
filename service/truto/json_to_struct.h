// From JSON text of any shape to protobuf's Value, without losing anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/struct.pb.h"
#include "ticketing/v1/ticketing_user_service.pb.h"

namespace ticketing::truto {

// The deepest nesting that a Value carries: its own object or list is level 1. A client whose protobuf limits recursion
// to 100 messages fails at a Struct of 33 nested objects (measured); 16 levels leave room for the messages around it.
inline constexpr int kMaxJsonDepth = 16;

// The most notes that one body gets, the last one being kMoreNotes when there would be more.
inline constexpr std::size_t kMaxNotes = 100;

// The longest JSON pointer in a note. A longer one is cut to that of the nearest value around it that fits.
inline constexpr std::size_t kMaxNotePathBytes = 512;

// The values of ConversionNote.reason, documented there.
namespace note_reason {
inline constexpr std::string_view kUnsafeInteger = "UNSAFE_INTEGER";
inline constexpr std::string_view kTooDeep = "TOO_DEEP";
inline constexpr std::string_view kTooLarge = "TOO_LARGE";
inline constexpr std::string_view kInvalidTimestamp = "INVALID_TIMESTAMP";
inline constexpr std::string_view kTypeMismatch = "TYPE_MISMATCH";
inline constexpr std::string_view kUnknownField = "UNKNOWN_FIELD";
inline constexpr std::string_view kDuplicateKey = "DUPLICATE_KEY";
inline constexpr std::string_view kInvalidUtf8 = "INVALID_UTF8";
inline constexpr std::string_view kInvalidJson = "INVALID_JSON";
inline constexpr std::string_view kTruncated = "TRUNCATED";
inline constexpr std::string_view kMoreNotes = "MORE_NOTES";
inline constexpr std::string_view kApiCallSkipped = "API_CALL_SKIPPED";
inline constexpr std::string_view kDeletedByEarlierAttempt = "DELETED_BY_EARLIER_ATTEMPT";
}  // namespace note_reason

// A parsed body and where it differs from its text.
struct JsonDocument {
  google::protobuf::Value value;
  std::vector<ticketing::v1::ConversionNote> notes;
};

// Parses `text` (RFC 8259; a byte order mark before it is skipped). Nothing when it is not JSON at all.
// - An integer beyond 2^53 and a number that a double can't hold (too large, too small, or with digits that would be
//   rounded away) become strings of their exact text: UNSAFE_INTEGER. 0.1 is a number.
// - What is nested deeper than `max_depth` (at most 64) becomes a string of its JSON text: TOO_DEEP.
// - The last of duplicate keys counts: DUPLICATE_KEY.
// - Strings that are not valid UTF-8 or have lone surrogates get U+FFFD in their place: INVALID_UTF8.
// Never throws, whatever the text. Memory is bounded by a multiple of its size: about 75 bytes for each byte of text in
// the worst case, a list of empty objects; 25 for a list of digits; one for nesting of any depth.
std::optional<JsonDocument> ParseJson(std::string_view text, int max_depth = kMaxJsonDepth);

// `text` with U+FFFD in place of whatever is not UTF-8; true beside it when there was such a thing.
std::string ToValidUtf8(std::string_view text, bool* replaced = nullptr);

// Where a value is: a chain of keys and indices, whose links live on the stack of whoever descends. Costs nothing until
// it is written.
class JsonPath {
 public:
  JsonPath() = default;  // the whole text
  JsonPath(const JsonPath& parent, std::string_view key) : parent_(&parent), key_(key) {}
  JsonPath(const JsonPath& parent, std::size_t index) : parent_(&parent), index_(index) {}

  // The JSON pointer (RFC 6901), at most kMaxNotePathBytes long; `cut` tells whether that was too short for it.
  std::string ToPointer(bool& cut) const;

 private:
  const JsonPath* parent_ = nullptr;
  std::string_view key_;
  std::optional<std::size_t> index_;
};

// The notes of one body, at most kMaxNotes.
class ConversionNotes {
 public:
  // Adds a note, but not the same one twice in a row.
  void Add(const JsonPath& path, std::string_view reason);

  // Whether values and notes together don't tell all that the text says, so that its exact bytes are needed besides.
  // Add() finds that out by the reason; RequireExactBytes() is for what it can't know.
  bool exact_bytes_required() const { return exact_bytes_required_; }
  void RequireExactBytes() { exact_bytes_required_ = true; }

  bool empty() const { return notes_.empty(); }
  std::vector<ticketing::v1::ConversionNote> Take() &&;

  // Forgets what was added since `mark`.
  struct Mark {
    std::size_t count = 0;
    bool more = false;
    bool exact_bytes_required = false;
  };
  Mark mark() const { return {notes_.size(), more_, exact_bytes_required_}; }
  void Rewind(const Mark& mark);

 private:
  std::vector<ticketing::v1::ConversionNote> notes_;
  bool more_ = false;  // there would be more than kMaxNotes
  bool exact_bytes_required_ = false;
};

// Reads JSON text value by value, in its order, without a tree in between. Whoever knows what a value should be looks
// with Peek() and reads it; whoever doesn't, reads a Value.
//
//   std::string buffer;
//   std::string_view key;
//   bool first = true;
//   for (reader.Enter(); reader.NextMember(first, buffer, key);) {
//     if (reader.Peek() == JsonReader::Kind::kString) reader.ReadString(...); else reader.ReadValue(...);
//   }
//
// Once the text proves not to be JSON, Peek() says kNone, nothing more is read, and Finish() is false.
class JsonReader {
 public:
  enum class Kind { kNone, kNull, kBool, kNumber, kString, kList, kObject };

  // `text` and `notes` must outlive the reader. The Values that are read take at most `max_encoded_bytes` in protobuf's
  // encoding, all together; it is a good estimate, a little below the truth.
  JsonReader(std::string_view text, ConversionNotes& notes,
             std::size_t max_encoded_bytes = std::numeric_limits<std::size_t>::max());

  // The kind of the next value.
  Kind Peek();

  // Steps into the next value, an object or list.
  void Enter() { ++cursor_; }
  // Steps to the next member or element; false after the last one, which has been stepped out of. `first` starts as
  // true. `key` lives until the next call: in the text or in `buffer`.
  bool NextMember(bool& first, std::string& buffer, std::string_view& key, const JsonPath& object);
  bool NextElement(bool& first) { return NextInContainer(first, ']'); }

  // Each reads a value of the kind that Peek() has told.
  std::string ReadString(const JsonPath& path);
  bool ReadBool();
  // Nothing when it is no integer or does not fit; then nothing has been read.
  std::optional<std::int64_t> ReadInteger();

  // Reads any value by the rules of ParseJson. False when it was passed over: it does not fit `max_encoded_bytes` (a
  // TOO_LARGE note says so), or the text is not JSON.
  bool ReadValue(google::protobuf::Value& value, const JsonPath& path, int max_depth = kMaxJsonDepth);

  // Passes over the next value, however deep, and returns its text; an empty one when it is not JSON.
  std::string_view SkipValue();

  // Whether the text was one JSON value, now read to its end.
  bool Finish();

  // Goes back to read something once more, otherwise.
  struct Mark {
    const char* cursor = nullptr;
    ConversionNotes::Mark notes;
    std::size_t encoded_bytes = 0;
  };
  Mark mark() const { return {cursor_, notes_.mark(), encoded_bytes_}; }
  void Rewind(const Mark& mark);

 private:
  struct Number {
    std::string_view text;
    bool is_integer = true;
  };

  void SkipSpace();
  bool Fail();
  bool NextInContainer(bool& first, char close);
  bool Spend(std::size_t bytes);
  std::string_view ScanString(std::string& buffer, bool& replaced);
  bool ScanEscape(std::string& buffer, bool& replaced);
  std::optional<unsigned> ScanHex4();
  Number ScanNumber();
  bool ScanLiteral(std::string_view literal);

  bool Build(google::protobuf::Value& value, const JsonPath& path, int depth_left);
  bool BuildObject(google::protobuf::Struct& object, const JsonPath& path, int depth_left);
  bool BuildList(google::protobuf::ListValue& list, const JsonPath& path, int depth_left);
  bool BuildTooDeep(google::protobuf::Value& value, const JsonPath& path);
  bool BuildNumber(google::protobuf::Value& value, const JsonPath& path);

  const char* cursor_;
  const char* end_;
  bool failed_ = false;
  ConversionNotes& notes_;
  std::size_t encoded_bytes_ = 0;
  std::size_t max_encoded_bytes_;
};

}  // namespace ticketing::truto
