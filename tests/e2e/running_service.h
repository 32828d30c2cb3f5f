// The real programs, started for a test.
#pragma once

#include <google/rpc/error_details.pb.h>
#include <grpcpp/support/status.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tests/e2e/process.h"
#include "ticketing/v1/ticketing_user_service.grpc.pb.h"

namespace ticketing::e2e {

using Environment = std::map<std::string, std::string>;

// The token that the sandbox accepts.
inline constexpr char kToken[] = "sandbox-token";

// truto-sandbox on a port of its own.
class RunningSandbox {
 public:
  explicit RunningSandbox(std::vector<std::string> flags = {});
  // "http://127.0.0.1:4711"
  const std::string& url() const { return url_; }

 private:
  Process process_;
  std::string url_;
};

// ticketing-user-service on a port of its own, in front of `truto_url`.
class RunningService {
 public:
  explicit RunningService(const std::string& truto_url, Environment environment = {});
  // "127.0.0.1:4711"
  const std::string& address() const { return address_; }
  // Of its HTTP for operators.
  const std::string& admin_address() const { return admin_address_; }
  Process& process() { return process_; }
  ticketing::v1::TicketingUserService::Stub& stub() { return *stub_; }

 private:
  Process process_;
  std::string address_;
  std::string admin_address_;
  std::unique_ptr<ticketing::v1::TicketingUserService::Stub> stub_;
};

// A page of the service's HTTP for operators.
struct AdminPage {
  int status = 0;  // 0: no answer came
  std::string text;
};
AdminPage GetAdminPage(const RunningService& service, const std::string& path);

// The environment in which RunningService starts the service: `extra` besides, and instead of, what every test needs.
Environment ServiceEnvironment(const std::string& truto_url, Environment extra = {});

// A request for user `id` of `account`.
ticketing::v1::DeleteTicketingUserRequest MakeRequest(const std::string& id, const std::string& account);

// The detail of type `Detail` in an error's status; nothing when there is none.
template <typename Detail>
std::optional<Detail> DetailOf(const grpc::Status& status);

extern template std::optional<google::rpc::ErrorInfo> DetailOf(const grpc::Status&);
extern template std::optional<google::rpc::BadRequest> DetailOf(const grpc::Status&);
extern template std::optional<google::rpc::RetryInfo> DetailOf(const grpc::Status&);
extern template std::optional<google::rpc::QuotaFailure> DetailOf(const grpc::Status&);
extern template std::optional<google::rpc::ResourceInfo> DetailOf(const grpc::Status&);
extern template std::optional<google::rpc::Help> DetailOf(const grpc::Status&);

}  // namespace ticketing::e2e
