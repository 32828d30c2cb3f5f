#include "cli/health_command.h"

#include <grpcpp/client_context.h>

#include <string>
#include <variant>

#include "cli/error_text.h"
#include "cli/terminal_text.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace ticketing::cli {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

int RunHealth(const HealthCommand& command, const Process& process) {
  const auto opened = OpenConnection(command.connection, process.environment);
  if (const auto* const error = std::get_if<std::string>(&opened)) return Refuse(process, *error);
  const auto& connection = std::get<Connection>(opened);
  const auto stub = Health::NewStub(connection.channel);
  grpc::ClientContext context;
  for (const auto& [key, value] : connection.metadata) context.AddMetadata(key, value);
  context.set_deadline(std::chrono::system_clock::now() + command.deadline);
  HealthCheckRequest request;
  request.set_service(command.service);
  HealthCheckResponse response;
  const grpc::Status status = stub->Check(&context, request, &response);
  if (!status.ok()) {
    TextPage page(ColoursWanted(process, process.err_is_terminal));
    page.Headline(Colour::kRed, "Error " + CodeName(status.error_code()) + " (" + std::to_string(status.error_code()) +
                                    "): " + status.error_message());
    process.err << page.text() << std::flush;
    return kExitStatusBase + status.error_code();
  }
  const bool serving = response.status() == HealthCheckResponse::SERVING;
  const std::string& name = HealthCheckResponse::ServingStatus_Name(response.status());
  TextPage page(ColoursWanted(process, process.out_is_terminal));
  page.Headline(serving ? Colour::kGreen : Colour::kRed, name.empty() ? std::to_string(response.status()) : name);
  process.out << page.text() << std::flush;
  return serving ? kExitDone : kExitNotAll;
}

}  // namespace ticketing::cli
