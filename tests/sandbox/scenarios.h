// The answers that can be provoked: one table, by ids of users that no account has.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "tests/sandbox/message.h"

namespace ticketing::sandbox {

// What the next request with the same Idempotency-Key (or, without one, the next request) gets.
enum class Next {
  kSame,     // the same again
  kSuccess,  // 200; the one after that begins anew
  kMissing,  // 404, as if the first had been executed after all
};

struct Scenario {
  std::string_view name;     // the user's id, in any account
  std::string_view answers;  // for people: what comes back
  std::string_view meaning;  // for people: what it stands for
  Answer (*make)(Time now);
  Next next = Next::kSame;
};

std::span<const Scenario> Scenarios();

// Nothing when `id` is not one of the names.
const Scenario* FindScenario(std::string_view id);

// The table as text, one scenario a line.
std::string DescribeScenarios();

}  // namespace ticketing::sandbox
