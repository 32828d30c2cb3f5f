#include "tests/support/scripted_upstream.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <optional>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>

#include "tests/support/fixed_source.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"
#include "tests/support/upstream_connection.h"
#include "tests/support/upstream_ledger.h"

namespace ticketing::support {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

void Require(bool success, const char* what) {
  if (success) return;
  std::fprintf(stderr, "scripted upstream: %s failed\n", what);
  ERR_print_errors_fp(stderr);
  std::abort();
}

// The protocols to choose from, as ALPN writes them.
constexpr std::string_view kHttp1Only = "\x08http/1.1";
constexpr std::string_view kHttp2First = "\x02h2\x08http/1.1";

int SelectProtocol(SSL* /*connection*/, const unsigned char** chosen, unsigned char* chosen_size,
                   const unsigned char* offered, unsigned offered_size, void* ours) {
  const auto& names = *static_cast<const std::string_view*>(ours);
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, chosen_size, reinterpret_cast<const unsigned char*>(names.data()),
                            static_cast<unsigned>(names.size()), offered, offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

using TlsContext = std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)>;

TlsContext MakeTlsContext(const CertifiedKey& identity, Protocol protocol) {
  TlsContext context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  Require(context != nullptr, "SSL_CTX_new");
  BIO* certificate_bio = BIO_new_mem_buf(identity.certificate_pem.data(), -1);
  BIO* key_bio = BIO_new_mem_buf(identity.key_pem.data(), -1);
  X509* certificate = PEM_read_bio_X509(certificate_bio, nullptr, nullptr, nullptr);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(key_bio, nullptr, nullptr, nullptr);
  Require(SSL_CTX_use_certificate(context.get(), certificate) == 1, "SSL_CTX_use_certificate");
  Require(SSL_CTX_use_PrivateKey(context.get(), key) == 1, "SSL_CTX_use_PrivateKey");
  X509_free(certificate);
  EVP_PKEY_free(key);
  BIO_free(certificate_bio);
  BIO_free(key_bio);
  const std::string_view* names = protocol == Protocol::kHttp2Tls ? &kHttp2First : &kHttp1Only;
  SSL_CTX_set_alpn_select_cb(context.get(), SelectProtocol, const_cast<std::string_view*>(names));
  return context;
}

}  // namespace

class ScriptedUpstream::Server {
 public:
  explicit Server(const UpstreamOptions& options)
      : protocol_(options.protocol),
        ledger_(options),
        ca_file_(directory_.WriteFile("ca.pem", authority_.certificate_pem())),
        other_ca_file_(directory_.WriteFile("other_ca.pem", other_authority_.certificate_pem())),
        acceptor_(*loop_) {
    Listen();
    thread_ = std::thread([this] { loop_->run(); });
  }

  ~Server() {
    // Without anything left to wait for, the loop ends by itself, and no handler is left that would own a connection.
    OnLoop([this] {
      boost::system::error_code ignored;
      acceptor_.close(ignored);
      for (const auto& connection : Connections()) connection->Abort(UpstreamConnection::Ending::kReset);
    });
    work_.reset();
    thread_.join();
  }

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  UpstreamLedger& ledger() { return ledger_; }
  std::uint16_t port() const { return port_; }
  const std::string& ca_file() const { return ca_file_; }
  const std::string& other_ca_file() const { return other_ca_file_; }
  const core::Source<core::TlsAuthorities>& authorities() const { return authorities_; }
  const core::Source<core::TlsAuthorities>& other_authorities() const { return other_authorities_; }
  Protocol protocol() const { return protocol_; }

  void EndConnections(UpstreamConnection::Ending ending) {
    OnLoop([this, ending] {
      for (const auto& connection : Connections()) connection->Abort(ending);
    });
  }

  void StopListening() {
    OnLoop([this] {
      boost::system::error_code ignored;
      acceptor_.close(ignored);
    });
  }

  void StartListening() {
    OnLoop([this] {
      if (!acceptor_.is_open()) Listen();
    });
  }

 private:
  // Runs `action` on the server's thread and returns when it is done.
  template <typename Action>
  void OnLoop(Action action) {
    std::promise<void> done;
    asio::post(*loop_, [&] {
      action();
      done.set_value();
    });
    done.get_future().wait();
  }

  void Listen() {
    boost::system::error_code error;
    const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), port_);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    Require(!error, "listening");
    port_ = acceptor_.local_endpoint(error).port();
    Accept();
  }

  void Accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, tcp::socket socket) {
      if (error == asio::error::operation_aborted || !acceptor_.is_open()) return;
      if (!error) Serve(std::move(socket));
      Accept();
    });
  }

  void Serve(tcp::socket socket) {
    const ConnectionBehavior behavior = ledger_.behavior();
    const std::uint64_t number = ++last_number_;
    const auto connection = std::make_shared<UpstreamConnection>(
        std::move(socket),
        UpstreamConnection::Environment{
            .loop = loop_,
            .ledger = &ledger_,
            .tls = protocol_ == Protocol::kHttp1 ? nullptr : Tls(behavior.certificate),
            .behavior = behavior,
            .on_closed =
                [this](std::uint64_t closed) { asio::post(*loop_, [this, closed] { connections_.erase(closed); }); },
        });
    connections_.emplace(number, connection);
    connection->Start();
  }

  std::vector<std::shared_ptr<UpstreamConnection>> Connections() const {
    std::vector<std::shared_ptr<UpstreamConnection>> connections;
    connections.reserve(connections_.size());
    for (const auto& [number, connection] : connections_) connections.push_back(connection);
    return connections;
  }

  SSL_CTX* Tls(ConnectionBehavior::Certificate kind) {
    auto& context = tls_[static_cast<std::size_t>(kind)];
    if (!context) context.emplace(MakeTlsContext(IssueCertificate(kind), protocol_));
    return context->get();
  }

  CertifiedKey IssueCertificate(ConnectionBehavior::Certificate kind) const {
    using Kind = ConnectionBehavior::Certificate;
    CertificateSubject subject{.common_name = "scripted upstream"};
    if (kind == Kind::kWrongHost) {
      subject.dns_names = {"wrong.example"};
    } else {
      subject.dns_names = {"localhost", "upstream.test"};
      subject.ip_addresses = {"127.0.0.1"};
    }
    if (kind == Kind::kExpired) {
      subject.not_before = -std::chrono::hours(48);
      subject.not_after = -std::chrono::hours(24);
    }
    if (kind == Kind::kUnknownCa) return other_authority_.Issue(subject);
    return authority_.Issue(subject);
  }

  const Protocol protocol_;
  UpstreamLedger ledger_;
  const TemporaryDirectory directory_;
  const CertificateAuthority authority_{"scripted upstream's authority"};
  const CertificateAuthority other_authority_{"another authority"};
  const std::string ca_file_;
  const std::string other_ca_file_;
  const FixedSource<core::TlsAuthorities> authorities_{authority_.certificate_pem()};
  const FixedSource<core::TlsAuthorities> other_authorities_{other_authority_.certificate_pem()};
  const std::shared_ptr<asio::io_context> loop_ = std::make_shared<asio::io_context>(1);
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(*loop_);
  tcp::acceptor acceptor_;
  std::uint16_t port_ = 0;
  std::uint64_t last_number_ = 0;
  std::unordered_map<std::uint64_t, std::shared_ptr<UpstreamConnection>> connections_;
  std::array<std::optional<TlsContext>, 4> tls_;
  std::thread thread_;
};

ScriptedUpstream::ScriptedUpstream(UpstreamOptions options) : server_(std::make_unique<Server>(options)) {}
ScriptedUpstream::~ScriptedUpstream() = default;

std::uint16_t ScriptedUpstream::port() const {
  return server_->port();
}
std::string ScriptedUpstream::url() const {
  return (server_->protocol() == Protocol::kHttp1 ? "http://127.0.0.1:" : "https://127.0.0.1:") +
         std::to_string(port());
}
const std::string& ScriptedUpstream::ca_file() const {
  return server_->ca_file();
}
const std::string& ScriptedUpstream::other_ca_file() const {
  return server_->other_ca_file();
}
const core::Source<core::TlsAuthorities>& ScriptedUpstream::authorities() const {
  return server_->authorities();
}
const core::Source<core::TlsAuthorities>& ScriptedUpstream::other_authorities() const {
  return server_->other_authorities();
}

void ScriptedUpstream::Enqueue(Script script) {
  server_->ledger().Enqueue(std::move(script));
}
void ScriptedUpstream::SetHandler(Handler handler) {
  server_->ledger().SetHandler(std::move(handler));
}
void ScriptedUpstream::SetDefault(Script script) {
  server_->ledger().SetDefault(std::move(script));
}
void ScriptedUpstream::SetBehavior(const ConnectionBehavior& behavior) {
  server_->ledger().SetBehavior(behavior);
}

void ScriptedUpstream::CloseConnections() {
  server_->EndConnections(UpstreamConnection::Ending::kClose);
}
void ScriptedUpstream::ResetConnections() {
  server_->EndConnections(UpstreamConnection::Ending::kReset);
}
void ScriptedUpstream::StopListening() {
  server_->StopListening();
}
void ScriptedUpstream::StartListening() {
  server_->StartListening();
}

Facts ScriptedUpstream::facts() const {
  return server_->ledger().facts();
}
std::vector<ReceivedRequest> ScriptedUpstream::requests() const {
  return facts().requests;
}

bool ScriptedUpstream::WaitUntil(const std::function<bool(const Facts&)>& condition) const {
  return server_->ledger().WaitUntil(condition);
}
bool ScriptedUpstream::WaitForRequests(std::uint64_t count) const {
  return WaitUntil([=](const Facts& facts) { return facts.request_count >= count; });
}
bool ScriptedUpstream::WaitForConnections(std::uint64_t count) const {
  return WaitUntil([=](const Facts& facts) { return facts.connections_accepted >= count; });
}
bool ScriptedUpstream::WaitForOpenConnections(std::uint64_t count) const {
  return WaitUntil([=](const Facts& facts) { return facts.connections_open == count; });
}
bool ScriptedUpstream::WaitForProgress(std::size_t index, ReceivedRequest::Progress progress) const {
  return WaitUntil(
      [=](const Facts& facts) { return facts.requests.size() > index && facts.requests[index].progress == progress; });
}

}  // namespace ticketing::support
