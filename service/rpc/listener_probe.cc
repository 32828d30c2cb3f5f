#include "rpc/listener_probe.h"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <string_view>

#include "core/host_port.h"

namespace ticketing::rpc {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

// The client's connection preface (RFC 9113, 3.4): its first line and an empty SETTINGS frame.
constexpr std::string_view kPreface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 33);
constexpr std::size_t kFrameHeaderBytes = 9;

// What can be connected to: a server that listens on all addresses does so on the loopback's.
tcp::endpoint Reachable(tcp::endpoint endpoint) {
  if (!endpoint.address().is_unspecified()) return endpoint;
  if (endpoint.address().is_v6()) return {asio::ip::address_v6::loopback(), endpoint.port()};
  return {asio::ip::address_v4::loopback(), endpoint.port()};
}

asio::awaitable<boost::system::error_code> Greet(tcp::socket& socket) {
  const auto [not_written, written] = co_await asio::async_write(socket, asio::buffer(kPreface), kTuple);
  if (not_written) co_return not_written;
  std::array<char, kFrameHeaderBytes> header{};
  const auto [not_read, read] = co_await asio::async_read(socket, asio::buffer(header), kTuple);
  co_return not_read;
}

asio::awaitable<boost::system::error_code> Handshake(tcp::socket& socket) {
  // Whom it talks to is known, and it says nothing: there is nothing to verify.
  asio::ssl::context context(asio::ssl::context::tls_client);
  asio::ssl::stream<tcp::socket&> stream(socket, context);
  constexpr std::array<unsigned char, 3> kAlpn{2, 'h', '2'};
  SSL_set_alpn_protos(stream.native_handle(), kAlpn.data(), kAlpn.size());
  const auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::client, kTuple);
  // An alert is an answer as well.
  if (error.category() == asio::error::get_ssl_category()) co_return boost::system::error_code();
  co_return error;
}

asio::awaitable<void> Probe(const std::string& address, bool tls, std::optional<boost::system::error_code>& result) {
  const auto executor = co_await asio::this_coro::executor;
  const core::HostPort target = core::SplitHostPort(address);
  tcp::resolver resolver(executor);
  const auto [not_found, found] = co_await resolver.async_resolve(target.host, target.port, kTuple);
  if (not_found) {
    result = not_found;
    co_return;
  }
  tcp::socket socket(executor);
  const auto [not_connected] = co_await socket.async_connect(Reachable(found.begin()->endpoint()), kTuple);
  if (not_connected) {
    result = not_connected;
    co_return;
  }
  result = co_await (tls ? Handshake(socket) : Greet(socket));
}

}  // namespace

std::optional<std::string> ProbeListener(const std::string& address, bool tls, std::chrono::milliseconds timeout) {
  std::optional<boost::system::error_code> result;
  asio::io_context loop(1);
  asio::co_spawn(loop, Probe(address, tls, result), asio::detached);
  loop.run_for(timeout);
  if (!result) return "gRPC did not answer a new connection within " + std::to_string(timeout.count()) + " ms";
  if (*result) return "a new connection to gRPC failed: " + result->message();
  return std::nullopt;
}

}  // namespace ticketing::rpc
