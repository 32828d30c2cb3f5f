// What calls know of each other.
#pragma once

#include <cstddef>

#include "call/admission.h"
#include "call/replay_cache.h"
#include "call/retry_budget.h"
#include "call/time_point.h"
#include "core/policy_state.h"

namespace ticketing::call {

// Used on the loop thread; outlives all calls.
struct Policies {
  Policies(const AdmissionOptions& admission_options, const ReplayOptions& replay_options)
      : admission(admission_options), replays(replay_options) {}

  core::PolicyState State(TimePoint now) const;

  Admission admission;
  RetryBudget retry_budget;
  ReplayCache replays;
  std::size_t calls = 0;     // that have not ended
  std::size_t detached = 0;  // of them, those whose caller has gone while the delete was under way
};

}  // namespace ticketing::call
