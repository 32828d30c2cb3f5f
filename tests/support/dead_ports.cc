#include "tests/support/dead_ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace ticketing::support {
namespace {

void Require(bool success, const char* what) {
  if (success) return;
  std::perror(what);
  std::abort();
}

// A socket bound to `port`, or to one that the system chooses when that is 0.
int Bind(std::uint16_t port, sockaddr_in& address) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Require(socket >= 0, "socket");
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  // A server's old connections may still be around at a port that was its.
  const int yes = 1;
  if (port != 0) Require(::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0, "setsockopt");
  socklen_t size = sizeof address;
  Require(::bind(socket, reinterpret_cast<const sockaddr*>(&address), size) == 0, "bind");
  Require(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
  return socket;
}

}  // namespace

RefusingPort::RefusingPort(std::uint16_t port) {
  sockaddr_in address;
  socket_ = Bind(port, address);
  port_ = ntohs(address.sin_port);
}

RefusingPort::~RefusingPort() {
  ::close(socket_);
}

SilentPort::SilentPort(std::uint16_t port) : filler_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address;
  listener_ = Bind(port, address);
  port_ = ntohs(address.sin_port);
  // A queue of length 0 holds one connection on Linux.
  Require(::listen(listener_, 0) == 0, "listen");
  Require(filler_ >= 0, "socket");
  Require(::connect(filler_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "connect");
}

SilentPort::~SilentPort() {
  ::close(filler_);
  ::close(listener_);
}

}  // namespace ticketing::support
