// Addresses as settings and servers write them: "0.0.0.0:50051", "[::]:50051".
#pragma once

#include <string>
#include <string_view>

namespace ticketing::core {

struct HostPort {
  std::string host;  // without brackets
  std::string port;
};

// The parts of `address`, which has a port.
inline HostPort SplitHostPort(std::string_view address) {
  const auto colon = address.rfind(':');
  std::string_view host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return {.host = std::string(host), .port = std::string(address.substr(colon + 1))};
}

// `address` with another port.
inline std::string WithPort(std::string_view address, int port) {
  return std::string(address.substr(0, address.rfind(':') + 1)) + std::to_string(port);
}

}  // namespace ticketing::core
