#include "ops/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"

namespace ticketing::ops {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using Variables = std::map<std::string, std::string>;
using Flags = std::vector<std::string>;

core::Result<Settings, SettingsExit> Parse(const Flags& flags, const Variables& variables) {
  std::vector<const char*> argv = {"ticketing-user-service"};
  for (const std::string& flag : flags) argv.push_back(flag.c_str());
  return ParseSettings(static_cast<int>(argv.size()), argv.data(),
                       [&](const std::string& name) -> std::optional<std::string> {
                         const auto found = variables.find(name);
                         if (found == variables.end()) return std::nullopt;
                         return found->second;
                       });
}

// With a token, so that nothing else is missing.
Settings Good(const Flags& flags, Variables variables = {}) {
  variables.emplace("TRUTO_API_TOKEN", "token");
  auto parsed = Parse(flags, variables);
  EXPECT_TRUE(parsed.ok()) << parsed.error().text;
  return parsed.ok() ? std::move(parsed).value() : Settings{};
}

std::string Error(const Flags& flags, Variables variables = {}) {
  variables.emplace("TRUTO_API_TOKEN", "token");
  const auto parsed = Parse(flags, variables);
  EXPECT_FALSE(parsed.ok());
  if (parsed.ok()) return "";
  EXPECT_EQ(parsed.error().exit_code, 2);
  return parsed.error().text;
}

bool Accepts(const std::string& variable, const std::string& value) {
  return Parse({}, {{"TICKETING_AUTH", "caller"}, {variable, value}}).ok();
}

TEST(Settings, HaveTheDefaultsOfTheTable) {
  Settings expected;
  expected.truto_token = "token";
  EXPECT_EQ(Good({}), expected);
}

TEST(Settings, ComeFromTheEnvironment) {
  const Settings settings = Good({}, {{"TICKETING_LISTEN", "[::]:7000"},
                                      {"TICKETING_ADMIN_LISTEN", "localhost:0"},
                                      {"TRUTO_BASE_URL", "http://127.0.0.1:4711/"},
                                      {"TRUTO_QUERY_ARRAYS", "indices"},
                                      {"TRUTO_API_TOKEN", "abc\n"},
                                      {"TRUTO_TOKEN_KIND", "account"},
                                      {"TICKETING_AUTH", "caller"},
                                      {"TICKETING_DEFAULT_DEADLINE", "250ms"},
                                      {"TICKETING_MAX_DEADLINE", "1h"},
                                      {"TICKETING_MAX_ATTEMPTS", "1"},
                                      {"TICKETING_TOKEN_RATE", "0"},
                                      {"TICKETING_TOKEN_BURST", "1"},
                                      {"TICKETING_ACCOUNT_RATE", "0.5"},
                                      {"TICKETING_ACCOUNT_BURST", "2"},
                                      {"TICKETING_MAX_IN_FLIGHT", "20"},
                                      {"TICKETING_MAX_BODY_BYTES", "64KiB"},
                                      {"TICKETING_MAX_CONNECTIONS", "2"},
                                      {"TICKETING_DRAIN_DELAY", "0s"},
                                      {"TICKETING_DRAIN_TIMEOUT", "2m"},
                                      {"TICKETING_REFLECTION", "false"},
                                      {"TICKETING_LOG_LEVEL", "warn"},
                                      {"TICKETING_LOG_FORMAT", "text"},
                                      {"OTEL_SDK_DISABLED", "TRUE"},
                                      {"OTEL_TRACES_EXPORTER", "otlp"},
                                      {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/"},
                                      {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"},
                                      {"OTEL_EXPORTER_OTLP_TIMEOUT", "2500"},
                                      {"OTEL_TRACES_SAMPLER", "traceidratio"},
                                      {"OTEL_TRACES_SAMPLER_ARG", "0.25"},
                                      {"OTEL_BSP_SCHEDULE_DELAY", "100"},
                                      {"OTEL_BSP_MAX_QUEUE_SIZE", "64"},
                                      {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "32"}});
  Settings expected;
  expected.listen = "[::]:7000";
  expected.admin_listen = "localhost:0";
  expected.truto_base_url = "http://127.0.0.1:4711";
  expected.truto_query_arrays = QueryArrays::kIndices;
  expected.truto_token = "abc";
  expected.truto_token_kind = TokenKind::kAccount;
  expected.auth = AuthMode::kCaller;
  expected.default_deadline = milliseconds{250};
  expected.max_deadline = milliseconds{3'600'000};
  expected.max_attempts = 1;
  expected.token_rate = 0;
  expected.token_burst = 1;
  expected.account_rate = 0.5;
  expected.account_burst = 2;
  expected.max_in_flight = 20;
  expected.max_body_bytes = 64 * 1024;
  expected.max_connections = 2;
  expected.drain_delay = milliseconds{0};
  expected.drain_timeout = milliseconds{120'000};
  expected.reflection = false;
  expected.log_level = LogLevel::kWarn;
  expected.log_format = LogFormat::kText;
  expected.telemetry_disabled = true;
  expected.trace_exporter = TraceExporter::kOtlp;
  expected.trace_endpoint = "http://collector:4318/v1/traces";
  expected.trace_protocol = OtlpProtocol::kJson;
  expected.trace_timeout = milliseconds{2500};
  expected.trace_sampler = TraceSampler::kRatio;
  expected.trace_ratio = 0.25;
  expected.trace_delay = milliseconds{100};
  expected.trace_queue = 64;
  expected.trace_batch = 32;
  EXPECT_EQ(settings, expected);
}

TEST(Settings, ComeFromFlagsAsWell) {
  const Settings settings = Good({"--listen", "[::1]:0", "--default-deadline=1s", "--max-deadline", "2s",
                                  "--token-rate", "1.5", "--reflection=false", "--drain-delay", "0s"});
  Settings expected;
  expected.truto_token = "token";
  expected.listen = "[::1]:0";
  expected.default_deadline = milliseconds{1000};
  expected.max_deadline = milliseconds{2000};
  expected.token_rate = 1.5;
  expected.reflection = false;
  expected.drain_delay = milliseconds{0};
  EXPECT_EQ(settings, expected);
}

TEST(Settings, EverySettingOfTheServiceButTheTokenIsAFlag) {
  const std::string table = SettingsTableMarkdown();
  for (const char* flag : {"listen",
                           "admin-listen",
                           "truto-base-url",
                           "truto-ca-file",
                           "truto-query-arrays",
                           "truto-token-file",
                           "truto-token-kind",
                           "auth",
                           "tls-cert-file",
                           "tls-key-file",
                           "tls-client-ca-file",
                           "allowed-clients",
                           "default-deadline",
                           "max-deadline",
                           "max-attempts",
                           "token-rate",
                           "token-burst",
                           "account-rate",
                           "account-burst",
                           "max-in-flight",
                           "max-body-bytes",
                           "max-connections",
                           "drain-delay",
                           "drain-timeout",
                           "reflection",
                           "log-level",
                           "log-format"}) {
    EXPECT_THAT(table, HasSubstr("| `--" + std::string(flag) + "` |"));
  }
  EXPECT_THAT(table, HasSubstr("| `TRUTO_API_TOKEN` |  |"));
}

TEST(Settings, AFlagWinsOverTheEnvironmentEvenOverAWrongValue) {
  EXPECT_EQ(Good({"--max-attempts", "2"}, {{"TICKETING_MAX_ATTEMPTS", "5"}}).max_attempts, 2U);
  EXPECT_EQ(Good({"--max-attempts", "2"}, {{"TICKETING_MAX_ATTEMPTS", "many"}}).max_attempts, 2U);
}

TEST(Settings, TheLastOfARepeatedFlagCounts) {
  EXPECT_EQ(Good({"--max-attempts", "many", "--max-attempts=2"}).max_attempts, 2U);
}

TEST(Settings, AnEmptyVariableCountsAsNotSet) {
  EXPECT_EQ(Good({}, {{"TICKETING_MAX_ATTEMPTS", ""}, {"TICKETING_TLS_CERT_FILE", ""}}).max_attempts, 3U);
}

TEST(Settings, AllWrongValuesComeInOneMessageNamedAsTheyWereGiven) {
  const auto parsed = Parse({"--max-attempts", "none", "stray", "--drain-dely=5s", "--log-format"},
                            {{"TICKETING_LISTEN", "nowhere"},
                             {"TRUTO_BASE_URL", "http://api.truto.one"},
                             {"TICKETING_MAX_ATTEMPTS", "3"},
                             {"TICKETING_TLS_KEY_FILE", "/nonexistent"}});
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().exit_code, 2);
  const std::string& text = parsed.error().text;
  EXPECT_THAT(text, HasSubstr("TICKETING_LISTEN \"nowhere\": must be host:port"));
  EXPECT_THAT(text, HasSubstr("TRUTO_BASE_URL \"http://api.truto.one\": must be https://"));
  EXPECT_THAT(text, HasSubstr("--max-attempts \"none\": must be a whole number from 1 to 10"));
  EXPECT_THAT(text, HasSubstr("--drain-dely: there is no such flag"));
  EXPECT_THAT(text, HasSubstr("--log-format: needs a value"));
  EXPECT_THAT(text, HasSubstr("an argument that belongs to no flag"));
  EXPECT_THAT(text, HasSubstr("TICKETING_TLS_KEY_FILE \"/nonexistent\": must be a file that can be read"));
  EXPECT_THAT(text, HasSubstr("TICKETING_TLS_KEY_FILE: needs TICKETING_TLS_CERT_FILE, too"));
  EXPECT_THAT(text, HasSubstr("TRUTO_API_TOKEN_FILE or TRUTO_API_TOKEN: one must be set"));
}

TEST(Settings, AFlagWithoutAValueIsAnError) {
  EXPECT_THAT(Error({"--log-level"}), HasSubstr("--log-level: needs a value"));
  EXPECT_THAT(Error({"--log-level="}), HasSubstr("--log-level: needs a value"));
  EXPECT_THAT(Error({"--log-level", ""}), HasSubstr("--log-level \"\": must be trace"));
  EXPECT_THAT(Error({"--log-level", "--auth", "caller"}), HasSubstr("--log-level \"--auth\": must be trace"));
  EXPECT_THAT(Error({"--token-rate", "-1"}), HasSubstr("--token-rate \"-1\": must be"));
}

TEST(Settings, HelpListsEverySettingWithDefaultAndUnitWhateverElseIsGiven) {
  const auto parsed = Parse({"--bad", "--help"}, {{"TICKETING_LISTEN", "nowhere"}});
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().exit_code, 0);
  const std::string& text = parsed.error().text;
  std::istringstream table(SettingsTableMarkdown());
  int settings = 0;
  for (std::string row; std::getline(table, row);) {
    if (!row.starts_with("| `")) continue;
    ++settings;
    std::vector<std::string> cells;
    for (std::size_t start = 2; start < row.size();) {
      const std::size_t end = row.find(" | ", start);
      std::string cell = row.substr(start, std::min(end, row.size() - 2) - start);
      std::erase(cell, '`');
      cells.push_back(cell);
      start = end == std::string::npos ? end : end + 3;
    }
    ASSERT_EQ(cells.size(), 5U) << row;
    EXPECT_THAT(text, HasSubstr("  " + cells[0] + (cells[1].empty() ? "" : ", " + cells[1]) + "\n"));
    EXPECT_THAT(text, HasSubstr("[" + cells[3] + "]" + (cells[2].empty() ? "" : " default: " + cells[2]) + "\n"));
  }
  EXPECT_EQ(settings, 41);
}

TEST(Settings, VersionIsALineOnStandardOutput) {
  const auto parsed = Parse({"--version"}, {});
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().exit_code, 0);
  EXPECT_THAT(parsed.error().text, testing::MatchesRegex("ticketing-user-service [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(Settings, NoMessageHoldsASecret) {
  const std::vector<std::string> texts = {
      Error({}, {{"TRUTO_API_TOKEN", "s3cret with-blank"}}),
      Error({}, {{"TRUTO_API_TOKEN_FILE", "s3cret"}}),
      Error({}, {{"TRUTO_BASE_URL", "https://user:s3cret@api.truto.one"}}),
      Error({}, {{"TRUTO_BASE_URL", "https://api.truto.one/?token=s3cret"}}),
      Error({}, {{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:s3cret@collector"}}),
      Error({}, {{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector/v1/traces?key=s3cret"}}),
      Error({"--truto-api-token", "s3cret"}),
      Error({"--truto-api-token=s3cret"}),
      Error({"s3cret"}),
  };
  for (const std::string& text : texts) EXPECT_THAT(text, Not(HasSubstr("s3cret")));
}

TEST(Settings, AMessageKeepsItsLines) {
  const std::string text = Error({}, {{"TICKETING_AUTH", "a\nb\x1B[2J" + std::string(1000, 'x')}});
  EXPECT_THAT(text, HasSubstr("TICKETING_AUTH \"a?b?[2Jxxx"));
  EXPECT_LT(text.size(), 400U);
}

TEST(Duration, IsAWholeNumberWithAUnitWithinItsBounds) {
  for (const char* good : {"0s", "0ms", "250ms", "5s", "2m", "10m", "600s"}) {
    EXPECT_TRUE(Accepts("TICKETING_DRAIN_DELAY", good)) << good;
  }
  for (const char* bad : {"0", "5", "s", "5 s", "-5s", "+5s", "1.5s", "5S", "5sec", "1m30s", "11m", "601s",
                          "18446744073709551615h", "99999999999999999999s"}) {
    EXPECT_FALSE(Accepts("TICKETING_DRAIN_DELAY", bad)) << bad;
  }
  EXPECT_FALSE(Accepts("TICKETING_DEFAULT_DEADLINE", "199ms"));
  EXPECT_TRUE(Accepts("TICKETING_DEFAULT_DEADLINE", "200ms"));
}

TEST(Size, IsAWholeNumberOfBytesOrWithAUnitWithinItsBounds) {
  EXPECT_EQ(Good({}, {{"TICKETING_MAX_BODY_BYTES", "2048"}}).max_body_bytes, 2048U);
  EXPECT_EQ(Good({}, {{"TICKETING_MAX_BODY_BYTES", "2048B"}}).max_body_bytes, 2048U);
  EXPECT_EQ(Good({}, {{"TICKETING_MAX_BODY_BYTES", "3MiB"}}).max_body_bytes, 3U * 1024 * 1024);
  for (const char* bad : {"0", "1023", "4MiB", "1MB", "1mib", "1 MiB", "MiB", "1GiB", "-1", "18014398509481985KiB"}) {
    EXPECT_FALSE(Accepts("TICKETING_MAX_BODY_BYTES", bad)) << bad;
  }
}

TEST(Number, IsWithinItsBounds) {
  for (const auto& [variable, least, most] :
       {std::tuple{"TICKETING_MAX_ATTEMPTS", 1, 10}, std::tuple{"TICKETING_TOKEN_BURST", 1, 1'000'000},
        std::tuple{"TICKETING_ACCOUNT_BURST", 1, 1'000'000}, std::tuple{"TICKETING_MAX_IN_FLIGHT", 1, 10'000},
        std::tuple{"TICKETING_MAX_CONNECTIONS", 1, 512}}) {
    EXPECT_TRUE(Accepts(variable, std::to_string(least)));
    EXPECT_TRUE(Accepts(variable, std::to_string(most)));
    EXPECT_FALSE(Accepts(variable, std::to_string(least - 1)));
    EXPECT_FALSE(Accepts(variable, std::to_string(most + 1)));
  }
  for (const char* bad : {"-1", "+1", "1.0", "0x1", "1 ", "99999999999999999999"}) {
    EXPECT_FALSE(Accepts("TICKETING_MAX_ATTEMPTS", bad)) << bad;
  }
}

TEST(Rate, IsAFiniteNumberThatIsNotNegative) {
  for (const char* good : {"0", "0.25", "45", "1e3"}) EXPECT_TRUE(Accepts("TICKETING_TOKEN_RATE", good)) << good;
  for (const char* bad : {"-1", "-0", "inf", "nan", "1e999", "4/s", ",5"}) {
    EXPECT_FALSE(Accepts("TICKETING_TOKEN_RATE", bad)) << bad;
  }
}

TEST(Choice, IsOneOfItsNames) {
  for (const char* bad : {"True", "1", "yes", "on"}) EXPECT_FALSE(Accepts("TICKETING_REFLECTION", bad)) << bad;
  EXPECT_THAT(Error({}, {{"TICKETING_LOG_LEVEL", "warning"}}),
              HasSubstr("TICKETING_LOG_LEVEL \"warning\": must be trace, debug, info, warn or error"));
}

TEST(ListenAddress, IsAHostAndAPort) {
  for (const char* good : {"0.0.0.0:50051", "127.0.0.1:0", "[::]:50051", "[::1]:65535", "localhost:1", "node-1:80",
                           "service.example:443"}) {
    EXPECT_TRUE(Accepts("TICKETING_LISTEN", good)) << good;
  }
  for (const char* bad :
       {"nowhere", ":50051", "0.0.0.0", "0.0.0.0:", "0.0.0.0:65536", "0.0.0.0:-1", "0.0.0.0:http", "::1:50051", "[::1]",
        "[::1]50051", "[::1", "[1.2.3.4]:1", "999.1.1.1:1", "10.0.1:1", "a b:1", "unix:/tmp/socket", "http://host:1"}) {
    EXPECT_FALSE(Accepts("TICKETING_LISTEN", bad)) << bad;
  }
}

TEST(BaseUrl, IsAHostWithoutASlashAtTheEnd) {
  EXPECT_EQ(Good({}, {{"TRUTO_BASE_URL", "https://truto.example:8443/"}}).truto_base_url, "https://truto.example:8443");
  EXPECT_EQ(Good({}, {{"TRUTO_BASE_URL", "https://[2001:db8::1]"}}).truto_base_url, "https://[2001:db8::1]");
  for (const char* bad :
       {"api.truto.one", "https://", "https:///", "https://api.truto.one//", "https://api.truto.one/v1",
        "https://api.truto.one?a=b", "https://api.truto.one#a", "https://user@api.truto.one", "https://api.truto.one:0",
        "https://api.truto.one:65536", "https://api.truto.one:", "https://api truto.one", "ftp://api.truto.one"}) {
    EXPECT_FALSE(Accepts("TRUTO_BASE_URL", bad)) << bad;
  }
}

TEST(BaseUrl, IsPlaintextForALoopbackHostAlone) {
  for (const char* good : {"http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:1", "http://localhost:4711"}) {
    EXPECT_TRUE(Accepts("TRUTO_BASE_URL", good)) << good;
  }
  for (const char* bad :
       {"http://api.truto.one", "http://10.0.0.1", "http://127.0.0.1.example", "http://127.1",
        "http://localhost.example", "http://[::2]", "http://0.0.0.0", "http://localhost@api.truto.one"}) {
    EXPECT_FALSE(Accepts("TRUTO_BASE_URL", bad)) << bad;
  }
}

TEST(TraceSettings, OneForTracesAloneWins) {
  const Settings settings = Good({}, {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"},
                                      {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://[::1]/traces/here/"},
                                      {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"},
                                      {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"},
                                      {"OTEL_EXPORTER_OTLP_TIMEOUT", "2500"},
                                      {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "60000"}});
  EXPECT_EQ(settings.trace_endpoint, "https://[::1]/traces/here/");
  EXPECT_EQ(settings.trace_protocol, OtlpProtocol::kProtobuf);
  EXPECT_EQ(settings.trace_timeout, milliseconds{60'000});
}

TEST(TraceSettings, AnEndpointIsAUrlWithOrWithoutAPath) {
  for (const char* good : {"http://a", "https://a.example:4318", "http://10.0.0.1/otlp/", "http://[::1]:4318/"}) {
    EXPECT_TRUE(Accepts("OTEL_EXPORTER_OTLP_ENDPOINT", good)) << good;
  }
  for (const char* bad : {"a:4318", "grpc://a", "http://", "http:///v1", "http://a:0", "http://a:99999", "http://u@a/",
                          "http://a/?q", "http://a/#f", "http://a/ b", "http://10.0.0"}) {
    EXPECT_FALSE(Accepts("OTEL_EXPORTER_OTLP_ENDPOINT", bad)) << bad;
  }
}

TEST(TraceSettings, WhatTheServiceDoesNotDoIsRefusedAndNamed) {
  EXPECT_THAT(Error({}, {{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}}),
              HasSubstr("OTEL_EXPORTER_OTLP_PROTOCOL \"grpc\": must be http/protobuf or http/json"));
  EXPECT_THAT(Error({}, {{"OTEL_TRACES_EXPORTER", "zipkin"}}),
              HasSubstr("OTEL_TRACES_EXPORTER \"zipkin\": must be otlp or none"));
  EXPECT_THAT(Error({}, {{"OTEL_TRACES_SAMPLER", "jaeger_remote"}}), HasSubstr("must be always_on, always_off"));
  for (const char* bad : {"-0.1", "1.1", "nan", "half"}) EXPECT_FALSE(Accepts("OTEL_TRACES_SAMPLER_ARG", bad)) << bad;
  for (const char* bad : {"0", "60001", "5s"}) EXPECT_FALSE(Accepts("OTEL_EXPORTER_OTLP_TIMEOUT", bad)) << bad;
}

TEST(TokenSetting, IsNeededInServiceModeAlone) {
  const auto parsed = Parse({}, {});
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(parsed.error().text, AllOf(HasSubstr("TRUTO_API_TOKEN_FILE"), HasSubstr("TRUTO_API_TOKEN:")));
  EXPECT_TRUE(Parse({"--auth", "caller"}, {}).ok());
  const auto wrong_mode = Parse({"--auth", "neither"}, {});
  ASSERT_FALSE(wrong_mode.ok());
  EXPECT_THAT(wrong_mode.error().text, Not(HasSubstr("TRUTO_API_TOKEN"))) << "which mode was meant is not known";
}

TEST(TokenSetting, IsOneTokenOrAFileThatHoldsOne) {
  const support::TemporaryDirectory folder;
  EXPECT_TRUE(Accepts("TRUTO_API_TOKEN_FILE", folder.WriteFile("good", "token\n")));
  EXPECT_FALSE(Accepts("TRUTO_API_TOKEN_FILE", folder.WriteFile("empty", "\n")));
  EXPECT_FALSE(Accepts("TRUTO_API_TOKEN_FILE", folder.WriteFile("two", "two words")));
  EXPECT_FALSE(Accepts("TRUTO_API_TOKEN_FILE", folder.path() / "missing"));
  for (const char* bad : {"two words", "two\nlines", "t\xC3\xB6ken", "\n"}) {
    EXPECT_FALSE(Accepts("TRUTO_API_TOKEN", bad)) << bad;
  }
}

class TlsSettings : public testing::Test {
 protected:
  support::TemporaryDirectory folder_;
  std::string cert_ = folder_.WriteFile("cert.pem", "cert");
  std::string key_ = folder_.WriteFile("key.pem", "key");
  std::string ca_ = folder_.WriteFile("ca.pem", "ca");
};

TEST_F(TlsSettings, AreTakenOverTogether) {
  const Settings settings =
      Good({"--tls-cert-file", cert_, "--tls-key-file", key_, "--tls-client-ca-file", ca_, "--truto-ca-file", ca_,
            "--allowed-clients", "spiffe://a/ns/x/*, one.example,*.two.example"});
  EXPECT_EQ(settings.tls_cert_file, cert_);
  EXPECT_EQ(settings.tls_key_file, key_);
  EXPECT_EQ(settings.tls_client_ca_file, ca_);
  EXPECT_EQ(settings.truto_ca_file, ca_);
  EXPECT_THAT(settings.allowed_clients, ElementsAre("spiffe://a/ns/x/*", "one.example", "*.two.example"));
}

TEST_F(TlsSettings, NeedEachOther) {
  EXPECT_THAT(Error({"--tls-cert-file", cert_}), HasSubstr("--tls-cert-file: needs TICKETING_TLS_KEY_FILE"));
  EXPECT_THAT(Error({}, {{"TICKETING_TLS_KEY_FILE", key_}}),
              HasSubstr("TICKETING_TLS_KEY_FILE: needs TICKETING_TLS_CERT_FILE"));
  EXPECT_THAT(Error({"--tls-client-ca-file", ca_}), HasSubstr("--tls-client-ca-file: needs TICKETING_TLS_CERT_FILE"));
  EXPECT_THAT(Error({"--tls-cert-file", cert_, "--tls-key-file", key_, "--allowed-clients", "a.example"}),
              HasSubstr("--allowed-clients: needs TICKETING_TLS_CLIENT_CA_FILE"));
}

TEST_F(TlsSettings, NameFilesThatCanBeReadAndAreNotEmpty) {
  for (const std::string& file :
       {(folder_.path() / "missing").string(), folder_.path().string(), folder_.WriteFile("empty", "")}) {
    for (const char* flag : {"--tls-cert-file", "--tls-key-file", "--tls-client-ca-file", "--truto-ca-file"}) {
      EXPECT_THAT(Error({flag, file}), HasSubstr(std::string(flag) + " \"" + file + "\": must be a file"));
    }
  }
}

TEST_F(TlsSettings, AllowedClientsArePatternsOfUrisOrDnsNames) {
  const auto accepts = [&](const std::string& clients) {
    return Parse({"--tls-cert-file", cert_, "--tls-key-file", key_, "--tls-client-ca-file", ca_, "--allowed-clients",
                  clients},
                 {{"TRUTO_API_TOKEN", "token"}})
        .ok();
  };
  for (const char* good : {"a", "spiffe://a/b", "spiffe://*", "*.a.example"}) EXPECT_TRUE(accepts(good)) << good;
  for (const char* bad : {"a,", ",a", "a,,b", "*", "*.", "a.*", "a.*.b", "*a", "spiffe://*/b", "://a", "a b", " "}) {
    EXPECT_FALSE(accepts(bad)) << bad;
  }
}

TEST(Deadlines, TheDefaultIsNotLongerThanTheLongest) {
  EXPECT_THAT(Error({"--max-deadline", "10s"}, {{"TICKETING_DEFAULT_DEADLINE", "10001ms"}}),
              HasSubstr("TICKETING_DEFAULT_DEADLINE: must not be longer than --max-deadline"));
  EXPECT_EQ(Good({"--max-deadline", "10s", "--default-deadline", "10s"}).default_deadline, milliseconds{10'000});
  EXPECT_THAT(Error({"--max-deadline", "never", "--default-deadline", "2m"}), Not(HasSubstr("must not be longer")));
}

TEST(ProcessEnvironment, IsThatOfThisProcess) {
  ::setenv("TICKETING_TEST_VARIABLE", "value", 1);  // NOLINT(concurrency-mt-unsafe)
  EXPECT_EQ(ProcessEnvironment()("TICKETING_TEST_VARIABLE"), "value");
  ::unsetenv("TICKETING_TEST_VARIABLE");  // NOLINT(concurrency-mt-unsafe)
  EXPECT_EQ(ProcessEnvironment()("TICKETING_TEST_VARIABLE"), std::nullopt);
}

// UPDATE_GOLDENS=1 writes the table anew.
TEST(Readme, ListsTheSettingsAsTheTableHasThem) {
  const std::string path = support::TestsDirectory() + "/../README.md";
  std::ifstream file(path);
  std::string readme{std::istreambuf_iterator<char>(file), {}};
  constexpr std::string_view kBegin = "<!-- settings -->\n";
  const std::size_t begin = readme.find(kBegin);
  const std::size_t end = readme.find("<!-- /settings -->");
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const std::size_t start = begin + kBegin.size();
  if (std::getenv("UPDATE_GOLDENS") != nullptr) {  // NOLINT(concurrency-mt-unsafe)
    readme.replace(start, end - start, SettingsTableMarkdown());
    std::ofstream(path, std::ios::binary) << readme;
    return;
  }
  EXPECT_EQ(readme.substr(start, end - start), SettingsTableMarkdown());
}

}  // namespace
}  // namespace ticketing::ops
