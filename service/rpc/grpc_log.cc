#include "rpc/grpc_log.h"

#include <grpc/support/log.h>

#include <mutex>
#include <utility>

namespace ticketing::rpc {
namespace {

struct Sink {
  std::mutex mutex;
  std::function<void(std::string_view)> write;
};

// gRPC takes a plain function, and may call it until the process ends.
Sink& TheSink() {
  static auto* const sink = new Sink;  // NOLINT(cppcoreguidelines-owning-memory)
  return *sink;
}

void Write(gpr_log_func_args* arguments) {
  Sink& sink = TheSink();
  const std::lock_guard lock(sink.mutex);
  if (sink.write) sink.write(arguments->message);
}

}  // namespace

GrpcLog::GrpcLog(std::function<void(std::string_view message)> sink) {
  {
    const std::lock_guard lock(TheSink().mutex);
    TheSink().write = std::move(sink);
  }
  gpr_set_log_function(&Write);
}

GrpcLog::~GrpcLog() {
  const std::lock_guard lock(TheSink().mutex);
  TheSink().write = nullptr;
}

}  // namespace ticketing::rpc
