#include "rpc/health.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>

#include <optional>
#include <utility>

#include "rpc/completion_tag.h"

namespace ticketing::rpc {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// One Check. It owns itself.
class HealthService::CheckRpc {
 public:
  CheckRpc(HealthService& owner, grpc::ServerCompletionQueue& queue, LiveRpcs& rpcs)
      : owner_(owner), queue_(queue), rpcs_(rpcs), live_(rpcs) {
    owner_.service_.RequestCheck(&context_, &request_, &writer_, &queue_, &queue_, &arrived_);
  }

 private:
  void OnArrived(bool ok) {
    if (!ok) return OnFinished(ok);       // the server shuts down
    new CheckRpc(owner_, queue_, rpcs_);  // NOLINT(cppcoreguidelines-owning-memory): see the class
    const std::lock_guard lock(owner_.mutex_);
    HealthCheckResponse response;
    response.set_status(owner_.StatusOf(request_.service()));
    if (response.status() == HealthCheckResponse::SERVICE_UNKNOWN) {
      writer_.FinishWithError({grpc::StatusCode::NOT_FOUND, "unknown service"}, &finished_);
    } else {
      writer_.Finish(response, grpc::Status::OK, &finished_);
    }
  }

  void OnFinished(bool /*ok*/) { delete this; }  // NOLINT(cppcoreguidelines-owning-memory): see the class

  HealthService& owner_;
  grpc::ServerCompletionQueue& queue_;
  LiveRpcs& rpcs_;
  LiveRpcs::Member live_;
  grpc::ServerContext context_;
  HealthCheckRequest request_;
  grpc::ServerAsyncResponseWriter<HealthCheckResponse> writer_{&context_};
  MemberTag<CheckRpc, &CheckRpc::OnArrived> arrived_{this};
  MemberTag<CheckRpc, &CheckRpc::OnFinished> finished_{this};
};

// One Watch. It owns itself: it is deleted when gRPC has told both of its end and that the last operation is over.
class HealthService::WatchRpc {
 public:
  WatchRpc(HealthService& owner, grpc::ServerCompletionQueue& queue, LiveRpcs& rpcs)
      : owner_(owner), queue_(queue), rpcs_(rpcs), live_(rpcs) {
    context_.AsyncNotifyWhenDone(&done_);
    owner_.service_.RequestWatch(&context_, &request_, &writer_, &queue_, &queue_, &arrived_);
  }

  // Does what is to be done next. With the owner's lock.
  void Advance() {
    if (busy_) return;
    const auto status = owner_.StatusOf(request_.service());
    // Whoever still listens is told the last state before the end.
    if (done_already_ || (owner_.closed_ && told_ == status)) {
      busy_ = true;
      owner_.watchers_.erase(this);
      writer_.Finish({grpc::StatusCode::UNAVAILABLE, "the service shuts down"}, &finished_);
    } else if (told_ != status) {
      busy_ = true;
      told_ = status;
      HealthCheckResponse response;
      response.set_status(status);
      writer_.Write(response, &written_);
    }
  }

 private:
  void OnArrived(bool ok) {
    if (!ok) {
      delete this;  // NOLINT(cppcoreguidelines-owning-memory): gRPC never tells of the end of a call that did not begin
      return;
    }
    new WatchRpc(owner_, queue_, rpcs_);  // NOLINT(cppcoreguidelines-owning-memory): see the class
    const std::lock_guard lock(owner_.mutex_);
    owner_.watchers_.insert(this);
    Advance();
  }

  void OnWritten(bool /*ok*/) {
    const std::lock_guard lock(owner_.mutex_);
    busy_ = false;
    Advance();
  }

  // The caller has gone, or the end has reached it.
  void OnDone(bool /*ok*/) {
    {
      const std::lock_guard lock(owner_.mutex_);
      done_already_ = true;
      Advance();
    }
    Release();
  }

  void OnFinished(bool /*ok*/) { Release(); }

  // On the gRPC thread alone.
  void Release() {
    if (--holders_ == 0) delete this;  // NOLINT(cppcoreguidelines-owning-memory): see the class
  }

  HealthService& owner_;
  grpc::ServerCompletionQueue& queue_;
  LiveRpcs& rpcs_;
  LiveRpcs::Member live_;
  grpc::ServerContext context_;
  HealthCheckRequest request_;
  grpc::ServerAsyncWriter<HealthCheckResponse> writer_{&context_};
  std::optional<HealthCheckResponse::ServingStatus> told_;
  bool busy_ = false;  // an operation is under way; after Finish, for good
  bool done_already_ = false;
  int holders_ = 2;
  MemberTag<WatchRpc, &WatchRpc::OnArrived> arrived_{this};
  MemberTag<WatchRpc, &WatchRpc::OnWritten> written_{this};
  MemberTag<WatchRpc, &WatchRpc::OnDone> done_{this};
  MemberTag<WatchRpc, &WatchRpc::OnFinished> finished_{this};
};

HealthService::HealthService(std::set<std::string> service_names) : service_names_(std::move(service_names)) {}

HealthService::~HealthService() = default;

void HealthService::RegisterWith(grpc::ServerBuilder& builder) {
  builder.RegisterService(&service_);
}

void HealthService::Accept(grpc::ServerCompletionQueue& queue, LiveRpcs& rpcs) {
  new CheckRpc(*this, queue, rpcs);  // NOLINT(cppcoreguidelines-owning-memory): a call owns itself
  new WatchRpc(*this, queue, rpcs);  // NOLINT(cppcoreguidelines-owning-memory)
}

void HealthService::SetServing(bool serving) {
  const std::lock_guard lock(mutex_);
  serving_ = serving;
  for (WatchRpc* watcher : watchers_) watcher->Advance();
}

void HealthService::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (WatchRpc* watcher : std::unordered_set(watchers_)) watcher->Advance();
}

HealthCheckResponse::ServingStatus HealthService::StatusOf(const std::string& service_name) const {
  if (!service_names_.contains(service_name)) return HealthCheckResponse::SERVICE_UNKNOWN;
  return serving_ ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

}  // namespace ticketing::rpc
