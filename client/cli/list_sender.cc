#include "cli/list_sender.h"

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_unary_call.h>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "cli/list_judge.h"
#include "ticketing/v1/ticketing_user_service.grpc.pb.h"

namespace ticketing::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ticketing::v1::DeleteTicketingUserRequest;
using ticketing::v1::DeleteTicketingUserResponse;
using ticketing::v1::TicketingUserService;

constexpr milliseconds kTick{100};

// A line that waits to be sent.
struct Waiting {
  const ListLine* line = nullptr;
  int repeats = 0;
};

struct Account {
  std::deque<Waiting> lines;
  steady_clock::time_point open_at;
};

// One call under way.
struct Call {
  Waiting waiting;
  DeleteTicketingUserRequest request;
  DeleteTicketingUserResponse response;
  grpc::Status status;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientAsyncResponseReader<DeleteTicketingUserResponse>> reader;
};

class Sender {
 public:
  Sender(const std::vector<const ListLine*>& lines, const Connection& connection, const SenderOptions& options,
         const SenderEvents& events)
      : connection_(connection),
        options_(options),
        events_(events),
        stub_(TicketingUserService::NewStub(connection.channel)),
        waiting_(lines.size()) {
    for (const ListLine* const line : lines) {
      accounts_[line->request.integrated_account_id()].lines.push_back({.line = line});
    }
    for (auto& [name, account] : accounts_) turns_.push_back(&account);
  }

  ~Sender() { queue_.Shutdown(); }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  void Run() {
    for (;;) {
      const auto now = steady_clock::now();
      Obey(
          events_.tick(open_at_ > now ? std::optional(std::chrono::ceil<milliseconds>(open_at_ - now)) : std::nullopt));
      if (orders_ == Orders::kGoOn) StartCalls(now);
      if (calls_.empty() && (orders_ != Orders::kGoOn || waiting_ == 0)) return;
      TakeAnswer();
    }
  }

 private:
  void Obey(Orders orders) {
    if (orders <= orders_) return;
    orders_ = orders;
    if (orders_ != Orders::kCancel) return;
    for (const auto& [tag, call] : calls_) call->context.TryCancel();
  }

  // Accounts in turn, so that one that is slow can't hold up the others.
  void StartCalls(steady_clock::time_point now) {
    if (open_at_ > now) return;
    std::size_t closed = 0;
    while (closed < turns_.size() && calls_.size() < static_cast<std::size_t>(options_.concurrency)) {
      Account* const account = turns_.front();
      turns_.pop_front();
      turns_.push_back(account);
      if (account->lines.empty() || account->open_at > now) {
        ++closed;
        continue;
      }
      closed = 0;
      Start(account->lines.front());
      account->lines.pop_front();
      --waiting_;
    }
  }

  void Start(const Waiting& waiting) {
    auto call = std::make_unique<Call>();
    call->waiting = waiting;
    call->request = waiting.line->request;
    call->request.set_validate_only(options_.validate_only);
    for (const auto& [key, value] : connection_.metadata) call->context.AddMetadata(key, value);
    call->context.set_deadline(std::chrono::system_clock::now() + options_.deadline);
    call->reader = stub_->AsyncDeleteTicketingUser(&call->context, call->request, &queue_);
    call->reader->Finish(&call->response, &call->status, call.get());
    Call* const tag = call.get();
    calls_.emplace(tag, std::move(call));
  }

  void TakeAnswer() {
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, std::chrono::system_clock::now() + kTick) != grpc::CompletionQueue::GOT_EVENT) {
      return;
    }
    const auto found = calls_.find(static_cast<Call*>(tag));
    const std::unique_ptr<Call> call = std::move(found->second);
    calls_.erase(found);
    End(*call);
  }

  void End(Call& call) {
    const CallEnd end{.status = call.status,
                      .response = std::move(call.response),
                      .pushback = Pushback(call.context),
                      .validate_only = options_.validate_only,
                      .repeats = call.waiting.repeats};
    Judgement judgement = Judge(end);
    if (judgement.repeat) return SendAgain(call, *judgement.repeat);
    const DeleteTicketingUserRequest& request = call.waiting.line->request;
    judgement.result.line = call.waiting.line->number;
    judgement.result.id = request.id();
    judgement.result.account = request.integrated_account_id();
    judgement.result.request_id = request.request_id();
    events_.ended(judgement.result);
    if (!judgement.stop || orders_ != Orders::kGoOn) return;
    orders_ = Orders::kFinish;
    events_.stopped(judgement.result);
  }

  // Of several pauses the one that ends last counts.
  void SendAgain(const Call& call, const Repeat& repeat) {
    const std::string& name = call.request.integrated_account_id();
    Account& account = accounts_.at(name);
    account.lines.push_front(
        {.line = call.waiting.line, .repeats = call.waiting.repeats + (repeat.rate_limit ? 0 : 1)});
    ++waiting_;
    const bool everything = repeat.pause == Repeat::Pause::kEverything;
    auto& open_at = everything ? open_at_ : account.open_at;
    const auto now = steady_clock::now();
    const bool was_open = open_at <= now;
    open_at = std::max(open_at, now + repeat.after);
    if (!was_open || orders_ != Orders::kGoOn) return;
    events_.paused(repeat.after, everything ? nullptr : &name, repeat.told ? "" : call.status.error_message());
  }

  static std::optional<std::string> Pushback(const grpc::ClientContext& context) {
    const auto& trailers = context.GetServerTrailingMetadata();
    const auto found = trailers.find("grpc-retry-pushback-ms");
    if (found == trailers.end()) return std::nullopt;
    return std::string(found->second.data(), found->second.size());
  }

  const Connection& connection_;
  const SenderOptions& options_;
  const SenderEvents& events_;
  std::unique_ptr<TicketingUserService::Stub> stub_;
  grpc::CompletionQueue queue_;
  std::map<std::string, Account> accounts_;
  std::deque<Account*> turns_;
  std::map<Call*, std::unique_ptr<Call>> calls_;
  std::size_t waiting_;
  steady_clock::time_point open_at_;  // for every account
  Orders orders_ = Orders::kGoOn;
};

}  // namespace

void SendList(const std::vector<const ListLine*>& lines, const Connection& connection, const SenderOptions& options,
              const SenderEvents& events) {
  Sender(lines, connection, options, events).Run();
}

}  // namespace ticketing::cli
