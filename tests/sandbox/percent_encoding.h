// Percent-encoding (RFC 3986, 2.1), strict, and independent of the service's own.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ticketing::sandbox {

// The text that `encoded` stands for; nothing when a '%' has no two hexadecimal digits after it, or when the text is
// not UTF-8. In a query '+' is a space.
std::optional<std::string> PercentDecode(std::string_view encoded, bool in_query);

// Everything but letters, digits and "-_.~" as %XX.
std::string PercentEncode(std::string_view text);

}  // namespace ticketing::sandbox
