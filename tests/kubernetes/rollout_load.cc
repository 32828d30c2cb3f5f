// rollout-load: constant load on the replicas behind a headless Service, as callers are told to make it: round robin
// over the addresses of one name, and the health of each watched, so that one that is about to stop is left before it
// refuses. Nothing is ever called again.
//
// Prints "calling" when every caller has had an answer, a line for every error, and when its input has ended the
// counts, as one JSON object.
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ticketing/v1/ticketing_user_service.grpc.pb.h"

namespace ticketing::rollout {
namespace {

constexpr const char* kServiceConfig = R"({
  "loadBalancingConfig": [{"round_robin": {}}],
  "healthCheckConfig": {"serviceName": "ticketing.v1.TicketingUserService"}
})";

// Each client has a connection to every replica, and so many callers.
constexpr std::size_t kClients = 2;
constexpr std::size_t kCallersOfClient = 4;

// Of so many calls one takes the sandbox 2 seconds: whenever a replica is told to stop, some are in flight.
constexpr std::uint64_t kSlowEvery = 8;
constexpr const char* kSlowUser = "provoke-slow";

// Leaves a small machine some time for all else.
constexpr std::chrono::milliseconds kPause{10};
constexpr std::chrono::seconds kDeadline{30};

// gRPC looks a name up every 30 seconds at most, in which all replicas may have been replaced.
constexpr int kShortestTimeBetweenLookUpsMs = 1000;

struct Files {
  std::string ca;
  std::string certificate;
  std::string key;
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<grpc::ChannelCredentials> Credentials(const Files& files) {
  if (files.ca.empty()) return grpc::InsecureChannelCredentials();
  return grpc::SslCredentials({.pem_root_certs = ReadFile(files.ca),
                               .pem_private_key = ReadFile(files.key),
                               .pem_cert_chain = ReadFile(files.certificate)});
}

std::shared_ptr<grpc::Channel> Connect(const std::string& address, const Files& files) {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(kServiceConfig);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, kShortestTimeBetweenLookUpsMs);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Else both clients would share their connections.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("dns:///" + address, Credentials(files), arguments);
}

std::optional<google::rpc::ErrorInfo> ErrorInfoOf(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return std::nullopt;
  for (const auto& detail : details.details()) {
    google::rpc::ErrorInfo info;
    if (detail.UnpackTo(&info)) return info;
  }
  return std::nullopt;
}

class Counts {
 public:
  void Add(const grpc::Status& status, const std::string& peer) {
    const std::lock_guard lock(mutex_);
    if (status.ok()) {
      ++ok_;
      replicas_.insert(peer);
      return;
    }
    ++failed_;
    const auto info = ErrorInfoOf(status);
    // An error that is not the service's says nothing of what became of the call.
    const std::string delivery = info ? info->metadata().at("delivery") : "UNKNOWN";
    if (delivery == "UNKNOWN") ++uncertain_;
    std::printf("error: code %d, %s, delivery %s, from %s: %s\n", status.error_code(),
                info ? info->reason().c_str() : "not the service's", delivery.c_str(), peer.c_str(),
                status.error_message().c_str());
    std::fflush(stdout);
  }

  void Print() {
    const std::lock_guard lock(mutex_);
    std::printf("{\"ok\": %llu, \"failed\": %llu, \"uncertain\": %llu, \"replicas\": %zu}\n",
                static_cast<unsigned long long>(ok_), static_cast<unsigned long long>(failed_),
                static_cast<unsigned long long>(uncertain_), replicas_.size());
  }

 private:
  std::mutex mutex_;
  std::uint64_t ok_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t uncertain_ = 0;  // of the failed ones
  std::set<std::string> replicas_;
};

// `turn`: which call of all it is.
void CallOnce(v1::TicketingUserService::Stub& stub, const std::string& account, std::uint64_t turn, Counts& counts) {
  v1::DeleteTicketingUserRequest request;
  request.set_integrated_account_id(account);
  if (turn % kSlowEvery == 0) {
    request.set_id(kSlowUser);
  } else {
    request.set_id("1");
    request.set_truto_skip_api_call(true);  // for the sandbox never to run out of users
  }
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  v1::DeleteTicketingUserResponse response;
  const grpc::Status status = stub.DeleteTicketingUser(&context, request, &response);
  counts.Add(status, context.peer());
}

}  // namespace
}  // namespace ticketing::rollout

int main(int argc, char** argv) {
  using namespace ticketing::rollout;  // NOLINT(google-build-using-namespace)
  std::string address;
  Files files;
  std::string account = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";

  CLI::App app("Calls DeleteTicketingUser on all replicas until its input ends; counts what was lost.");
  app.add_option("address", address, "host:port, a name with the addresses of all replicas")->required();
  app.add_option("--account", account, "the integrated account")->capture_default_str();
  auto* const ca = app.add_option("--ca-file", files.ca, "trust these certificates (PEM); without it plaintext");
  auto* const certificate = app.add_option("--cert-file", files.certificate, "the client's certificate chain (PEM)");
  auto* const key = app.add_option("--key-file", files.key, "its private key (PEM)");
  certificate->needs(key)->needs(ca);
  key->needs(certificate);
  CLI11_PARSE(app, argc, argv);

  Counts counts;
  std::atomic<bool> ending{false};
  std::atomic<std::uint64_t> turns{0};
  std::latch answered(kClients * kCallersOfClient);
  std::vector<std::jthread> callers;
  for (std::size_t client = 0; client < kClients; ++client) {
    const std::shared_ptr stub = ticketing::v1::TicketingUserService::NewStub(Connect(address, files));
    for (std::size_t caller = 0; caller < kCallersOfClient; ++caller) {
      callers.emplace_back([&, stub] {
        CallOnce(*stub, account, ++turns, counts);
        answered.count_down();
        while (!ending) {
          std::this_thread::sleep_for(kPause);
          CallOnce(*stub, account, ++turns, counts);
        }
      });
    }
  }
  answered.wait();
  std::puts("calling");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
  }
  ending = true;
  callers.clear();  // waits for the calls in flight
  counts.Print();
  return 0;
}
