#include "rpc/delete_user_rpc.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <exception>
#include <memory>
#include <utility>

#include "core/call_record.h"
#include "rpc/call_metadata.h"
#include "rpc/completion_tag.h"
#include "rpc/status_conversion.h"

namespace ticketing::rpc {

using boost::asio::awaitable;
using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ticketing::v1::DeleteTicketingUserRequest;
using ticketing::v1::DeleteTicketingUserResponse;
using ticketing::v1::DeleteTicketingUserStreamRequest;
using ticketing::v1::DeleteTicketingUserStreamResponse;

// One call. It owns itself: it is deleted when gRPC and the loop are both done with it.
class DeleteUserRpc {
 public:
  explicit DeleteUserRpc(Door& door) : door_(door), live_(door.rpcs) {}
  DeleteUserRpc(const DeleteUserRpc&) = delete;
  DeleteUserRpc& operator=(const DeleteUserRpc&) = delete;
  virtual ~DeleteUserRpc() = default;

  // Waits for a call to arrive.
  void Accept() {
    context_.AsyncNotifyWhenDone(&done_);
    RequestCall(&arrived_);
  }

  // On the loop thread.
  void Cancel(call::Cancellation::Cause cause) {
    call_.cancellation.Request(cause);
    if (cause == call::Cancellation::Cause::kShutdown) HurryUp();
  }

 protected:
  // Asks gRPC for the next call of this kind.
  virtual void RequestCall(void* tag) = 0;
  virtual DeleteUserRpc* MakeNext() = 0;
  virtual std::string_view method() const = 0;
  virtual DeleteTicketingUserRequest TakeRequest() = 0;
  // Hands the last of the call to gRPC, which answers with `tag`.
  virtual void FinishOk(DeleteTicketingUserResponse response, void* tag) = 0;
  virtual void FinishError(core::Failure& failure, void* tag) = 0;
  virtual call::BodySink* sink() { return nullptr; }
  // The service's time for finishing is up.
  virtual void HurryUp() {}

  Door& door_;
  grpc::ServerContext context_;

 private:
  void OnArrived(bool ok) {
    if (!ok) {
      // The server shuts down; gRPC never tells of the end of a call that did not begin.
      delete this;  // NOLINT(cppcoreguidelines-owning-memory): see the class
      return;
    }
    MakeNext()->Accept();
    call_.started = steady_clock::now();
    boost::asio::co_spawn(door_.loop, Serve(), [this](const std::exception_ptr& error) {
      // Nothing that the loop runs is meant to throw; whatever did, the caller gets an answer.
      if (error) Finish(InternalFault(error));
      door_.active.erase(this);
      if (door_.active.empty() && door_.on_idle) door_.on_idle();
      Release();
    });
  }

  void OnDone(bool /*ok*/) {
    if (!context_.IsCancelled()) {
      Release();
      return;
    }
    boost::asio::post(door_.loop, [this] {
      Cancel(call::Cancellation::Cause::kCaller);
      Release();
    });
  }

  void OnFinished(bool /*ok*/) { Release(); }

  // gRPC's two last events and the coroutine each hold the call; the last one to let go ends it.
  void Release() {
    if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;  // NOLINT(cppcoreguidelines-owning-memory)
  }

  awaitable<void> Serve() {
    door_.active.insert(this);
    door_.world.observer.OnCallStart(method());
    correlation_id_ = ReadCorrelationId(context_);
    if (!correlation_id_.empty()) context_.AddInitialMetadata("x-request-id", correlation_id_);
    call_.request = TakeRequest();
    call_.trace_headers = ReadTraceContext(context_);
    call_.previous_rpc_attempts = ReadPreviousRpcAttempts(context_);
    if (door_.world.tracer != nullptr) {
      trace_ = door_.world.tracer->Begin(method(), call_.trace_headers);
      call_.trace = trace_.get();
    }
    call_.sink = sink();
    SetDeadlines();

    if (HasTooMuchMetadata(context_)) {
      Refuse(core::MakeServiceFailure(core::StatusCode::kInvalidArgument, core::ErrorReason::kInvalidRequest,
                                      "The call has more than 8 KiB of metadata; nothing was sent."));
      co_return;
    }
    call_.caller = CertifiedName(context_);  // of one that is refused, too
    core::Result<Caller, core::Failure> caller = IdentifyCaller(context_, door_.callers, call_.caller);
    if (!caller.ok()) {
      Refuse(std::move(caller).error());
      co_return;
    }
    if (door_.refusing) {
      Refuse(core::MakeServiceFailure(core::StatusCode::kUnavailable, core::ErrorReason::kShuttingDown,
                                      "The service is shutting down; the delete was not sent."));
      co_return;
    }
    call_.caller_token = std::move(caller.value().token);
    call_.token_name = std::move(caller.value().token_name);
    call_.caller = std::move(caller.value().name);
    Finish(co_await call::DeleteUser(door_.world, call_));
  }

  void SetDeadlines() {
    const auto left = ReadTimeLeft(context_);
    const DeadlineRules& rules = door_.deadlines;
    call_.deadline = call_.started + std::min<steady_clock::duration>(left.value_or(rules.without), rules.longest);
    call_.stream_deadline =
        call_.started + std::min<steady_clock::duration>(left.value_or(rules.stream_without), rules.stream_longest);
  }

  // Ends a call that was not let in.
  void Refuse(core::Failure failure) {
    call::EnsureRequestId(door_.world.runtime, call_.request);
    failure.request_id = call_.request.request_id();
    Finish(std::move(failure));
  }

  core::Failure InternalFault(const std::exception_ptr& error) {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& exception) {
      fault_ = exception.what();
    } catch (...) {
      fault_ = "an exception of no known kind";
    }
    core::Failure failure = core::MakeServiceFailure(core::StatusCode::kInternal, core::ErrorReason::kInternalFault,
                                                     "The service failed; this is a defect of it.");
    failure.request_id = call_.request.request_id();
    failure.attempts = call_.attempts;
    if (call_.attempts > 0) failure.delivery = core::Delivery::kUnknown;
    return failure;
  }

  // For the caller alone: the log and the metrics tell of what this replica did. An UNAVAILABLE still asks for the next
  // repeat, which will tell, and what breaks a rule was refused before, too.
  void AdmitPreviousAttempts(core::Failure& failure) const {
    if (call_.previous_rpc_attempts == 0) return;
    failure.metadata["previous_rpc_attempts"] = std::to_string(call_.previous_rpc_attempts);
    if (failure.delivery == core::Delivery::kUnknown || failure.reason == core::ErrorReason::kInvalidRequest) return;
    failure.message += " (gRPC had sent this call before; what became of that is not known here.)";
    if (failure.code != core::StatusCode::kUnavailable) failure.delivery = core::Delivery::kUnknown;
  }

  // Why Truto could not be reached or did not answer, in libcurl's words: of nobody's data.
  static std::string TransportProblem(const core::Failure& failure) {
    if (failure.origin != core::Origin::kService || failure.http_status) return {};
    switch (failure.reason) {
      case core::ErrorReason::kUpstreamUnreachable:
      case core::ErrorReason::kUpstreamMisconfigured:
      case core::ErrorReason::kOutcomeUnknown: return failure.message;
      default: return {};
    }
  }

  void Finish(call::DeleteUserResult result) {
    core::CallRecord record;
    record.method = method();
    record.correlation_id = correlation_id_;
    record.trace_id = trace_ ? trace_->trace_id() : TraceId(call_.trace_headers);
    record.caller = call_.caller;
    record.integrated_account_id = call_.request.integrated_account_id();
    record.user_id = call_.request.id();
    record.cancelled = call_.cancellation.cause() == call::Cancellation::Cause::kCaller;
    record.attempts = call_.attempts;
    record.http_status = call_.http_status;
    record.queued = duration_cast<std::chrono::microseconds>(call_.queued);
    record.upstream = duration_cast<std::chrono::microseconds>(call_.upstream);
    record.total = duration_cast<std::chrono::microseconds>(steady_clock::now() - call_.started);
    if (result.ok()) {
      constexpr std::string_view kPrefix = "DELETE_OUTCOME_";
      record.outcome = std::string_view(v1::DeleteOutcome_Name(result.value().outcome())).substr(kPrefix.size());
      record.request_id = result.value().report().request_id();
      if (result.value().outcome() == v1::DELETE_OUTCOME_ALREADY_ABSENT) {
        // The 404 proves that its own attempt deleted nothing; an earlier one may have.
        record.delivery =
            result.value().report().notes().empty() ? core::Delivery::kRejected : core::Delivery::kUnknown;
      }
      record.replayed = result.value().report().replayed();
      FinishOk(std::move(result).value(), &finished_);
    } else {
      core::Failure failure = std::move(result).error();
      record.code = failure.code;
      record.reason = failure.reason;
      record.delivery = failure.delivery;
      record.origin = failure.origin;
      record.http_status = failure.http_status;
      record.request_id = failure.request_id;
      record.error = fault_.empty() ? TransportProblem(failure) : fault_;
      AdmitPreviousAttempts(failure);
      context_.AddTrailingMetadata("grpc-retry-pushback-ms", RetryPushback(failure));
      FinishError(failure, &finished_);
    }
    door_.world.observer.OnCallEnd(record);
    if (trace_) trace_->End(record);
  }

  LiveRpcs::Member live_;
  call::DeleteUserCall call_;
  std::unique_ptr<core::CallTrace> trace_;  // null: no traces
  std::string correlation_id_;
  std::string fault_;  // a defect's own words, for the log
  std::atomic<int> holders_{3};
  MemberTag<DeleteUserRpc, &DeleteUserRpc::OnArrived> arrived_{this};
  MemberTag<DeleteUserRpc, &DeleteUserRpc::OnDone> done_{this};
  MemberTag<DeleteUserRpc, &DeleteUserRpc::OnFinished> finished_{this};
};

namespace {

class UnaryRpc final : public DeleteUserRpc {
 public:
  explicit UnaryRpc(Door& door) : DeleteUserRpc(door), writer_(&context_) {}

 private:
  void RequestCall(void* tag) override {
    door_.service.RequestDeleteTicketingUser(&context_, &request_, &writer_, door_.queue, door_.queue, tag);
  }
  DeleteUserRpc* MakeNext() override {
    return new UnaryRpc(door_);  // NOLINT(cppcoreguidelines-owning-memory): a call owns itself
  }
  std::string_view method() const override { return "DeleteTicketingUser"; }
  DeleteTicketingUserRequest TakeRequest() override { return std::move(request_); }
  void FinishOk(DeleteTicketingUserResponse response, void* tag) override {
    writer_.Finish(response, grpc::Status::OK, tag);
  }
  void FinishError(core::Failure& failure, void* tag) override { writer_.FinishWithError(ToGrpcStatus(failure), tag); }

  DeleteTicketingUserRequest request_;
  grpc::ServerAsyncResponseWriter<DeleteTicketingUserResponse> writer_;
};

// What a caller that does not read may still take at a shutdown.
constexpr std::chrono::seconds kHurryTime{1};

class StreamRpc final : public DeleteUserRpc, public call::BodySink {
 public:
  explicit StreamRpc(Door& door) : DeleteUserRpc(door), writer_(&context_), change_(door.loop) {}

  awaitable<bool> Begin(const core::ResponseHead& head, call::TimePoint deadline) override {
    DeleteTicketingUserStreamResponse event;
    v1::StreamHeader& header = *event.mutable_header();
    header.set_http_status(static_cast<std::uint32_t>(head.status));
    if (const auto type = core::FindHeader(head.headers, "content-type")) {
      // A string field must be UTF-8; a media type is ASCII (RFC 9110, 8.3).
      if (std::ranges::all_of(*type, [](char c) { return c >= 0x20 && c < 0x7F; }))
        header.set_content_type(std::string(*type));
    }
    if (const auto length = core::FindHeader(head.headers, "content-length")) {
      std::uint64_t bytes = 0;
      const auto [end, error] = std::from_chars(length->data(), length->data() + length->size(), bytes);
      if (error == std::errc{} && end == length->data() + length->size()) header.set_content_length(bytes);
    }
    co_return co_await WriteEvent(event, deadline);
  }

  awaitable<bool> Write(std::string bytes, call::TimePoint deadline) override {
    DeleteTicketingUserStreamResponse event;
    event.set_chunk(std::move(bytes));
    co_return co_await WriteEvent(event, deadline);
  }

 private:
  void RequestCall(void* tag) override {
    door_.service.RequestDeleteTicketingUserStream(&context_, &request_, &writer_, door_.queue, door_.queue, tag);
  }
  DeleteUserRpc* MakeNext() override {
    return new StreamRpc(door_);  // NOLINT(cppcoreguidelines-owning-memory): a call owns itself
  }
  std::string_view method() const override { return "DeleteTicketingUserStream"; }
  DeleteTicketingUserRequest TakeRequest() override { return std::move(*request_.mutable_request()); }
  call::BodySink* sink() override { return this; }

  void FinishOk(DeleteTicketingUserResponse response, void* tag) override {
    DeleteTicketingUserStreamResponse event;
    *event.mutable_summary() = std::move(response);
    writer_.WriteAndFinish(event, grpc::WriteOptions(), grpc::Status::OK, tag);
  }
  void FinishError(core::Failure& failure, void* tag) override {
    for (auto& violation : failure.field_violations) violation.field.insert(0, "request.");
    writer_.Finish(ToGrpcStatus(failure), tag);
  }

  void HurryUp() override {
    hurry_until_ = steady_clock::now() + kHurryTime;
    change_.cancel();
  }

  // gRPC takes the next event only when the transport has taken this one: that is the back-pressure.
  awaitable<bool> WriteEvent(const DeleteTicketingUserStreamResponse& event, call::TimePoint deadline) {
    write_ok_.reset();
    writer_.Write(event, &written_);
    while (!write_ok_) {
      change_.expires_at(std::min(deadline, hurry_until_));
      const auto [error] = co_await change_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
      if (error) continue;
      // A caller that does not read for so long is cut off; the write then ends, too.
      context_.TryCancel();
      deadline = hurry_until_ = call::TimePoint::max();
    }
    co_return *write_ok_;
  }

  void OnWritten(bool ok) {
    boost::asio::post(door_.loop, [this, ok] {
      write_ok_ = ok;
      change_.cancel();
    });
  }

  DeleteTicketingUserStreamRequest request_;
  grpc::ServerAsyncWriter<DeleteTicketingUserStreamResponse> writer_;
  boost::asio::steady_timer change_;
  std::optional<bool> write_ok_;
  call::TimePoint hurry_until_ = call::TimePoint::max();
  MemberTag<StreamRpc, &StreamRpc::OnWritten> written_{this};
};

// gRPC matches a call with a waiting request at once; with too few of them calls queue up inside it.
constexpr int kWaitingRequests = 32;

}  // namespace

void AcceptCalls(Door& door) {
  for (int i = 0; i < kWaitingRequests; ++i) {
    (new UnaryRpc(door))->Accept();   // NOLINT(cppcoreguidelines-owning-memory): a call owns itself
    (new StreamRpc(door))->Accept();  // NOLINT(cppcoreguidelines-owning-memory)
  }
}

void AbortActiveCalls(Door& door) {
  for (DeleteUserRpc* rpc : door.active) rpc->Cancel(call::Cancellation::Cause::kShutdown);
}

}  // namespace ticketing::rpc
