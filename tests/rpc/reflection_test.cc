#include "rpc/reflection.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpc/reflection/v1/reflection.grpc.pb.h>
#include <grpc/reflection/v1alpha/reflection.grpc.pb.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/rpc/queue_server.h"

namespace ticketing::rpc {
namespace {

using testing::Contains;
using testing::ElementsAre;

template <typename Api>
class ReflectionTest : public testing::Test {
 protected:
  using Request = typename Api::Request;
  using Response = typename Api::Response;

  Response Ask(const Request& request) {
    grpc::ClientContext context;
    const auto stream = stub_->ServerReflectionInfo(&context);
    stream->Write(request);
    stream->WritesDone();
    Response response;
    EXPECT_TRUE(stream->Read(&response));
    EXPECT_TRUE(stream->Finish().ok());
    return response;
  }

  static std::vector<std::string> FileNames(const Response& response) {
    std::vector<std::string> names;
    for (const auto& bytes : response.file_descriptor_response().file_descriptor_proto()) {
      google::protobuf::FileDescriptorProto file;
      EXPECT_TRUE(file.ParseFromString(bytes));
      names.push_back(file.name());
    }
    return names;
  }

  ReflectionService reflection_{{"ticketing.v1.TicketingUserService", "grpc.health.v1.Health"}};
  QueueServer server_{reflection_};
  std::unique_ptr<typename Api::Reflection::Stub> stub_ = Api::Reflection::NewStub(server_.channel());
};

struct V1 {
  using Reflection = grpc::reflection::v1::ServerReflection;
  using Request = grpc::reflection::v1::ServerReflectionRequest;
  using Response = grpc::reflection::v1::ServerReflectionResponse;
};
struct V1Alpha {
  using Reflection = grpc::reflection::v1alpha::ServerReflection;
  using Request = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Response = grpc::reflection::v1alpha::ServerReflectionResponse;
};
using Versions = testing::Types<V1, V1Alpha>;
TYPED_TEST_SUITE(ReflectionTest, Versions);

TYPED_TEST(ReflectionTest, ListsTheServices) {
  typename TestFixture::Request request;
  request.set_list_services("*");
  std::vector<std::string> names;
  const auto response = this->Ask(request);
  for (const auto& service : response.list_services_response().service()) names.push_back(service.name());
  EXPECT_THAT(names, ElementsAre("ticketing.v1.TicketingUserService", "grpc.health.v1.Health"));
}

TYPED_TEST(ReflectionTest, AFileComesWithAllThatItImports) {
  typename TestFixture::Request request;
  request.set_file_by_filename("ticketing/v1/ticketing_user_service.proto");
  const auto names = this->FileNames(this->Ask(request));
  for (const char* name : {"ticketing/v1/ticketing_user_service.proto", "ticketing/v1/ticketing_user.proto",
                           "google/protobuf/struct.proto", "google/protobuf/timestamp.proto"}) {
    EXPECT_THAT(names, Contains(name));
  }
}

TYPED_TEST(ReflectionTest, FindsTheContractHealthAndTheDetailsOfErrors) {
  for (const char* symbol :
       {"ticketing.v1.TicketingUserService", "ticketing.v1.TicketingUserService.DeleteTicketingUser",
        "ticketing.v1.ErrorReason", "grpc.health.v1.Health", "google.rpc.ErrorInfo", "google.rpc.BadRequest",
        "google.rpc.Status", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}) {
    typename TestFixture::Request request;
    request.set_file_containing_symbol(symbol);
    EXPECT_FALSE(this->FileNames(this->Ask(request)).empty()) << symbol;
  }
}

TYPED_TEST(ReflectionTest, WhatIsNotThereIsNotFound) {
  typename TestFixture::Request symbol;
  symbol.set_file_containing_symbol("ticketing.v1.Nothing");
  typename TestFixture::Request file;
  file.set_file_by_filename("nothing.proto");
  typename TestFixture::Request extension;
  extension.mutable_file_containing_extension()->set_containing_type("ticketing.v1.TicketingUser");
  extension.mutable_file_containing_extension()->set_extension_number(1);
  typename TestFixture::Request extensions;
  extensions.set_all_extension_numbers_of_type("ticketing.v1.Nothing");
  for (const auto& request : {symbol, file, extension, extensions}) {
    EXPECT_EQ(this->Ask(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND) << request.DebugString();
  }
}

TYPED_TEST(ReflectionTest, AnswersOneQuestionAfterTheOther) {
  grpc::ClientContext context;
  const auto stream = this->stub_->ServerReflectionInfo(&context);
  for (const char* symbol : {"google.rpc.ErrorInfo", "ticketing.v1.ErrorReason"}) {
    typename TestFixture::Request request;
    request.set_file_containing_symbol(symbol);
    ASSERT_TRUE(stream->Write(request));
    typename TestFixture::Response response;
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.original_request().file_containing_symbol(), symbol);
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TYPED_TEST(ReflectionTest, AnEmptyQuestionIsInvalid) {
  EXPECT_EQ(this->Ask({}).error_response().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace ticketing::rpc
