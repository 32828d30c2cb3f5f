// The numbers of the service, in Prometheus' text format.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/call_record.h"
#include "core/policy_state.h"
#include "ops/credential.h"

namespace ticketing::ops {

// Names follow the conventions of Prometheus and of its gRPC middleware (`grpc_server_*`); each has a HELP text.
// No label holds anything of a user or an account, and each has a bounded number of values: of callers, the first 50
// that were served are told apart.
//
// Thread-safe.
class Metrics final : public core::CallObserver, public CredentialListener {
 public:
  explicit Metrics(std::string_view version);
  ~Metrics() override;
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  void OnCallStart(std::string_view method) override;
  void OnAttemptEnd(const core::AttemptRecord& record) override;
  void OnCallEnd(const core::CallRecord& record) override;
  void OnLoaded(std::string_view name, Expiry expiry) override;
  void OnPassedOver(std::string_view name, const std::string& problem) override;

  // What is read when a page is asked for.
  void Set(const core::PolicyState& state);
  void SetReady(bool ready);
  void SetLostLogLines(std::uint64_t count);

  // All of them, with the process's own as of now.
  std::string Page();

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace ticketing::ops
