#include "tests/e2e/fault_matrix.h"

#include <gmock/gmock.h>
#include <google/rpc/error_details.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

namespace ticketing::e2e {
namespace {

using support::ReceivedRequest;
using support::Script;
using testing::HasSubstr;
using testing::Not;

// Long enough for anything: only a failing test ever waits so long.
constexpr std::chrono::seconds kPatience{30};

// Of the calls at the end, which must not meet what a row has done to its accounts.
constexpr int kClosingAccount = 999'999;

std::string Metadata(const grpc::Status& status, const std::string& key) {
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  if (!info || !info->metadata().contains(key)) return {};
  return info->metadata().at(key);
}

// Whether the answer proves that nothing was executed.
bool Refused(const ReceivedRequest& request) {
  return request.status >= 300 && request.status < 500 && request.status != 408;
}

std::string KeyOf(const ReceivedRequest& request) {
  return std::string(core::FindHeader(request.headers, "idempotency-key").value_or(""));
}

// The most memory that a process has had, in bytes.
std::size_t PeakMemory(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
  ADD_FAILURE() << "no VmHWM of " << process;
  return 0;
}

#if defined(__has_feature)
// NOLINTNEXTLINE(misc-redundant-expression): both are false without sanitizers
constexpr bool kMemoryTells = !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer);
#else
constexpr bool kMemoryTells = true;
#endif

}  // namespace

bool InFull() {
  static const bool in_full = [] {
    const char* value = std::getenv("TICKETING_FAULT_MATRIX_LONG");  // NOLINT(concurrency-mt-unsafe)
    return value != nullptr && std::string(value) == "1";
  }();
  return in_full;
}

int Scaled(int usually, int in_full) {
  return InFull() ? in_full : usually;
}

std::string AccountId(int index) {
  std::string id(36, '\0');
  std::snprintf(id.data(), id.size() + 1, "62f44730-dd91-461e-bd6a-%012d", index);
  return id;
}

std::string CallEnd::reason() const {
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  return info ? info->reason() : std::string();
}
std::string CallEnd::delivery() const {
  return Metadata(status, "delivery");
}
std::string CallEnd::origin() const {
  return Metadata(status, "origin");
}

std::optional<std::uint32_t> CallEnd::attempts() const {
  if (status.ok()) {
    if (response.report().replayed()) return std::nullopt;
    return response.report().attempts();
  }
  const std::string attempts = Metadata(status, "attempts");
  if (attempts.empty()) return std::nullopt;
  return static_cast<std::uint32_t>(std::stoul(attempts));
}

std::vector<std::string> CallEnd::notes() const {
  std::vector<std::string> notes;
  for (const auto& note : response.report().notes()) notes.push_back(note.reason());
  return notes;
}

std::ostream& operator<<(std::ostream& out, const CallEnd& end) {
  if (end.status.ok()) return out << "OK " << end.response.report().ShortDebugString();
  return out << end.code() << ' ' << end.reason() << " delivery " << end.delivery() << " attempts "
             << Metadata(end.status, "attempts") << ": " << end.status.error_message();
}

bool Call::ended() const {
  return done_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

const CallEnd& Call::End() const {
  done_.wait();
  return end_;
}

Caller::Caller(const std::shared_ptr<grpc::Channel>& channel, std::function<void(const CallEnd&)> on_end)
    : stub_(v1::TicketingUserService::NewStub(channel)), on_end_(std::move(on_end)), thread_([this] {
        void* tag = nullptr;
        bool ok = false;
        while (queue_.Next(&tag, &ok)) {
          {
            const std::lock_guard lock(starting_);
          }
          // The call keeps itself alive until here.
          const std::unique_ptr<std::shared_ptr<Call>> holder(static_cast<std::shared_ptr<Call>*>(tag));
          Call& call = **holder;
          const auto& trailers = call.context_.GetServerTrailingMetadata();
          const auto pushback = trailers.find("grpc-retry-pushback-ms");
          if (pushback != trailers.end()) call.end_.pushback.assign(pushback->second.data(), pushback->second.size());
          on_end_(call.end_);
          call.promise_.set_value();
        }
      }) {}

Caller::~Caller() {
  queue_.Shutdown();
  thread_.join();
}

std::shared_ptr<Call> Caller::Start(const v1::DeleteTicketingUserRequest& request, const CallSetup& setup) {
  const std::lock_guard lock(starting_);
  const auto call = std::make_shared<Call>();
  if (setup) setup(call->context_);
  call->end_.request_id = request.request_id();
  call->reader_ = stub_->AsyncDeleteTicketingUser(&call->context_, request, &queue_);
  call->reader_->Finish(&call->end_.response, &call->end_.status,
                        std::make_unique<std::shared_ptr<Call>>(call).release());
  return call;
}

FaultMatrix::FaultMatrix() = default;
FaultMatrix::~FaultMatrix() = default;

void FaultMatrix::Start(support::UpstreamOptions options, Environment environment) {
  StartUpstream(options);
  StartService(std::move(environment));
}

void FaultMatrix::StartUpstream(support::UpstreamOptions options) {
  upstream_ = std::make_unique<support::ScriptedUpstream>(options);
  Respond(Good());
}

void FaultMatrix::StartService(Environment environment) {
  environment.insert(
      {{"TRUTO_CA_FILE", upstream_->ca_file()}, {"TICKETING_TOKEN_RATE", "0"}, {"TICKETING_ACCOUNT_RATE", "0"}});
  service_ = std::make_unique<RunningService>(upstream_->url(), std::move(environment));
  CallThrough(grpc::CreateChannel(service_->address(), grpc::InsecureChannelCredentials()));
}

Script FaultMatrix::Good() {
  return Script().Answer(200, {{"content-type", "application/json"}}, R"({"id":"42","name":"Ada"})");
}

void FaultMatrix::Respond(std::vector<Script> first, Script then) {
  upstream_->SetHandler([first = std::move(first), then = std::move(then),
                         next = std::size_t{0}](const ReceivedRequest& /*request*/) mutable {
    return next < first.size() ? first[next++] : then;
  });
}

v1::DeleteTicketingUserRequest FaultMatrix::Request(const std::string& id, const std::string& account) {
  v1::DeleteTicketingUserRequest request = MakeRequest(id, account);
  std::string request_id(36, '\0');
  std::snprintf(request_id.data(), request_id.size() + 1, "%08x-0000-4000-8000-000000000000", ++last_request_);
  request.set_request_id(request_id);
  return request;
}

std::unique_ptr<Caller> FaultMatrix::MakeCaller(const std::shared_ptr<grpc::Channel>& channel) {
  return std::make_unique<Caller>(channel, [this](const CallEnd& end) {
    Record(end);
    const std::lock_guard lock(mutex_);
    --pending_;
    ended_.notify_all();
  });
}

void FaultMatrix::CallThrough(const std::shared_ptr<grpc::Channel>& channel) {
  const std::lock_guard lock(mutex_);
  callers_.push_back(MakeCaller(channel));
}

CallEnd FaultMatrix::DeleteThrough(const std::shared_ptr<grpc::Channel>& channel, const CallSetup& setup) {
  const auto caller = MakeCaller(channel);
  {
    const std::lock_guard lock(mutex_);
    ++pending_;
  }
  return caller->Start(Request("42", AccountId(kClosingAccount)), setup)->End();
}

std::shared_ptr<Call> FaultMatrix::StartCall(const v1::DeleteTicketingUserRequest& request, const CallSetup& setup) {
  const std::lock_guard lock(mutex_);
  ++pending_;
  return callers_.back()->Start(request, setup);
}

CallEnd FaultMatrix::Delete(const v1::DeleteTicketingUserRequest& request, const CallSetup& setup) {
  return StartCall(request, setup)->End();
}

std::vector<std::shared_ptr<Call>> FaultMatrix::StartCalls(int count) {
  std::vector<std::shared_ptr<Call>> calls;
  for (int i = 0; i < count; ++i) calls.push_back(StartCall(Request("user-" + std::to_string(i), AccountId(i))));
  return calls;
}

CallEnd FaultMatrix::DeleteStream(const v1::DeleteTicketingUserRequest& request, std::string* body,
                                  const CallSetup& setup) {
  grpc::ClientContext context;
  if (setup) setup(context);
  v1::DeleteTicketingUserStreamRequest stream_request;
  *stream_request.mutable_request() = request;
  CallEnd end{.request_id = request.request_id(), .status = {}, .response = {}, .pushback = {}};
  const auto reader = [&] {
    const std::lock_guard lock(mutex_);
    return callers_.back()->stub().DeleteTicketingUserStream(&context, stream_request);
  }();
  for (v1::DeleteTicketingUserStreamResponse event; reader->Read(&event);) {
    if (event.has_chunk() && body != nullptr) body->append(event.chunk());
    if (event.has_summary()) end.response = event.summary();
  }
  end.status = reader->Finish();
  Record(end);
  return end;
}

void FaultMatrix::Record(const CallEnd& end) {
  const std::lock_guard lock(mutex_);
  DeleteFacts& facts = deletes_[end.request_id];
  ++facts.calls;
  if (end.code() == grpc::StatusCode::UNAVAILABLE) ++facts.unavailable;
  if (const auto attempts = end.attempts()) {
    facts.attempts_reported += *attempts;
  } else if (!end.response.report().replayed()) {
    facts.reported = false;
  }
}

std::uint64_t FaultMatrix::RequestCount() const {
  std::uint64_t count = 0;
  // Without a copy of them all.
  EXPECT_TRUE(upstream_->WaitUntil([&](const support::Facts& facts) {
    count = facts.request_count;
    return true;
  }));
  return count;
}

std::vector<ReceivedRequest> FaultMatrix::SentOf(const std::string& request_id) const {
  std::vector<ReceivedRequest> sent;
  EXPECT_TRUE(upstream_->WaitUntil([&](const support::Facts& facts) {
    std::ranges::copy_if(facts.requests, std::back_inserter(sent),
                         [&](const ReceivedRequest& request) { return KeyOf(request) == request_id; });
    return true;
  }));
  return sent;
}

void FaultMatrix::WaitForEndInLog(const std::string& request_id) {
  EXPECT_TRUE(service_->process().WaitForLine("\"request_id\":\"" + request_id + "\""));
}

void FaultMatrix::RaiseConcurrencyLimit(int count) {
  // Each answer raises it while half of it is in use, so a round that uses all of it makes it half as high again.
  for (int round = 0; round < 50; ++round) {
    support::Gate gate;
    Respond(Script().WaitFor(gate).Answer(200, {}, "{}"));
    const std::uint64_t before = RequestCount();
    const auto calls = StartCalls(count);
    const auto shed = [&] { return std::ranges::count_if(calls, [](const auto& call) { return call->ended(); }); };
    const auto patience = std::chrono::steady_clock::now() + kPatience;
    while (static_cast<std::int64_t>(RequestCount() - before) + shed() < count) {
      ASSERT_LT(std::chrono::steady_clock::now(), patience) << shed() << " calls were shed, the others not sent";
      std::this_thread::sleep_for(kLookAgain);  // calls and requests: nothing waits for both
    }
    const auto shed_now = shed();
    gate.Open();
    for (const auto& call : calls) call->End();
    if (shed_now == 0) {
      Respond(Good());
      return;
    }
  }
  FAIL() << "the service does not take " << count << " calls at a time";
}

CallEnd FaultMatrix::DeleteUntilServed() {
  const auto patience = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    CallEnd end = Delete(Request("closing", AccountId(kClosingAccount)), [](grpc::ClientContext& context) {
      context.set_deadline(std::chrono::system_clock::now() + kPatience);  // whatever the row has set
    });
    if (end.code() != grpc::StatusCode::UNAVAILABLE || std::chrono::steady_clock::now() > patience) return end;
    std::this_thread::sleep_for(kLookAgain);  // the time of the circuit's next probe is its own
  }
}

void FaultMatrix::BoundMemory(std::size_t bytes) {
  memory_before_ = PeakMemory(service_->process().pid());
  memory_bound_ = bytes;
}

void FaultMatrix::ExpectBoundedMemory() const {
  if (kMemoryTells) EXPECT_LT(PeakMemory(service_->process().pid()) - memory_before_, memory_bound_);
}

void FaultMatrix::Stop() {
  service_->process().Signal(SIGTERM);
  ExpectCleanExit();
}

void FaultMatrix::ExpectCleanExit() {
  stopped_ = true;
  EXPECT_EQ(service_->process().Wait(), 0) << service_->process().errors();
}

void FaultMatrix::TearDown() {
  if (!service_ || service_->address().empty()) return;
  {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return pending_ == 0; });
  }
  if (!stopped_) {
    ExpectStillServing();
    Stop();
  }
  callers_.clear();
  ReadAuditLines();
  ExpectInvariant();
}

void FaultMatrix::ExpectStillServing() {
  Respond(Good());
  upstream_->SetBehavior({});
  upstream_->StartListening();
  const CallEnd end = DeleteUntilServed();
  EXPECT_TRUE(end.status.ok()) << "the service does not serve any more: " << end;
}

void FaultMatrix::ReadAuditLines() {
  const std::string log = service_->process().output();
  EXPECT_THAT(log + service_->process().errors(), Not(HasSubstr(kToken)));
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const auto entry = nlohmann::json::parse(line, nullptr, false);
    ASSERT_FALSE(entry.is_discarded()) << line;
    if (entry.value("message", "") != "audit") continue;
    const auto found = deletes_.find(entry.at("request_id").get<std::string>());
    ASSERT_NE(found, deletes_.end()) << "an audit line of a delete that nobody asked for: " << line;
    found->second.attempts_audited += entry.at("attempts").get<std::size_t>();
  }
}

void FaultMatrix::ExpectInvariant() {
  for (const ReceivedRequest& request : upstream_->requests()) {
    EXPECT_EQ(request.method, "DELETE");
    const auto found = deletes_.find(KeyOf(request));
    ASSERT_NE(found, deletes_.end()) << "a DELETE whose Idempotency-Key is no call's: '" << KeyOf(request) << "' "
                                     << request.path;
    ++found->second.sent;
    if (!Refused(request)) ++found->second.perhaps_executed;
  }
  for (const auto& [request_id, facts] : deletes_) {
    SCOPED_TRACE("request_id " + request_id);
    EXPECT_LE(facts.sent, facts.attempts_audited) << "a DELETE without its audit line";
    if (facts.reported) EXPECT_LE(facts.sent, facts.attempts_reported) << "a DELETE that no caller was told of";
    EXPECT_LE(facts.perhaps_executed, 2 * (facts.calls - facts.unavailable))
        << "sent again too often, or UNAVAILABLE although it may have been executed";
  }
}

}  // namespace ticketing::e2e
