// A collector for tests: takes in what is exported by OTLP over HTTP, as Protocol Buffers or JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/scripted_upstream.h"

namespace ticketing::support {

// A span as it arrived. Values of attributes are text: numbers as digits.
struct ExportedSpan {
  // Numbers of opentelemetry/proto/trace/v1/trace.proto.
  enum class Kind { kServer = 2, kClient = 3 };
  enum class Status { kUnset = 0, kOk = 1, kError = 2 };

  std::string name;
  std::string trace_id;  // these three in lower-case hexadecimal
  std::string span_id;
  std::string parent_id;  // empty: none
  std::string trace_state;
  Kind kind = Kind::kServer;
  Status status = Status::kUnset;
  std::uint64_t start = 0;  // nanoseconds since 1970
  std::uint64_t end = 0;
  std::map<std::string, std::string> attributes;
  std::map<std::string, std::string> resource;

  // The value of an attribute; "(none)" without it.
  std::string operator[](const std::string& attribute) const;
};

// Answers every export with 200, unless told otherwise through upstream().
class OtlpReceiver {
 public:
  explicit OtlpReceiver(UpstreamOptions options = {});

  ScriptedUpstream& upstream() { return upstream_; }
  std::string url() const { return upstream_.url(); }

  // All spans that have arrived, in the order of their arrival. Ends the test program when one can't be read.
  std::vector<ExportedSpan> spans() const;
  // The same once there are `count`; fewer when they did not come.
  std::vector<ExportedSpan> WaitForSpans(std::size_t count) const;

  // Everything that has arrived, byte for byte: request lines, headers and bodies.
  std::string bytes() const;

 private:
  ScriptedUpstream upstream_;
};

}  // namespace ticketing::support
