#include "rpc/server.h"

#include <absl/synchronization/mutex.h>
#include <grpcpp/alarm.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/host_port.h"
#include "rpc/completion_tag.h"
#include "rpc/health.h"
#include "rpc/live_rpcs.h"
#include "rpc/reflection.h"

namespace ticketing::rpc {
namespace {

using std::chrono::milliseconds;

// A request is a few hundred bytes; the default of 4 MiB would only serve those who mean harm.
constexpr int kMaxRequestBytes = 64 * 1024;

constexpr int kMaxConnectionMetadataBytes = 64 * 1024;

// gRPC closes what is still open after this when it shuts down; every call has been ended by then.
constexpr std::chrono::seconds kCloseTime{5};

void SetChannelArguments(grpc::ServerBuilder& builder) {
  const auto set = [&builder](const char* name, milliseconds span) {
    builder.AddChannelArgument(name, static_cast<int>(span.count()));
  };
  using namespace std::chrono_literals;
  set(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10s);
  // Clients behind a Service see new replicas only when they connect anew. A call may outlive the age by an hour: a
  // connection that is closed under a call would make it UNAVAILABLE, which clients repeat.
  set(GRPC_ARG_MAX_CONNECTION_AGE_MS, 30min);
  set(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 61min);
  set(GRPC_ARG_KEEPALIVE_TIME_MS, 60s);
  set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20s);
  // The floor for clients' pings; 5 minutes by default, at which many set-ups behind load balancers are cut off.
  set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10s);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // gRPC ends the whole connection, with all its calls, for a call whose metadata is beyond its limit of 8 KiB
  // (measured). Ours is checked for the one call.
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxConnectionMetadataBytes);
  // A second instance on the same port must fail to start instead of taking half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

// Why gRPC, which doesn't tell, can't listen.
std::string WhyNot(const std::string& listen, boost::asio::io_context& loop) {
  using boost::asio::ip::tcp;
  const auto [host, port] = core::SplitHostPort(listen);
  boost::system::error_code error;
  const auto found = tcp::resolver(loop).resolve(host, port, tcp::resolver::passive, error);
  if (!error) {
    tcp::acceptor acceptor(loop);
    const tcp::endpoint endpoint = found.begin()->endpoint();
    // NOLINTBEGIN(bugprone-unused-return-value): it is in `error`, too
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.bind(endpoint, error);
    // NOLINTEND(bugprone-unused-return-value)
  }
  return error ? error.message() : "the certificate or its key is unusable";
}

// Goes through the completion queue and to the loop whenever it is told to. Made before the thread of the queue's
// events is, and used on the loop thread.
class Heartbeat final : public CompletionTag {
 public:
  explicit Heartbeat(boost::asio::io_context& loop) : loop_(loop) {}

  // Calls `on_beat` on the loop, once the thread of the events of `queue` has come by.
  void Beat(grpc::CompletionQueue& queue, std::function<void()> on_beat) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(on_beat));
    if (waiting_.size() == 1) alarm_.Set(&queue, gpr_now(GPR_CLOCK_MONOTONIC), this);
  }

  void OnCompletion(bool /*ok*/) override {
    const std::lock_guard lock(mutex_);
    for (auto& on_beat : waiting_) boost::asio::post(loop_, std::move(on_beat));
    waiting_.clear();
  }

 private:
  boost::asio::io_context& loop_;
  std::mutex mutex_;
  std::vector<std::function<void()>> waiting_;
  grpc::Alarm alarm_;
};

}  // namespace

class Server::State {
 public:
  State(ServerOptions options, boost::asio::io_context& loop, call::CallWorld& world)
      : options_(std::move(options)),
        loop_(loop),
        door_{.service = {},
              .rpcs = rpcs_,
              .loop = loop,
              .world = world,
              .callers = options_.callers,
              .deadlines = options_.deadlines,
              .active = {},
              .on_idle = {}},
        wait_(loop) {}

  bool Listen() {
    // Debian's absl looks for deadlocks at every lock of gRPC's, behind one lock for all threads: 7 % of a call's CPU
    // time (measured).
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(options_.listen, credentials_, &port);
    builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
    SetChannelArguments(builder);
    builder.RegisterService(&door_.service);
    health_.RegisterWith(builder);
    if (options_.reflection) reflection_.RegisterWith(builder);
    queue_ = builder.AddCompletionQueue();
    door_.queue = queue_.get();
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port == 0) return false;
    address_ = core::WithPort(options_.listen, port);
    health_.SetServing(true);
    health_.Accept(*queue_, rpcs_);
    if (options_.reflection) reflection_.Accept(*queue_, rpcs_);
    AcceptCalls(door_);
    events_ = std::thread([this] { HandleEvents(*queue_); });
    return true;
  }

  ~State() {
    if (closing_.joinable()) {
      closing_.join();
    } else if (queue_ != nullptr) {
      // It could not listen: nothing was accepted.
      if (server_ != nullptr) server_->Shutdown();
      queue_->Shutdown();
      HandleEvents(*queue_);
    }
  }

  const std::string& address() const { return address_; }

  void Beat(std::function<void()> on_beat) {
    if (closing_.joinable()) {
      // gRPC's thread is about to end.
      on_beat();
      return;
    }
    heartbeat_.Beat(*queue_, std::move(on_beat));
  }

  void Shutdown(std::function<void(std::string_view)> on_step, std::function<void()> on_stopped) {
    if (std::exchange(shutting_down_, true)) {
      impatient_ = true;
      wait_.cancel();
      return;
    }
    boost::asio::co_spawn(loop_, Drain(std::move(on_step), std::move(on_stopped)), boost::asio::detached);
  }

 private:
  // Ends early when the last active call has ended or Shutdown is told again.
  boost::asio::awaitable<void> Wait(milliseconds span) {
    if (!impatient_) co_await Suspend(span);
  }

  boost::asio::awaitable<void> Suspend(milliseconds span) {
    wait_.expires_after(span);
    co_await wait_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }

  boost::asio::awaitable<void> Drain(std::function<void(std::string_view)> on_step, std::function<void()> on_stopped) {
    on_step("not ready: still accepting calls");
    health_.SetServing(false);
    co_await Wait(options_.drain_delay);

    on_step("refusing new calls, finishing those in flight");
    door_.refusing = true;
    door_.on_idle = [this] { wait_.cancel(); };
    if (!door_.active.empty()) co_await Wait(options_.drain_timeout);

    if (!door_.active.empty()) {
      on_step("ending the calls that are left");
      AbortActiveCalls(door_);
      // Each ends by itself and soon; nothing that happens meanwhile, a further signal included, makes it sooner.
      while (!door_.active.empty()) co_await Suspend(kCloseTime);
    }

    on_step("closing");
    health_.Close();
    reflection_.Close();
    // Blocks until gRPC has let go of every call, which needs the loop and the gRPC thread.
    closing_ = std::thread([this, on_stopped = std::move(on_stopped)] {
      server_->Shutdown(std::chrono::system_clock::now() + kCloseTime);
      rpcs_.WaitForNone();
      queue_->Shutdown();
      events_.join();
      boost::asio::post(loop_, on_stopped);
    });
  }

  ServerOptions options_;
  boost::asio::io_context& loop_;
  LiveRpcs rpcs_;
  Door door_;
  HealthService health_{{"", v1::TicketingUserService::service_full_name()}};
  ReflectionService reflection_{{v1::TicketingUserService::service_full_name(), "grpc.health.v1.Health",
                                 "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}};
  Heartbeat heartbeat_{loop_};
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  // Asked at each handshake; gRPC keeps them only until the server is built.
  std::shared_ptr<grpc::ServerCredentials> credentials_{MakeServerCredentials(options_.tls)};
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  std::thread events_;
  std::thread closing_;
  boost::asio::steady_timer wait_;
  bool shutting_down_ = false;
  bool impatient_ = false;
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() = default;

core::Result<std::unique_ptr<Server>, std::string> Server::Start(ServerOptions options, boost::asio::io_context& loop,
                                                                 call::CallWorld& world) {
  const std::string listen = options.listen;
  auto state = std::make_unique<State>(std::move(options), loop, world);
  if (!state->Listen()) return "can't listen on " + listen + ": " + WhyNot(listen, loop);
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

void Server::Beat(std::function<void()> on_beat) {
  state_->Beat(std::move(on_beat));
}

const std::string& Server::address() const {
  return state_->address();
}

void Server::Shutdown(std::function<void(std::string_view)> on_step, std::function<void()> on_stopped) {
  state_->Shutdown(std::move(on_step), std::move(on_stopped));
}

}  // namespace ticketing::rpc
