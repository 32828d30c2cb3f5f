#include "call/policies.h"

namespace ticketing::call {

core::PolicyState Policies::State(TimePoint now) const {
  return {.calls = calls,
          .detached = detached,
          .concurrency_limit = admission.concurrency().limit(),
          .concurrency_in_flight = admission.concurrency().in_flight(),
          .account_circuits_open = admission.accounts().CountOpen(now),
          .upstream_circuit_open = admission.upstream().open(),
          .retry_budget = retry_budget.balance(),
          .retries_refused = retry_budget.refused(),
          .replay_entries = replays.entries(),
          .replay_bytes = replays.bytes()};
}

}  // namespace ticketing::call
