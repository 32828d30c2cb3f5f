// The sockets of the server's connections, which cpp-httplib keeps to itself: found by their ports among the
// descriptors of the process.
#pragma once

#include <chrono>
#include <optional>

namespace ticketing::sandbox {

// The server's end of the connection between its port and the client's; nothing when there is none.
std::optional<int> FindConnection(int server_port, int client_port);

// Waits until the client has closed the connection or ShutDownConnections() has; at most `time`, forever without.
void WaitForClose(int connection, std::optional<std::chrono::milliseconds> time);

// Ends every connection of the server, so that whoever reads from one or writes to it stops.
void ShutDownConnections(int server_port);

}  // namespace ticketing::sandbox
