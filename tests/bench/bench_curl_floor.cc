// bench-curl-floor: the least that a libcurl client does for a DELETE: transfers on reused handles and connections, on
// one thread, over one epoll set; the answers are dropped.
#include <curl/curl.h>
#include <sys/epoll.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/measured_delete.h"
#include "tests/bench/process_usage.h"
#include "truto/delete_user_request.h"

namespace ticketing::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// As the service's default.
constexpr long kMaxConnections = 4;

class Client {
 public:
  Client(const core::HttpRequest& request, const std::string& ca_file, std::size_t in_flight)
      : multi_(curl_multi_init()), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Client::OnSocket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Client::OnTimer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, kMaxConnections);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kMaxConnections);
    for (const auto& [name, value] : request.headers) {
      headers_ = curl_slist_append(headers_, (name + ": " + value).c_str());
    }
    for (std::size_t i = 0; i < in_flight; ++i) idle_.push_back(MakeHandle(request, ca_file));
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Ends when nothing is in flight.
  ~Client() {
    for (CURL* handle : idle_) curl_easy_cleanup(handle);
    curl_multi_cleanup(multi_);
    curl_slist_free_all(headers_);
  }

  // Makes `count` requests, as many at a time as there are handles. Ends the program when one fails.
  void Run(std::size_t count) {
    std::size_t started = 0;
    std::size_t ended = 0;
    while (ended < count) {
      for (; started < count && !idle_.empty(); ++started) {
        curl_multi_add_handle(multi_, idle_.back());
        idle_.pop_back();
      }
      Wait();
      ended += TakeEnded();
    }
  }

 private:
  CURL* MakeHandle(const core::HttpRequest& request, const std::string& ca_file) {
    CURL* const handle = curl_easy_init();
    curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers_);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &Client::OnBody);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    const bool plain = request.url.starts_with("http:");
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION,
                     static_cast<long>(plain ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
    curl_easy_setopt(handle, CURLOPT_PIPEWAIT, plain ? 0L : 1L);
    if (!ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, ca_file.c_str());
    return handle;
  }

  void Wait() {
    int wait_ms = -1;
    if (timer_) {
      const auto left = std::chrono::ceil<milliseconds>(*timer_ - steady_clock::now()).count();
      wait_ms = left > 0 ? static_cast<int>(left) : 0;
    }
    std::array<epoll_event, 64> events;
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms);
    int running = 0;
    for (int i = 0; i < count; ++i) {
      const auto& event = events.at(static_cast<std::size_t>(i));
      int mask = 0;
      if ((event.events & EPOLLIN) != 0) mask |= CURL_CSELECT_IN;
      if ((event.events & EPOLLOUT) != 0) mask |= CURL_CSELECT_OUT;
      if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) mask |= CURL_CSELECT_ERR;
      curl_multi_socket_action(multi_, event.data.fd, mask, &running);
    }
    if (timer_ && *timer_ <= steady_clock::now()) {
      timer_.reset();
      curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
    }
  }

  std::size_t TakeEnded() {
    std::size_t ended = 0;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      CURL* const handle = message->easy_handle;
      const CURLcode code = message->data.result;
      long status = 0;
      curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
      if (code != CURLE_OK || status != 200) {
        std::fprintf(stderr, "a request failed: %s, status %ld\n", curl_easy_strerror(code), status);
        std::exit(1);
      }
      curl_multi_remove_handle(multi_, handle);
      idle_.push_back(handle);
      ++ended;
    }
    return ended;
  }

  static std::size_t OnBody(char* /*data*/, std::size_t size, std::size_t count, void* /*self*/) {
    return size * count;
  }

  static int OnSocket(CURL* /*easy*/, curl_socket_t socket, int what, void* self, void* socket_data) {
    auto& client = *static_cast<Client*>(self);
    epoll_event event{};
    event.data.fd = socket;
    if (what != CURL_POLL_OUT) event.events |= EPOLLIN;
    if (what != CURL_POLL_IN) event.events |= EPOLLOUT;
    int change = socket_data == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (what == CURL_POLL_REMOVE) change = EPOLL_CTL_DEL;
    epoll_ctl(client.epoll_, change, socket, &event);
    curl_multi_assign(client.multi_, socket, what == CURL_POLL_REMOVE ? nullptr : self);
    return 0;
  }

  static int OnTimer(CURLM* /*multi*/, long timeout_ms, void* self) {
    auto& timer = static_cast<Client*>(self)->timer_;
    timer.reset();
    if (timeout_ms >= 0) timer = steady_clock::now() + milliseconds(timeout_ms);
    return 0;
  }

  CURLM* multi_;
  int epoll_;
  std::optional<steady_clock::time_point> timer_;
  curl_slist* headers_ = nullptr;
  std::vector<CURL*> idle_;
};

}  // namespace
}  // namespace ticketing::bench

int main(int argc, char** argv) {
  using namespace ticketing;  // NOLINT(google-build-using-namespace)
  truto::Endpoint endpoint{.user_agent = "ticketing-user-service/1.0.0"};
  std::string ca_file;
  std::size_t calls = 10'000;
  std::size_t warm_up = 1'000;
  std::size_t in_flight = 16;

  CLI::App app("Sends a DELETE over and over and prints its own CPU time for one, as \"cpu_us value\".");
  app.add_option("url", endpoint.base_url, "address of the upstream, http://… or https://…")->required();
  app.add_option("--ca-file", ca_file, "PEM file to trust");
  app.add_option("--calls", calls, "requests to measure")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--warm-up", warm_up, "requests before that")->capture_default_str();
  app.add_option("--in-flight", in_flight, "requests at a time")->check(CLI::PositiveNumber)->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  v1::DeleteTicketingUserRequest request = bench::MeasuredDelete();
  request.set_request_id("5f0f3c1e-8a55-4f5e-9f0e-3d9f6a0c2b11");
  curl_global_init(CURL_GLOBAL_DEFAULT);
  bench::Client client(truto::BuildDeleteUserRequest(request, endpoint, "benchmark-token"), ca_file, in_flight);
  client.Run(warm_up);
  const auto before = bench::CpuTime(0);
  client.Run(calls);
  const std::chrono::duration<double, std::micro> used = bench::CpuTime(0) - before;
  std::printf("cpu_us %.2f\n", used.count() / static_cast<double>(calls));
  return 0;
}
