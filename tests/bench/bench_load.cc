// bench-load: calls a service with a fixed number of calls in flight; prints latencies, throughput and what the
// service's process used meanwhile, one "name value" per line.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/measured_delete.h"
#include "tests/bench/process_usage.h"
#include "ticketing/v1/ticketing_user_service.grpc.pb.h"

namespace ticketing::bench {
namespace {

using std::chrono::duration;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using ticketing::v1::DeleteTicketingUserResponse;

// Far beyond what any call takes; a deadline as such belongs to a well-behaved caller, and costs both sides a timer.
constexpr std::chrono::seconds kDeadline{30};

class Generator {
 public:
  Generator(const std::string& address, pid_t pid)
      : stub_(v1::TicketingUserService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))),
        pid_(pid) {}

  struct Result {
    std::vector<nanoseconds> latencies;
    nanoseconds wall{0};
    nanoseconds cpu{0};              // of the process `pid`
    std::uint64_t resident_kib = 0;  // the same, while the last calls were in flight
    DeleteTicketingUserResponse answer;
  };

  // Makes `count` calls, `in_flight` at a time. Ends the program when one fails.
  Result Run(std::size_t count, std::size_t in_flight) {
    Result result;
    result.latencies.reserve(count);
    const nanoseconds cpu_before = CpuTime(pid_);
    const auto start = steady_clock::now();
    std::size_t started = 0;
    for (; started < std::min(in_flight, count); ++started) StartCall();
    while (result.latencies.size() < count) {
      std::unique_ptr<Call> call = NextEnd();
      result.latencies.push_back(steady_clock::now() - call->start);
      if (started < count) {
        StartCall();
        if (++started == count) result.resident_kib = ResidentKiB(pid_);
      }
      if (result.latencies.size() == count) result.answer = std::move(call->answer);
    }
    result.wall = steady_clock::now() - start;
    result.cpu = CpuTime(pid_) - cpu_before;
    return result;
  }

 private:
  struct Call {
    grpc::ClientContext context;
    steady_clock::time_point start;
    DeleteTicketingUserResponse answer;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<DeleteTicketingUserResponse>> reader;
  };

  void StartCall() {
    auto call = std::make_unique<Call>();
    call->context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    call->start = steady_clock::now();
    call->reader = stub_->AsyncDeleteTicketingUser(&call->context, request_, &queue_);
    Call* const tag = call.release();  // NextEnd() takes it back
    tag->reader->Finish(&tag->answer, &tag->status, tag);
  }

  std::unique_ptr<Call> NextEnd() {
    void* tag = nullptr;
    bool ok = false;
    queue_.Next(&tag, &ok);
    std::unique_ptr<Call> call(static_cast<Call*>(tag));
    if (!call->status.ok()) {
      std::fprintf(stderr, "a call failed with code %d: %s\n", call->status.error_code(),
                   call->status.error_message().c_str());
      std::exit(1);
    }
    return call;
  }

  const v1::DeleteTicketingUserRequest request_ = MeasuredDelete();
  std::unique_ptr<v1::TicketingUserService::Stub> stub_;
  grpc::CompletionQueue queue_;
  pid_t pid_;
};

double Microseconds(nanoseconds span) {
  return duration<double, std::micro>(span).count();
}

double Percentile(std::vector<nanoseconds>& latencies, std::size_t percent) {
  const auto nth = latencies.begin() + static_cast<std::ptrdiff_t>(latencies.size() * percent / 100);
  std::ranges::nth_element(latencies, nth);
  return Microseconds(*nth);
}

}  // namespace
}  // namespace ticketing::bench

int main(int argc, char** argv) {
  using namespace ticketing::bench;  // NOLINT(google-build-using-namespace)
  std::string address;
  pid_t pid = 0;
  std::size_t calls = 10'000;
  std::size_t warm_up = 1'000;
  std::size_t in_flight = 16;
  std::string answer_file;

  CLI::App app("Calls DeleteTicketingUser and measures.");
  app.add_option("address", address, "address of the service, host:port")->required();
  app.add_option("--pid", pid, "the service's process")->required();
  app.add_option("--calls", calls, "calls to measure")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--warm-up", warm_up, "calls before that")->capture_default_str();
  app.add_option("--in-flight", in_flight, "calls at a time")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--save-answer", answer_file, "a file for the last answer, as it is on the wire");
  CLI11_PARSE(app, argc, argv);

  Generator generator(address, pid);
  generator.Run(warm_up, in_flight);
  Generator::Result result = generator.Run(calls, in_flight);
  if (!answer_file.empty()) {
    std::ofstream file(answer_file, std::ios::binary);
    if (!result.answer.SerializeToOstream(&file)) return 1;
  }
  std::printf("cpu_us %.2f\n", Microseconds(result.cpu) / static_cast<double>(calls));
  std::printf("rpcs_per_s %.0f\n", static_cast<double>(calls) / duration<double>(result.wall).count());
  std::printf("p50_us %.0f\n", Percentile(result.latencies, 50));
  std::printf("p99_us %.0f\n", Percentile(result.latencies, 99));
  std::printf("loaded_kib %llu\n", static_cast<unsigned long long>(result.resident_kib));
  return 0;
}
