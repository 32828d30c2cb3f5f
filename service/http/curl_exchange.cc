#include "http/curl_exchange.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <utility>

#include "core/ascii.h"

namespace ticketing::http {
namespace {

// A streaming body waits in libcurl, and so in the sender, while this much is unread.
constexpr std::size_t kUnreadBodyLimit = 256 * 1024;

// Headers beyond this are left out: the longest that mean anything here are a few hundred bytes.
constexpr std::size_t kHeaderLimit = 64 * 1024;

// The status of "HTTP/1.1 200 OK" or "HTTP/2 200"; 0 when the line is none.
int ParseStatusLine(std::string_view line) {
  const auto space = line.find(' ');
  if (space == std::string_view::npos) return 0;
  int status = 0;
  std::from_chars(line.data() + space + 1, line.data() + line.size(), status);
  return status;
}

}  // namespace

core::TransportError ClassifyTransportError(CURLcode code, bool sent, std::string_view detail) {
  using Kind = core::TransportError::Kind;
  core::TransportError error;
  error.request_sent = sent;
  if (sent && code == CURLE_ABORTED_BY_CALLBACK) {
    // OnBeforeRequest did it, whose doing libcurl's words would be.
    detail = "the connection ended without a byte of an answer, and the request was not sent again";
  }
  error.message = detail.empty() ? curl_easy_strerror(code) : std::string(detail);
  error.message += " (curl " + std::to_string(static_cast<int>(code)) + ")";
  if (sent) {
    error.kind = Kind::kBroken;
    return error;
  }
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH: error.kind = Kind::kMisconfigured; break;
    default: error.kind = Kind::kUnreachable; break;
  }
  return error;
}

CurlExchange::CurlExchange(boost::asio::io_context& context, CurlMulti& multi, EasyHandlePool& pool, EasyHandle easy,
                           const core::HttpRequest& request, const call::AttemptOptions& options)
    : multi_(multi),
      pool_(pool),
      easy_(std::move(easy)),
      change_(context),
      deadline_(options.deadline),
      streaming_(options.streaming) {
  // Keeps libcurl from adding one of its own.
  request_headers_.reset(curl_slist_append(nullptr, "accept:"));
  std::string line;
  for (const auto& [name, value] : request.headers) {
    // With a colon, an empty header would be left out.
    line.assign(name).append(value.empty() ? ";" : ": ").append(value);
    request_headers_.reset(curl_slist_append(request_headers_.release(), line.c_str()));
  }
  CURL* handle = easy_.get();
  curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  // Without TLS nothing but HTTP/1.1 is spoken, and unless it knows that, libcurl lets all transfers wait for the first
  // one's answer: they might share its connection.
  curl_easy_setopt(
      handle, CURLOPT_HTTP_VERSION,
      static_cast<long>(request.url.starts_with("http:") ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
  curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, request_headers_.get());
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &CurlExchange::OnHeader);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &CurlExchange::OnBody);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(handle, CURLOPT_PREREQFUNCTION, &CurlExchange::OnBeforeRequest);
  curl_easy_setopt(handle, CURLOPT_PREREQDATA, this);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, static_cast<char*>(error_text_));
  multi_.Add(handle, *this);
}

CurlExchange::~CurlExchange() {
  Detach();
  curl_easy_setopt(easy_.get(), CURLOPT_ERRORBUFFER, nullptr);
  // A handle whose transfer failed may carry state of the failure on.
  if (complete_) pool_.Release(std::move(easy_));
}

boost::asio::awaitable<std::variant<core::ResponseHead, core::TransportError>> CurlExchange::Head() {
  while (!head_complete_ && !ended_) co_await WaitForChange();
  // A final status line decides, even if the headers after it broke off.
  if (head_.status >= 200) co_return head_;
  co_return error_;
}

boost::asio::awaitable<call::BodyPiece> CurlExchange::Read() {
  while (body_.empty() && !ended_) co_await WaitForChange();
  call::BodyPiece piece;
  piece.bytes = std::exchange(body_, {});
  piece.end = ended_;
  piece.complete = !ended_ || complete_;
  if (std::exchange(paused_, false) && !ended_) curl_easy_pause(easy_.get(), CURLPAUSE_CONT);
  co_return piece;
}

void CurlExchange::SetDeadline(call::TimePoint deadline) {
  deadline_ = deadline;
  change_.cancel();
}

void CurlExchange::CancelUnlessSent() {
  if (ended_ || request_sent()) return;
  Stop(core::TransportError::Kind::kCancelled, "cancelled before it was sent");
  change_.cancel();
}

core::HttpTimings CurlExchange::timings() const {
  // Each is counted from the start of the transfer (curl_easy_getinfo's manual).
  const auto read = [this](CURLINFO info) {
    curl_off_t span = 0;
    curl_easy_getinfo(easy_.get(), info, &span);
    return std::chrono::microseconds(span);
  };
  core::HttpTimings timings;
  long connections = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_NUM_CONNECTS, &connections);
  timings.connection_reused = request_sent() && connections == 0;
  if (connections > 0) {
    const auto name = read(CURLINFO_NAMELOOKUP_TIME_T);
    const auto connect = read(CURLINFO_CONNECT_TIME_T);
    const auto tls = read(CURLINFO_APPCONNECT_TIME_T);
    if (name.count() > 0) timings.dns = name;
    if (connect > name) timings.connect = connect - name;
    if (tls > connect) timings.tls = tls - connect;
  }
  const auto sent = read(CURLINFO_PRETRANSFER_TIME_T);
  const auto first_byte = read(CURLINFO_STARTTRANSFER_TIME_T);
  if (request_sent() && first_byte > sent) timings.first_byte = first_byte - sent;
  return timings;
}

boost::asio::awaitable<void> CurlExchange::WaitForChange() {
  change_.expires_at(deadline_);
  const auto [error] = co_await change_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  if (!error && !ended_) Stop(core::TransportError::Kind::kTimedOut, "no answer before the deadline");
}

void CurlExchange::Stop(core::TransportError::Kind kind, std::string message) {
  Detach();
  ended_ = true;
  error_ = {.kind = kind, .request_sent = request_sent(), .message = std::move(message)};
}

void CurlExchange::Detach() {
  if (!std::exchange(attached_, false)) return;
  // libcurl 7.88 keeps the reset of a stream back until there is something else to send: on a connection that nobody
  // else uses the server would go on. One that left us without an answer is better replaced anyway.
  if (!ended_) curl_easy_setopt(easy_.get(), CURLOPT_FORBID_REUSE, 1L);
  multi_.Remove(easy_.get());
}

void CurlExchange::OnTransferEnd(CURLcode code) {
  ended_ = true;
  complete_ = code == CURLE_OK && head_complete_;
  if (!complete_) {
    error_ = ClassifyTransportError(code, request_sent(), static_cast<const char*>(error_text_));
  }
  change_.cancel();
}

int CurlExchange::OnBeforeRequest(void* self, char* /*remote_ip*/, char* /*local_ip*/, int /*remote_port*/,
                                  int /*local_port*/) {
  // libcurl sends any request again, up to five times and unreported, when a reused connection yields no byte
  // (measured with 7.88.1: the server saw two DELETEs, the application one 200). A second sending is ours to decide.
  auto& exchange = *static_cast<CurlExchange*>(self);
  return ++exchange.times_sent_ == 1 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

std::size_t CurlExchange::OnHeader(char* data, std::size_t size, std::size_t count, void* self) {
  auto& exchange = *static_cast<CurlExchange*>(self);
  if (!exchange.head_complete_) exchange.TakeHeaderLine({data, size * count});
  return size * count;
}

void CurlExchange::TakeHeaderLine(std::string_view line) {
  if (line.starts_with("HTTP/")) {
    head_ = {.status = ParseStatusLine(line), .headers = {}};
    return;
  }
  const std::string_view text = core::Trim(line);
  if (text.empty()) {
    // An informational answer (1xx) is followed by another one.
    if (head_.status >= 200) {
      head_complete_ = true;
      change_.cancel();
    }
    return;
  }
  header_bytes_ += line.size();
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || header_bytes_ > kHeaderLimit) return;
  head_.headers.emplace_back(core::ToLower(text.substr(0, colon)), core::Trim(text.substr(colon + 1)));
}

std::size_t CurlExchange::OnBody(char* data, std::size_t size, std::size_t count, void* self) {
  auto& exchange = *static_cast<CurlExchange*>(self);
  if (exchange.streaming_ && exchange.body_.size() >= kUnreadBodyLimit) {
    exchange.paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  exchange.body_.append(data, size * count);
  exchange.change_.cancel();
  return size * count;
}

}  // namespace ticketing::http
