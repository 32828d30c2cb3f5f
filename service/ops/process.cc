#include "ops/process.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <csignal>
#include <utility>

namespace ticketing::ops {

void SetProcessLimits() {
  rlimit descriptors{};
  if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
    descriptors.rlim_cur = descriptors.rlim_max;
    setrlimit(RLIMIT_NOFILE, &descriptors);
  }
  const rlimit no_core{};
  setrlimit(RLIMIT_CORE, &no_core);
  // A limit of zero does not hold where the kernel pipes dumps to a program; this does.
  prctl(PR_SET_DUMPABLE, 0);
  std::signal(SIGPIPE, SIG_IGN);
}

TerminationSignals::TerminationSignals(boost::asio::io_context& loop, std::function<void()> on_signal)
    : signals_(loop, SIGTERM, SIGINT), on_signal_(std::move(on_signal)) {
  Wait();
}

void TerminationSignals::Wait() {
  signals_.async_wait([this](const boost::system::error_code& error, int /*signal*/) {
    if (error) return;
    on_signal_();
    Wait();
  });
}

}  // namespace ticketing::ops
