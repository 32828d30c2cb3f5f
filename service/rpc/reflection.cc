#include "rpc/reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpc/health/v1/health.pb.h>
#include <grpc/reflection/v1/reflection.grpc.pb.h>
#include <grpc/reflection/v1alpha/reflection.grpc.pb.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>

#include <mutex>
#include <set>
#include <unordered_set>
#include <utility>

#include "rpc/completion_tag.h"
#include "ticketing/v1/error_reason.pb.h"

namespace ticketing::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;

// The two versions of the protocol differ in their package alone.
struct V1 {
  using Service = grpc::reflection::v1::ServerReflection::AsyncService;
  using Request = grpc::reflection::v1::ServerReflectionRequest;
  using Response = grpc::reflection::v1::ServerReflectionResponse;
};
struct V1Alpha {
  using Service = grpc::reflection::v1alpha::ServerReflection::AsyncService;
  using Request = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Response = grpc::reflection::v1alpha::ServerReflectionResponse;
};

// A static library gives only what somebody names: these are in nobody's code, but in what clients ask for.
void LinkPublishedDescriptors() {
  static_cast<void>(grpc::health::v1::HealthCheckRequest::descriptor());
  static_cast<void>(google::rpc::Status::descriptor());
  static_cast<void>(google::rpc::ErrorInfo::descriptor());
  static_cast<void>(ticketing::v1::ErrorReason_descriptor());
}

// What the service answers, in one version of the protocol.
template <typename Version>
class Answers {
 public:
  using Request = typename Version::Request;
  using Response = typename Version::Response;

  explicit Answers(const std::vector<std::string>& service_names) : service_names_(service_names) {}

  Response Answer(const Request& request) const {
    Response response;
    response.set_valid_host(request.host());
    *response.mutable_original_request() = request;
    Answer(request, response);
    return response;
  }

 private:
  void Answer(const Request& request, Response& response) const {
    const DescriptorPool& pool = *DescriptorPool::generated_pool();
    switch (request.message_request_case()) {
      case Request::kListServices:
        for (const std::string& name : service_names_) {
          response.mutable_list_services_response()->add_service()->set_name(name);
        }
        return;
      case Request::kFileByFilename:
        AnswerWithFile(pool.FindFileByName(request.file_by_filename()), request.file_by_filename(), response);
        return;
      case Request::kFileContainingSymbol:
        AnswerWithFile(pool.FindFileContainingSymbol(request.file_containing_symbol()),
                       request.file_containing_symbol(), response);
        return;
      case Request::kFileContainingExtension: {
        const auto& wanted = request.file_containing_extension();
        const Descriptor* const type = pool.FindMessageTypeByName(wanted.containing_type());
        const FieldDescriptor* const extension =
            type == nullptr ? nullptr : pool.FindExtensionByNumber(type, wanted.extension_number());
        AnswerWithFile(extension == nullptr ? nullptr : extension->file(),
                       wanted.containing_type() + " with extension " + std::to_string(wanted.extension_number()),
                       response);
        return;
      }
      case Request::kAllExtensionNumbersOfType: {
        const std::string& name = request.all_extension_numbers_of_type();
        const Descriptor* const type = pool.FindMessageTypeByName(name);
        if (type == nullptr) return AnswerWithError(grpc::StatusCode::NOT_FOUND, "not found: " + name, response);
        std::vector<const FieldDescriptor*> extensions;
        pool.FindAllExtensions(type, &extensions);
        auto& numbers = *response.mutable_all_extension_numbers_response();
        numbers.set_base_type_name(name);
        for (const FieldDescriptor* extension : extensions) numbers.add_extension_number(extension->number());
        return;
      }
      case Request::MESSAGE_REQUEST_NOT_SET:
        AnswerWithError(grpc::StatusCode::INVALID_ARGUMENT, "message_request: must be set", response);
        return;
    }
  }

  // The file with all that it imports: a client then needs no further question.
  static void AnswerWithFile(const FileDescriptor* file, const std::string& wanted, Response& response) {
    if (file == nullptr) return AnswerWithError(grpc::StatusCode::NOT_FOUND, "not found: " + wanted, response);
    std::set<const FileDescriptor*> seen;
    AddWithImports(*file, seen, response);
  }

  static void AddWithImports(const FileDescriptor& file, std::set<const FileDescriptor*>& seen, Response& response) {
    if (!seen.insert(&file).second) return;
    google::protobuf::FileDescriptorProto proto;
    file.CopyTo(&proto);
    response.mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
    for (int i = 0; i < file.dependency_count(); ++i) AddWithImports(*file.dependency(i), seen, response);
  }

  static void AnswerWithError(grpc::StatusCode code, std::string message, Response& response) {
    response.mutable_error_response()->set_error_code(code);
    response.mutable_error_response()->set_error_message(std::move(message));
  }

  const std::vector<std::string>& service_names_;
};

// One version of the protocol.
template <typename Version>
class VersionedService {
 public:
  explicit VersionedService(const std::vector<std::string>& service_names) : answers_(service_names) {}

  void RegisterWith(grpc::ServerBuilder& builder) { builder.RegisterService(&service_); }

  void Accept(grpc::ServerCompletionQueue& queue, LiveRpcs& rpcs) {
    new Stream(*this, queue, rpcs);  // NOLINT(cppcoreguidelines-owning-memory): see the class
  }

  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (Stream* stream : streams_) stream->Cancel();
  }

 private:
  // One stream of questions and answers. It owns itself.
  class Stream {
   public:
    Stream(VersionedService& owner, grpc::ServerCompletionQueue& queue, LiveRpcs& rpcs)
        : owner_(owner), queue_(queue), rpcs_(rpcs), live_(rpcs) {
      owner_.service_.RequestServerReflectionInfo(&context_, &stream_, &queue_, &queue_, &arrived_);
    }

    // With the owner's lock.
    void Cancel() { context_.TryCancel(); }

   private:
    void OnArrived(bool ok) {
      if (!ok) {
        delete this;  // NOLINT(cppcoreguidelines-owning-memory): the server shuts down
        return;
      }
      owner_.Accept(queue_, rpcs_);
      {
        const std::lock_guard lock(owner_.mutex_);
        owner_.streams_.insert(this);
        if (owner_.closed_) Cancel();
      }
      stream_.Read(&request_, &read_);
    }

    // Not `ok`: the caller has no more questions, or has gone.
    void OnRead(bool ok) {
      if (!ok) return stream_.Finish(grpc::Status::OK, &finished_);
      stream_.Write(owner_.answers_.Answer(request_), &written_);
    }

    void OnWritten(bool ok) {
      if (!ok) return stream_.Finish(grpc::Status::OK, &finished_);
      stream_.Read(&request_, &read_);
    }

    void OnFinished(bool /*ok*/) {
      {
        const std::lock_guard lock(owner_.mutex_);
        owner_.streams_.erase(this);
      }
      delete this;  // NOLINT(cppcoreguidelines-owning-memory): see the class
    }

    VersionedService& owner_;
    grpc::ServerCompletionQueue& queue_;
    LiveRpcs& rpcs_;
    LiveRpcs::Member live_;
    grpc::ServerContext context_;
    typename Version::Request request_;
    grpc::ServerAsyncReaderWriter<typename Version::Response, typename Version::Request> stream_{&context_};
    MemberTag<Stream, &Stream::OnArrived> arrived_{this};
    MemberTag<Stream, &Stream::OnRead> read_{this};
    MemberTag<Stream, &Stream::OnWritten> written_{this};
    MemberTag<Stream, &Stream::OnFinished> finished_{this};
  };

  Answers<Version> answers_;
  typename Version::Service service_;
  std::mutex mutex_;  // guards what follows
  bool closed_ = false;
  std::unordered_set<Stream*> streams_;
};

}  // namespace

class ReflectionService::Services {
 public:
  explicit Services(std::vector<std::string> service_names) : service_names_(std::move(service_names)) {}

  std::vector<std::string> service_names_;
  VersionedService<V1> v1_{service_names_};
  VersionedService<V1Alpha> v1alpha_{service_names_};
};

ReflectionService::ReflectionService(std::vector<std::string> service_names)
    : services_(std::make_unique<Services>(std::move(service_names))) {
  LinkPublishedDescriptors();
}

ReflectionService::~ReflectionService() = default;

void ReflectionService::RegisterWith(grpc::ServerBuilder& builder) {
  services_->v1_.RegisterWith(builder);
  services_->v1alpha_.RegisterWith(builder);
}

void ReflectionService::Accept(grpc::ServerCompletionQueue& queue, LiveRpcs& rpcs) {
  services_->v1_.Accept(queue, rpcs);
  services_->v1alpha_.Accept(queue, rpcs);
}

void ReflectionService::Close() {
  services_->v1_.Close();
  services_->v1alpha_.Close();
}

}  // namespace ticketing::rpc
