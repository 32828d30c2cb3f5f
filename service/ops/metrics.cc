#include "ops/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <chrono>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "ops/log.h"
#include "ops/process_usage.h"

namespace ticketing::ops {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Labels;
using Buckets = Histogram::BucketBoundaries;

constexpr std::size_t kMostCallers = 50;

// A delete takes as long as its provider: from a few milliseconds up to the longest deadline.
const Buckets& CallBuckets() {
  static const Buckets kBuckets{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60};
  return kBuckets;
}

// From the same host to another continent.
const Buckets& PhaseBuckets() {
  static const Buckets kBuckets{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3, 10, 30};
  return kBuckets;
}

// Nobody waits for longer than 2 s, see RateLimits.
const Buckets& WaitBuckets() {
  static const Buckets kBuckets{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2};
  return kBuckets;
}

double Seconds(std::chrono::microseconds span) {
  return std::chrono::duration<double>(span).count();
}

double SinceEpoch(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

std::string StatusClass(std::optional<int> status) {
  return status ? std::to_string(*status / 100) + "xx" : "none";
}

std::string DeliveryLabel(std::optional<core::Delivery> delivery) {
  return std::string(core::ToString(delivery));
}

}  // namespace

class Metrics::State {
 public:
  explicit State(std::string_view version) {
    AddGauge("ticketing_build_info", "Always 1; `version` is the version of the service.",
             {{"version", std::string(version)}})
        .Set(1);
    CountFromZero();
  }

  void OnCallStart(std::string_view method) { OfMethod(method).started.Increment(); }

  void OnAttemptEnd(const core::AttemptRecord& record) {
    upstream_requests_
        .Add({{"status_class", StatusClass(record.http_status)}, {"delivery", DeliveryLabel(record.delivery)}})
        .Increment();
    upstream_seconds_.Observe(Seconds(record.duration));
    const core::HttpTimings& timings = record.timings;
    const auto observe = [](Histogram& histogram, const std::optional<std::chrono::microseconds>& span) {
      if (span) histogram.Observe(Seconds(*span));
    };
    observe(dns_, timings.dns);
    observe(connect_, timings.connect);
    observe(tls_, timings.tls);
    observe(first_byte_, timings.first_byte);
    if (timings.connection_reused) {
      reused_connections_.Increment();
    } else if (timings.first_byte) {
      new_connections_.Increment();
    }
    if (record.delivery_before) retries_.Add({{"after", DeliveryLabel(record.delivery_before)}}).Increment();
  }

  void OnCallEnd(const core::CallRecord& record) {
    Method& method = OfMethod(record.method);
    method.HandledWith(record.code).Increment();
    method.seconds.Observe(Seconds(record.total));
    if (record.queued.count() > 0) rate_limit_wait_.Observe(Seconds(record.queued));
    if (record.replayed) replays_.Increment();
    if (record.reason) {
      FailureCounter(*record.reason, record.delivery, record.origin.value_or(core::Origin::kService)).Increment();
    } else {
      deletes_.Add({{"outcome", std::string(record.outcome)}}).Increment();
    }
    callers_.Add({{"caller", CallerLabel(record.caller, !record.reason)}, {"result", record.reason ? "error" : "ok"}})
        .Increment();
  }

  void OnLoaded(std::string_view name, CredentialListener::Expiry expiry) {
    const Labels labels{{"credential", std::string(name)}};
    credential_loaded_.Add(labels).Set(SinceEpoch(std::chrono::system_clock::now()));
    if (expiry) credential_expiry_.Add(labels).Set(SinceEpoch(*expiry));
    // So that a rate of it can be taken from the beginning.
    reload_failures_.Add(labels);
  }

  void OnPassedOver(std::string_view name) { reload_failures_.Add({{"credential", std::string(name)}}).Increment(); }

  void Set(const core::PolicyState& state) {
    const std::lock_guard lock(mutex_);
    calls_in_flight_.Set(static_cast<double>(state.calls));
    detached_.Set(static_cast<double>(state.detached));
    concurrency_limit_.Set(state.concurrency_limit);
    concurrency_in_flight_.Set(state.concurrency_in_flight);
    account_circuits_.Set(static_cast<double>(state.account_circuits_open));
    upstream_circuit_.Set(state.upstream_circuit_open ? 1 : 0);
    retry_budget_.Set(state.retry_budget);
    replay_entries_.Set(static_cast<double>(state.replay_entries));
    replay_bytes_.Set(static_cast<double>(state.replay_bytes));
    Raise(retries_refused_, static_cast<double>(state.retries_refused));
  }

  void SetReady(bool ready) { ready_.Set(ready ? 1 : 0); }

  void SetLostLogLines(std::uint64_t count) {
    const std::lock_guard lock(mutex_);
    Raise(lost_log_lines_, static_cast<double>(count));
  }

  std::string Page() {
    const std::lock_guard lock(mutex_);
    const ProcessUsage usage = ReadProcessUsage();
    Raise(cpu_seconds_, usage.cpu_seconds);
    start_time_.Set(usage.start_time_seconds);
    resident_bytes_.Set(static_cast<double>(usage.resident_bytes));
    virtual_bytes_.Set(static_cast<double>(usage.virtual_bytes));
    threads_.Set(static_cast<double>(usage.threads));
    open_descriptors_.Set(static_cast<double>(usage.open_descriptors));
    max_descriptors_.Set(static_cast<double>(usage.max_descriptors));
    return prometheus::TextSerializer().Serialize(registry_.Collect());
  }

 private:
  // A rate can't tell the first event of a series that begins with it: the series that alerts watch are there from the
  // start (https://prometheus.io/docs/practices/instrumentation/#avoid-missing-metrics).
  void CountFromZero() {
    using core::Delivery;
    using core::Origin;
    constexpr std::array kDeliveries{Delivery::kNotSent, Delivery::kRejected, Delivery::kUnknown};
    for (int reason = 1; reason <= static_cast<int>(core::ErrorReason::kNotSupportedByProvider); ++reason) {
      for (const Delivery delivery : kDeliveries) {
        for (const Origin origin : {Origin::kService, Origin::kTruto, Origin::kProvider}) {
          FailureCounter(static_cast<core::ErrorReason>(reason), delivery, origin);
        }
      }
    }
    for (const char* outcome : {"DELETED", "ALREADY_ABSENT", "NOT_SENT"}) deletes_.Add({{"outcome", outcome}});
    for (const Delivery delivery : kDeliveries) retries_.Add({{"after", DeliveryLabel(delivery)}});
    for (int code = 0; code <= static_cast<int>(core::StatusCode::kUnauthenticated); ++code) {
      unary_.HandledWith(static_cast<core::StatusCode>(code));
      stream_.HandledWith(static_cast<core::StatusCode>(code));
    }
  }

  Counter& FailureCounter(core::ErrorReason reason, std::optional<core::Delivery> delivery, core::Origin origin) {
    return failures_.Add({{"reason", std::string(core::ToString(reason))},
                          {"delivery", DeliveryLabel(delivery)},
                          {"origin", std::string(core::ToString(origin))}});
  }

  // What is counted for each method.
  struct Method {
    Method(State& state, Labels method_labels)
        : labels(std::move(method_labels)),
          started(state.started_.Add(labels)),
          seconds(state.handling_seconds_.Add(labels, CallBuckets())),
          handled_family(state.handled_) {}

    Counter& HandledWith(core::StatusCode code) {
      Counter*& counter = handled.at(static_cast<std::size_t>(code));
      if (counter == nullptr) {
        Labels with_code = labels;
        with_code.emplace("grpc_code", CodeLabel(code));
        counter = &handled_family.Add(with_code);
      }
      return *counter;
    }

    Labels labels;
    Counter& started;
    Histogram& seconds;
    Family<Counter>& handled_family;
    std::array<Counter*, 17> handled{};
  };

  static Labels MethodLabels(const std::string& method, const std::string& type) {
    return {{"grpc_type", type}, {"grpc_service", "ticketing.v1.TicketingUserService"}, {"grpc_method", method}};
  }

  Method& OfMethod(std::string_view method) { return method == unary_name_ ? unary_ : stream_; }

  std::string CallerLabel(const std::string& caller, bool ok) {
    if (caller.empty()) return "anonymous";
    // Whoever is let in has a name; those who only try, with a token each, must not take the names.
    if (ok && caller_names_.size() < kMostCallers) caller_names_.insert(caller);
    return caller_names_.contains(caller) ? caller : "other";
  }

  // A counter that is kept elsewhere.
  static void Raise(Counter& counter, double value) {
    if (value > counter.Value()) counter.Increment(value - counter.Value());
  }

  Family<Counter>& Counters(const std::string& name, const std::string& help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry_);
  }
  Family<Gauge>& Gauges(const std::string& name, const std::string& help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry_);
  }
  Family<Histogram>& Histograms(const std::string& name, const std::string& help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_);
  }
  Counter& AddCounter(const std::string& name, const std::string& help) { return Counters(name, help).Add({}); }
  Gauge& AddGauge(const std::string& name, const std::string& help, const Labels& labels = {}) {
    return Gauges(name, help).Add(labels);
  }

  std::mutex mutex_;  // of counters that are kept elsewhere: raising one is two steps
  prometheus::Registry registry_;

  Family<Counter>& started_ = Counters("grpc_server_started_total", "RPCs begun.");
  Family<Counter>& handled_ = Counters("grpc_server_handled_total", "RPCs ended, by the code that their caller got.");
  Family<Histogram>& handling_seconds_ = Histograms(
      "grpc_server_handling_seconds", "How long RPCs took. Compare with ticketing_upstream_request_seconds.");
  const std::string unary_name_ = "DeleteTicketingUser";
  Method unary_{*this, MethodLabels(unary_name_, "unary")};
  Method stream_{*this, MethodLabels("DeleteTicketingUserStream", "server_stream")};

  Family<Counter>& deletes_ = Counters("ticketing_deletes_total", "Calls that ended with OK, by outcome.");
  Family<Counter>& failures_ =
      Counters("ticketing_failures_total",
               "Calls that ended with an error. Each with delivery UNKNOWN is a delete to look after: find it in the "
               "audit lines of the log.");
  Family<Counter>& callers_ =
      Counters("ticketing_calls_by_caller_total",
               "Calls by who made them: the first 50 callers that were served by name, then \"other\".");
  std::set<std::string> caller_names_;
  Counter& replays_ =
      AddCounter("ticketing_replays_total", "Calls answered with another call's answer, by their request_id.");
  Histogram& rate_limit_wait_ =
      Histograms("ticketing_rate_limit_wait_seconds",
                 "How long calls that had to wait for a local rate limit waited. If many do, raise the limits if "
                 "Truto's allow it, or slow the callers down.")
          .Add({}, WaitBuckets());
  Gauge& calls_in_flight_ = AddGauge("ticketing_calls_in_flight", "Calls that have not ended.");
  Gauge& detached_ = AddGauge("ticketing_detached_deletes", "Deletes under way whose caller has gone.");

  Family<Counter>& upstream_requests_ =
      Counters("ticketing_upstream_requests_total",
               "HTTP requests to Truto, by the class of their status and by how far the delete got.");
  Histogram& upstream_seconds_ =
      Histograms("ticketing_upstream_request_seconds", "How long HTTP requests to Truto took, their bodies included.")
          .Add({}, CallBuckets());
  Family<Histogram>& phases_ =
      Histograms("ticketing_upstream_phase_seconds",
                 "How long the parts of HTTP requests took: dns, connect and tls of those that opened a connection, "
                 "first_byte of all.");
  Histogram& dns_ = phases_.Add({{"phase", "dns"}}, PhaseBuckets());
  Histogram& connect_ = phases_.Add({{"phase", "connect"}}, PhaseBuckets());
  Histogram& tls_ = phases_.Add({{"phase", "tls"}}, PhaseBuckets());
  Histogram& first_byte_ = phases_.Add({{"phase", "first_byte"}}, PhaseBuckets());
  Family<Counter>& connections_ = Counters(
      "ticketing_upstream_connections_total",
      "Answered HTTP requests by whether their connection was there already; at a steady load nearly all are reused.");
  Counter& reused_connections_ = connections_.Add({{"reused", "true"}});
  Counter& new_connections_ = connections_.Add({{"reused", "false"}});
  Family<Counter>& retries_ = Counters("ticketing_upstream_retries_total",
                                       "HTTP requests beyond a call's first, by how far the one before got.");
  Counter& retries_refused_ =
      AddCounter("ticketing_retries_refused_total",
                 "Retries that the retry budget refused: Truto fails for more calls than retries could help.");
  Gauge& retry_budget_ = AddGauge("ticketing_retry_budget_tokens", "What is left of the retry budget; 500 when full.");
  Gauge& concurrency_limit_ = AddGauge("ticketing_concurrency_limit",
                                       "HTTP requests that may be under way now; it falls while Truto is overloaded.");
  Gauge& concurrency_in_flight_ =
      AddGauge("ticketing_concurrency_in_flight", "HTTP requests under way, or about to be, under that limit.");
  Gauge& account_circuits_ =
      AddGauge("ticketing_account_circuits_open",
               "Integrated accounts answered without asking Truto: blocked, or in need of re-authentication.");
  Gauge& upstream_circuit_ =
      AddGauge("ticketing_upstream_circuit_open", "1 while Truto is taken for unreachable. Check the way to it.");
  Gauge& replay_entries_ = AddGauge("ticketing_replay_cache_entries", "Calls and answers remembered by request_id.");
  Gauge& replay_bytes_ = AddGauge("ticketing_replay_cache_bytes", "Memory of those.");

  Family<Gauge>& credential_loaded_ =
      Gauges("ticketing_credential_loaded_timestamp_seconds", "When the credential in use was read.");
  Family<Gauge>& credential_expiry_ =
      Gauges("ticketing_credential_expiry_timestamp_seconds",
             "When the first certificate of the credential in use ends. Replace it before.");
  Family<Counter>& reload_failures_ =
      Counters("ticketing_credential_reload_failures_total",
               "Contents of credential files that were unusable; the ones before stay in use. The log says why.");

  Gauge& ready_ = AddGauge("ticketing_ready", "1 while /readyz says so.");
  Counter& lost_log_lines_ = AddCounter("ticketing_log_lines_dropped_total",
                                        "Log lines given up since the output was too slow; never those of the audit.");

  Counter& cpu_seconds_ = AddCounter("process_cpu_seconds_total", "User and system CPU time spent.");
  Gauge& start_time_ = AddGauge("process_start_time_seconds", "When the process started, since the Unix epoch.");
  Gauge& resident_bytes_ = AddGauge("process_resident_memory_bytes", "Resident memory.");
  Gauge& virtual_bytes_ = AddGauge("process_virtual_memory_bytes", "Virtual memory.");
  Gauge& threads_ = AddGauge("process_threads", "Threads.");
  Gauge& open_descriptors_ = AddGauge("process_open_fds", "Open file descriptors.");
  Gauge& max_descriptors_ = AddGauge("process_max_fds", "How many there may be.");
};

Metrics::Metrics(std::string_view version) : state_(std::make_unique<State>(version)) {}
Metrics::~Metrics() = default;

void Metrics::OnCallStart(std::string_view method) {
  state_->OnCallStart(method);
}
void Metrics::OnAttemptEnd(const core::AttemptRecord& record) {
  state_->OnAttemptEnd(record);
}
void Metrics::OnCallEnd(const core::CallRecord& record) {
  state_->OnCallEnd(record);
}
void Metrics::OnLoaded(std::string_view name, Expiry expiry) {
  state_->OnLoaded(name, expiry);
}
void Metrics::OnPassedOver(std::string_view name, const std::string& /*problem*/) {
  state_->OnPassedOver(name);
}
void Metrics::Set(const core::PolicyState& state) {
  state_->Set(state);
}
void Metrics::SetReady(bool ready) {
  state_->SetReady(ready);
}
void Metrics::SetLostLogLines(std::uint64_t count) {
  state_->SetLostLogLines(count);
}
std::string Metrics::Page() {
  return state_->Page();
}

}  // namespace ticketing::ops
