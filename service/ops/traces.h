// Traces: spans of OpenTelemetry, exported by OTLP over HTTP.
#pragma once

#include <memory>

#include "core/call_trace.h"
#include "ops/log.h"
#include "ops/settings.h"

namespace ticketing::ops {

// A tracer as the settings ask for it; null, and nothing is made, when they ask for none. Spans are named and described
// by OpenTelemetry's semantic conventions for RPC and HTTP, and have no id of a user, no token and no body. They wait
// in a queue and are exported from threads of their own; with a collector that is down they are dropped, and `log`,
// which must outlive the tracer, tells that once a minute.
//
// Its destruction exports what still waits. With a collector that does not answer that ends after two seconds, or after
// two timeouts of an export when these are longer. Calls may outlive it: what they still tell is dropped.
//
// Besides the settings the library reads further variables of OpenTelemetry by itself, as OTEL_EXPORTER_OTLP_HEADERS,
// OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
std::unique_ptr<core::Tracer> OpenTraces(const Settings& settings, Log& log);

}  // namespace ticketing::ops
