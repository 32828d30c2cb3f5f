// Percent-encoding and bracketed query parameters (reference: RFC 3986; the endpoint's page and Truto's guide
// "Specifying query parameters").
#pragma once

#include <string>
#include <string_view>

#include "google/protobuf/struct.pb.h"
#include "truto/delete_user_request.h"

namespace ticketing::truto {

// `text` with every byte but letters, digits and "-_.!~*'()" as %XX. The allow-list is that of Truto's own client
// (JavaScript's encodeURIComponent).
std::string PercentEncode(std::string_view text);

// A finite number as JavaScript writes it: 3.0 -> "3", -0.0 -> "0", 1e20 in full, 1e21 -> "1e+21", 1e-7 -> "1e-7".
std::string FormatNumber(double number);

// Appends "key=value" pairs to a URL.
class QueryBuilder {
 public:
  // Appends to `url`, which has no query yet and must outlive the builder.
  QueryBuilder(std::string& url, QueryArrays arrays) : url_(url), arrays_(arrays) {}

  // Adds `key=value`. `key` is the key as it reads, brackets included ("collections[][id]"); both are encoded here.
  void Add(std::string_view key, std::string_view value);

  // Adds `value` under `key` by the rules of objects and lists: null is "key=", empty objects and lists add nothing.
  void AddJson(std::string_view key, const google::protobuf::Value& value);
  void AddJson(std::string_view key, const google::protobuf::Struct& object);

  // The key of element `index` of the list `key`: "key[]" or "key[0]".
  std::string ElementKey(std::string_view key, int index) const;

 private:
  std::string& url_;
  QueryArrays arrays_;
  bool first_ = true;
};

}  // namespace ticketing::truto
