// A delete that succeeded, in each of the formats of `truto_response_format`.
#pragma once

#include <string>

#include "tests/sandbox/accounts.h"
#include "tests/sandbox/delete_query.h"
#include "tests/sandbox/message.h"

namespace ticketing::sandbox {

// The answer to a delete of `user`:
// - unified: by the user's `unified_answer`;
// - normalized: the same without `remote_data`, and null for every other field of the page that is absent;
// - raw: the provider's own body, 204 when it has none;
// - stream: `stream_bytes` bytes in chunks;
// - debug: {"result": <unified, or null>, "debug": <the exchange with the provider, or null>}.
// `truto_ignore_remote_data` and `truto_exclude_fields` apply to unified, normalized and `result`.
Answer AnswerForDeletedUser(const Account& account, const User& user, const DeleteParameters& parameters);

// The answer when the provider is not called (`truto_skip_api_call`): Truto knows nothing but the id.
Answer AnswerWithoutCall(const std::string& id, const DeleteParameters& parameters);

}  // namespace ticketing::sandbox
