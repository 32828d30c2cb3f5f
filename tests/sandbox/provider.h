// The four providers as Truto sees them: their records, answers and errors.
#pragma once

#include <optional>
#include <string>

#include "tests/sandbox/accounts.h"
#include "tests/sandbox/delete_query.h"
#include "tests/sandbox/message.h"

namespace ticketing::sandbox {

// What Truto asks the provider for, and what it gets; `debug` shows it.
struct ProviderExchange {
  std::string url;
  Json options;  // with the provider's credentials, as the real API's are
  Json response_headers;
  std::optional<Json> body;  // none: 204
};

// The delete of `user` at the account's provider.
ProviderExchange DeleteAtProvider(const Account& account, const User& user, const DeleteParameters& parameters);

// The provider's own record of `user`: `remote_data`.
Json RemoteData(const Account& account, const User& user);

// The provider's answer, in Truto's envelope, for a user that it does not have.
Answer UserUnknownToProvider(const Account& account);

// Whether the user is where the request says: in each collection (a Pivotal Tracker project), in the organization (Zoho
// Projects). The other providers know neither and ignore them.
bool IsWhereRequested(const Account& account, const User& user, const DeleteParameters& parameters);

}  // namespace ticketing::sandbox
