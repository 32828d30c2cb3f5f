#include "ops/traces.h"

#include <opentelemetry/context/propagation/text_map_propagator.h>
#include <opentelemetry/exporters/otlp/otlp_http_exporter_factory.h>
#include <opentelemetry/sdk/common/global_log_handler.h>
#include <opentelemetry/sdk/resource/resource_detector.h>
#include <opentelemetry/sdk/trace/batch_span_processor_factory.h>
#include <opentelemetry/sdk/trace/batch_span_processor_options.h>
#include <opentelemetry/sdk/trace/samplers/always_off_factory.h>
#include <opentelemetry/sdk/trace/samplers/always_on_factory.h>
#include <opentelemetry/sdk/trace/samplers/parent_factory.h>
#include <opentelemetry/sdk/trace/samplers/trace_id_ratio_factory.h>
#include <opentelemetry/sdk/trace/tracer_provider.h>
#include <opentelemetry/sdk/trace/tracer_provider_factory.h>
#include <opentelemetry/semconv/error_attributes.h>
#include <opentelemetry/semconv/http_attributes.h>
#include <opentelemetry/semconv/incubating/rpc_attributes.h>
#include <opentelemetry/semconv/incubating/service_attributes.h>
#include <opentelemetry/semconv/incubating/url_attributes.h>
#include <opentelemetry/semconv/schema_url.h>
#include <opentelemetry/semconv/server_attributes.h>
#include <opentelemetry/trace/propagation/http_trace_context.h>

#include <algorithm>
#include <atomic>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <charconv>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace ticketing::ops {
namespace {

namespace api = opentelemetry::trace;
namespace nostd = opentelemetry::nostd;
namespace otlp = opentelemetry::exporter::otlp;
namespace sdk = opentelemetry::sdk;
namespace semconv = opentelemetry::semconv;
using std::chrono::steady_clock;

constexpr char kProgram[] = "ticketing-user-service";
constexpr char kService[] = "ticketing.v1.TicketingUserService";

// The path of every request; what it has in the place of `{id}` is not for traces.
constexpr char kPath[] = "/unified/ticketing/users/{id}";

// How long what still waits at the end may take.
constexpr std::chrono::seconds kFlushTime{2};

nostd::string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

// ---- What the library does by itself

// Takes the library's warnings to the log: once a minute from each place of its code, since with a collector that is
// down every span may bring one.
class WarningsToLog final : public sdk::common::internal_log::LogHandler {
 public:
  explicit WarningsToLog(Log& log) : log_(log) {}

  void Handle(sdk::common::internal_log::LogLevel /*level*/, const char* file, int line, const char* message,
              const sdk::common::AttributeMap& /*attributes*/) noexcept override {
    constexpr std::chrono::minutes kPause{1};
    const auto now = steady_clock::now();
    const std::lock_guard lock(mutex_);
    const auto [told, first] = told_.try_emplace({file, line}, now);
    if (!first && now - told->second < kPause) return;
    told->second = now;
    log_.Write(LogLevel::kWarn, "OpenTelemetry", {{"text", message}});
  }

 private:
  Log& log_;
  std::mutex mutex_;
  std::map<std::pair<std::string_view, int>, steady_clock::time_point> told_;
};

void SendWarningsTo(std::unique_ptr<sdk::common::internal_log::LogHandler> handler) {
  sdk::common::internal_log::GlobalLogHandler::SetLogHandler(
      nostd::shared_ptr<sdk::common::internal_log::LogHandler>(std::move(handler)));
}

// Exports as `exporter` does, up to a time that can be set: the library itself would try to get rid of the whole queue,
// one timeout after the other.
class BoundedExporter final : public sdk::trace::SpanExporter {
 public:
  explicit BoundedExporter(std::unique_ptr<sdk::trace::SpanExporter> exporter) : exporter_(std::move(exporter)) {}

  // For any thread.
  void EndAt(steady_clock::time_point end) { end_ = end; }

  std::unique_ptr<sdk::trace::Recordable> MakeRecordable() noexcept override { return exporter_->MakeRecordable(); }
  sdk::common::ExportResult Export(
      const nostd::span<std::unique_ptr<sdk::trace::Recordable>>& spans) noexcept override {
    if (steady_clock::now() >= end_.load()) return sdk::common::ExportResult::kFailure;
    return exporter_->Export(spans);
  }
  bool ForceFlush(std::chrono::microseconds timeout) noexcept override { return exporter_->ForceFlush(timeout); }
  bool Shutdown(std::chrono::microseconds timeout) noexcept override { return exporter_->Shutdown(timeout); }

 private:
  std::unique_ptr<sdk::trace::SpanExporter> exporter_;
  std::atomic<steady_clock::time_point> end_{steady_clock::time_point::max()};
};

std::unique_ptr<BoundedExporter> MakeExporter(const Settings& settings) {
  otlp::OtlpHttpExporterOptions options;  // with what the library reads from the environment
  if (!settings.trace_endpoint.empty()) options.url = settings.trace_endpoint;
  options.content_type = settings.trace_protocol == OtlpProtocol::kJson ? otlp::HttpRequestContentType::kJson
                                                                        : otlp::HttpRequestContentType::kBinary;
  options.timeout = settings.trace_timeout;  // a plain number is milliseconds, which the library takes for seconds
  return std::make_unique<BoundedExporter>(otlp::OtlpHttpExporterFactory::Create(options));
}

std::unique_ptr<sdk::trace::Sampler> MakeSampler(const Settings& settings) {
  const auto below_parent = [](std::unique_ptr<sdk::trace::Sampler> root) {
    return sdk::trace::ParentBasedSamplerFactory::Create(std::move(root));
  };
  switch (settings.trace_sampler) {
    case TraceSampler::kAlwaysOn: return sdk::trace::AlwaysOnSamplerFactory::Create();
    case TraceSampler::kAlwaysOff: return sdk::trace::AlwaysOffSamplerFactory::Create();
    case TraceSampler::kRatio: return sdk::trace::TraceIdRatioBasedSamplerFactory::Create(settings.trace_ratio);
    case TraceSampler::kParentOrAlwaysOn: return below_parent(sdk::trace::AlwaysOnSamplerFactory::Create());
    case TraceSampler::kParentOrAlwaysOff: return below_parent(sdk::trace::AlwaysOffSamplerFactory::Create());
    case TraceSampler::kParentOrRatio:
      return below_parent(sdk::trace::TraceIdRatioBasedSamplerFactory::Create(settings.trace_ratio));
  }
  return sdk::trace::AlwaysOffSamplerFactory::Create();
}

// What the environment says of the service wins over what the service says of itself.
sdk::resource::Resource MakeResource() {
  sdk::resource::ResourceAttributes attributes;
  attributes[semconv::service::kServiceName] = std::string(kProgram);
  attributes[semconv::service::kServiceVersion] = std::string(TICKETING_VERSION);
  attributes[semconv::service::kServiceInstanceId] = boost::uuids::to_string(boost::uuids::random_generator()());
  const auto detected = sdk::resource::OTELResourceDetector().Detect();
  for (const auto& [name, value] : detected.GetAttributes()) attributes[name] = value;
  return sdk::resource::Resource::Create(attributes);
}

// ---- The context of a trace as headers

class Headers final : public opentelemetry::context::propagation::TextMapCarrier {
 public:
  explicit Headers(const core::HttpHeaders& headers) : headers_(headers) {}
  nostd::string_view Get(nostd::string_view key) const noexcept override {
    return View(core::FindHeader(headers_, {key.data(), key.size()}).value_or(""));
  }
  void Set(nostd::string_view /*key*/, nostd::string_view /*value*/) noexcept override {}

 private:
  const core::HttpHeaders& headers_;
};

api::SpanContext ReadContext(const core::HttpHeaders& headers) {
  opentelemetry::context::Context nothing;
  return api::GetSpan(api::propagation::HttpTraceContext().Extract(Headers(headers), nothing))->GetContext();
}

template <typename Id>
std::string Hex(const Id& id) {
  std::string text(2 * Id::kSize, '0');
  id.ToLowerBase16(nostd::span<char, 2 * Id::kSize>(text.data(), text.size()));
  return text;
}

core::HttpHeaders WriteContext(const api::Span& span) {
  const api::SpanContext context = span.GetContext();
  // Not the context's flags: the library leaves the parent's flag in the context of a span that it does not record.
  core::HttpHeaders headers = {{"traceparent", "00-" + Hex(context.trace_id()) + "-" + Hex(context.span_id()) +
                                                   (span.IsRecording() ? "-01" : "-00")}};
  if (std::string state = context.trace_state()->ToHeader(); !state.empty()) {
    headers.emplace_back("tracestate", std::move(state));
  }
  return headers;
}

// ---- Spans

// Of the codes of gRPC those that are the server's fault, by the conventions.
bool IsServerError(core::StatusCode code) {
  using enum core::StatusCode;
  return code == kUnknown || code == kDeadlineExceeded || code == kUnimplemented || code == kInternal ||
         code == kUnavailable || code == kDataLoss;
}

struct Server {
  std::string_view origin;  // "https://api.truto.one:8443"
  std::string_view address;
  int port = 0;
};

// Where a request goes, from its absolute URL.
Server ServerOf(std::string_view url) {
  Server server;
  const std::size_t start = url.find("://") + 3;
  server.origin = url.substr(0, url.find('/', start));
  server.address = server.origin.substr(start);
  server.port = url.starts_with("http://") ? 80 : 443;
  const std::size_t colon = server.address.rfind(':');
  if (colon != std::string_view::npos && server.address.find(']', colon) == std::string_view::npos) {
    std::from_chars(server.address.data() + colon + 1, server.address.data() + server.address.size(), server.port);
    server.address = server.address.substr(0, colon);
  }
  if (server.address.starts_with('[')) server.address = server.address.substr(1, server.address.size() - 2);
  return server;
}

class SpansOfCall final : public core::CallTrace {
 public:
  SpansOfCall(nostd::shared_ptr<api::Tracer> tracer, std::string_view method, const core::HttpHeaders& trace_context)
      : tracer_(std::move(tracer)),
        span_(tracer_->StartSpan(kService + std::string("/") + std::string(method),
                                 {{semconv::rpc::kRpcSystem, semconv::rpc::RpcSystemValues::kGrpc},
                                  {semconv::rpc::kRpcService, kService},
                                  {semconv::rpc::kRpcMethod, View(method)}},
                                 Options(api::SpanKind::kServer, ReadContext(trace_context)))) {}

  std::string trace_id() const override { return Hex(span_->GetContext().trace_id()); }

  core::HttpHeaders BeginAttempt(const core::HttpRequest& request, std::uint32_t number) override {
    const Server server = ServerOf(request.url);
    attempt_ = tracer_->StartSpan(request.method + " " + kPath,
                                  {{semconv::http::kHttpRequestMethod, request.method},
                                   {semconv::server::kServerAddress, View(server.address)},
                                   {semconv::server::kServerPort, server.port},
                                   {semconv::url::kUrlFull, std::string(server.origin) + kPath},
                                   {semconv::url::kUrlTemplate, kPath}},
                                  Options(api::SpanKind::kClient, span_->GetContext()));
    if (number > 1) attempt_->SetAttribute(semconv::http::kHttpRequestResendCount, number - 1);
    return WriteContext(*attempt_);
  }

  void EndAttempt(const core::AttemptRecord& record) override {
    if (!attempt_) return;
    attempt_->SetAttribute("ticketing.delivery", View(core::ToString(record.delivery)));
    if (record.http_status) attempt_->SetAttribute(semconv::http::kHttpResponseStatusCode, *record.http_status);
    if (record.http_status && *record.http_status >= 400) {
      FailAttempt(std::to_string(*record.http_status));
    } else if (record.reason) {
      FailAttempt(core::ToString(*record.reason));
    }
    attempt_->End();
    attempt_ = {};
  }

  void End(const core::CallRecord& record) override {
    attempt_ = {};
    span_->SetAttribute(semconv::rpc::kRpcGrpcStatusCode, static_cast<int>(record.code));
    span_->SetAttribute("ticketing.request_id", record.request_id);
    span_->SetAttribute("ticketing.attempts", record.attempts);
    span_->SetAttribute("ticketing.delivery",
                        View(record.outcome == "NOT_SENT" ? record.outcome : core::ToString(record.delivery)));
    if (!record.outcome.empty()) span_->SetAttribute("ticketing.outcome", View(record.outcome));
    if (record.reason) span_->SetAttribute(semconv::error::kErrorType, View(core::ToString(*record.reason)));
    if (IsServerError(record.code)) span_->SetStatus(api::StatusCode::kError);
    span_->End();
  }

 private:
  static api::StartSpanOptions Options(api::SpanKind kind, const api::SpanContext& parent) {
    api::StartSpanOptions options;
    options.kind = kind;
    options.parent = parent;
    return options;
  }

  void FailAttempt(std::string_view error_type) {
    attempt_->SetAttribute(semconv::error::kErrorType, View(error_type));
    attempt_->SetStatus(api::StatusCode::kError);
  }

  nostd::shared_ptr<api::Tracer> tracer_;
  nostd::shared_ptr<api::Span> span_;
  nostd::shared_ptr<api::Span> attempt_;  // null between attempts
};

class Traces final : public core::Tracer {
 public:
  // `exporter` is the provider's.
  Traces(std::unique_ptr<sdk::trace::TracerProvider> provider, BoundedExporter& exporter)
      : provider_(std::move(provider)),
        exporter_(exporter),
        tracer_(provider_->GetTracer(kProgram, TICKETING_VERSION, semconv::kSchemaUrl)) {}
  Traces(const Traces&) = delete;
  Traces& operator=(const Traces&) = delete;
  ~Traces() override {
    exporter_.EndAt(steady_clock::now() + kFlushTime);
    provider_->Shutdown(kFlushTime);
    SendWarningsTo(std::make_unique<sdk::common::internal_log::NoopLogHandler>());
  }

  std::unique_ptr<core::CallTrace> Begin(std::string_view method, const core::HttpHeaders& trace_context) override {
    return std::make_unique<SpansOfCall>(tracer_, method, trace_context);
  }

 private:
  std::unique_ptr<sdk::trace::TracerProvider> provider_;
  BoundedExporter& exporter_;
  nostd::shared_ptr<api::Tracer> tracer_;
};

}  // namespace

std::unique_ptr<core::Tracer> OpenTraces(const Settings& settings, Log& log) {
  const bool wanted =
      settings.trace_exporter == TraceExporter::kOtlp ||
      (settings.trace_exporter == TraceExporter::kWhereAnEndpointIsSet && !settings.trace_endpoint.empty());
  if (!wanted || settings.telemetry_disabled) return nullptr;

  SendWarningsTo(std::make_unique<WarningsToLog>(log));
  auto exporter = MakeExporter(settings);
  BoundedExporter& bounded = *exporter;
  sdk::trace::BatchSpanProcessorOptions options;
  options.schedule_delay_millis = settings.trace_delay;
  options.max_queue_size = settings.trace_queue;
  options.max_export_batch_size = std::min(settings.trace_batch, settings.trace_queue);
  auto provider = sdk::trace::TracerProviderFactory::Create(
      sdk::trace::BatchSpanProcessorFactory::Create(std::move(exporter), options), MakeResource(),
      MakeSampler(settings));
  return std::make_unique<Traces>(std::move(provider), bounded);
}

}  // namespace ticketing::ops
