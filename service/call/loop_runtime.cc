#include "call/loop_runtime.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <utility>

namespace ticketing::call {

LoopRuntime::LoopRuntime(boost::asio::io_context& context)
    : context_(context), alarm_(context), random_(std::random_device{}()) {}

TimePoint LoopRuntime::Now() const {
  return std::chrono::steady_clock::now();
}

std::chrono::system_clock::time_point LoopRuntime::WallNow() const {
  return std::chrono::system_clock::now();
}

double LoopRuntime::Random() {
  return std::uniform_real_distribution<double>(0, 1)(random_);
}

std::string LoopRuntime::NewRequestId() {
  return boost::uuids::to_string(uuids_());
}

boost::asio::awaitable<void> LoopRuntime::SleepUntil(TimePoint until, Cancellation& cancellation) {
  if (cancellation.requested()) co_return;
  boost::asio::steady_timer timer(context_, until);
  const auto guard = cancellation.Listen([&timer] { timer.cancel(); });
  const auto [error] = co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  static_cast<void>(error);
}

void LoopRuntime::SetAlarm(TimePoint when, std::function<void()> action) {
  alarm_.expires_at(when);
  alarm_.async_wait([action = std::move(action)](const boost::system::error_code& error) {
    if (!error) action();
  });
}

}  // namespace ticketing::call
