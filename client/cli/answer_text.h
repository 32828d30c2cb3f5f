// Answers for people.
#pragma once

#include <cstdint>
#include <string>

#include "ticketing/v1/ticketing_user_service.pb.h"

namespace ticketing::cli {

// The whole answer to `request` in readable lines: outcome, user or other body, notes, report. Long JSON is cut, and
// the options of Truto's own request in a debug answer are left out, since they can hold the provider's credentials;
// both say that --json shows them.
std::string AnswerText(const ticketing::v1::DeleteTicketingUserRequest& request,
                       const ticketing::v1::DeleteTicketingUserResponse& response, bool coloured);

// The beginning of a streamed answer: "HTTP 200, text/csv, 1234 bytes".
std::string HeaderText(const ticketing::v1::StreamHeader& header);

}  // namespace ticketing::cli
