#include "tests/sandbox/connections.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>

namespace ticketing::sandbox {
namespace {

// The port of one end, asked for by getsockname() or getpeername(); 0 when `socket` is no connected TCP socket.
int PortOf(int socket, int (*ask)(int, sockaddr*, socklen_t*)) {
  // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): how the sockets API is called
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (ask(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
  return 0;
}

// cpp-httplib serves no descriptor beyond it.
constexpr int kDescriptors = FD_SETSIZE;

}  // namespace

std::optional<int> FindConnection(int server_port, int client_port) {
  for (int socket = 0; socket < kDescriptors; ++socket) {
    if (PortOf(socket, getsockname) == server_port && PortOf(socket, getpeername) == client_port) return socket;
  }
  return std::nullopt;
}

void WaitForClose(int connection, std::optional<std::chrono::milliseconds> time) {
  pollfd wanted{.fd = connection, .events = POLLRDHUP, .revents = 0};
  poll(&wanted, 1, time ? static_cast<int>(time->count()) : -1);
}

void ShutDownConnections(int server_port) {
  for (int socket = 0; socket < kDescriptors; ++socket) {
    if (PortOf(socket, getsockname) == server_port && PortOf(socket, getpeername) != 0) shutdown(socket, SHUT_RDWR);
  }
}

}  // namespace ticketing::sandbox
