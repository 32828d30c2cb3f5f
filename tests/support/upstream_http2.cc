#include "tests/support/upstream_http2.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "core/ascii.h"

namespace ticketing::support {
namespace {

// nghttp2 refuses to send more than 64 KiB of header fields unless it is told to.
constexpr std::size_t kHeaderBlockLimit = 64 * 1024 * 1024;

void Require(bool success, const char* what) {
  if (success) return;
  std::fprintf(stderr, "scripted upstream: %s failed\n", what);
  std::abort();
}

// Header fields as nghttp2 wants them; valid as long as this and the `headers` it was made from.
class NameValues {
 public:
  NameValues(int status, const core::HttpHeaders& headers) : status_(std::to_string(status)) {
    names_.reserve(headers.size());
    fields_.reserve(headers.size() + 1);
    Add(":status", status_);
    for (const auto& [name, value] : headers) Add(names_.emplace_back(core::ToLower(name)), value);
  }
  NameValues(const NameValues&) = delete;
  NameValues& operator=(const NameValues&) = delete;

  const nghttp2_nv* data() const { return fields_.data(); }
  std::size_t size() const { return fields_.size(); }

 private:
  static std::uint8_t* Bytes(std::string_view text) {
    // nghttp2 takes pointers to non-const and copies what they point at.
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  }
  void Add(std::string_view name, std::string_view value) {
    fields_.push_back({Bytes(name), Bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  }

  std::string status_;
  std::vector<std::string> names_;
  std::vector<nghttp2_nv> fields_;
};

}  // namespace

struct UpstreamHttp2::Callbacks {
  static UpstreamHttp2& Self(void* user_data) { return *static_cast<UpstreamHttp2*>(user_data); }

  static int OnBeginHeaders(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user_data) {
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    UpstreamHttp2& self = Self(user_data);
    ReceivedRequest& request = self.streams_[frame->hd.stream_id].request;
    request.connection = self.connection_number_;
    request.stream_id = frame->hd.stream_id;
    request.http_version = "2";
    return 0;
  }

  static int OnHeader(nghttp2_session* /*session*/, const nghttp2_frame* frame, const std::uint8_t* name,
                      std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t /*flags*/,
                      void* user_data) {
    Stream* stream = Self(user_data).Find(frame->hd.stream_id);
    if (stream == nullptr || stream->exchange) return 0;
    const std::string_view field(reinterpret_cast<const char*>(name), name_size);
    std::string text(reinterpret_cast<const char*>(value), value_size);
    ReceivedRequest& request = stream->request;
    if (field == ":method") {
      request.method = std::move(text);
    } else if (field == ":path") {
      request.path = std::move(text);
    } else if (field == ":authority") {
      request.headers.emplace(request.headers.begin(), "host", std::move(text));
    } else if (!field.starts_with(':')) {
      request.headers.emplace_back(field, std::move(text));
    }
    return 0;
  }

  static int OnData(nghttp2_session* /*session*/, std::uint8_t /*flags*/, std::int32_t stream_id,
                    const std::uint8_t* data, std::size_t size, void* user_data) {
    if (Stream* stream = Self(user_data).Find(stream_id)) {
      stream->request.body.append(reinterpret_cast<const char*>(data), size);
    }
    return 0;
  }

  static int OnFrame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user_data) {
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    UpstreamHttp2& self = Self(user_data);
    Stream* stream = self.Find(frame->hd.stream_id);
    if (stream == nullptr || stream->exchange) return 0;
    stream->exchange = self.connection_.Open(stream->request, self);
    self.to_start_.push_back(stream->exchange);
    return 0;
  }

  static int OnStreamClose(nghttp2_session* /*session*/, std::int32_t stream_id, std::uint32_t /*code*/,
                           void* user_data) {
    UpstreamHttp2& self = Self(user_data);
    auto node = self.streams_.extract(stream_id);
    if (!node.empty() && node.mapped().exchange) {
      node.mapped().exchange->OnStreamEnd(stream_id >= self.lowest_refused_);
    }
    return 0;
  }

  static ssize_t OnReadBody(nghttp2_session* /*session*/, std::int32_t stream_id, std::uint8_t* buffer,
                            std::size_t size, std::uint32_t* flags, nghttp2_data_source* /*source*/, void* user_data) {
    return Self(user_data).ReadBody(stream_id, buffer, size, flags);
  }
};

UpstreamHttp2::UpstreamHttp2(UpstreamConnection& connection, std::uint64_t connection_number)
    : connection_(connection), connection_number_(connection_number) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  Require(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0, "memory");
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, Callbacks::OnBeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::OnHeader);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::OnData);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::OnFrame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::OnStreamClose);
  nghttp2_option_set_max_send_header_block_length(option, kHeaderBlockLimit);
  Require(nghttp2_session_server_new2(&session_, callbacks, this, option) == 0, "nghttp2_session_server_new2");
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, connection_.behavior().max_concurrent_streams}};
  Require(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings)) == 0, "SETTINGS");
}

UpstreamHttp2::~UpstreamHttp2() {
  nghttp2_session_del(session_);
}

UpstreamHttp2::Stream* UpstreamHttp2::Find(std::int32_t stream_id) {
  const auto found = streams_.find(stream_id);
  return found == streams_.end() ? nullptr : &found->second;
}

bool UpstreamHttp2::Receive(std::string_view bytes) {
  return nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()) >= 0;
}

void UpstreamHttp2::Produce() {
  while (true) {
    for (const auto& exchange : std::exchange(to_start_, {})) exchange->Advance();
    const std::uint8_t* frame = nullptr;
    const ssize_t size = connection_.backlogged() ? 0 : nghttp2_session_mem_send(session_, &frame);
    if (size > 0) connection_.Write({reinterpret_cast<const char*>(frame), static_cast<std::size_t>(size)});
    for (const auto& exchange : std::exchange(to_continue_, {})) exchange->ContinueAfterBody();
    if (size <= 0 && to_start_.empty() && to_continue_.empty()) return;
  }
}

void UpstreamHttp2::Settle() {
  const std::uint8_t* frame = nullptr;
  while (true) {
    const ssize_t size = nghttp2_session_mem_send(session_, &frame);
    if (size <= 0) return;
    connection_.Write({reinterpret_cast<const char*>(frame), static_cast<std::size_t>(size)});
  }
}

bool UpstreamHttp2::finished() const {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

void UpstreamHttp2::SendInformational(UpstreamExchange& exchange, int status, const core::HttpHeaders& headers) {
  const NameValues fields(status, headers);
  nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, exchange.stream_id(), nullptr, fields.data(), fields.size(),
                         nullptr);
  Settle();  // else the final head could overtake it
}

void UpstreamHttp2::SendHead(UpstreamExchange& exchange, int status, const core::HttpHeaders& headers, bool empty) {
  const NameValues fields(status, headers);
  const nghttp2_data_provider body{.source = {.ptr = nullptr}, .read_callback = Callbacks::OnReadBody};
  nghttp2_submit_response(session_, exchange.stream_id(), fields.data(), fields.size(), empty ? nullptr : &body);
}

void UpstreamHttp2::OfferBody(UpstreamExchange& exchange) {
  nghttp2_session_resume_data(session_, exchange.stream_id());
}

void UpstreamHttp2::SendEnd(UpstreamExchange& exchange) {
  Stream* stream = Find(exchange.stream_id());
  if (stream == nullptr) return;
  stream->ended = true;
  nghttp2_session_resume_data(session_, exchange.stream_id());
}

ssize_t UpstreamHttp2::ReadBody(std::int32_t stream_id, std::uint8_t* buffer, std::size_t size, std::uint32_t* flags) {
  Stream* stream = Find(stream_id);
  if (stream == nullptr || stream->ended) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return 0;
  }
  UpstreamExchange& exchange = *stream->exchange;
  if (!exchange.has_body()) return NGHTTP2_ERR_DEFERRED;
  if (connection_.backlogged()) return NGHTTP2_ERR_PAUSE;  // in Settle()
  const std::size_t taken = exchange.TakeBody(reinterpret_cast<char*>(buffer), size);
  if (!exchange.has_body()) {
    if (exchange.TakeEnd()) {
      stream->ended = true;
      *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    to_continue_.push_back(stream->exchange);
  }
  return static_cast<ssize_t>(taken);
}

void UpstreamHttp2::ResetStream(UpstreamExchange& exchange, Http2Error code) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, exchange.stream_id(), static_cast<std::uint32_t>(code));
}

void UpstreamHttp2::SendGoAway(UpstreamExchange& /*exchange*/, std::int32_t last_stream_id, Http2Error code) {
  // Streams beyond the last are closed by nghttp2 when it sends the frame.
  lowest_refused_ = std::min(lowest_refused_, last_stream_id == INT32_MAX ? last_stream_id : last_stream_id + 1);
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, last_stream_id, static_cast<std::uint32_t>(code), nullptr, 0);
}

}  // namespace ticketing::support
