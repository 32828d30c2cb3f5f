// grpc.health.v1.Health, so that load balancers and Kubernetes see whether calls may come.
#pragma once

#include <grpc/health/v1/health.grpc.pb.h>
#include <grpcpp/server_builder.h>

#include <mutex>
#include <set>
#include <string>
#include <unordered_set>

#include "rpc/live_rpcs.h"

namespace ticketing::rpc {

// Health on the completion queue of the calls, any number of watchers included. gRPC's own needs the threads of its
// callback interface, which then take part in the events of every call: a sixth of its CPU time (measured with 1.51.1).
// Thread-safe.
class HealthService {
 public:
  // `service_names`: those that a client may ask for, all in the same state: not serving, at first.
  explicit HealthService(std::set<std::string> service_names);
  HealthService(const HealthService&) = delete;
  HealthService& operator=(const HealthService&) = delete;
  ~HealthService();

  // Adds the service to a server that must not outlive this object.
  void RegisterWith(grpc::ServerBuilder& builder);

  // Begins to answer. Every event of `queue` must be handed to its CompletionTag, and `rpcs` be none when it is shut
  // down.
  void Accept(grpc::ServerCompletionQueue& queue, LiveRpcs& rpcs);

  // Tells everybody who watches.
  void SetServing(bool serving);

  // Ends every Watch, those that are still to come included, with UNAVAILABLE.
  void Close();

 private:
  class CheckRpc;
  class WatchRpc;

  grpc::health::v1::HealthCheckResponse::ServingStatus StatusOf(const std::string& service_name) const;

  const std::set<std::string> service_names_;
  grpc::health::v1::Health::AsyncService service_;
  std::mutex mutex_;  // guards what follows, and the state of each Watch
  bool serving_ = false;
  bool closed_ = false;
  std::unordered_set<WatchRpc*> watchers_;
};

}  // namespace ticketing::rpc
