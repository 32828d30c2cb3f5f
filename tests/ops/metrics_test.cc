#include "ops/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <sstream>
#include <string>

namespace ticketing::ops {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

core::CallRecord Success() {
  core::CallRecord record;
  record.method = "DeleteTicketingUser";
  record.outcome = "DELETED";
  record.attempts = 1;
  record.total = milliseconds{20};
  return record;
}

core::CallRecord Uncertain() {
  core::CallRecord record = Success();
  record.outcome = "";
  record.code = core::StatusCode::kUnknown;
  record.reason = core::ErrorReason::kOutcomeUnknown;
  record.delivery = core::Delivery::kUnknown;
  record.origin = core::Origin::kTruto;
  return record;
}

// The line `series VALUE` as the page has it.
testing::Matcher<std::string> Has(const std::string& series, const std::string& value) {
  return HasSubstr("\n" + series + " " + value + "\n");
}

std::string PageOf(Metrics& metrics) {
  return "\n" + metrics.Page();
}

class MetricsTest : public testing::Test {
 protected:
  std::string Page() { return PageOf(metrics_); }
  Metrics metrics_{"1.2.3"};
};

TEST_F(MetricsTest, ACallIsCountedByTheNamesOfTheGrpcMiddleware) {
  metrics_.OnCallStart("DeleteTicketingUser");
  metrics_.OnCallEnd(Success());
  metrics_.OnCallStart("DeleteTicketingUserStream");
  const std::string labels =
      R"(grpc_method="DeleteTicketingUser",grpc_service="ticketing.v1.TicketingUserService",grpc_type="unary")";
  EXPECT_THAT(Page(), AllOf(Has("grpc_server_started_total{" + labels + "}", "1"),
                            HasSubstr("grpc_server_handled_total{grpc_code=\"OK\"," + labels + "} 1\n"),
                            HasSubstr("grpc_server_handling_seconds_bucket{" + labels + ",le=\"0.025\"} 1\n"),
                            HasSubstr("grpc_server_handling_seconds_bucket{" + labels + ",le=\"0.01\"} 0\n"),
                            HasSubstr("grpc_type=\"server_stream\"} 1\n"),
                            Has("ticketing_deletes_total{outcome=\"DELETED\"}", "1")));
}

TEST_F(MetricsTest, AnUncertainDeleteIsTold) {
  metrics_.OnCallEnd(Uncertain());
  EXPECT_THAT(Page(),
              Has(R"(ticketing_failures_total{delivery="UNKNOWN",origin="TRUTO",reason="OUTCOME_UNKNOWN"})", "1"));
}

TEST_F(MetricsTest, AttemptsAreCountedByStatusAndDelivery) {
  metrics_.OnAttemptEnd(
      {.number = 1, .http_status = 502, .delivery = core::Delivery::kUnknown, .duration = milliseconds{3}});
  metrics_.OnAttemptEnd({.number = 2,
                         .http_status = 200,
                         .delivery_before = core::Delivery::kUnknown,
                         .duration = milliseconds{7},
                         .timings = {.connection_reused = true, .first_byte = milliseconds{6}}});
  metrics_.OnAttemptEnd({.number = 1,
                         .delivery = core::Delivery::kNotSent,
                         .timings = {.dns = microseconds{500}, .connect = milliseconds{2}}});
  EXPECT_THAT(Page(), AllOf(Has(R"(ticketing_upstream_requests_total{delivery="UNKNOWN",status_class="5xx"})", "1"),
                            Has(R"(ticketing_upstream_requests_total{delivery="DONE",status_class="2xx"})", "1"),
                            Has(R"(ticketing_upstream_requests_total{delivery="NOT_SENT",status_class="none"})", "1"),
                            Has(R"(ticketing_upstream_retries_total{after="UNKNOWN"})", "1"),
                            Has(R"(ticketing_upstream_connections_total{reused="true"})", "1"),
                            Has(R"(ticketing_upstream_connections_total{reused="false"})", "0"),
                            Has("ticketing_upstream_request_seconds_count", "3"),
                            Has(R"(ticketing_upstream_phase_seconds_count{phase="dns"})", "1"),
                            Has(R"(ticketing_upstream_phase_seconds_count{phase="tls"})", "0"),
                            Has(R"(ticketing_upstream_phase_seconds_count{phase="first_byte"})", "1")));
}

TEST_F(MetricsTest, NoMoreThan50CallersAreToldApart) {
  for (int i = 0; i < 60; ++i) {
    core::CallRecord record = Success();
    record.caller = "spiffe://test/caller-" + std::to_string(i);
    metrics_.OnCallEnd(record);
  }
  metrics_.OnCallEnd(Success());
  core::CallRecord failed = Uncertain();
  failed.caller = "spiffe://test/caller-0";
  metrics_.OnCallEnd(failed);
  const std::string page = Page();
  EXPECT_THAT(page,
              AllOf(Has(R"(ticketing_calls_by_caller_total{caller="spiffe://test/caller-49",result="ok"})", "1"),
                    Has(R"(ticketing_calls_by_caller_total{caller="spiffe://test/caller-0",result="error"})", "1"),
                    Has(R"(ticketing_calls_by_caller_total{caller="other",result="ok"})", "10"),
                    Has(R"(ticketing_calls_by_caller_total{caller="anonymous",result="ok"})", "1")));
  EXPECT_THAT(page, Not(HasSubstr("caller-50")));
}

TEST_F(MetricsTest, OnlyACallerThatWasServedHasANameOfItsOwn) {
  for (int i = 0; i < 60; ++i) {
    core::CallRecord refused = Uncertain();
    refused.caller = "token-sha256:" + std::to_string(i);
    metrics_.OnCallEnd(refused);
  }
  core::CallRecord served = Success();
  served.caller = "spiffe://test/caller";
  metrics_.OnCallEnd(served);
  EXPECT_THAT(Page(), AllOf(Has(R"(ticketing_calls_by_caller_total{caller="other",result="error"})", "60"),
                            Has(R"(ticketing_calls_by_caller_total{caller="spiffe://test/caller",result="ok"})", "1")));
}

TEST_F(MetricsTest, NothingOfAUserAnAccountOrARequestIsALabel) {
  core::CallRecord record = Uncertain();
  record.user_id = "ada@example.com";
  record.integrated_account_id = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";
  record.request_id = "00000000-0000-4000-8000-000000000000";
  record.correlation_id = "correlation";
  record.trace_id = "0af7651916cd43dd8448eb211c80319c";
  metrics_.OnCallEnd(record);
  for (const std::string& text :
       {record.user_id, record.integrated_account_id, record.request_id, record.correlation_id, record.trace_id}) {
    EXPECT_THAT(Page(), Not(HasSubstr(text)));
  }
}

TEST_F(MetricsTest, CredentialsTellWhenTheyWereReadAndWhenTheyEnd) {
  metrics_.OnLoaded("client_ca", std::chrono::system_clock::from_time_t(2'000'000'000));
  metrics_.OnLoaded("truto_token", std::nullopt);
  metrics_.OnPassedOver("client_ca", "The file /x is empty");
  EXPECT_THAT(
      Page(),
      AllOf(Has(R"(ticketing_credential_expiry_timestamp_seconds{credential="client_ca"})", "2000000000"),
            Not(HasSubstr(R"(expiry_timestamp_seconds{credential="truto_token"})")),
            HasSubstr(R"(ticketing_credential_loaded_timestamp_seconds{credential="truto_token"})"),
            Has(R"(ticketing_credential_reload_failures_total{credential="client_ca"})", "1"),
            Has(R"(ticketing_credential_reload_failures_total{credential="truto_token"})", "0"), Not(HasSubstr("/x"))));
}

TEST_F(MetricsTest, PoliciesAreToldAsTheyAre) {
  core::PolicyState state{.calls = 7,
                          .detached = 1,
                          .concurrency_limit = 40,
                          .concurrency_in_flight = 6,
                          .account_circuits_open = 2,
                          .upstream_circuit_open = true,
                          .retry_budget = 480,
                          .retries_refused = 3,
                          .replay_entries = 5,
                          .replay_bytes = 1000};
  metrics_.Set(state);
  state.upstream_circuit_open = false;
  state.retries_refused = 4;
  metrics_.Set(state);
  metrics_.SetReady(true);
  metrics_.SetLostLogLines(9);
  EXPECT_THAT(Page(), AllOf(Has("ticketing_calls_in_flight", "7"), Has("ticketing_detached_deletes", "1"),
                            Has("ticketing_concurrency_limit", "40"), Has("ticketing_concurrency_in_flight", "6"),
                            Has("ticketing_account_circuits_open", "2"), Has("ticketing_upstream_circuit_open", "0"),
                            Has("ticketing_retry_budget_tokens", "480"), Has("ticketing_retries_refused_total", "4"),
                            Has("ticketing_replay_cache_entries", "5"), Has("ticketing_replay_cache_bytes", "1000"),
                            Has("ticketing_ready", "1"), Has("ticketing_log_lines_dropped_total", "9"),
                            Has(R"(ticketing_build_info{version="1.2.3"})", "1")));
}

TEST_F(MetricsTest, WhatAlertsWatchIsThereBeforeItFirstHappens) {
  EXPECT_THAT(
      Page(),
      AllOf(Has(R"(ticketing_failures_total{delivery="UNKNOWN",origin="PROVIDER",reason="OUTCOME_UNKNOWN"})", "0"),
            Has(R"(ticketing_failures_total{delivery="REJECTED",origin="TRUTO",reason="SERVICE_TOKEN_REJECTED"})", "0"),
            Has(R"(ticketing_deletes_total{outcome="DELETED"})", "0"),
            Has(R"(ticketing_upstream_retries_total{after="UNKNOWN"})", "0"),
            HasSubstr(R"(grpc_server_handled_total{grpc_code="Unavailable")")));
}

TEST_F(MetricsTest, EveryMetricHasAHelpText) {
  metrics_.OnCallEnd(Success());
  std::istringstream page(metrics_.Page());
  std::set<std::string> with_help;
  std::set<std::string> without_help;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("# HELP ")) with_help.insert(line.substr(7, line.find(' ', 7) - 7));
    if (line.starts_with("# TYPE ")) without_help.insert(line.substr(7, line.find(' ', 7) - 7));
  }
  EXPECT_EQ(with_help, without_help);
  EXPECT_GE(with_help.size(), 30U);
}

}  // namespace
}  // namespace ticketing::ops
