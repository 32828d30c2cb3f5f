// What gRPC itself has to say.
#pragma once

#include <functional>
#include <string_view>

namespace ticketing::rpc {

// Hands gRPC's own messages to `sink` instead of to standard error, as long as it lives; one at a time in a process.
// `sink` is called from any thread.
class GrpcLog {
 public:
  explicit GrpcLog(std::function<void(std::string_view message)> sink);
  ~GrpcLog();
  GrpcLog(const GrpcLog&) = delete;
  GrpcLog& operator=(const GrpcLog&) = delete;
};

}  // namespace ticketing::rpc
