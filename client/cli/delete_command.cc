#include "cli/delete_command.h"

#include <grpcpp/client_context.h>

#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include "cli/answer_text.h"
#include "cli/connection.h"
#include "cli/error_text.h"
#include "cli/json_text.h"
#include "ticketing/v1/ticketing_user_service.grpc.pb.h"

namespace ticketing::cli {
namespace {

using ticketing::v1::DeleteTicketingUserRequest;
using ticketing::v1::DeleteTicketingUserResponse;
using ticketing::v1::DeleteTicketingUserStreamRequest;
using ticketing::v1::DeleteTicketingUserStreamResponse;
using ticketing::v1::TicketingUserService;

// Where the body of a stream goes. A file keeps what it holds until an answer begins.
class BodyOutput {
 public:
  BodyOutput(std::string path, std::ostream& standard_output) : path_(std::move(path)), out_(&standard_output) {
    if (path_.empty() || path_ == "-") return;
    file_.open(path_, std::ios::binary | std::ios::app);
    out_ = &file_;
  }

  bool good() const { return out_->good(); }
  std::string name() const { return out_ == &file_ ? "the file '" + path_ + "'" : "standard output"; }

  void Begin() {
    std::error_code error;
    if (out_ != &file_ || !std::filesystem::is_regular_file(path_, error)) return;
    std::filesystem::resize_file(path_, 0, error);
    if (error) file_.setstate(std::ios::failbit);
  }
  void Write(const std::string& chunk) {
    out_->write(chunk.data(), static_cast<std::streamsize>(chunk.size())).flush();
  }

 private:
  std::string path_;
  std::ofstream file_;
  std::ostream* out_;
};

// One call of `delete` or `validate`.
class DeleteRun {
 public:
  DeleteRun(const DeleteCommand& command, const Process& process, const Connection& connection)
      : command_(command),
        process_(process),
        request_(command.request),
        stub_(TicketingUserService::NewStub(connection.channel)) {
    if (request_.request_id().empty()) request_.set_request_id(to_string(boost::uuids::random_generator()()));
    for (const auto& [key, value] : connection.metadata) context_.AddMetadata(key, value);
    context_.set_deadline(std::chrono::system_clock::now() + command.deadline);
  }

  int Unary() {
    DeleteTicketingUserResponse response;
    const grpc::Status status = stub_->DeleteTicketingUser(&context_, request_, &response);
    if (!status.ok()) return Fail(status);
    return Answer(response, process_.out, process_.out_is_terminal);
  }

  int Stream(BodyOutput& body) {
    DeleteTicketingUserStreamRequest request;
    *request.mutable_request() = request_;
    const auto reader = stub_->DeleteTicketingUserStream(&context_, request);
    DeleteTicketingUserResponse summary;
    bool summary_arrived = false;
    DeleteTicketingUserStreamResponse event;
    while (body.good() && reader->Read(&event)) {
      if (event.has_header()) {
        header_arrived_ = true;
        body.Begin();
        WriteHeader(event);
      } else if (event.has_summary()) {
        summary_arrived = true;
        summary = event.summary();
      } else {
        body.Write(event.chunk());
      }
    }
    if (!body.good()) context_.TryCancel();
    const grpc::Status status = reader->Finish();
    if (!body.good()) return NotWritten("the body could not be written to " + body.name());
    if (!status.ok()) return Fail(status);
    if (!summary_arrived) return Fail({grpc::StatusCode::UNKNOWN, "the stream ended without its summary"});
    return Answer(summary, process_.err, process_.err_is_terminal);
  }

 private:
  void WriteHeader(const DeleteTicketingUserStreamResponse& event) {
    process_.err << (command_.json ? MessageJson(event).value_or("{}") + "\n" : HeaderText(event.header()))
                 << std::flush;
  }

  int Answer(const DeleteTicketingUserResponse& response, std::ostream& out, bool terminal) {
    if (!command_.json) {
      out << AnswerText(request_, response, ColoursWanted(process_, terminal)) << std::flush;
    } else if (const auto json = MessageJson(response)) {
      out << *json << "\n" << std::flush;
    } else {
      return NotWritten("the answer can't be written as JSON; it is:\n" + AnswerText(request_, response, false));
    }
    if (!out) return NotWritten("the answer could not be written");
    const bool expected = request_.validate_only() ? response.outcome() == v1::DELETE_OUTCOME_NOT_SENT
                                                   : response.outcome() == v1::DELETE_OUTCOME_DELETED ||
                                                         response.outcome() == v1::DELETE_OUTCOME_ALREADY_ABSENT;
    return expected ? kExitDone : kExitStatusBase + grpc::StatusCode::UNKNOWN;
  }

  int Fail(const grpc::Status& status) {
    const FailedCall call{.status = status,
                          .request_id = request_.request_id(),
                          .validate_only = request_.validate_only(),
                          .header_arrived = header_arrived_};
    process_.err << (command_.json ? ErrorJson(call)
                                   : ErrorText(call, ColoursWanted(process_, process_.err_is_terminal)))
                 << std::flush;
    return kExitStatusBase + status.error_code();
  }

  // Not for a call that may have failed: what is lost is the answer alone.
  int NotWritten(const std::string& message) {
    process_.err << "ticketing-user: the call succeeded, but " << message << "\n" << std::flush;
    return kExitNotWritten;
  }

  const DeleteCommand& command_;
  const Process& process_;
  DeleteTicketingUserRequest request_;
  std::unique_ptr<TicketingUserService::Stub> stub_;
  grpc::ClientContext context_;
  bool header_arrived_ = false;
};

}  // namespace

int RunDelete(const DeleteCommand& command, const Process& process) {
  const auto connection = OpenConnection(command.connection, process.environment);
  if (const auto* const error = std::get_if<std::string>(&connection)) return Refuse(process, *error);
  DeleteRun run(command, process, std::get<Connection>(connection));
  if (!command.stream || command.request.validate_only()) return run.Unary();

  if (command.output.empty() && process.out_is_terminal) {
    return Refuse(process, "--stream: a body could steer the terminal; use --output FILE, or --output - to force it");
  }
  BodyOutput body(command.output, process.out);
  if (!body.good()) return Refuse(process, "--output: " + body.name() + " can't be opened for writing");
  return run.Stream(body);
}

}  // namespace ticketing::cli
