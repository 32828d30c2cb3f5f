// A gRPC server in the test's process for services on a completion queue.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <thread>

#include "rpc/completion_tag.h"
#include "rpc/live_rpcs.h"

namespace ticketing::rpc {

// Serves `service`, anything with RegisterWith() and Accept(), which must outlive it.
class QueueServer {
 public:
  template <typename Service>
  explicit QueueServer(Service& service) {
    grpc::ServerBuilder builder;
    service.RegisterWith(builder);
    queue_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    service.Accept(*queue_, rpcs_);
    events_ = std::thread([this] { HandleEvents(*queue_); });
  }
  ~QueueServer() {
    server_->Shutdown();
    rpcs_.WaitForNone();
    queue_->Shutdown();
    events_.join();
  }
  QueueServer(const QueueServer&) = delete;
  QueueServer& operator=(const QueueServer&) = delete;

  std::shared_ptr<grpc::Channel> channel() { return server_->InProcessChannel({}); }

 private:
  LiveRpcs rpcs_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::thread events_;
};

}  // namespace ticketing::rpc
