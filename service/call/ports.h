// What one call needs of the world. Everything here runs on the loop thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "call/time_point.h"
#include "core/http_message.h"

namespace ticketing::call {

// Tells a call to come to its end, and wakes it when it waits.
class Cancellation {
 public:
  enum class Cause {
    kCaller,    // the caller has gone
    kShutdown,  // the service's time for finishing is up
  };

  bool requested() const { return cause_.has_value(); }
  std::optional<Cause> cause() const { return cause_; }

  // Tells whoever listens. A shutdown outweighs a caller that has gone; nothing is taken back.
  void Request(Cause cause) {
    if (cause_ == Cause::kShutdown) return;
    cause_ = cause;
    if (listener_) listener_();
  }

  // Wakes whoever listens, without a request: what it waits for has come.
  void Wake() {
    if (listener_) listener_();
  }

  // Tells `listener` when Request() or Wake() is called while the returned guard lives. One listener at a time: a call
  // does one thing after the other.
  class [[nodiscard]] Guard {
   public:
    explicit Guard(Cancellation& owner) : owner_(owner) {}
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { owner_.listener_ = nullptr; }

   private:
    Cancellation& owner_;
  };
  Guard Listen(std::function<void()> listener) {
    listener_ = std::move(listener);
    return Guard(*this);
  }

 private:
  std::optional<Cause> cause_;
  std::function<void()> listener_;
};

// Time and chance.
class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual TimePoint Now() const = 0;
  virtual std::chrono::system_clock::time_point WallNow() const = 0;
  // Uniform in [0, 1).
  virtual double Random() = 0;
  // A random UUID (version 4) in lower case.
  virtual std::string NewRequestId() = 0;
  // Returns at `until`, or as soon as `cancellation` is requested or wakes.
  virtual boost::asio::awaitable<void> SleepUntil(TimePoint until, Cancellation& cancellation) = 0;
  // Calls `action` at `when`, once. There is one alarm: a later call takes the place of an earlier one.
  virtual void SetAlarm(TimePoint when, std::function<void()> action) = 0;
};

// A piece of an answer's body. The last one has `end`; it may have bytes, too.
struct BodyPiece {
  std::string bytes;
  bool end = false;
  bool complete = true;  // with `end`: false when the body broke off or its time was up
};

// One HTTP request on its way. Ends the transfer when it is destroyed.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;

  // Waits for the final status line and the headers. Called once, first.
  virtual boost::asio::awaitable<std::variant<core::ResponseHead, core::TransportError>> Head() = 0;

  // Waits for more of the body; called one after the other until a piece has `end`. Nothing more is read from the
  // connection than is asked for, beyond a buffer of bounded size.
  virtual boost::asio::awaitable<BodyPiece> Read() = 0;

  // Moves the time at which the transfer ends by itself.
  virtual void SetDeadline(TimePoint deadline) = 0;

  // Whether the request may have reached the server.
  virtual bool request_sent() const = 0;

  // What is known of the times by now.
  virtual core::HttpTimings timings() const = 0;

  // The caller has gone. What was not sent yet never will be (Head() then answers kCancelled); what was, goes on.
  virtual void CancelUnlessSent() = 0;
};

// How one attempt is to be made.
struct AttemptOptions {
  TimePoint deadline;
  // A body that may be large and slowly read: it gets a connection of its own, so that it can't stall other calls.
  bool streaming = false;
};

// Sends HTTP requests.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  // Never fails: what goes wrong is told by Head().
  virtual std::unique_ptr<HttpExchange> Start(core::HttpRequest request, const AttemptOptions& options) = 0;
};

// Where the body of a streamed answer goes.
class BodySink {
 public:
  virtual ~BodySink() = default;
  // Each returns when the caller can take more; false when the caller has gone or `deadline` has passed.
  virtual boost::asio::awaitable<bool> Begin(const core::ResponseHead& head, TimePoint deadline) = 0;
  virtual boost::asio::awaitable<bool> Write(std::string bytes, TimePoint deadline) = 0;
};

}  // namespace ticketing::call
