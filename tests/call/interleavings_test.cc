// A model of one call's world: everything that can happen to it, in every order. Each run replays a list of choices
// from the beginning; the lists are counted up like an odometer until none is left.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "call/delete_user_call.h"

namespace ticketing::call {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Which of the things that can happen next does. What was not chosen yet is the first one.
class Choices {
 public:
  std::size_t Choose(std::size_t options) {
    if (next_ == taken_.size()) taken_.push_back({0, options});
    return taken_.at(next_++).choice;
  }

  // The next list; false when there is none.
  bool Advance() {
    next_ = 0;
    while (!taken_.empty() && taken_.back().choice + 1 == taken_.back().options) taken_.pop_back();
    if (taken_.empty()) return false;
    ++taken_.back().choice;
    return true;
  }

  std::string Describe() const {
    std::string text;
    for (const Choice& choice : taken_) text += std::to_string(choice.choice) + " ";
    return text;
  }

 private:
  struct Choice {
    std::size_t choice;
    std::size_t options;
  };
  std::vector<Choice> taken_;
  std::size_t next_ = 0;
};

// What Truto may answer, each with its meaning for the user.
struct Reply {
  int status;
  std::string_view body;
  enum class Meaning { kExecuted, kMaybe, kNotExecuted } meaning;
  bool complete = true;  // the body did not break off
};
constexpr Reply kReplies[] = {
    {200, R"({"id":"42"})", Reply::Meaning::kExecuted},
    {200, R"({"id":)", Reply::Meaning::kExecuted, /*complete=*/false},
    {502, "<html>", Reply::Meaning::kMaybe},
    {404, R"({"statusCode":404,"error":"Not Found","message":"no such user"})", Reply::Meaning::kNotExecuted},
    {429, R"({"statusCode":429,"error":"Too Many Requests","message":"slow down"})", Reply::Meaning::kNotExecuted},
    {503, R"({"statusCode":503,"error":"Service Unavailable","message":"blocked"})", Reply::Meaning::kNotExecuted},
};

class ModelWorld final : public Runtime, public HttpClient, public core::TokenSource, public core::CallObserver {
 public:
  ModelWorld(Choices& choices, const RateLimitOptions& rates)
      : choices_(choices), policies_({.rates = rates, .max_in_flight = 200}, {}) {
    call_.request.set_id("42");
    call_.request.set_integrated_account_id("62f44730-dd91-461e-bd6a-aedd9e0ad79d");
    call_.started = now_;
    call_.deadline = now_ + seconds{30};
    call_.stream_deadline = call_.deadline;
  }

  // Runtime
  TimePoint Now() const override { return now_; }
  std::chrono::system_clock::time_point WallNow() const override { return {}; }
  double Random() override { return 0.5; }
  std::string NewRequestId() override { return "00000000-0000-4000-8000-000000000000"; }
  boost::asio::awaitable<void> SleepUntil(TimePoint until, Cancellation& cancellation) override {
    if (cancellation.requested()) co_return;
    Waiter waiter(*this, until);
    const auto guard = cancellation.Listen([&waiter] { waiter.Wake(); });
    co_await waiter.Wait();
  }
  void SetAlarm(TimePoint when, std::function<void()> action) override { alarm_ = {when, std::move(action)}; }

  // HttpClient
  std::unique_ptr<HttpExchange> Start(core::HttpRequest request, const AttemptOptions& options) override {
    ++started_;
    EXPECT_FALSE(call_.cancellation.requested()) << "sent although the call was to end";
    EXPECT_FALSE(blocked_) << "sent again for a blocked account";
    if (maybe_) ++after_maybe_;
    keys_.emplace(core::FindHeader(request.headers, "idempotency-key").value_or(""));
    return std::make_unique<Exchange>(*this, options.deadline);
  }

  // TokenSource
  std::string Current() override { return "token"; }
  bool Reload() override { return false; }

  // CallObserver
  void OnCallStart(std::string_view /*method*/) override {}
  void OnAttemptEnd(const core::AttemptRecord& /*record*/) override { ++ended_; }
  void OnCallEnd(const core::CallRecord& /*record*/) override {}

  // Runs the call with the choices, and checks what a caller may rely on.
  void Run() {
    CallWorld world{.options = {.endpoint = {.user_agent = "model/1"}},
                    .runtime = *this,
                    .http = *this,
                    .policies = policies_,
                    .observer = *this,
                    .token = this};
    boost::asio::co_spawn(context_, RunInto(world), [](const std::exception_ptr& error) {
      if (error) std::rethrow_exception(error);
    });
    for (int steps = 0; !result_; ++steps) {
      ASSERT_LT(steps, 100) << "the call does not end";
      context_.restart();
      context_.poll();
      if (!result_) Step();
    }
    CheckPromises();
  }

 private:
  // Someone who waits: for a time, or to be woken.
  struct Waiter {
    Waiter(ModelWorld& owner, TimePoint at) : world(owner), until(at), timer(owner.context_, TimePoint::max()) {
      world.waiters_.push_back(this);
    }
    ~Waiter() { std::erase(world.waiters_, this); }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    void Wake() { timer.cancel(); }
    boost::asio::awaitable<void> Wait() {
      co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }

    ModelWorld& world;
    TimePoint until;
    boost::asio::steady_timer timer;
  };

  class Exchange final : public HttpExchange {
   public:
    Exchange(ModelWorld& world, TimePoint deadline) : world_(world), deadline_(deadline) { world_.exchange_ = this; }
    ~Exchange() override { world_.exchange_ = nullptr; }
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    boost::asio::awaitable<std::variant<core::ResponseHead, core::TransportError>> Head() override {
      Waiter waiter(world_, TimePoint::max());
      waiter_ = &waiter;
      while (!head_) co_await waiter.Wait();
      waiter_ = nullptr;
      co_return *head_;
    }
    boost::asio::awaitable<BodyPiece> Read() override {
      co_return BodyPiece{.bytes = std::string(reply_->body), .end = true, .complete = reply_->complete};
    }
    void SetDeadline(TimePoint deadline) override { deadline_ = deadline; }
    bool request_sent() const override { return sent_; }
    core::HttpTimings timings() const override { return {}; }
    void CancelUnlessSent() override {
      if (!sent_) End(core::TransportError::Kind::kCancelled);
    }

    bool waiting() const { return waiter_ != nullptr && !head_; }
    bool sent() const { return sent_; }
    TimePoint deadline() const { return deadline_; }
    void Send() { sent_ = true; }
    void Answer(const Reply& reply) {
      reply_ = &reply;
      head_ = core::ResponseHead{.status = reply.status, .headers = {{"retry-after", "1"}}};
      Wake();
    }
    void End(core::TransportError::Kind kind) {
      head_ = core::TransportError{.kind = kind, .request_sent = sent_, .message = "scripted"};
      Wake();
    }

   private:
    void Wake() {
      if (waiter_ != nullptr) waiter_->Wake();
    }

    ModelWorld& world_;
    TimePoint deadline_;
    bool sent_ = false;
    std::optional<std::variant<core::ResponseHead, core::TransportError>> head_;
    const Reply* reply_ = nullptr;
    Waiter* waiter_ = nullptr;
  };

  boost::asio::awaitable<void> RunInto(CallWorld& world) {
    DeleteUserResult result = co_await DeleteUser(world, call_);
    EXPECT_FALSE(result_.has_value()) << "a second answer";
    result_ = std::move(result);
  }

  // Lets one of the things happen that can happen now.
  void Step() {
    using Kind = core::TransportError::Kind;
    std::vector<std::function<void()>> events;
    if (exchange_ != nullptr && exchange_->waiting()) {
      if (!exchange_->sent()) {
        events.emplace_back([this] { exchange_->Send(); });
        events.emplace_back([this] { exchange_->End(Kind::kUnreachable); });
        events.emplace_back([this] { exchange_->End(Kind::kMisconfigured); });
      } else {
        for (const Reply& reply : kReplies) events.emplace_back([this, &reply] { Receive(reply); });
        events.emplace_back([this] {
          maybe_ = true;
          exchange_->End(Kind::kBroken);
        });
      }
      events.emplace_back([this] {
        now_ = std::max(now_, exchange_->deadline());
        maybe_ = maybe_ || exchange_->sent();
        exchange_->End(Kind::kTimedOut);
      });
    }
    if (const auto next = std::ranges::min_element(waiters_, {}, [](const Waiter* waiter) { return waiter->until; });
        next != waiters_.end() && (*next)->until != TimePoint::max()) {
      events.emplace_back([this, waiter = *next] {
        now_ = std::max(now_, waiter->until);
        waiter->Wake();
      });
    }
    if (alarm_.second) {
      events.emplace_back([this] {
        now_ = std::max(now_, alarm_.first);
        std::exchange(alarm_, {}).second();
      });
    }
    if (!cancelled_) {
      events.emplace_back([this] {
        cancelled_ = true;
        call_.cancellation.Request(Cancellation::Cause::kCaller);
      });
    }
    if (!shut_down_) {
      events.emplace_back([this] {
        shut_down_ = true;
        call_.cancellation.Request(Cancellation::Cause::kShutdown);
      });
    }
    events.at(choices_.Choose(events.size()))();
  }

  void Receive(const Reply& reply) {
    executed_ = executed_ || reply.meaning == Reply::Meaning::kExecuted;
    maybe_ = maybe_ || reply.meaning == Reply::Meaning::kMaybe;
    rejected_ = rejected_ || reply.meaning == Reply::Meaning::kNotExecuted;
    blocked_ = blocked_ || reply.status == 503;
    exchange_->Answer(reply);
  }

  void CheckPromises() const {
    EXPECT_LE(started_, 3U);
    EXPECT_EQ(ended_, started_) << "an attempt that nobody was told of";
    EXPECT_LE(after_maybe_, 1U) << "more than one re-send once it may have been executed";
    EXPECT_LE(keys_.size(), 1U) << "more than one Idempotency-Key";
    EXPECT_EQ(executed_, result_->ok()) << "a 2xx is a success, and nothing else is";
    if (result_->ok()) {
      EXPECT_EQ(result_->value().outcome(), v1::DELETE_OUTCOME_DELETED);
      EXPECT_EQ(result_->value().report().attempts(), started_);
      return;
    }
    const core::Failure& failure = result_->error();
    EXPECT_EQ(failure.attempts, started_);
    const core::Delivery known = maybe_      ? core::Delivery::kUnknown
                                 : rejected_ ? core::Delivery::kRejected
                                             : core::Delivery::kNotSent;
    EXPECT_EQ(failure.delivery, known) << failure.message;
    if (failure.code == core::StatusCode::kUnavailable) {
      EXPECT_FALSE(maybe_) << "UNAVAILABLE though it may have been executed";
    }
  }

  Choices& choices_;
  Policies policies_;
  boost::asio::io_context context_;
  TimePoint now_{std::chrono::hours{1}};
  DeleteUserCall call_;
  std::vector<Waiter*> waiters_;
  std::pair<TimePoint, std::function<void()>> alarm_;
  Exchange* exchange_ = nullptr;
  std::optional<DeleteUserResult> result_;

  // What really happened.
  std::uint32_t started_ = 0;
  std::uint32_t ended_ = 0;
  std::uint32_t after_maybe_ = 0;
  std::set<std::string> keys_;
  bool executed_ = false;
  bool maybe_ = false;
  bool rejected_ = false;
  bool blocked_ = false;
  bool cancelled_ = false;
  bool shut_down_ = false;
};

class Interleavings : public testing::TestWithParam<RateLimitOptions> {};

// Without waiting for a rate, and with a rate that makes retries wait, or be refused.
INSTANTIATE_TEST_SUITE_P(, Interleavings,
                         testing::Values(RateLimitOptions{}, RateLimitOptions{.account_rate = 2, .account_burst = 1},
                                         RateLimitOptions{.account_rate = 0.1, .account_burst = 1}));

TEST_P(Interleavings, EndInExactlyOneAnswerThatSaysWhatIsKnown) {
  Choices choices;
  std::size_t runs = 0;
  do {
    SCOPED_TRACE(choices.Describe());
    ModelWorld(choices, GetParam()).Run();
    ++runs;
  } while (!testing::Test::HasFailure() && choices.Advance());
  // Should a later change make the model blind.
  EXPECT_GT(runs, 50U);
  RecordProperty("interleavings", std::to_string(runs));
}

}  // namespace
}  // namespace ticketing::call
