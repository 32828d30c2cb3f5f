#include "ops/settings.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <span>
#include <utility>

#include "core/ascii.h"
#include "ops/token_file.h"

namespace ticketing::ops {
namespace {

using core::IsDigit;
using std::chrono::milliseconds;

constexpr std::string_view kProgram = "ticketing-user-service";

// ---- Kinds of values

// How a value reads and where it goes.
struct Kind {
  std::string unit;  // "duration, 0s to 10m"
  std::string rule;  // completes "must be"
  // Takes the value over; false when it breaks the rule.
  std::function<bool(const std::string& text, Settings& settings)> take;
  bool secret = false;  // its text is never shown
};

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// The number that is the whole of `text`.
template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

using Units = std::map<std::string_view, std::uint64_t>;

// A whole number and one of `units`, as a multiple of the smallest.
std::optional<std::uint64_t> ParseWithUnit(std::string_view text, const Units& units) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = ParseNumber<std::uint64_t>(text.substr(0, digits));
  const auto unit = units.find(text.substr(digits));
  if (!number || unit == units.end() || *number > std::numeric_limits<std::uint64_t>::max() / unit->second) {
    return std::nullopt;
  }
  return *number * unit->second;
}

std::optional<std::uint64_t> ParseMilliseconds(std::string_view text) {
  return ParseWithUnit(text, {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}});
}

std::optional<std::uint64_t> ParseBytes(std::string_view text) {
  return ParseWithUnit(text, {{"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}});
}

Kind Duration(milliseconds Settings::* target, const std::string& least, const std::string& most) {
  return {.unit = "duration, " + least + " to " + most,
          .rule = "a duration like 250ms, 5s, 2m or 1h, from " + least + " to " + most,
          .take = [=](const std::string& text, Settings& settings) {
            const auto value = ParseMilliseconds(text);
            if (!value || *value < *ParseMilliseconds(least) || *value > *ParseMilliseconds(most)) return false;
            settings.*target = milliseconds(*value);
            return true;
          }};
}

// The durations of OpenTelemetry's variables: a plain number.
Kind Milliseconds(milliseconds Settings::* target, std::uint64_t least, std::uint64_t most) {
  const std::string range = std::to_string(least) + " to " + std::to_string(most);
  return {.unit = "milliseconds, " + range,
          .rule = "a whole number of milliseconds from " + range,
          .take = [=](const std::string& text, Settings& settings) {
            const auto value = ParseNumber<std::uint64_t>(text);
            if (!value || *value < least || *value > most) return false;
            settings.*target = milliseconds(*value);
            return true;
          }};
}

Kind Size(std::size_t Settings::* target, const std::string& least, const std::string& most) {
  return {.unit = "size, " + least + " to " + most,
          .rule = "a size like 512B, 64KiB, 1MiB or plain bytes, from " + least + " to " + most,
          .take = [=](const std::string& text, Settings& settings) {
            const auto value = ParseBytes(text);
            if (!value || *value < *ParseBytes(least) || *value > *ParseBytes(most)) return false;
            settings.*target = *value;
            return true;
          }};
}

Kind Count(std::uint32_t Settings::* target, std::uint32_t least, std::uint32_t most) {
  const std::string range = std::to_string(least) + " to " + std::to_string(most);
  return {.unit = "number, " + range,
          .rule = "a whole number from " + range,
          .take = [=](const std::string& text, Settings& settings) {
            const auto value = ParseNumber<std::uint64_t>(text);
            if (!value || *value < least || *value > most) return false;
            settings.*target = static_cast<std::uint32_t>(*value);
            return true;
          }};
}

Kind Rate(double Settings::* target) {
  return {.unit = "calls a second",
          .rule = "a number of calls a second, 0 or more",
          .take = [=](const std::string& text, Settings& settings) {
            const auto value = ParseNumber<double>(text);
            if (!value || !std::isfinite(*value) || std::signbit(*value)) return false;
            settings.*target = *value;
            return true;
          }};
}

Kind Ratio(double Settings::* target) {
  return {.unit = "number, 0 to 1",
          .rule = "a number from 0 to 1",
          .take = [=](const std::string& text, Settings& settings) {
            const auto value = ParseNumber<double>(text);
            if (!value || std::isnan(*value) || *value < 0 || *value > 1) return false;
            settings.*target = *value;
            return true;
          }};
}

template <typename Value>
Kind OneOf(Value Settings::* target, std::vector<std::pair<std::string, Value>> choices) {
  std::string names = choices.front().first;
  for (std::size_t i = 1; i < choices.size(); ++i) {
    names += (i + 1 < choices.size() ? ", " : " or ") + choices[i].first;
  }
  return {.unit = names,
          .rule = names,
          .take = [target, choices = std::move(choices)](const std::string& text, Settings& settings) {
            const auto choice = std::ranges::find(choices, text, &std::pair<std::string, Value>::first);
            if (choice == choices.end()) return false;
            settings.*target = choice->second;
            return true;
          }};
}

// `kind` for values whose case does not matter.
Kind InAnyCase(Kind kind) {
  kind.take = [take = std::move(kind.take)](const std::string& text, Settings& settings) {
    return take(core::ToLower(text), settings);
  };
  return kind;
}

// ---- Addresses

struct Authority {
  std::string host;  // without brackets
  bool loopback = false;
  std::optional<std::uint64_t> port;  // 0 to 65535
};

bool IsNumeric(std::string_view text) {
  return std::ranges::all_of(text, IsDigit);
}

bool IsHostName(std::string_view name) {
  return !name.empty() && !name.starts_with('.') && name.find("..") == std::string_view::npos &&
         std::ranges::all_of(name,
                             [](char c) { return IsDigit(c) || IsLetter(c) || c == '-' || c == '.' || c == '_'; });
}

// A host: a name, an IPv4 address or an IPv6 address in brackets; then, perhaps, a port.
std::optional<Authority> ParseAuthority(std::string_view text) {
  Authority authority;
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    authority.host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
    in6_addr address{};
    if (::inet_pton(AF_INET6, authority.host.c_str(), &address) != 1) return std::nullopt;
    authority.loopback = IN6_IS_ADDR_LOOPBACK(&address);
  } else {
    authority.host = text.substr(0, text.find(':'));
    rest = text.substr(authority.host.size());
    if (!IsHostName(authority.host)) return std::nullopt;
    in_addr address{};
    if (::inet_pton(AF_INET, authority.host.c_str(), &address) == 1) {
      authority.loopback = ntohl(address.s_addr) >> 24 == 127;
    } else if (IsNumeric(std::string_view(authority.host).substr(authority.host.rfind('.') + 1))) {
      return std::nullopt;  // no top-level domain is a number: a mistyped IPv4 address
    }
    authority.loopback = authority.loopback || authority.host == "localhost";
  }
  if (rest.empty()) return authority;
  authority.port = ParseNumber<std::uint64_t>(rest.substr(1));
  if (!rest.starts_with(':') || !authority.port || *authority.port > 65535) return std::nullopt;
  return authority;
}

Kind ListenAddress(std::string Settings::* target) {
  return {.unit = "host:port",
          .rule = "host:port, like 0.0.0.0:50051 or [::]:50051, with a port from 0 to 65535",
          .take = [=](const std::string& text, Settings& settings) {
            const auto authority = ParseAuthority(text);
            if (!authority || !authority->port) return false;
            settings.*target = text;
            return true;
          }};
}

Kind BaseUrl(std::string Settings::* target) {
  return {.unit = "URL",
          .rule = "https://host or https://host:port, without path, query or user; http:// for a loopback host alone",
          .take = [=](const std::string& text, Settings& settings) {
            const bool plaintext = text.starts_with("http://");
            if (!plaintext && !text.starts_with("https://")) return false;
            const std::string url = text.ends_with('/') ? text.substr(0, text.size() - 1) : text;
            const auto authority =
                ParseAuthority(std::string_view(url).substr(std::min(url.size(), text.find("://") + 3)));
            if (!authority || authority->port == 0U) return false;
            if (plaintext && !authority->loopback) return false;
            settings.*target = url;
            return true;
          }};
}

// Where telemetry goes: `path` is what is added to the URL.
Kind Endpoint(std::string Settings::* target, const std::string& path) {
  return {.unit = "URL",
          .rule = "http://host or https://host, with or without port and path, without query or user",
          .take = [=](const std::string& text, Settings& settings) {
            if (!text.starts_with("http://") && !text.starts_with("https://")) return false;
            if (!std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F && c != '?' && c != '#'; })) {
              return false;
            }
            const std::size_t host = text.find("://") + 3;
            const auto authority = ParseAuthority(std::string_view(text).substr(host, text.find('/', host) - host));
            if (!authority || authority->port == 0U) return false;
            settings.*target = (text.ends_with('/') && !path.empty() ? text.substr(0, text.size() - 1) : text) + path;
            return true;
          }};
}

// ---- Files, tokens, names

// What it holds is judged when it is opened; here, so that one message names every wrong setting.
Kind ReadableFile(std::string Settings::* target) {
  return {.unit = "PEM file",
          .rule = "a file that can be read and is not empty",
          .take = [=](const std::string& text, Settings& settings) {
            std::error_code error;
            if (!std::filesystem::is_regular_file(text, error)) return false;
            if (std::ifstream(text).peek() == std::ifstream::traits_type::eof()) return false;
            settings.*target = text;
            return true;
          }};
}

Kind TokenFileName(std::string Settings::* target) {
  return {.unit = "file",
          .rule = "a file that can be read and holds one token: visible ASCII characters, at most 16 KiB",
          .take = [=](const std::string& text, Settings& settings) {
            if (!ReadTokenFile(text).ok()) return false;
            settings.*target = text;
            return true;
          }};
}

Kind Token(std::string Settings::* target) {
  return {.unit = "token",
          .rule = "one token: visible ASCII characters, at most 16 KiB",
          .take =
              [=](const std::string& text, Settings& settings) {
                auto token = ParseToken(text);
                if (!token.ok()) return false;
                settings.*target = std::move(token).value();
                return true;
              },
          .secret = true};
}

bool IsClientPattern(std::string_view pattern) {
  if (!std::ranges::all_of(pattern, [](char c) { return c > 0x20 && c < 0x7F; })) return false;
  if (const auto scheme = pattern.find("://"); scheme != std::string_view::npos) {
    return scheme > 0 && pattern.find('*') >= pattern.size() - 1;
  }
  if (pattern.starts_with("*.")) pattern.remove_prefix(2);
  return IsHostName(pattern);
}

Kind ClientPatterns(std::vector<std::string> Settings::* target) {
  return {.unit = "names, comma-separated",
          .rule = "names separated by commas: URIs, which may end in *, or DNS names, which may begin with *.",
          .take = [=](const std::string& text, Settings& settings) {
            std::vector<std::string> patterns;
            for (std::size_t start = 0; start <= text.size();) {
              const std::size_t end = std::min(text.find(',', start), text.size());
              std::string_view pattern = std::string_view(text).substr(start, end - start);
              while (pattern.starts_with(' ')) pattern.remove_prefix(1);
              while (pattern.ends_with(' ')) pattern.remove_suffix(1);
              if (!IsClientPattern(pattern)) return false;
              patterns.emplace_back(pattern);
              start = end + 1;
            }
            settings.*target = std::move(patterns);
            return true;
          }};
}

// ---- The table

struct Setting {
  std::string environment;
  std::string flag;          // empty: none, as for a secret and for OpenTelemetry's variables
  std::string default_text;  // read as if it were given; empty: none
  std::string meaning;       // for --help and the README
  Kind kind;
};

Kind OtlpProtocolName() {
  return OneOf<OtlpProtocol>(&Settings::trace_protocol,
                             {{"http/protobuf", OtlpProtocol::kProtobuf}, {"http/json", OtlpProtocol::kJson}});
}

std::vector<Setting> MakeTable() {
  using S = Settings;
  // NOLINTBEGIN(modernize-use-designated-initializers): a table has columns
  return {
      {"TICKETING_LISTEN", "--listen", "0.0.0.0:50051", "gRPC; port 0 takes any that is free",
       ListenAddress(&S::listen)},
      {"TICKETING_ADMIN_LISTEN", "--admin-listen", "0.0.0.0:9090",
       "HTTP for operators: `/livez`, `/readyz`, `/metrics`, `/log-level`", ListenAddress(&S::admin_listen)},
      {"TRUTO_BASE_URL", "--truto-base-url", "https://api.truto.one", "Truto; `http://` for a loopback host alone",
       BaseUrl(&S::truto_base_url)},
      {"TRUTO_CA_FILE", "--truto-ca-file", "",
       "authorities to trust for Truto, and no others; without it the system's. Read again when it changes",
       ReadableFile(&S::truto_ca_file)},
      {"TRUTO_QUERY_ARRAYS", "--truto-query-arrays", "brackets", "lists as `a[]=x`, or as `a[0]=x`",
       OneOf<QueryArrays>(&S::truto_query_arrays,
                          {{"brackets", QueryArrays::kBrackets}, {"indices", QueryArrays::kIndices}})},
      {"TRUTO_API_TOKEN_FILE", "--truto-token-file", "", "the service's own token; read again when it changes",
       TokenFileName(&S::truto_token_file)},
      {"TRUTO_API_TOKEN", "", "", "the same for development, used when no file is set", Token(&S::truto_token)},
      {"TRUTO_TOKEN_KIND", "--truto-token-kind", "api",
       "`account`: an integrated-account token, so `integrated_account_id` may be empty",
       OneOf<TokenKind>(&S::truto_token_kind, {{"api", TokenKind::kApi}, {"account", TokenKind::kAccount}})},
      {"TICKETING_AUTH", "--auth", "service",
       "whose token goes to Truto: the service's own, or the bearer token of each call's `authorization` metadata",
       OneOf<AuthMode>(&S::auth, {{"service", AuthMode::kService}, {"caller", AuthMode::kCaller}})},
      {"TICKETING_TLS_CERT_FILE", "--tls-cert-file", "",
       "certificate chain to serve with; without it plaintext. Read again when it changes",
       ReadableFile(&S::tls_cert_file)},
      {"TICKETING_TLS_KEY_FILE", "--tls-key-file", "", "its private key; read again when it changes",
       ReadableFile(&S::tls_key_file)},
      {"TICKETING_TLS_CLIENT_CA_FILE", "--tls-client-ca-file", "",
       "with it, callers must present a certificate that it signed; read again when it changes",
       ReadableFile(&S::tls_client_ca_file)},
      {"TICKETING_ALLOWED_CLIENTS", "--allowed-clients", "",
       "URI or DNS names of client certificates; a URI may end in `*` (any rest), a DNS name begin with `*.` (one "
       "label); without it any valid certificate will do",
       ClientPatterns(&S::allowed_clients)},
      // With less than 100 ms left nothing is sent; a stream may take an hour.
      {"TICKETING_DEFAULT_DEADLINE", "--default-deadline", "30s", "for a call without a deadline",
       Duration(&S::default_deadline, "200ms", "1h")},
      {"TICKETING_MAX_DEADLINE", "--max-deadline", "60s", "longer deadlines are cut to it",
       Duration(&S::max_deadline, "200ms", "1h")},
      // More than a few repeats only weigh on a Truto that is down.
      {"TICKETING_MAX_ATTEMPTS", "--max-attempts", "3", "HTTP requests for one call; 1: never again",
       Count(&S::max_attempts, 1, 10)},
      // A burst of 0 would let nothing through; a rate of 0 is the way to have no limit.
      {"TICKETING_TOKEN_RATE", "--token-rate", "45", "for each token; 0: no local limit", Rate(&S::token_rate)},
      {"TICKETING_TOKEN_BURST", "--token-burst", "50", "calls at once above that rate",
       Count(&S::token_burst, 1, 1'000'000)},
      {"TICKETING_ACCOUNT_RATE", "--account-rate", "4", "for each integrated account; 0: no local limit",
       Rate(&S::account_rate)},
      {"TICKETING_ACCOUNT_BURST", "--account-burst", "10", "calls at once above that rate",
       Count(&S::account_burst, 1, 1'000'000)},
      // Each may hold an answer of the longest body in memory.
      {"TICKETING_MAX_IN_FLIGHT", "--max-in-flight", "200",
       "upper bound of the attempts under way at a time, which adapts to what Truto bears",
       Count(&S::max_in_flight, 1, 10'000)},
      // Truto's errors must fit; an encoded answer is at most 3 MiB.
      {"TICKETING_MAX_BODY_BYTES", "--max-body-bytes", "1MiB", "of an answer's body on the unary call",
       Size(&S::max_body_bytes, "1KiB", "3MiB")},
      // A process may have 1,024 descriptors by default.
      {"TICKETING_MAX_CONNECTIONS", "--max-connections", "4", "to Truto", Count(&S::max_connections, 1, 512)},
      {"TICKETING_DRAIN_DELAY", "--drain-delay", "5s", "after SIGTERM: how long calls are still accepted",
       Duration(&S::drain_delay, "0s", "10m")},
      // No call, streams included, takes longer than an hour.
      {"TICKETING_DRAIN_TIMEOUT", "--drain-timeout", "60s", "then: how long those in flight may take to end",
       Duration(&S::drain_timeout, "0s", "1h")},
      {"TICKETING_REFLECTION", "--reflection", "true", "server reflection, v1 and v1alpha",
       OneOf<bool>(&S::reflection, {{"true", true}, {"false", false}})},
      {"TICKETING_LOG_LEVEL", "--log-level", "info", "the least level that is written",
       OneOf<LogLevel>(&S::log_level, {{"trace", LogLevel::kTrace},
                                       {"debug", LogLevel::kDebug},
                                       {"info", LogLevel::kInfo},
                                       {"warn", LogLevel::kWarn},
                                       {"error", LogLevel::kError}})},
      {"TICKETING_LOG_FORMAT", "--log-format", "json", "one JSON object a line, or text for people",
       OneOf<LogFormat>(&S::log_format, {{"json", LogFormat::kJson}, {"text", LogFormat::kText}})},
      // OpenTelemetry's own variables. Of two for the same, the one for traces alone is read last and so wins.
      {"OTEL_SDK_DISABLED", "", "false", "`true`: no traces",
       InAnyCase(OneOf<bool>(&S::telemetry_disabled, {{"true", true}, {"false", false}}))},
      {"OTEL_TRACES_EXPORTER", "", "", "without it traces are exported where an endpoint is set",
       OneOf<TraceExporter>(&S::trace_exporter, {{"otlp", TraceExporter::kOtlp}, {"none", TraceExporter::kNone}})},
      {"OTEL_EXPORTER_OTLP_ENDPOINT", "", "", "collector; traces go to its `/v1/traces`",
       Endpoint(&S::trace_endpoint, "/v1/traces")},
      {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", "", "the same for traces alone, with the path",
       Endpoint(&S::trace_endpoint, "")},
      {"OTEL_EXPORTER_OTLP_PROTOCOL", "", "http/protobuf", "how traces are exported", OtlpProtocolName()},
      {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "", "", "the same for traces alone", OtlpProtocolName()},
      {"OTEL_EXPORTER_OTLP_TIMEOUT", "", "10000", "for one export", Milliseconds(&S::trace_timeout, 1, 60'000)},
      {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "", "", "the same for traces alone",
       Milliseconds(&S::trace_timeout, 1, 60'000)},
      {"OTEL_TRACES_SAMPLER", "", "parentbased_always_on", "which calls are traced",
       OneOf<TraceSampler>(&S::trace_sampler, {{"always_on", TraceSampler::kAlwaysOn},
                                               {"always_off", TraceSampler::kAlwaysOff},
                                               {"traceidratio", TraceSampler::kRatio},
                                               {"parentbased_always_on", TraceSampler::kParentOrAlwaysOn},
                                               {"parentbased_always_off", TraceSampler::kParentOrAlwaysOff},
                                               {"parentbased_traceidratio", TraceSampler::kParentOrRatio}})},
      {"OTEL_TRACES_SAMPLER_ARG", "", "1", "the part of the calls that `traceidratio` traces", Ratio(&S::trace_ratio)},
      {"OTEL_BSP_SCHEDULE_DELAY", "", "5000", "between two exports", Milliseconds(&S::trace_delay, 1, 3'600'000)},
      {"OTEL_BSP_MAX_QUEUE_SIZE", "", "2048", "spans that may wait; more are dropped",
       Count(&S::trace_queue, 1, 65'536)},
      {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "", "512", "spans in one export", Count(&S::trace_batch, 1, 65'536)},
  };
  // NOLINTEND(modernize-use-designated-initializers)
}

const std::vector<Setting>& Table() {
  static const std::vector<Setting> table = MakeTable();
  return table;
}

std::string Help() {
  std::string help =
      "Usage: " + std::string(kProgram) +
      " [--flag value]...\n\n"
      "Deletes users of ticketing systems through Truto's unified API, called over gRPC.\n\n"
      "Each setting is an environment variable and a flag of the same meaning; the flag wins. Durations\n"
      "read 250ms, 5s, 2m, 1h; sizes 512B, 64KiB, 1MiB.\n\n";
  for (const Setting& setting : Table()) {
    help += "  " + setting.environment + (setting.flag.empty() ? "" : ", " + setting.flag) + "\n";
    help += "      " + setting.meaning + "\n";
    help += "      [" + setting.kind.unit + "]" +
            (setting.default_text.empty() ? "" : " default: " + setting.default_text) + "\n";
  }
  return help + "  --help\n      this text\n  --version\n      the version\n";
}

// ---- What was given

struct Given {
  std::string name;  // of the flag or the environment variable
  std::string text;
  bool usable = false;
};

struct CommandLine {
  bool help = false;
  bool version = false;
  std::map<std::string, std::string> values;  // by flag; of a flag that is repeated, the last
  std::vector<std::string> problems;
};

CommandLine ReadCommandLine(int argc, const char* const* argv) {
  CommandLine line;
  CLI::App app("", std::string(kProgram));
  app.set_help_flag();
  app.allow_extras();
  const CLI::Option* help = app.add_flag("-h,--help");
  const CLI::Option* version = app.add_flag("--version");
  std::vector<const CLI::Option*> options;
  for (const Setting& setting : Table()) {
    if (!setting.flag.empty()) options.push_back(app.add_option(setting.flag)->take_last());
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError&) {
    // Only the last flag can be without a value: any other takes what comes next.
    const std::string last = std::span(argv, static_cast<std::size_t>(argc)).back();
    line.problems.push_back(last.substr(0, last.find('=')) + ": needs a value");
  }
  line.help = help->count() > 0;
  line.version = version->count() > 0;
  for (const CLI::Option* option : options) {
    if (option->count() > 0) line.values[option->get_name()] = option->results().back();
  }
  for (const std::string& extra : app.remaining()) {
    // What follows an unknown flag may be a secret.
    line.problems.push_back(extra.starts_with('-') ? extra.substr(0, extra.find('=')) + ": there is no such flag"
                                                   : "an argument that belongs to no flag (not shown here)");
  }
  return line;
}

// The value for a message, on one line; not if it may be or hold a secret.
std::string Shown(const Setting& setting, const std::string& text) {
  constexpr std::size_t kLongest = 200;
  const bool may_be_secret = setting.kind.secret ||
                             // a token in the place of its file's name
                             (setting.environment == "TRUTO_API_TOKEN_FILE" && !text.starts_with('/')) ||
                             // a URL's user or query
                             text.find_first_of("@?") != std::string::npos;
  if (may_be_secret) return "(value not shown)";
  std::string shown = text.substr(0, kLongest);
  std::ranges::replace_if(shown, [](char c) { return c < 0x20 || c >= 0x7F; }, '?');
  return '"' + shown + (shown.size() < text.size() ? "..." : "") + '"';
}

// The rules between settings; `given` is by environment variable.
void CheckTogether(const Settings& settings, const std::map<std::string, Given>& given,
                   std::vector<std::string>& problems) {
  const auto name = [&](const char* environment) {
    return given.contains(environment) ? given.at(environment).name : environment;
  };
  // Whether the setting has the value that was meant.
  const auto usable = [&](const char* environment) {
    return !given.contains(environment) || given.at(environment).usable;
  };
  const auto needs = [&](const char* environment, const char* other) {
    if (given.contains(environment) && !given.contains(other)) {
      problems.push_back(name(environment) + ": needs " + other + ", too");
    }
  };
  if (usable("TICKETING_AUTH") && settings.auth == AuthMode::kService && !given.contains("TRUTO_API_TOKEN_FILE") &&
      !given.contains("TRUTO_API_TOKEN")) {
    problems.emplace_back("TRUTO_API_TOKEN_FILE or TRUTO_API_TOKEN: one must be set, for TICKETING_AUTH is service");
  }
  needs("TICKETING_TLS_CERT_FILE", "TICKETING_TLS_KEY_FILE");
  needs("TICKETING_TLS_KEY_FILE", "TICKETING_TLS_CERT_FILE");
  needs("TICKETING_TLS_CLIENT_CA_FILE", "TICKETING_TLS_CERT_FILE");
  needs("TICKETING_ALLOWED_CLIENTS", "TICKETING_TLS_CLIENT_CA_FILE");
  if (usable("TICKETING_DEFAULT_DEADLINE") && usable("TICKETING_MAX_DEADLINE") &&
      settings.default_deadline > settings.max_deadline) {
    problems.push_back(name("TICKETING_DEFAULT_DEADLINE") + ": must not be longer than " +
                       name("TICKETING_MAX_DEADLINE") + ", but is " +
                       std::to_string(settings.default_deadline.count()) + "ms with " +
                       std::to_string(settings.max_deadline.count()) + "ms");
  }
}

}  // namespace

core::Result<Settings, SettingsExit> ParseSettings(int argc, const char* const* argv, const Environment& environment) {
  CommandLine line = ReadCommandLine(argc, argv);
  if (line.help) return SettingsExit{.exit_code = 0, .text = Help()};
  if (line.version) return SettingsExit{.exit_code = 0, .text = std::string(kProgram) + " " TICKETING_VERSION "\n"};

  Settings settings;
  std::map<std::string, Given> given;
  std::vector<std::string> problems = std::move(line.problems);
  for (const Setting& setting : Table()) {
    if (!setting.default_text.empty()) setting.kind.take(setting.default_text, settings);
    Given value;
    if (const auto flag = line.values.find(setting.flag); flag != line.values.end()) {
      value = {.name = setting.flag, .text = flag->second};
    } else {
      value = {.name = setting.environment, .text = environment(setting.environment).value_or("")};
      if (value.text.empty()) continue;
    }
    value.usable = setting.kind.take(value.text, settings);
    if (!value.usable) {
      problems.push_back(value.name + " " + Shown(setting, value.text) + ": must be " + setting.kind.rule);
    }
    given[setting.environment] = std::move(value);
  }
  CheckTogether(settings, given, problems);
  if (problems.empty()) return settings;

  std::string text = std::string(kProgram) + " can't start with these settings:\n";
  for (const std::string& problem : problems) text += "  " + problem + "\n";
  return SettingsExit{.exit_code = 2, .text = text + "--help lists all settings.\n"};
}

Environment ProcessEnvironment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): before there are threads
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

std::string SettingsTableMarkdown() {
  const auto code = [](const std::string& text) { return text.empty() ? "" : "`" + text + "`"; };
  std::string table = "| environment | flag | default | unit | meaning |\n| --- | --- | --- | --- | --- |\n";
  for (const Setting& setting : Table()) {
    table += "| " + code(setting.environment) + " | " + code(setting.flag) + " | " + code(setting.default_text) +
             " | " + setting.kind.unit + " | " + setting.meaning + " |\n";
  }
  return table;
}

}  // namespace ticketing::ops
