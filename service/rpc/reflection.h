// Server reflection, so that grpcurl, Postman and the like can read the contract from the running service.
#pragma once

#include <grpcpp/server_builder.h>

#include <memory>
#include <string>
#include <vector>

#include "rpc/live_rpcs.h"

namespace ticketing::rpc {

// grpc.reflection.v1 and v1alpha. gRPC 1.51's own reflection is v1alpha alone, which newer tools don't speak.
//
// Every message that is linked into the program can be looked up: those of the contract, of health, and of google.rpc,
// without which tools show an error's details as bytes. Thread-safe.
class ReflectionService {
 public:
  // `service_names`: what a client sees when it asks which services there are.
  explicit ReflectionService(std::vector<std::string> service_names);
  ~ReflectionService();
  ReflectionService(const ReflectionService&) = delete;
  ReflectionService& operator=(const ReflectionService&) = delete;

  // Adds both versions to a server that must not outlive this object.
  void RegisterWith(grpc::ServerBuilder& builder);

  // Begins to answer. Every event of `queue` must be handed to its CompletionTag, and `rpcs` be none when it is shut
  // down.
  void Accept(grpc::ServerCompletionQueue& queue, LiveRpcs& rpcs);

  // Ends every stream, those that are still to come included.
  void Close();

 private:
  class Services;
  std::unique_ptr<Services> services_;
};

}  // namespace ticketing::rpc
