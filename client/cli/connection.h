// The way to the service.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cli/process.h"

namespace ticketing::cli {

// Texts are empty when they are not given. `server` is HOST:PORT; the forms of all are checked.
struct ConnectionOptions {
  std::string server = "localhost:50051";
  bool tls = false;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string server_name;
  std::string token_file;
  std::string correlation_id;
  std::string traceparent;
};

struct Connection {
  std::shared_ptr<grpc::Channel> channel;
  // Of every call: authorization, x-request-id, traceparent.
  std::vector<std::pair<std::string, std::string>> metadata;
};

// A channel that repeats nothing by itself. It connects at its first call. The token is the file's or
// TICKETING_TOKEN's.
//
// The error is a text for people, and nothing was sent: a file that can't be read, a token with other characters than
// visible ASCII, and a token that would go to another machine in plain text.
std::variant<Connection, std::string> OpenConnection(const ConnectionOptions& options, const Environment& environment);

}  // namespace ticketing::cli
