// Whatever the id and the query hold, the URL is one segment below /users/ and a query, and decoding it gives them
// back.
#include <optional>
#include <string>
#include <string_view>

#include "tests/fuzz/fuzz.h"
#include "truto/delete_user_request.h"

namespace {

// The text that `encoded` stands for (RFC 3986, 2.1); nothing when it is not well-formed.
std::optional<std::string> Decode(std::string_view encoded) {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  std::string text;
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i] != '%') {
      text += encoded[i];
      continue;
    }
    if (i + 2 >= encoded.size() || digit(encoded[i + 1]) < 0 || digit(encoded[i + 2]) < 0) return std::nullopt;
    text += static_cast<char>(digit(encoded[i + 1]) * 16 + digit(encoded[i + 2]));
    i += 2;
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ticketing;  // NOLINT(google-build-using-namespace)
  using fuzz::Require;
  fuzz::Input input(data, size);
  v1::DeleteTicketingUserRequest request;
  request.set_integrated_account_id(input.TakeLine());
  request.add_truto_exclude_fields(input.TakeLine());
  const std::string key = input.TakeLine();
  const std::string value = input.TakeLine();
  (*request.mutable_remote_query()->mutable_fields())[key].set_string_value(value);
  request.set_id(input.TakeRest());
  const std::string url = truto::DeleteUserUrl(request, {.user_agent = "fuzz"});

  constexpr std::string_view kPrefix = "https://api.truto.one/unified/ticketing/users/";
  Require(url.starts_with(kPrefix), "the path is the endpoint's");
  for (const char c : url) Require(c > ' ' && c < 0x7F, "a URL is visible ASCII");
  const std::string_view rest = std::string_view(url).substr(kPrefix.size());
  const auto query = rest.find('?');
  const std::string_view segment = rest.substr(0, query);
  Require(segment.find_first_of("/#?") == std::string_view::npos, "the id is one segment");
  Require(Decode(segment) == request.id(), "the id comes back");
  const std::string wanted = "remote_query[" + key + "]";
  bool found = false;
  for (std::string_view pairs = query == std::string_view::npos ? "" : rest.substr(query + 1); !pairs.empty();) {
    const auto end = std::min(pairs.find('&'), pairs.size());
    const std::string_view pair = pairs.substr(0, end);
    pairs.remove_prefix(std::min(end + 1, pairs.size()));
    const auto equals = pair.find('=');
    Require(equals != std::string_view::npos, "every parameter has a value");
    const auto name = Decode(pair.substr(0, equals));
    const auto text = Decode(pair.substr(equals + 1));
    Require(name && text, "every parameter is well-formed");
    found = found || (*name == wanted && *text == value);
  }
  Require(found, "a parameter comes back");
  return 0;
}
