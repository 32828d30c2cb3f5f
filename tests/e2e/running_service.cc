#include "tests/e2e/running_service.h"

#include <google/rpc/status.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "tests/e2e/programs.h"

namespace ticketing::e2e {
namespace {

std::vector<std::string> SandboxCommand(std::vector<std::string> flags) {
  std::vector<std::string> command = {SandboxProgram(), "--listen", "127.0.0.1:0"};
  command.insert(command.end(), flags.begin(), flags.end());
  return command;
}

}  // namespace

RunningSandbox::RunningSandbox(std::vector<std::string> flags) : process_(SandboxCommand(std::move(flags)), {}) {
  const auto line = process_.WaitForLine("listening on ");
  EXPECT_TRUE(line) << process_.errors();
  if (line) url_ = line->substr(line->find("http://"));
}

Environment ServiceEnvironment(const std::string& truto_url, Environment extra) {
  Environment environment = {{"TICKETING_LISTEN", "127.0.0.1:0"},
                             {"TICKETING_ADMIN_LISTEN", "127.0.0.1:0"},
                             {"TRUTO_BASE_URL", truto_url},
                             {"TRUTO_API_TOKEN", kToken},
                             {"TICKETING_DRAIN_DELAY", "0s"}};
  for (auto& [name, value] : extra) environment[name] = std::move(value);
  return environment;
}

RunningService::RunningService(const std::string& truto_url, Environment environment)
    : process_({ServiceProgram()}, ServiceEnvironment(truto_url, std::move(environment))) {
  const auto line = process_.WaitForLine("\"listening\"");
  EXPECT_TRUE(line) << process_.errors() << process_.output();
  if (!line) return;
  const auto listening = nlohmann::json::parse(*line);
  address_ = listening.at("address").get<std::string>();
  admin_address_ = listening.at("admin").get<std::string>();
  stub_ = v1::TicketingUserService::NewStub(grpc::CreateChannel(address_, grpc::InsecureChannelCredentials()));
}

AdminPage GetAdminPage(const RunningService& service, const std::string& path) {
  httplib::Client client("http://" + service.admin_address());
  const auto answer = client.Get(path);
  return answer ? AdminPage{.status = answer->status, .text = answer->body} : AdminPage();
}

v1::DeleteTicketingUserRequest MakeRequest(const std::string& id, const std::string& account) {
  v1::DeleteTicketingUserRequest request;
  request.set_id(id);
  request.set_integrated_account_id(account);
  return request;
}

template <typename Detail>
std::optional<Detail> DetailOf(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return std::nullopt;
  Detail found;
  for (const auto& detail : details.details()) {
    if (detail.UnpackTo(&found)) return found;
  }
  return std::nullopt;
}

template std::optional<google::rpc::ErrorInfo> DetailOf(const grpc::Status&);
template std::optional<google::rpc::BadRequest> DetailOf(const grpc::Status&);
template std::optional<google::rpc::RetryInfo> DetailOf(const grpc::Status&);
template std::optional<google::rpc::QuotaFailure> DetailOf(const grpc::Status&);
template std::optional<google::rpc::ResourceInfo> DetailOf(const grpc::Status&);
template std::optional<google::rpc::Help> DetailOf(const grpc::Status&);

}  // namespace ticketing::e2e
