// The gRPC server: the service, health and reflection on one port.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "call/delete_user_call.h"
#include "core/result.h"
#include "rpc/caller.h"
#include "rpc/delete_user_rpc.h"
#include "rpc/server_credentials.h"

namespace ticketing::rpc {

struct ServerOptions {
  std::string listen;  // "0.0.0.0:50051"; port 0 takes any
  ServerTls tls;
  CallerRules callers;
  DeadlineRules deadlines;
  bool reflection = true;
  std::chrono::milliseconds drain_delay{5'000};
  std::chrono::milliseconds drain_timeout{60'000};
};

// Serves calls on the loop until it is told to stop. Created, used and destroyed on the thread that runs `loop`, except
// for that, with a thread of its own for gRPC's events.
class Server {
 public:
  // Listens at once; an error says why it can't.
  static core::Result<std::unique_ptr<Server>, std::string> Start(ServerOptions options, boost::asio::io_context& loop,
                                                                  call::CallWorld& world);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The address with the port that it really listens on.
  const std::string& address() const;

  // Calls `on_beat` on the loop, once gRPC's thread has come by: whoever hears it knows that both of them run. On the
  // loop thread.
  void Beat(std::function<void()> on_beat);

  // Ends well: not ready at once; still accepting for the drain delay; then new calls are refused, those in flight are
  // waited for, up to the drain timeout; what is left is ended with what is known of it; then the port is closed.
  // Told again, it goes on without waiting. `on_step` gets each step as it begins, `on_stopped` runs last, on the loop.
  void Shutdown(std::function<void(std::string_view step)> on_step, std::function<void()> on_stopped);

 private:
  class State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ticketing::rpc
