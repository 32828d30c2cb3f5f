// What the tests of the fault matrix share. Each of them is a row: its name has the row's number and its promise. The
// invariant of all rows is checked after every one.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/running_service.h"
#include "tests/support/scripted_upstream.h"

namespace ticketing::e2e {

// Whether TICKETING_FAULT_MATRIX_LONG is 1: the rows about load and time then take their full numbers, and minutes.
bool InFull();

// `usually`, or `in_full` when InFull().
int Scaled(int usually, int in_full);

// Between two looks at something that tells nobody of its change.
inline constexpr std::chrono::milliseconds kLookAgain{5};

// The id of account number `index`. Rows use 0 and up.
std::string AccountId(int index);

// How one call ended, as its caller sees it.
struct CallEnd {
  std::string request_id;
  grpc::Status status;
  v1::DeleteTicketingUserResponse response;
  std::string pushback;  // the trailer grpc-retry-pushback-ms

  grpc::StatusCode code() const { return status.error_code(); }
  // Of an error's ErrorInfo; empty when there is none.
  std::string reason() const;
  std::string delivery() const;
  std::string origin() const;
  // HTTP requests as reported; nothing when the caller was told nothing of them, or when they are another call's.
  std::optional<std::uint32_t> attempts() const;
  // The reasons of an OK's notes.
  std::vector<std::string> notes() const;
};

// What a table's row is called: its `name`. A file that has tables says `using ticketing::e2e::PrintTo;`.
template <typename Row>
std::string RowName(const testing::TestParamInfo<Row>& row) {
  return row.param.name;
}
template <typename Row>
  requires requires(const Row& row) { std::string(row.name); }
void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

// For messages of failed expectations.
std::ostream& operator<<(std::ostream& out, const CallEnd& end);

// A unary call under way. For any thread.
class Call {
 public:
  void Cancel() { context_.TryCancel(); }
  bool ended() const;
  // Waits for it.
  const CallEnd& End() const;

 private:
  friend class Caller;

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::DeleteTicketingUserResponse>> reader_;
  CallEnd end_;
  std::promise<void> promise_;
  std::shared_future<void> done_ = promise_.get_future().share();
};

using CallSetup = std::function<void(grpc::ClientContext&)>;

// Makes any number of calls at a time over one channel, which it drives on a thread of its own.
class Caller {
 public:
  // `on_end` is told of each call that has ended, on that thread.
  Caller(const std::shared_ptr<grpc::Channel>& channel, std::function<void(const CallEnd&)> on_end);
  // Waits for all calls.
  ~Caller();
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  std::shared_ptr<Call> Start(const v1::DeleteTicketingUserRequest& request, const CallSetup& setup);
  v1::TicketingUserService::Stub& stub() { return *stub_; }

 private:
  std::unique_ptr<v1::TicketingUserService::Stub> stub_;
  std::function<void(const CallEnd&)> on_end_;
  grpc::CompletionQueue queue_;
  // Hands a call over to the thread. The queue does as well, but by a lock that the thread sanitizer does not see.
  std::mutex starting_;
  std::thread thread_;
};

// The real service in front of a scripted upstream. Calls may be made on any thread.
class FaultMatrix : public testing::Test {
 protected:
  FaultMatrix();
  ~FaultMatrix() override;

  // Starts both, once in a test. Local rate limits are off unless `environment` says otherwise: they are a subject of
  // their own.
  void Start(support::UpstreamOptions options = {.protocol = support::Protocol::kHttp2Tls},
             Environment environment = {});
  // The same in two steps.
  void StartUpstream(support::UpstreamOptions options);
  void StartService(Environment environment);

  support::ScriptedUpstream& upstream() { return *upstream_; }
  RunningService& service() { return *service_; }

  // What the upstream does from now on: `first` with the next requests in the order of their arrival, `then` with all
  // others.
  void Respond(support::Script then) { Respond({}, std::move(then)); }
  void Respond(std::vector<support::Script> first, support::Script then);
  // 200 with a user.
  static support::Script Good();

  // A request for user `id`, with a request_id of its own.
  v1::DeleteTicketingUserRequest Request(const std::string& id = "42", const std::string& account = AccountId(0));

  // From now on calls go through `channel` instead of the service's own stub.
  void CallThrough(const std::shared_ptr<grpc::Channel>& channel);
  // One call through another one.
  CallEnd DeleteThrough(const std::shared_ptr<grpc::Channel>& channel, const CallSetup& setup = {});

  std::shared_ptr<Call> StartCall(const v1::DeleteTicketingUserRequest& request, const CallSetup& setup = {});
  CallEnd Delete(const v1::DeleteTicketingUserRequest& request, const CallSetup& setup = {});
  CallEnd Delete() { return Delete(Request()); }
  // One for each account from 0 to `count` - 1, all at the same time: no account has more than its share.
  std::vector<std::shared_ptr<Call>> StartCalls(int count);
  // Reads the whole stream; chunks go to `body`.
  CallEnd DeleteStream(const v1::DeleteTicketingUserRequest& request, std::string* body = nullptr,
                       const CallSetup& setup = {});
  // Takes note of a call that was made otherwise.
  void Record(const CallEnd& end);

  // How many requests the upstream has seen, and what of one delete.
  std::uint64_t RequestCount() const;
  std::vector<support::ReceivedRequest> SentOf(const std::string& request_id) const;

  // Waits until the service has written that the call has ended: then it sends nothing more.
  void WaitForEndInLog(const std::string& request_id);

  // Raises the service's adaptive concurrency limit until `count` calls can be under way at a time. Ends with the
  // upstream answering Good().
  void RaiseConcurrencyLimit(int count);

  // Makes calls until one succeeds: an open circuit needs its time.
  CallEnd DeleteUntilServed();

  // The service's memory (its peak) from now on may grow by less than `bytes`, as ExpectBoundedMemory() sees it. Says
  // nothing under sanitizers, which keep what was freed.
  void BoundMemory(std::size_t bytes);
  void ExpectBoundedMemory() const;

  // Sends SIGTERM and expects a clean end.
  void Stop();
  // The service has been told to end: expects that to be clean.
  void ExpectCleanExit();

  // The end of every row: a good delete succeeds (unless the service was stopped), the service ends cleanly, and the
  // invariant holds for all calls.
  void TearDown() override;

 private:
  // What is known of a delete, over all calls that named it.
  struct DeleteFacts {
    std::size_t calls = 0;
    std::size_t unavailable = 0;        // of them
    bool reported = true;               // every caller was told of its attempts
    std::size_t attempts_reported = 0;  // to the callers
    std::size_t attempts_audited = 0;   // in the audit lines
    std::size_t sent = 0;               // the upstream saw
    std::size_t perhaps_executed = 0;   // of them
  };

  std::unique_ptr<Caller> MakeCaller(const std::shared_ptr<grpc::Channel>& channel);
  void ExpectStillServing();
  void ReadAuditLines();
  void ExpectInvariant();

  std::unique_ptr<support::ScriptedUpstream> upstream_;
  std::unique_ptr<RunningService> service_;
  std::atomic<std::uint32_t> last_request_{0};
  bool stopped_ = false;
  std::size_t memory_before_ = 0;
  std::size_t memory_bound_ = 0;

  std::mutex mutex_;  // of all that follows
  std::condition_variable ended_;
  std::size_t pending_ = 0;  // calls
  std::map<std::string, DeleteFacts> deletes_;
  std::vector<std::unique_ptr<Caller>> callers_;
};

}  // namespace ticketing::e2e
