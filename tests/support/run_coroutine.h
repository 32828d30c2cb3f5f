// Coroutines in tests: the test's own thread runs the loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <functional>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

namespace ticketing::support {

// Runs `context` until `coroutine` has ended, and returns what it returned. What else goes on in the context goes on
// with it, and stands still afterwards.
template <typename T>
T Run(boost::asio::io_context& context, boost::asio::awaitable<T> coroutine) {
  bool ended = false;
  std::exception_ptr error;
  context.restart();
  if constexpr (std::is_void_v<T>) {
    boost::asio::co_spawn(context, std::move(coroutine), [&](std::exception_ptr thrown) {
      error = std::move(thrown);
      ended = true;
    });
    while (!ended && context.run_one() != 0) {
    }
    if (error) std::rethrow_exception(error);
  } else {
    std::optional<T> result;
    boost::asio::co_spawn(context, std::move(coroutine), [&](std::exception_ptr thrown, T value) {
      error = std::move(thrown);
      if (!error) result.emplace(std::move(value));
      ended = true;
    });
    while (!ended && context.run_one() != 0) {
    }
    if (error) std::rethrow_exception(error);
    return std::move(result).value();
  }
}

// Waits, on a thread of its own, for something outside the loop, which goes on meanwhile:
//   EXPECT_TRUE(co_await Elsewhere([&] { return upstream.WaitForRequests(1); }));
inline boost::asio::awaitable<bool> Elsewhere(std::function<bool()> wait) {
  const boost::asio::any_io_executor executor = co_await boost::asio::this_coro::executor;
  std::optional<std::thread> waiter;
  const bool result = co_await boost::asio::async_initiate<decltype(boost::asio::use_awaitable), void(bool)>(
      [&waiter, &wait, executor](auto handler) {
        // The work guard keeps the loop alive although nothing else may be under way in it.
        waiter.emplace(
            [&wait, executor, handler = std::move(handler), work = boost::asio::make_work_guard(executor)]() mutable {
              const bool met = wait();
              boost::asio::post(executor, [handler = std::move(handler), met]() mutable { std::move(handler)(met); });
            });
      },
      boost::asio::use_awaitable);
  waiter->join();
  co_return result;
}

}  // namespace ticketing::support
