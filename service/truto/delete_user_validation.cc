#include "truto/delete_user_validation.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "google/protobuf/struct.pb.h"
#include "truto/json_to_struct.h"
#include "truto/url_encoding.h"

namespace ticketing::truto {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using ticketing::v1::DeleteTicketingUserRequest;

// More than a status carries, so that its reader learns that there are more. A request of 64 KiB can break thousands.
constexpr std::size_t kMaxViolations = 200;

// What a path shows of a key.
constexpr std::size_t kMaxKeyBytesInPath = 64;

constexpr std::string_view kUuidRule = "must be a UUID such as 62f44730-dd91-461e-bd6a-aedd9e0ad79d";

bool IsControl(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

bool IsHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool IsUtf8(std::string_view text) {
  if (std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; })) return true;
  bool replaced = false;
  ToValidUtf8(text, &replaced);
  return !replaced;
}

// A key as a path shows it: quoted, without anything that could break a line, and cut when it is long.
std::string QuoteKey(std::string_view key) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::size_t length = std::min(key.size(), kMaxKeyBytesInPath);
  while (length > 0 && length < key.size() && (static_cast<unsigned char>(key[length]) & 0xC0U) == 0x80U) --length;
  std::string quoted = "\"";
  for (const char c : ToValidUtf8(key.substr(0, length))) {
    if (IsControl(c)) {
      const auto byte = static_cast<unsigned char>(c);
      quoted.append("\\u00").append(1, kHex[byte >> 4U]).append(1, kHex[byte & 0xFU]);
      continue;
    }
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  if (length < key.size()) quoted += "…";
  return quoted += '"';
}

// Where a value of the request is, as AIP-193 writes it: a chain of names and indices, whose links live on the stack of
// whoever descends. Costs nothing until it is written.
class FieldPath {
 public:
  explicit FieldPath(std::string_view field) : name_(field) {}
  FieldPath(const FieldPath& parent, std::string_view name) : parent_(&parent), name_(name) {}
  FieldPath(const FieldPath& parent, int index) : parent_(&parent), index_(index) {}

  // collections[1].id, remote_query.a["b c"][0]
  std::string ToString() const {
    constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    if (parent_ == nullptr) return std::string(name_);
    std::string path = parent_->ToString();
    if (index_ >= 0) return path.append("[").append(std::to_string(index_)).append("]");
    const bool plain = !name_.empty() && name_.size() <= kMaxKeyBytesInPath &&
                       name_.find_first_not_of(kPlain) == std::string_view::npos;
    return plain ? path.append(".").append(name_) : path.append("[").append(QuoteKey(name_)).append("]");
  }

 private:
  const FieldPath* parent_ = nullptr;
  std::string_view name_;
  int index_ = -1;  // not negative: in place of a name
};

class Validator {
 public:
  explicit Validator(const Endpoint& endpoint) : endpoint_(endpoint), query_(part_, endpoint.query_arrays) {}

  // The fields that there is one of come first: whatever else is wrong, these are told.
  std::vector<core::FieldViolation> Validate(const DeleteTicketingUserRequest& request, bool account_required) && {
    CheckId(request.id());
    const std::string& account = request.integrated_account_id();
    if (account.empty() && account_required) Report(FieldPath("integrated_account_id"), "must not be empty");
    if (!account.empty() && !IsUuid(account)) Report(FieldPath("integrated_account_id"), kUuidRule);
    if (!v1::TrutoResponseFormat_IsValid(request.truto_response_format())) {
      Report(FieldPath("truto_response_format"),
             "must be a format of the contract, which " + std::to_string(request.truto_response_format()) + " is not");
    }
    if (!request.request_id().empty() && !IsUuid(request.request_id())) Report(FieldPath("request_id"), kUuidRule);
    if (request.has_organization()) CheckText(request.organization().id(), FieldPath(FieldPath("organization"), "id"));

    const FieldPath collections("collections");
    for (int i = 0; i < request.collections_size(); ++i) {
      CheckText(request.collections(i).id(), FieldPath(FieldPath(collections, i), "id"));
    }
    const FieldPath exclude_fields("truto_exclude_fields");
    for (int i = 0; i < request.truto_exclude_fields_size(); ++i) {
      CheckText(request.truto_exclude_fields(i), FieldPath(exclude_fields, i));
    }
    const FieldPath remote_query("remote_query");
    const std::size_t remote_query_bytes =
        CheckObject(request.remote_query(), remote_query, EncodedBytes("remote_query"), 1);
    CheckUrlLength(request, remote_query_bytes);
    return std::move(violations_);
  }

 private:
  static std::size_t EncodedBytes(std::string_view text) { return PercentEncode(text).size(); }

  void Report(const FieldPath& path, std::string_view subject, std::string_view rule = "") {
    if (violations_.size() >= kMaxViolations) return;
    violations_.push_back({path.ToString(), std::string(subject).append(rule)});
  }

  // Rules of a text that has to be there. `subject` begins the description.
  void CheckText(std::string_view text, const FieldPath& path, std::string_view subject = "") {
    if (text.empty()) Report(path, subject, "must not be empty");
    if (std::ranges::any_of(text, IsControl)) Report(path, subject, "must not contain control characters");
    if (!IsUtf8(text)) Report(path, subject, "must be valid UTF-8");
  }

  void CheckId(std::string_view id) {
    const FieldPath path("id");
    CheckText(id, path);
    // As segments of a path these two, in whatever encoding, mean other resources (RFC 3986, 5.2.4).
    if (id == ".") Report(path, "must not be \".\"");
    if (id == "..") Report(path, "must not be \"..\"");
    if (id.size() > kMaxIdBytes) Report(path, "must be at most " + std::to_string(kMaxIdBytes) + " bytes long");
  }

  bool CheckDepth(const FieldPath& path, int depth) {
    if (depth <= kMaxRemoteQueryDepth) return true;
    Report(path, "must not be nested deeper than " + std::to_string(kMaxRemoteQueryDepth) + " levels");
    return false;
  }

  // These check what is under a key of remote_query that takes `key_bytes` in the URL, and return how many bytes of the
  // URL that takes. Nothing is built for it: a long key around a long list is sent once for each element, so 64 KiB of
  // request can stand for gigabytes of URL.
  std::size_t CheckObject(const Struct& object, const FieldPath& path, std::size_t key_bytes, int depth) {
    if (!CheckDepth(path, depth)) return 0;
    // A protobuf map has another order in every process; the same request gets the same answer.
    std::map<std::string_view, const Value*> members;
    for (const auto& [name, value] : object.fields()) members.emplace(name, &value);
    std::size_t bytes = 0;
    for (const auto& [name, value] : members) {
      const FieldPath member(path, name);
      CheckText(name, member, "its key ");
      bytes += CheckValue(*value, member, key_bytes + EncodedBytes("[]") + EncodedBytes(name), depth);
    }
    return bytes;
  }

  std::size_t CheckValue(const Value& value, const FieldPath& path, std::size_t key_bytes, int depth) {
    switch (value.kind_case()) {
      case Value::kStructValue: return CheckObject(value.struct_value(), path, key_bytes, depth + 1);
      case Value::kListValue: {
        if (!CheckDepth(path, depth + 1)) return 0;
        std::size_t bytes = 0;
        for (int i = 0; i < value.list_value().values_size(); ++i) {
          const std::size_t element_bytes = key_bytes + EncodedBytes(query_.ElementKey("", i));
          bytes += CheckValue(value.list_value().values(i), FieldPath(path, i), element_bytes, depth + 1);
        }
        return bytes;
      }
      case Value::kNumberValue:
        if (!std::isfinite(value.number_value())) Report(path, "must be a finite number");
        break;
      case Value::kStringValue:
        if (!IsUtf8(value.string_value())) Report(path, "must be valid UTF-8");
        break;
      // google/protobuf/struct.proto: "Absence of any variant indicates an error."
      case Value::KIND_NOT_SET: Report(path, "must have a value; null is one"); return 0;
      case Value::kNullValue:
      case Value::kBoolValue: break;
    }
    part_.clear();
    query_.AddJson("", value);
    return key_bytes + part_.size();
  }

  // Measures what DeleteUserUrl() writes (a test compares the two), field by field, to name the one that makes it long.
  void CheckUrlLength(const DeleteTicketingUserRequest& request, std::size_t remote_query_bytes) {
    DeleteTicketingUserRequest short_fields;
    short_fields.set_truto_response_format(request.truto_response_format());
    if (request.has_truto_ignore_remote_data()) {
      short_fields.set_truto_ignore_remote_data(request.truto_ignore_remote_data());
    }
    if (request.has_truto_skip_api_call()) short_fields.set_truto_skip_api_call(request.truto_skip_api_call());

    std::size_t url_bytes = DeleteUserUrl(short_fields, endpoint_).size() + remote_query_bytes;
    std::string_view longest = "remote_query";
    std::size_t longest_bytes = remote_query_bytes;
    const auto count_part = [&](std::string_view field) {
      url_bytes += part_.size();
      if (part_.size() > longest_bytes) {
        longest = field;
        longest_bytes = part_.size();
      }
      part_.clear();
    };
    part_ = PercentEncode(request.id());
    count_part("id");
    if (!request.integrated_account_id().empty()) query_.Add("integrated_account_id", request.integrated_account_id());
    count_part("integrated_account_id");
    if (request.has_organization()) query_.Add("organization[id]", request.organization().id());
    count_part("organization.id");
    for (int i = 0; i < request.collections_size(); ++i) {
      query_.Add(query_.ElementKey("collections", i) + "[id]", request.collections(i).id());
    }
    count_part("collections");
    for (int i = 0; i < request.truto_exclude_fields_size(); ++i) {
      query_.Add(query_.ElementKey("truto_exclude_fields", i), request.truto_exclude_fields(i));
    }
    count_part("truto_exclude_fields");
    if (url_bytes <= kMaxUrlBytes) return;
    Report(FieldPath(longest), "makes the URL " + std::to_string(url_bytes) + " bytes long, with at most " +
                                   std::to_string(kMaxUrlBytes) + " allowed");
  }

  const Endpoint& endpoint_;
  std::vector<core::FieldViolation> violations_;
  std::string part_;  // of a URL, to measure it
  QueryBuilder query_;
};

}  // namespace

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    if (hyphen ? text[i] != '-' : !IsHexDigit(text[i])) return false;
  }
  return true;
}

std::vector<core::FieldViolation> ValidateDeleteUser(const DeleteTicketingUserRequest& request,
                                                     const Endpoint& endpoint, bool account_required) {
  return Validator(endpoint).Validate(request, account_required);
}

}  // namespace ticketing::truto
