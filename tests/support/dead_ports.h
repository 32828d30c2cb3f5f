// Ports on 127.0.0.1 at which nobody answers.
#pragma once

#include <cstdint>

namespace ticketing::support {

// A port that refuses every connection: taken, so that nobody else can listen on it, but without a listener.
class RefusingPort {
 public:
  // `port` must be free; 0: the system chooses one.
  explicit RefusingPort(std::uint16_t port = 0);
  ~RefusingPort();
  RefusingPort(const RefusingPort&) = delete;
  RefusingPort& operator=(const RefusingPort&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  int socket_ = -1;
  std::uint16_t port_ = 0;
};

// A port whose listener's queue is full, so that the system drops every further SYN: connecting neither succeeds nor
// fails.
class SilentPort {
 public:
  // `port` must be free; 0: the system chooses one.
  explicit SilentPort(std::uint16_t port = 0);
  ~SilentPort();
  SilentPort(const SilentPort&) = delete;
  SilentPort& operator=(const SilentPort&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  int listener_ = -1;
  int filler_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace ticketing::support
