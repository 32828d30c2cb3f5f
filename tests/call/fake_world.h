// A world for calls without sockets and without waiting: scripted answers, a clock that is moved.
#pragma once

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "call/delete_user_call.h"

namespace ticketing::call {

// What one attempt meets.
struct ScriptedAttempt {
  std::variant<core::ResponseHead, core::TransportError> head;
  std::vector<BodyPiece> body;
  std::chrono::milliseconds takes{10};            // until the head
  std::function<void()> before_head;              // something that happens meanwhile
  std::function<void(std::size_t)> before_piece;  // told the piece's number
};

inline ScriptedAttempt Answers(int status, std::string body = {}, core::HttpHeaders headers = {}) {
  return {.head = core::ResponseHead{.status = status, .headers = std::move(headers)},
          .body = {{.bytes = std::move(body), .end = true, .complete = true}}};
}

inline ScriptedAttempt Breaks(core::TransportError::Kind kind, bool sent) {
  return {.head = core::TransportError{.kind = kind, .request_sent = sent, .message = "scripted"}, .body = {}};
}

// Time stands still while anything can run, and then goes on to the next thing that waits for it: so several calls can
// overlap, always in the same way. Everything runs on one io_context.
class FakeWorld final : public Runtime, public HttpClient, public core::TokenSource, public core::CallObserver {
 public:
  // Runtime
  TimePoint Now() const override { return now_; }
  std::chrono::system_clock::time_point WallNow() const override {
    return std::chrono::system_clock::time_point{std::chrono::seconds{1'800'000'000}};
  }
  double Random() override { return random; }
  std::string NewRequestId() override { return "00000000-0000-4000-8000-00000000000" + std::to_string(ids_++); }
  boost::asio::awaitable<void> SleepUntil(TimePoint until, Cancellation& cancellation) override {
    sleeps.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(until - now_));
    if (cancellation.requested()) co_return;
    Sleeper sleeper(context_, until, [this] {
      if (during_sleep) during_sleep();
    });
    const auto guard = cancellation.Listen([&sleeper] { sleeper.timer.cancel(); });
    co_await Sleep(sleeper);
  }
  void SetAlarm(TimePoint when, std::function<void()> action) override { alarm_ = {when, std::move(action)}; }

  // HttpClient
  std::unique_ptr<HttpExchange> Start(core::HttpRequest request, const AttemptOptions& options) override {
    requests.push_back(std::move(request));
    attempt_options.push_back(options);
    ScriptedAttempt attempt = Breaks(core::TransportError::Kind::kUnreachable, false);
    if (!script.empty()) {
      attempt = std::move(script.front());
      script.pop_front();
    }
    return std::make_unique<Exchange>(*this, std::move(attempt), options.deadline);
  }

  // TokenSource
  std::string Current() override { return token; }
  bool Reload() override {
    if (!next_token) return false;
    token = *std::exchange(next_token, std::nullopt);
    return true;
  }

  // CallObserver
  void OnCallStart(std::string_view /*method*/) override {}
  void OnAttemptEnd(const core::AttemptRecord& record) override { attempts.push_back(record); }
  void OnCallEnd(const core::CallRecord& /*record*/) override {}

  // Runs the call to its end.
  DeleteUserResult Run(DeleteUserCall& call) {
    std::optional<DeleteUserResult> result;
    Begin(call, result);
    RunUntil([&result] { return result.has_value(); });
    return std::move(*result);
  }

  // Begins a call, which puts its end into `result`.
  void Begin(DeleteUserCall& call, std::optional<DeleteUserResult>& result) {
    boost::asio::co_spawn(context_, RunInto(result, world, call), [](const std::exception_ptr& error) {
      if (error) std::rethrow_exception(error);
    });
  }

  // Runs what there is to run until `done`, moving time on where it takes that.
  void RunUntil(const std::function<bool()>& done) {
    for (;;) {
      context_.restart();
      context_.poll();
      if (done()) return;
      Step();
    }
  }

  // Begins again with other limits.
  void Admit(const AdmissionOptions& options) {
    std::destroy_at(&policies);
    std::construct_at(&policies, options, ReplayOptions{});
  }

  void Advance(std::chrono::milliseconds span) { now_ += span; }

  std::deque<ScriptedAttempt> script;  // when it is empty, attempts are unreachable
  std::vector<core::HttpRequest> requests;
  std::vector<AttemptOptions> attempt_options;
  std::vector<core::AttemptRecord> attempts;  // that have ended
  std::vector<std::chrono::milliseconds> sleeps;
  std::function<void()> during_sleep;
  double random = 0.5;
  std::string token = "secret-token";
  std::optional<std::string> next_token;
  TimePoint last_exchange_deadline;

  Policies policies{{.rates = {}, .max_in_flight = 200}, {}};
  CallWorld world{.options = {.endpoint = {.user_agent = "test/1"}},
                  .runtime = *this,
                  .http = *this,
                  .policies = policies,
                  .observer = *this,
                  .token = this};

 private:
  // Someone who waits for a time.
  struct Sleeper {
    Sleeper(boost::asio::io_context& context, TimePoint until_time, std::function<void()> on_wake)
        : until(until_time), timer(context, TimePoint::max()), before_wake(std::move(on_wake)) {}
    TimePoint until;
    boost::asio::steady_timer timer;
    std::function<void()> before_wake;
  };

  boost::asio::awaitable<void> Sleep(Sleeper& sleeper) {
    sleepers_.push_back(&sleeper);
    co_await sleeper.timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    std::erase(sleepers_, &sleeper);
  }

  // On to the next time that somebody waits for.
  void Step() {
    const auto next = std::ranges::min_element(sleepers_, {}, &Sleeper::until);
    if (alarm_.second && (next == sleepers_.end() || alarm_.first <= (*next)->until)) {
      now_ = std::max(now_, alarm_.first);
      std::exchange(alarm_, {}).second();
      return;
    }
    if (next == sleepers_.end()) throw std::logic_error("a call waits for something that never comes");
    Sleeper& sleeper = **next;
    sleepers_.erase(next);
    now_ = std::max(now_, sleeper.until);
    if (sleeper.before_wake) sleeper.before_wake();
    sleeper.timer.cancel();
  }

  class Exchange final : public HttpExchange {
   public:
    Exchange(FakeWorld& world, ScriptedAttempt attempt, TimePoint deadline)
        : world_(world), attempt_(std::move(attempt)), deadline_(deadline) {}

    boost::asio::awaitable<std::variant<core::ResponseHead, core::TransportError>> Head() override {
      Sleeper arrival(world_.context_, world_.now_ + attempt_.takes, {});
      co_await world_.Sleep(arrival);
      if (attempt_.before_head) attempt_.before_head();
      if (cancelled_ && !request_sent()) {
        co_return core::TransportError{
            .kind = core::TransportError::Kind::kCancelled, .request_sent = false, .message = "cancelled"};
      }
      world_.last_exchange_deadline = deadline_;
      if (world_.Now() > deadline_ || (cancelled_ && deadline_ <= world_.Now())) {
        co_return core::TransportError{
            .kind = core::TransportError::Kind::kTimedOut, .request_sent = request_sent(), .message = "timed out"};
      }
      co_return attempt_.head;
    }
    boost::asio::awaitable<BodyPiece> Read() override {
      if (attempt_.before_piece) attempt_.before_piece(next_);
      if (next_ >= attempt_.body.size()) co_return BodyPiece{.bytes = {}, .end = true, .complete = false};
      co_return attempt_.body.at(next_++);
    }
    void SetDeadline(TimePoint deadline) override {
      deadline_ = deadline;
      world_.last_exchange_deadline = deadline;
    }
    bool request_sent() const override {
      const auto* error = std::get_if<core::TransportError>(&attempt_.head);
      return error == nullptr || error->request_sent;
    }
    core::HttpTimings timings() const override { return {}; }
    void CancelUnlessSent() override { cancelled_ = true; }

   private:
    FakeWorld& world_;
    ScriptedAttempt attempt_;
    TimePoint deadline_;
    std::size_t next_ = 0;
    bool cancelled_ = false;
  };

  static boost::asio::awaitable<void> RunInto(std::optional<DeleteUserResult>& result, CallWorld& world,
                                              DeleteUserCall& call) {
    result = co_await DeleteUser(world, call);
  }

  boost::asio::io_context context_;
  std::vector<Sleeper*> sleepers_;
  std::pair<TimePoint, std::function<void()>> alarm_;
  TimePoint now_{std::chrono::hours{1}};
  int ids_ = 0;
};

}  // namespace ticketing::call
