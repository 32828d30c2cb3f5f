// The real time and chance, on the loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/uuid/random_generator.hpp>
#include <functional>
#include <random>
#include <string>

#include "call/ports.h"

namespace ticketing::call {

// Used on the thread that runs `context`.
class LoopRuntime final : public Runtime {
 public:
  explicit LoopRuntime(boost::asio::io_context& context);

  TimePoint Now() const override;
  std::chrono::system_clock::time_point WallNow() const override;
  double Random() override;
  std::string NewRequestId() override;
  boost::asio::awaitable<void> SleepUntil(TimePoint until, Cancellation& cancellation) override;
  void SetAlarm(TimePoint when, std::function<void()> action) override;

 private:
  boost::asio::io_context& context_;
  boost::asio::steady_timer alarm_;
  std::mt19937_64 random_;
  boost::uuids::random_generator_mt19937 uuids_;
};

}  // namespace ticketing::call
