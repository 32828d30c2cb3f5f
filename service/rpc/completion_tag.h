// What a completion queue hands out.
#pragma once

#include <grpcpp/completion_queue.h>

namespace ticketing::rpc {

// Something to be told that its operation is over. `ok` as gRPC defines it for the operation. Runs on the gRPC thread.
class CompletionTag {
 public:
  virtual ~CompletionTag() = default;
  virtual void OnCompletion(bool ok) = 0;
};

// Hands each event of `queue` to its CompletionTag, until the queue ends.
inline void HandleEvents(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  while (queue.Next(&tag, &ok)) static_cast<CompletionTag*>(tag)->OnCompletion(ok);
}

// A tag that calls a member function: `MemberTag<Call, &Call::OnWritten> written_{this};`
template <typename Owner, void (Owner::*Method)(bool)>
class MemberTag final : public CompletionTag {
 public:
  explicit MemberTag(Owner* owner) : owner_(owner) {}
  void OnCompletion(bool ok) override { (owner_->*Method)(ok); }

 private:
  Owner* owner_;
};

}  // namespace ticketing::rpc
