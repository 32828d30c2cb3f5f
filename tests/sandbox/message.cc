#include "tests/sandbox/message.h"

#include <algorithm>
#include <array>
#include <utility>

namespace ticketing::sandbox {
namespace {

std::string StatusLine(int status) {
  return std::to_string(status) + " " + std::string(ReasonPhrase(status));
}

}  // namespace

std::string StreamedBytes(std::size_t offset, std::size_t length) {
  constexpr std::size_t kRowBytes = 32;
  std::string rows;
  for (std::size_t row = offset / kRowBytes; rows.size() < length + kRowBytes; ++row) {
    const std::string number = std::to_string(row % 100'000'000'000);
    rows += std::string(11 - number.size(), '0') + number + ",a row of the stream\n";
  }
  return rows.substr(offset % kRowBytes, length);
}

std::string Dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Answer JsonAnswer(int status, const Json& body) {
  return {.status = status, .content_type = "application/json; charset=utf-8", .body = Dump(body)};
}

Answer HtmlAnswer(int status) {
  const std::string line = StatusLine(status);
  return {.status = status,
          .content_type = "text/html",
          .body = "<html>\n<head><title>" + line + "</title></head>\n<body><center><h1>" + line +
                  "</h1></center></body>\n</html>\n"};
}

Answer TextAnswer(int status) {
  return {.status = status, .content_type = "text/plain; charset=utf-8", .body = StatusLine(status) + "\n"};
}

Answer EmptyAnswer(int status) {
  return {.status = status};
}

std::string ToLower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

std::string_view ReasonPhrase(int status) {
  constexpr auto kPhrases = std::to_array<std::pair<int, std::string_view>>({
      {200, "OK"},
      {204, "No Content"},
      {307, "Temporary Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {418, "I'm a teapot"},
      {422, "Unprocessable Entity"},
      {425, "Too Early"},
      {429, "Too Many Requests"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
  });
  const auto* phrase = std::ranges::find(kPhrases, status, &std::pair<int, std::string_view>::first);
  return phrase == kPhrases.end() ? "Unknown Error" : phrase->second;
}

}  // namespace ticketing::sandbox
