#include "cli/connection.h"

#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "cli/option_values.h"
#include "cli/read_file.h"

namespace ticketing::cli {
namespace {

constexpr const char* kTokenVariable = "TICKETING_TOKEN";

// More than 8 KiB of metadata would end the whole connection (gRPC's default limit of a server).
constexpr std::size_t kMaxTokenBytes = 4 * 1024;

// Sets `error` when the file can't be read. No path is no file.
std::string ReadOptionFile(const char* option, const std::string& path, std::string& error) {
  if (path.empty()) return {};
  auto content = ReadFile(path);
  if (!content) error = std::string(option) + ": the file '" + path + "' can't be read, or is empty";
  return std::move(content).value_or("");
}

std::string Trimmed(const std::string& text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// The token, empty without one. Messages never show it.
std::string ReadToken(const ConnectionOptions& options, const Environment& environment, bool loopback,
                      std::string& error) {
  const bool from_file = !options.token_file.empty();
  const char* const source = from_file ? "--token-file" : kTokenVariable;
  std::string token =
      Trimmed(from_file ? ReadOptionFile(source, options.token_file, error) : environment(kTokenVariable).value_or(""));
  if (!error.empty()) return {};
  if (token.empty()) {
    if (from_file) error = std::string(source) + ": the file holds no token";
    return {};
  }
  if (token.size() > kMaxTokenBytes || !std::ranges::all_of(token, [](char c) { return c > 0x20 && c < 0x7F; })) {
    error = std::string(source) + ": a token is one word of visible ASCII, at most 4 KiB long";
  } else if (!options.tls && !loopback) {
    error = std::string(source) + ": a token is not sent in plain text to another machine; use --tls, or unset it";
  }
  return token;
}

// The host is always a name or an address, never a scheme of gRPC's ("unix:50051").
std::string Target(const HostAndPort& server) {
  const bool v6 = server.host.find(':') != std::string::npos;
  return "dns:///" + (v6 ? "%5B" + server.host + "%5D" : server.host) + ":" + server.port;
}

}  // namespace

std::variant<Connection, std::string> OpenConnection(const ConnectionOptions& options, const Environment& environment) {
  const auto server = ParseServer(options.server);
  if (!server) return CheckServer(options.server);
  const bool loopback = IsLoopback(server->host);

  std::string error;
  const std::string token = ReadToken(options, environment, loopback, error);
  const grpc::SslCredentialsOptions tls{.pem_root_certs = ReadOptionFile("--ca-file", options.ca_file, error),
                                        .pem_private_key = ReadOptionFile("--key-file", options.key_file, error),
                                        .pem_cert_chain = ReadOptionFile("--cert-file", options.cert_file, error)};
  if (!error.empty()) return error;

  grpc::ChannelArguments arguments;
  // A delete is repeated by whoever asked for it, never behind their back.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // A proxy of the environment would take what is meant for this machine to another one.
  if (loopback) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetUserAgentPrefix("ticketing-user/" TICKETING_VERSION);
  if (!options.server_name.empty()) arguments.SetSslTargetNameOverride(options.server_name);

  Connection connection;
  connection.channel = grpc::CreateCustomChannel(
      Target(*server), options.tls ? grpc::SslCredentials(tls) : grpc::InsecureChannelCredentials(), arguments);
  if (!token.empty()) connection.metadata.emplace_back("authorization", "Bearer " + token);
  if (!options.correlation_id.empty()) connection.metadata.emplace_back("x-request-id", options.correlation_id);
  if (!options.traceparent.empty()) connection.metadata.emplace_back("traceparent", options.traceparent);
  return connection;
}

}  // namespace ticketing::cli
