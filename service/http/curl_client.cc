#include "http/curl_client.h"

#include <curl/curl.h>

#include <utility>
#include <vector>

#include "http/curl_exchange.h"
#include "http/curl_multi.h"

namespace ticketing::http {
namespace {

// As many idle handles as calls are likely to overlap; each is about 6 KiB.
constexpr std::size_t kIdleHandles = 64;

EasyHandle MakeEasyHandle(const CurlOptions& options) {
  EasyHandle easy(curl_easy_init());
  CURL* handle = easy.get();
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, options.allow_plaintext ? "http,https" : "https");
  // The environment's proxies, redirects and dot segments would send the token, or the delete, somewhere else.
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  // An idle connection beyond two minutes is likely to be gone; one beyond five would never see a DNS change.
  curl_easy_setopt(handle, CURLOPT_MAXAGE_CONN, 100L);
  curl_easy_setopt(handle, CURLOPT_MAXLIFETIME_CONN, 300L);
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  // A look-up that hangs would block the loop when its transfer ends (measured: 4 s instead of 0.3 s).
  curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  // The default of 24 hours would make a replaced certificate authority take a day.
  curl_easy_setopt(handle, CURLOPT_CA_CACHE_TIMEOUT, 60L);
  if (options.authorities != nullptr) {
    // Debian's defaults would be trusted besides.
    curl_easy_setopt(handle, CURLOPT_CAINFO, nullptr);
    curl_easy_setopt(handle, CURLOPT_CAPATH, nullptr);
  }
  return easy;
}

// libcurl's own state, set up before its first handle; it counts how often.
struct GlobalState {
  GlobalState() { curl_global_init(CURL_GLOBAL_DEFAULT); }
  ~GlobalState() { curl_global_cleanup(); }
  GlobalState(const GlobalState&) = delete;
  GlobalState& operator=(const GlobalState&) = delete;
};

}  // namespace

class CurlClient::State final : public EasyHandlePool {
 public:
  State(boost::asio::io_context& context, const CurlOptions& options)
      : context_(context),
        options_(options),
        calls_(context, /*multiplex=*/true, options_.max_connections, options_.settle_time),
        streams_(context, /*multiplex=*/false, options_.max_stream_connections, options_.settle_time) {}

  std::unique_ptr<call::HttpExchange> Start(const core::HttpRequest& request, const call::AttemptOptions& options) {
    return std::make_unique<CurlExchange>(context_, options.streaming ? streams_ : calls_, *this, TakeHandle(), request,
                                          options);
  }

  void Release(EasyHandle easy) override {
    if (idle_.size() < kIdleHandles) idle_.push_back(std::move(easy));
  }

 private:
  EasyHandle TakeHandle() {
    EasyHandle easy;
    if (idle_.empty()) {
      easy = MakeEasyHandle(options_);
    } else {
      easy = std::move(idle_.back());
      idle_.pop_back();
    }
    if (options_.authorities != nullptr) Trust(easy.get(), *options_.authorities->Current());
    return easy;
  }

  // libcurl shares no connection between requests that trust different authorities.
  static void Trust(CURL* easy, const core::TlsAuthorities& authorities) {
    // libcurl makes a copy; the interface is C's.
    curl_blob blob{.data = const_cast<char*>(authorities.data()),  // NOLINT(cppcoreguidelines-pro-type-const-cast)
                   .len = authorities.size(),
                   .flags = CURL_BLOB_COPY};
    curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
  }

  GlobalState global_;
  boost::asio::io_context& context_;
  CurlOptions options_;
  CurlMulti calls_;
  CurlMulti streams_;
  std::vector<EasyHandle> idle_;
};

CurlClient::CurlClient(boost::asio::io_context& context, const CurlOptions& options)
    : state_(std::make_unique<State>(context, options)) {}

CurlClient::~CurlClient() = default;

std::unique_ptr<call::HttpExchange> CurlClient::Start(core::HttpRequest request, const call::AttemptOptions& options) {
  return state_->Start(request, options);
}

}  // namespace ticketing::http
