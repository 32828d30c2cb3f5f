// What the policies hold at one moment, as metrics tell it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ticketing::core {

struct PolicyState {
  std::size_t calls = 0;     // that have not ended
  std::size_t detached = 0;  // deletes under way whose caller has gone
  std::uint32_t concurrency_limit = 0;
  std::uint32_t concurrency_in_flight = 0;
  std::size_t account_circuits_open = 0;
  bool upstream_circuit_open = false;
  int retry_budget = 0;
  std::uint64_t retries_refused = 0;  // by the budget, since the start
  std::size_t replay_entries = 0;
  std::size_t replay_bytes = 0;
};

}  // namespace ticketing::core
