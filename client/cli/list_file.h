// A list of deletes: CSV whose header line names its columns, or JSON lines. Nothing is read or sent here.
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "ticketing/v1/ticketing_user_service.pb.h"

namespace ticketing::cli {

// What holds for lines that don't say otherwise.
struct ListDefaults {
  std::string account;
  bool allow_missing = false;
};

struct ListLine {
  std::size_t number = 0;                             // where it begins in the file, from 1
  std::string text;                                   // as it stands there
  ticketing::v1::DeleteTicketingUserRequest request;  // with its request_id
};

struct List {
  std::string header;  // of CSV; empty for JSON lines
  std::vector<ListLine> lines;
};

// A rule that a line breaks; without a field where it is the line as a whole.
struct ListProblem {
  std::size_t line = 0;
  std::string field;
  std::string rule;

  auto operator<=>(const ListProblem&) const = default;
};

// JSON lines begin with '{'; everything else is CSV. The names of columns and keys are those of the request, with
// `account` for `integrated_account_id`; an empty cell is an absent parameter; `collections` and `truto_exclude_fields`
// are columns that may stand several times, one value in each. Two lines that are the same delete are a mistake.
std::variant<List, std::vector<ListProblem>> ParseList(const std::string& content, const ListDefaults& defaults);

// The name of a delete over all runs: a UUID of version 5 of everything that decides what is asked of Truto. The format
// of the list and `allow_missing` make no difference.
std::string DeriveRequestId(const ticketing::v1::DeleteTicketingUserRequest& request);

}  // namespace ticketing::cli
