// What the fuzz targets share: reading an input as values, and promises that end the program when they break.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/http_message.h"

namespace ticketing::fuzz {

// Ends the program with `promise` when it is broken: libFuzzer keeps the input.
inline void Require(bool kept, std::string_view promise) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %.*s\n", static_cast<int>(promise.size()), promise.data());
  std::abort();
}

// Takes an input apart. When there is nothing left, everything is empty or zero.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  std::uint8_t TakeByte() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }

  // Up to the next line break, which is left out.
  std::string TakeLine() {
    const auto end = std::min(rest_.find('\n'), rest_.size());
    std::string line(rest_.substr(0, end));
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return line;
  }

  std::string TakeRest() {
    std::string rest(rest_);
    rest_ = {};
    return rest;
  }

 private:
  std::string_view rest_;
};

// An answer as the corpus writes it down: lines "name: value" up to an empty one, then the body.
inline core::HttpResponse TakeResponse(Input& input, int status) {
  core::HttpResponse response{.status = status, .headers = {}, .body = {}};
  for (std::string line = input.TakeLine(); !line.empty(); line = input.TakeLine()) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) break;
    const auto value = line.find_first_not_of(' ', colon + 1);
    response.headers.emplace_back(line.substr(0, colon), value == std::string::npos ? "" : line.substr(value));
  }
  response.body = input.TakeRest();
  return response;
}

}  // namespace ticketing::fuzz
