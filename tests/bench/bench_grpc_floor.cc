// bench-grpc-floor: the least that a gRPC completion-queue server does for an RPC: it parses the request and answers
// with one message, on one thread.
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include "ticketing/v1/ticketing_user_service.grpc.pb.h"

namespace ticketing::bench {
namespace {

// What all calls share.
struct Floor {
  v1::TicketingUserService::AsyncService service;
  std::unique_ptr<grpc::ServerCompletionQueue> queue;
  v1::DeleteTicketingUserResponse answer;
};

// One call. It owns itself: it is deleted when its answer has been sent.
class NoOpCall {
 public:
  explicit NoOpCall(Floor& floor) : floor_(floor), writer_(&context_) {
    floor_.service.RequestDeleteTicketingUser(&context_, &request_, &writer_, floor_.queue.get(), floor_.queue.get(),
                                              this);
  }

  void OnCompletion(bool ok) {
    if (answered_ || !ok) {
      delete this;  // NOLINT(cppcoreguidelines-owning-memory): see the class
      return;
    }
    new NoOpCall(floor_);  // NOLINT(cppcoreguidelines-owning-memory)
    answered_ = true;
    writer_.Finish(floor_.answer, grpc::Status::OK, this);
  }

 private:
  Floor& floor_;
  grpc::ServerContext context_;
  v1::DeleteTicketingUserRequest request_;
  grpc::ServerAsyncResponseWriter<v1::DeleteTicketingUserResponse> writer_;
  bool answered_ = false;
};

// As many as the service has.
constexpr int kWaitingRequests = 32;

}  // namespace
}  // namespace ticketing::bench

int main(int argc, char** argv) {
  using namespace ticketing::bench;  // NOLINT(google-build-using-namespace)
  std::string answer_file;
  CLI::App app("Answers every DeleteTicketingUser with one message, on 127.0.0.1 and a free port, until SIGTERM.");
  app.add_option("--answer", answer_file, "file with the message, as bench-load --save-answer writes it")->required();
  CLI11_PARSE(app, argc, argv);

  Floor floor;
  std::ifstream file(answer_file, std::ios::binary);
  if (!file || !floor.answer.ParseFromIstream(&file)) {
    std::fprintf(stderr, "%s holds no answer\n", answer_file.c_str());
    return 1;
  }
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&floor.service);
  floor.queue = builder.AddCompletionQueue();
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  for (int i = 0; i < kWaitingRequests; ++i) new NoOpCall(floor);  // NOLINT(cppcoreguidelines-owning-memory)
  std::printf("listening on 127.0.0.1:%d\n", port);
  std::fflush(stdout);

  void* tag = nullptr;
  bool ok = false;
  while (floor.queue->Next(&tag, &ok)) static_cast<NoOpCall*>(tag)->OnCompletion(ok);
  return 0;
}
