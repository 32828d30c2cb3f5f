// Everything that can be set from outside: one table that is flags, environment variables and --help.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace ticketing::ops {

enum class QueryArrays { kBrackets, kIndices };
enum class TokenKind { kApi, kAccount };
enum class AuthMode { kService, kCaller };
enum class LogLevel { kTrace, kDebug, kInfo, kWarn, kError };
enum class LogFormat { kJson, kText };
enum class TraceExporter { kWhereAnEndpointIsSet, kOtlp, kNone };
enum class OtlpProtocol { kProtobuf, kJson };
enum class TraceSampler {
  kAlwaysOn,
  kAlwaysOff,
  kRatio,
  kParentOrAlwaysOn,
  kParentOrAlwaysOff,
  kParentOrRatio,
};

// A checked configuration. See the README for the meaning of each; the defaults stand here.
struct Settings {
  std::string listen = "0.0.0.0:50051";
  std::string admin_listen = "0.0.0.0:9090";
  std::string truto_base_url = "https://api.truto.one";  // without a slash at the end
  std::string truto_ca_file;
  QueryArrays truto_query_arrays = QueryArrays::kBrackets;
  std::string truto_token_file;
  std::string truto_token;  // from TRUTO_API_TOKEN; the file wins
  TokenKind truto_token_kind = TokenKind::kApi;
  AuthMode auth = AuthMode::kService;
  std::string tls_cert_file;
  std::string tls_key_file;
  std::string tls_client_ca_file;
  std::vector<std::string> allowed_clients;
  std::chrono::milliseconds default_deadline{30'000};
  std::chrono::milliseconds max_deadline{60'000};
  std::uint32_t max_attempts = 3;
  double token_rate = 45;
  std::uint32_t token_burst = 50;
  double account_rate = 4;
  std::uint32_t account_burst = 10;
  std::uint32_t max_in_flight = 200;
  std::size_t max_body_bytes = 1024 * 1024;
  std::uint32_t max_connections = 4;
  std::chrono::milliseconds drain_delay{5'000};
  std::chrono::milliseconds drain_timeout{60'000};
  bool reflection = true;
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kJson;
  bool telemetry_disabled = false;
  TraceExporter trace_exporter = TraceExporter::kWhereAnEndpointIsSet;
  std::string trace_endpoint;  // a URL with its path
  OtlpProtocol trace_protocol = OtlpProtocol::kProtobuf;
  std::chrono::milliseconds trace_timeout{10'000};
  TraceSampler trace_sampler = TraceSampler::kParentOrAlwaysOn;
  double trace_ratio = 1;
  std::chrono::milliseconds trace_delay{5'000};
  std::uint32_t trace_queue = 2048;
  std::uint32_t trace_batch = 512;

  bool operator==(const Settings&) const = default;
};

// Why the program ends instead of running: with `exit_code` 0 for --help and --version, whose text goes to standard
// output; else a text for standard error that names every wrong setting.
struct SettingsExit {
  int exit_code = 0;
  std::string text;
};

// Reads an environment variable; nothing when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

// Settings from flags and environment: a flag wins, and an environment variable that is empty counts as not set. Never
// reads the environment but through `environment`; checks that files named in settings can be read. No text of it holds
// a secret.
core::Result<Settings, SettingsExit> ParseSettings(int argc, const char* const* argv, const Environment& environment);

// The environment of this process.
Environment ProcessEnvironment();

// The table of all settings as the README shows it, in Markdown.
std::string SettingsTableMarkdown();

}  // namespace ticketing::ops
