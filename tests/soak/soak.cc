// The real service under mixed faults at sustained load, for as long as wanted: what a caller may rely on holds for
// every call, and memory, descriptors and threads stay flat.
//
//   build/normal/bin/soak --seconds 1200     20 minutes
//   build/normal/bin/soak --calls 2000       as a test
#include <grpcpp/client_context.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/running_service.h"
#include "tests/support/scripted_upstream.h"

namespace ticketing::soak {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using support::Http2Error;
using support::Protocol;
using support::ReceivedRequest;
using support::Script;
using support::ScriptedUpstream;

// What Truto really did for one Idempotency-Key.
struct Truth {
  std::uint32_t seen = 0;  // DELETEs
  bool executed = false;   // for certain
  bool maybe = false;      // its caller can't know
  std::uint32_t after_maybe = 0;
};

// Answers as Truto does on a bad day.
class Truto {
 public:
  explicit Truto(ScriptedUpstream& upstream) {
    upstream.SetHandler([this](const ReceivedRequest& request) { return Receive(request); });
  }

  // What was done for `key`; forgets it.
  Truth Take(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found = truths_.find(key);
    if (found == truths_.end()) return {};
    const Truth truth = found->second;
    truths_.erase(found);
    return truth;
  }

 private:
  Script Receive(const ReceivedRequest& request) {
    const std::lock_guard lock(mutex_);
    Truth& truth = truths_[std::string(core::FindHeader(request.headers, "idempotency-key").value_or("none"))];
    ++truth.seen;
    if (truth.maybe) ++truth.after_maybe;
    const core::HttpHeaders json = {{"content-type", "application/json"}};
    switch (std::uniform_int_distribution<int>(0, 99)(random_)) {
      case 0:
      case 1:
      case 2: truth.maybe = true; return Script().Answer(502, {}, "<html>bad gateway</html>");
      case 3:
      case 4: truth.maybe = true; return Script().ResetStream(Http2Error::kInternalError);
      case 5: truth.maybe = true; return Script().ResetConnection();
      case 6: truth.maybe = true; return Script().Answer(503, {}, "<html>edge</html>");
      case 7:
      case 8: return Script().Answer(404, json, R"({"statusCode":404,"error":"Not Found","message":"gone"})");
      case 9: return Script().Answer(403, json, R"({"statusCode":403,"error":"Forbidden","message":"no"})");
      case 10:
        return Script().Answer(
            429, {{"retry-after", "1"}},
            R"({"statusCode":429,"error":"Too Many Requests","message":"","truto_is_remote_error":true})");
      case 11:
        truth.executed = true;
        return Script().SendHead(200, json).SendBody("{\"id\":").ResetStream(Http2Error::kCancel);
      case 12: truth.executed = true; return Script().Delay(milliseconds{300}).Answer(200, json, R"({"id":"42"})");
      case 13: truth.executed = true; return Script().GoAwayCovering().Answer(200, json, R"({"id":"42"})");
      case 14: truth.executed = true; return Script().SendHead(200).SendFiller(200'000).End();
      case 15: truth.maybe = true; return {};  // never answers
      default: truth.executed = true; return Script().Answer(200, json, R"({"id":"42","name":"Ada"})");
    }
  }

  std::mutex mutex_;
  std::mt19937_64 random_{1};
  std::map<std::string, Truth> truths_;
};

std::string MakeUuid(std::mt19937_64& random) {
  std::uniform_int_distribution<int> digit(0, 15);
  std::string uuid = "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx";
  for (char& c : uuid) {
    if (c == 'x') c = "0123456789abcdef"[digit(random)];
  }
  return uuid;
}

struct Counts {
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> ok{0};
  std::atomic<std::uint64_t> unknown{0};
  std::atomic<std::uint64_t> unavailable{0};
  std::atomic<std::uint64_t> given_up{0};  // by the caller
  std::atomic<std::uint64_t> broken{0};    // promises
};

// One caller after the other, each with an account of its own mood.
class Client {
 public:
  Client(e2e::RunningService& service, Truto& truto, Counts& counts, std::uint64_t seed)
      : service_(service), truto_(truto), counts_(counts), random_(seed) {}

  void Call() {
    std::uniform_int_distribution<int> percent(0, 99);
    v1::DeleteTicketingUserRequest request = e2e::MakeRequest("42", MakeAccount());
    request.set_request_id(MakeUuid(random_));
    request.set_allow_missing(percent(random_) < 30);
    grpc::ClientContext context;
    const bool hasty = percent(random_) < 10;
    context.set_deadline(std::chrono::system_clock::now() + (hasty ? milliseconds{250} : milliseconds{3000}));
    v1::DeleteTicketingUserResponse response;
    grpc::Status status;
    std::uint32_t attempts = 0;
    if (percent(random_) < 15) {
      v1::DeleteTicketingUserStreamRequest stream_request;
      *stream_request.mutable_request() = request;
      const auto reader = service_.stub().DeleteTicketingUserStream(&context, stream_request);
      v1::DeleteTicketingUserStreamResponse event;
      while (reader->Read(&event)) {
        if (event.has_summary()) response = event.summary();
        if (percent(random_) < 2) context.TryCancel();
      }
      status = reader->Finish();
    } else {
      status = service_.stub().DeleteTicketingUser(&context, request, &response);
    }
    ++counts_.calls;
    Check(request, status, response, attempts);
  }

 private:
  std::string MakeAccount() {
    std::string account = "62f44730-dd91-461e-bd6a-aedd9e0ad700";
    const int number = std::uniform_int_distribution<int>(0, 255)(random_);
    account[34] = "0123456789abcdef"[number / 16];
    account[35] = "0123456789abcdef"[number % 16];
    return account;
  }

  void Check(const v1::DeleteTicketingUserRequest& request, const grpc::Status& status,
             const v1::DeleteTicketingUserResponse& response, std::uint32_t attempts) {
    const auto info = e2e::DetailOf<google::rpc::ErrorInfo>(status);
    if (!status.ok() && !info) {
      // The client's own end: the service may still be at it, and what it did stays in the books.
      ++counts_.given_up;
      return;
    }
    const Truth truth = truto_.Take(request.request_id());
    if (status.ok()) {
      ++counts_.ok;
      attempts = response.report().attempts();
      Require(response.outcome() != v1::DELETE_OUTCOME_DELETED || truth.executed, "OK, but nothing was executed",
              request);
    } else {
      attempts = static_cast<std::uint32_t>(std::stoul(info->metadata().at("attempts")));
      const std::string& delivery = info->metadata().at("delivery");
      if (status.error_code() == grpc::StatusCode::UNKNOWN) ++counts_.unknown;
      if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
        ++counts_.unavailable;
        Require(!truth.executed && !truth.maybe, "UNAVAILABLE, but it may have been executed", request);
      }
      Require(delivery != "NOT_SENT" || truth.seen == 0, "NOT_SENT, but it was seen", request);
      Require(delivery != "REJECTED" || (!truth.executed && !truth.maybe), "REJECTED, but it may be executed", request);
    }
    Require(truth.seen <= attempts, "more DELETEs than reported", request);
    Require(truth.after_maybe <= 1, "more than one re-send after an unknown outcome", request);
  }

  void Require(bool kept, const char* what, const v1::DeleteTicketingUserRequest& request) {
    if (kept) return;
    ++counts_.broken;
    std::fprintf(stderr, "BROKEN: %s: %s\n", what, request.request_id().c_str());
  }

  e2e::RunningService& service_;
  Truto& truto_;
  Counts& counts_;
  std::mt19937_64 random_;
};

struct Usage {
  long rss_kib = 0;
  long descriptors = 0;
  long threads = 0;
};

Usage Measure(int pid) {
  const std::string process = "/proc/" + std::to_string(pid);
  Usage usage;
  std::ifstream status(process + "/status");
  for (std::string key; status >> key;) {
    if (key == "VmRSS:") status >> usage.rss_kib;
    if (key == "Threads:") status >> usage.threads;
  }
  const auto files = std::filesystem::directory_iterator(process + "/fd");
  usage.descriptors = std::distance(begin(files), end(files));
  return usage;
}

// The largest of one part of the samples.
long Peak(const std::vector<Usage>& samples, std::size_t from, std::size_t to, long Usage::* what) {
  long peak = 0;
  for (std::size_t i = from; i < to; ++i) peak = std::max(peak, samples[i].*what);
  return peak;
}

int Run(long run_seconds, std::uint64_t run_calls, unsigned clients) {
  ScriptedUpstream upstream({.protocol = Protocol::kHttp2Tls, .record_requests = false});
  Truto truto(upstream);
  e2e::RunningService service(upstream.url(), {{"TRUTO_CA_FILE", upstream.ca_file()},
                                               {"TICKETING_ACCOUNT_RATE", "100"},
                                               {"TICKETING_ACCOUNT_BURST", "100"},
                                               {"TICKETING_TOKEN_RATE", "5000"},
                                               {"TICKETING_TOKEN_BURST", "1000"}});
  Counts counts;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < clients; ++i) {
    threads.emplace_back([&, i] {
      Client client(service, truto, counts, i);
      while (!stop && (run_calls == 0 || counts.calls < run_calls)) client.Call();
    });
  }
  std::vector<Usage> samples;
  const auto start = steady_clock::now();
  std::printf("seconds calls ok unknown unavailable given_up rss_mib descriptors threads\n");
  const auto sample = [&] {
    samples.push_back(Measure(service.process().pid()));
    const Usage& usage = samples.back();
    std::printf("%ld %lu %lu %lu %lu %lu %.1f %ld %ld\n",
                std::chrono::duration_cast<seconds>(steady_clock::now() - start).count(), counts.calls.load(),
                counts.ok.load(), counts.unknown.load(), counts.unavailable.load(), counts.given_up.load(),
                static_cast<double>(usage.rss_kib) / 1024, usage.descriptors, usage.threads);
    std::fflush(stdout);
  };
  if (run_seconds > 0) {
    while (steady_clock::now() - start < seconds{run_seconds}) {
      std::this_thread::sleep_for(seconds{std::clamp(run_seconds / 40, 1L, 30L)});
      sample();
    }
    stop = true;
  }
  for (std::thread& thread : threads) thread.join();
  sample();

  bool flat = true;
  if (samples.size() >= 12) {
    // The first third warms up: the replay cache fills, to its bound.
    const std::size_t third = samples.size() / 3;
    for (const auto& [name, what, slack] : {std::tuple{"memory (KiB)", &Usage::rss_kib, 1.15},
                                            {"descriptors", &Usage::descriptors, 1.5},
                                            {"threads", &Usage::threads, 1.5}}) {
      const long middle = Peak(samples, third, 2 * third, what);
      const long last = Peak(samples, 2 * third, samples.size(), what);
      std::printf("%s: at most %ld in the second third, %ld in the last\n", name, middle, last);
      flat = flat && static_cast<double>(last) <= static_cast<double>(middle) * slack;
    }
  }
  std::printf("%lu calls, %lu broken promises, %s\n", counts.calls.load(), counts.broken.load(),
              flat ? "flat" : "NOT FLAT");
  return counts.broken == 0 && counts.ok > 0 && flat ? 0 : 1;
}

}  // namespace
}  // namespace ticketing::soak

int main(int argc, char** argv) {
  long run_seconds = 0;
  std::uint64_t calls = 0;
  unsigned clients = 16;
  CLI::App app("Runs the service under mixed faults and checks every answer.");
  auto* const how_long = app.add_option_group("how long")->require_option(1);
  how_long->add_option("--seconds", run_seconds, "seconds to run")->check(CLI::PositiveNumber);
  how_long->add_option("--calls", calls, "calls to make")->check(CLI::PositiveNumber);
  app.add_option("--clients", clients, "callers at a time")->check(CLI::PositiveNumber)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return ticketing::soak::Run(run_seconds, calls, clients);
}
