#include "rpc/call_metadata.h"

#include <grpc/support/time.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace ticketing::rpc {
namespace {

// "00-" trace id "-" parent id "-" flags.
constexpr std::size_t kTraceparentLength = 55;
constexpr std::size_t kTraceIdStart = 3;
constexpr std::size_t kTraceIdLength = 32;
constexpr std::size_t kTracestateLimit = 512;
constexpr std::size_t kCorrelationIdLimit = 128;

bool IsVisible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7F; });
}

bool IsLowerHex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsAllZero(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}

bool IsTraceparent(std::string_view text) {
  // A later version may append to what version 00 defines.
  if (text.size() < kTraceparentLength || !IsVisible(text)) return false;
  if (text.size() > kTraceparentLength && (text.starts_with("00") || text[kTraceparentLength] != '-')) return false;
  return text[2] == '-' && text[35] == '-' && text[52] == '-' && IsLowerHex(text.substr(0, 2)) &&
         !text.starts_with("ff") && IsLowerHex(text.substr(3, 32)) && !IsAllZero(text.substr(3, 32)) &&
         IsLowerHex(text.substr(36, 16)) && !IsAllZero(text.substr(36, 16)) && IsLowerHex(text.substr(53, 2));
}

// The single value of `key`; nothing when there is none or more than one.
std::optional<std::string_view> SingleValue(const grpc::ServerContext& context, const char* key) {
  const auto [first, last] = context.client_metadata().equal_range(key);
  if (first == last || std::next(first) != last) return std::nullopt;
  return std::string_view(first->second.data(), first->second.size());
}

}  // namespace

core::HttpHeaders ReadTraceContext(const grpc::ServerContext& context) {
  core::HttpHeaders headers;
  const auto parent = SingleValue(context, "traceparent");
  if (!parent || !IsTraceparent(*parent)) return headers;
  headers.emplace_back("traceparent", *parent);
  std::string state;
  const auto [first, last] = context.client_metadata().equal_range("tracestate");
  for (auto entry = first; entry != last; ++entry) {
    if (!state.empty()) state += ',';
    state.append(entry->second.data(), entry->second.size());
  }
  if (!state.empty() && state.size() <= kTracestateLimit && IsVisible(state)) headers.emplace_back("tracestate", state);
  return headers;
}

std::string TraceId(const core::HttpHeaders& trace_context) {
  const auto parent = core::FindHeader(trace_context, "traceparent");
  return parent ? std::string(parent->substr(kTraceIdStart, kTraceIdLength)) : std::string();
}

std::string ReadCorrelationId(const grpc::ServerContext& context) {
  const auto id = SingleValue(context, "x-request-id");
  if (!id || id->size() > kCorrelationIdLimit || !IsVisible(*id)) return {};
  return std::string(*id);
}

std::uint32_t ReadPreviousRpcAttempts(const grpc::ServerContext& context) {
  const std::string_view text = SingleValue(context, "grpc-previous-rpc-attempts").value_or("");
  std::uint32_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  return error == std::errc() && end == text.data() + text.size() ? count : 0;
}

std::optional<std::chrono::nanoseconds> ReadTimeLeft(const grpc::ServerContext& context) {
  const gpr_timespec deadline = context.raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return std::nullopt;
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  return std::chrono::seconds(left.tv_sec) + std::chrono::nanoseconds(left.tv_nsec);
}

bool HasTooMuchMetadata(const grpc::ServerContext& context) {
  constexpr std::size_t kMaxBytes = 8 * 1024;
  constexpr std::size_t kEntryBytes = 32;
  std::size_t bytes = 0;
  for (const auto& [key, value] : context.client_metadata()) bytes += key.size() + value.size() + kEntryBytes;
  return bytes > kMaxBytes;
}

}  // namespace ticketing::rpc
