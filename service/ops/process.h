// What the process and the operating system tell each other.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>

namespace ticketing::ops {

// Called once, at the start of the program:
// - as many file descriptors as the hard limit allows: when they are spent, gRPC 1.51 never accepts again
//   (CVE-2023-4785, measured);
// - no core dumps, which would hold tokens;
// - a write to a connection that has been closed is an error, not a signal.
// What the system refuses stays as it was.
void SetProcessLimits();

// Calls `on_signal` on the loop for each SIGTERM and SIGINT, as long as it lives.
class TerminationSignals {
 public:
  TerminationSignals(boost::asio::io_context& loop, std::function<void()> on_signal);

 private:
  void Wait();

  boost::asio::signal_set signals_;
  std::function<void()> on_signal_;
};

}  // namespace ticketing::ops
