#include "tests/support/otlp_receiver.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

namespace ticketing::support {
namespace {

using nlohmann::json;

[[noreturn]] void Fail(const std::string& why) {
  std::fprintf(stderr, "OTLP receiver: %s\n", why.c_str());
  std::abort();
}

// The message as JSON. Its type is known by the library of OpenTelemetry, which is linked but has no header for it.
json FromProtobuf(const std::string& body) {
  const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
      "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest");
  if (type == nullptr) Fail("the messages of OTLP are not linked");
  const std::unique_ptr<google::protobuf::Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  if (!message->ParseFromString(body)) Fail("a body is not an ExportTraceServiceRequest");
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_enums_as_ints = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(*message, &text, options).ok()) Fail("a body can't be shown");
  return json::parse(text);
}

// The bytes of base64 in hexadecimal.
std::string HexOfBase64(std::string_view base64) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string hex;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : base64.substr(0, base64.find('='))) {
    bits = bits << 6 | static_cast<std::uint32_t>(kAlphabet.find(c));
    count += 6;
    if (count < 8) continue;
    count -= 8;
    hex += kHex[bits >> (count + 4) & 0xF];
    hex += kHex[bits >> count & 0xF];
  }
  return hex;
}

// Values are {"stringValue": "x"}, {"intValue": "1"} and so on.
std::map<std::string, std::string> Attributes(const json& owner) {
  std::map<std::string, std::string> attributes;
  for (const json& attribute : owner.value("attributes", json::array())) {
    const json& value = attribute.at("value").front();
    attributes[attribute.at("key")] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return attributes;
}

std::uint64_t Number(const json& value) {
  return value.is_string() ? std::stoull(value.get<std::string>()) : value.get<std::uint64_t>();
}

void AddSpans(const ReceivedRequest& request, std::vector<ExportedSpan>& spans) {
  if (request.method != "POST") Fail("a request is no POST");
  const auto type = core::FindHeader(request.headers, "content-type").value_or("");
  const bool binary = type == "application/x-protobuf";
  if (!binary && type != "application/json") Fail("a request has the content type " + std::string(type));
  const json body = binary ? FromProtobuf(request.body) : json::parse(request.body);
  // JSON of OTLP has these in hexadecimal, other than that of Protocol Buffers.
  const auto id = [&](const json& span, const char* key) {
    const std::string text = span.value(key, "");
    return binary ? HexOfBase64(text) : text;
  };
  for (const json& of_resource : body.at("resourceSpans")) {
    for (const json& of_scope : of_resource.at("scopeSpans")) {
      for (const json& span : of_scope.at("spans")) {
        spans.push_back(
            {.name = span.at("name"),
             .trace_id = id(span, "traceId"),
             .span_id = id(span, "spanId"),
             .parent_id = id(span, "parentSpanId"),
             .trace_state = span.value("traceState", ""),
             .kind = static_cast<ExportedSpan::Kind>(span.at("kind").get<int>()),
             .status = static_cast<ExportedSpan::Status>(span.value("status", json::object()).value("code", 0)),
             .start = Number(span.at("startTimeUnixNano")),
             .end = Number(span.at("endTimeUnixNano")),
             .attributes = Attributes(span),
             .resource = Attributes(of_resource.at("resource"))});
      }
    }
  }
}

std::vector<ExportedSpan> SpansOf(const std::vector<ReceivedRequest>& requests) {
  std::vector<ExportedSpan> spans;
  for (const ReceivedRequest& request : requests) AddSpans(request, spans);
  return spans;
}

}  // namespace

std::string ExportedSpan::operator[](const std::string& attribute) const {
  const auto found = attributes.find(attribute);
  return found == attributes.end() ? "(none)" : found->second;
}

OtlpReceiver::OtlpReceiver(UpstreamOptions options) : upstream_(options) {
  upstream_.SetDefault(Script().Answer(200, {{"content-type", "application/x-protobuf"}}, ""));
}

std::vector<ExportedSpan> OtlpReceiver::spans() const {
  return SpansOf(upstream_.requests());
}

std::vector<ExportedSpan> OtlpReceiver::WaitForSpans(std::size_t count) const {
  static_cast<void>(upstream_.WaitUntil([&](const Facts& facts) { return SpansOf(facts.requests).size() >= count; }));
  return spans();
}

std::string OtlpReceiver::bytes() const {
  std::string bytes;
  for (const ReceivedRequest& request : upstream_.requests()) {
    bytes += request.method + " " + request.path + "\n";
    for (const auto& [name, value] : request.headers) bytes += name + ": " + value + "\n";
    bytes += request.body + "\n";
  }
  return bytes;
}

}  // namespace ticketing::support
