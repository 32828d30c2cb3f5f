#include "tests/support/upstream_http1.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <utility>

#include "core/ascii.h"

namespace ticketing::support {
namespace {

constexpr std::size_t kHeadLimit = 1024 * 1024;
constexpr std::size_t kRequestBodyLimit = 64 * 1024 * 1024;

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 204: return "No Content";
    case 404: return "Not Found";
    default: return "Scripted";
  }
}

void AppendHead(UpstreamConnection& connection, int status, const core::HttpHeaders& headers) {
  connection.Write("HTTP/1.1 ");
  connection.Write(std::to_string(status));
  connection.Write(" ");
  connection.Write(ReasonPhrase(status));
  connection.Write("\r\n");
  for (const auto& [name, value] : headers) {
    connection.Write(name);
    connection.Write(": ");
    connection.Write(value);
    connection.Write("\r\n");
  }
}

}  // namespace

bool UpstreamHttp1::Receive(std::string_view bytes) {
  in_.append(bytes);
  return StartNext();
}

// Starts requests until one of them takes time. False on nonsense.
bool UpstreamHttp1::StartNext() {
  while (!current_ && !close_after_answer_ && !connection_.ending() && !in_.empty()) {
    ReceivedRequest request;
    switch (ParseRequest(request)) {
      case Parsed::kIncomplete: return true;
      case Parsed::kNonsense: return false;
      case Parsed::kRequest: break;
    }
    current_ = connection_.Open(request, *this);
    const auto exchange = current_;  // the end of the answer, within Advance(), lets go of current_
    exchange->Advance();
  }
  return true;
}

bool UpstreamHttp1::Refuse(std::string_view status) {
  connection_.Write("HTTP/1.1 ");
  connection_.Write(status);
  connection_.Write("\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  return false;
}

UpstreamHttp1::Parsed UpstreamHttp1::ParseRequest(ReceivedRequest& request) {
  const auto nonsense = [this](std::string_view status) {
    Refuse(status);
    return Parsed::kNonsense;
  };
  const std::size_t head_end = in_.find("\r\n\r\n");
  if (head_end == std::string::npos) {
    return in_.size() > kHeadLimit ? nonsense("431 Request Header Fields Too Large") : Parsed::kIncomplete;
  }
  const std::string_view head = std::string_view(in_).substr(0, head_end + 2);
  std::size_t line_end = head.find("\r\n");
  const std::string_view request_line = head.substr(0, line_end);
  const std::size_t method_end = request_line.find(' ');
  const std::size_t path_end = request_line.rfind(' ');
  if (method_end == std::string_view::npos || path_end <= method_end ||
      request_line.substr(path_end + 1) != "HTTP/1.1") {
    return nonsense("400 Bad Request");
  }
  request.method = request_line.substr(0, method_end);
  request.path = request_line.substr(method_end + 1, path_end - method_end - 1);
  request.connection = connection_number_;
  request.http_version = "1.1";
  std::size_t body_size = 0;
  bool close = false;
  for (std::size_t begin = line_end + 2; begin < head.size(); begin = line_end + 2) {
    line_end = head.find("\r\n", begin);
    const std::string_view line = head.substr(begin, line_end - begin);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return nonsense("400 Bad Request");
    std::string name = core::ToLower(line.substr(0, colon));
    const std::string_view value = core::Trim(line.substr(colon + 1));
    if (name == "content-length") {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), body_size);
      if (error != std::errc() || end != value.data() + value.size()) return nonsense("400 Bad Request");
      if (body_size > kRequestBodyLimit) return nonsense("413 Content Too Large");
    }
    if (name == "transfer-encoding") return nonsense("411 Length Required");
    if (name == "connection") close = core::ToLower(value) == "close";
    request.headers.emplace_back(std::move(name), value);
  }
  const std::size_t body_begin = head_end + 4;
  if (in_.size() - body_begin < body_size) return Parsed::kIncomplete;
  request.body = in_.substr(body_begin, body_size);
  in_.erase(0, body_begin + body_size);
  close_after_answer_ = close;
  return Parsed::kRequest;
}

void UpstreamHttp1::Produce() {
  std::array<char, 16 * 1024> buffer;
  while (current_ && current_->has_body() && !connection_.backlogged()) {
    const auto exchange = current_;
    const std::size_t size = exchange->TakeBody(buffer.data(), buffer.size());
    if (chunked_) {
      std::array<char, 24> prefix;
      const int length = std::snprintf(prefix.data(), prefix.size(), "%zx\r\n", size);
      connection_.Write({prefix.data(), static_cast<std::size_t>(length)});
    }
    connection_.Write({buffer.data(), size});
    if (chunked_) connection_.Write("\r\n");
    if (!exchange->has_body()) exchange->ContinueAfterBody();
  }
  // An answer that has just ended may have had others wait behind it.
  if (!current_ && !in_.empty() && !StartNext()) connection_.End(UpstreamConnection::Ending::kClose);
}

void UpstreamHttp1::SendInformational(UpstreamExchange& /*exchange*/, int status, const core::HttpHeaders& headers) {
  AppendHead(connection_, status, headers);
  connection_.Write("\r\n");
}

void UpstreamHttp1::SendHead(UpstreamExchange& /*exchange*/, int status, const core::HttpHeaders& headers, bool empty) {
  AppendHead(connection_, status, headers);
  bool framed = status == 204 || status == 304;
  for (const auto& [name, value] : headers) {
    const std::string lower = core::ToLower(name);
    if (lower == "content-length" || lower == "transfer-encoding") framed = true;
    if (lower == "connection" && core::ToLower(value) == "close") close_after_answer_ = true;
  }
  chunked_ = !framed && !empty;
  if (chunked_) connection_.Write("transfer-encoding: chunked\r\n");
  if (!framed && empty) connection_.Write("content-length: 0\r\n");
  connection_.Write("\r\n");
}

void UpstreamHttp1::SendEnd(UpstreamExchange& /*exchange*/) {
  if (chunked_) connection_.Write("0\r\n\r\n");
  chunked_ = false;
  current_ = nullptr;
}

void UpstreamHttp1::ResetStream(UpstreamExchange& /*exchange*/, Http2Error /*code*/) {
  connection_.End(UpstreamConnection::Ending::kReset);
}

}  // namespace ticketing::support
