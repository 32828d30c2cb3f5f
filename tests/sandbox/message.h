// An HTTP exchange as the sandbox sees it, as plain values.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/http_message.h"

namespace ticketing::sandbox {

// Keeps the order of members, so that people can read what the sandbox shows.
using Json = nlohmann::ordered_json;

using Time = std::chrono::system_clock::time_point;
using Clock = std::function<Time()>;

struct Request {
  std::string method;
  std::string target;         // path and query, as received
  core::HttpHeaders headers;  // names in lower case
  bool has_body = false;
  std::string peer;  // "127.0.0.1:51234"; tells connections apart
};

struct Answer {
  enum class Ending {
    kComplete,
    kBreaksOff,  // `body` arrives, and then the connection closes although more was announced
    kCloses,     // the connection closes without an answer
    kNever,      // nothing happens until the client gives up
  };

  int status = 200;
  core::HttpHeaders headers;  // besides Content-Type and what frames the body
  std::string content_type;
  std::string body;
  // Instead of `body`: this many bytes of StreamedBytes(), sent in chunks.
  std::optional<std::size_t> streamed_bytes;
  std::chrono::milliseconds delay{0};
  Ending ending = Ending::kComplete;
};

// `length` bytes from `offset` of an endless text of CSV rows, the same every time.
std::string StreamedBytes(std::size_t offset, std::size_t length);

// `json` as text; what is not UTF-8 becomes U+FFFD.
std::string Dump(const Json& json, int indent = -1);

Answer JsonAnswer(int status, const Json& body);

// A page as a proxy or a wrong server sends it: without Truto's envelope.
Answer HtmlAnswer(int status);
Answer TextAnswer(int status);
Answer EmptyAnswer(int status);

// ASCII letters in lower case.
std::string ToLower(std::string text);

// "Bad Gateway" for 502.
std::string_view ReasonPhrase(int status);

}  // namespace ticketing::sandbox
