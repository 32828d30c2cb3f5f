// Which RPCs there are, so that the completion queue can be shut down.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace ticketing::rpc {

// Counts the objects that may begin an operation on the completion queue. gRPC ends the program when one is begun on a
// queue that is shut down. Thread-safe.
class LiveRpcs {
 public:
  // Counts its owner as long as it lives.
  class Member {
   public:
    explicit Member(LiveRpcs& rpcs) : rpcs_(rpcs) {
      const std::lock_guard lock(rpcs_.mutex_);
      ++rpcs_.count_;
    }
    ~Member() {
      const std::lock_guard lock(rpcs_.mutex_);
      if (--rpcs_.count_ == 0) rpcs_.none_.notify_all();
    }
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

   private:
    LiveRpcs& rpcs_;
  };

  // Waits until there is none.
  void WaitForNone() {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  std::size_t count_ = 0;
};

}  // namespace ticketing::rpc
