// Whether gRPC still accepts connections.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace ticketing::rpc {

// Connects to `address` as a client would, and waits for the first thing that a server says: the end of the TLS
// handshake, or an alert, with `tls`; else its HTTP/2 SETTINGS. Nothing when that came in time, else what is wrong. So
// it finds out what gRPC 1.51's own health service does not: after the descriptors were spent, it never accepts again
// (CVE-2023-4785, measured). Blocks for `timeout` at most; any thread.
std::optional<std::string> ProbeListener(const std::string& address, bool tls, std::chrono::milliseconds timeout);

}  // namespace ticketing::rpc
