// The way from a request message to the HTTP request that Truto receives.
#pragma once

#include <string>
#include <string_view>

#include "core/http_message.h"
#include "ticketing/v1/ticketing_user_service.pb.h"

namespace ticketing::truto {

// How the elements of a list are written in the query (reference: the endpoint's page; two official clients differ).
enum class QueryArrays {
  kBrackets,  // a[]=x&a[]=y
  kIndices,   // a[0]=x&a[1]=y
};

// Where requests go, and how they are written. Fixed for the life of the process.
struct Endpoint {
  std::string base_url = "https://api.truto.one";  // without a slash at the end
  QueryArrays query_arrays = QueryArrays::kBrackets;
  std::string user_agent;  // e.g. "ticketing-user-service/1.0.0"
};

// The URL for `request`: the id as exactly one percent-encoded path segment, then the query parameters in the order of
// the endpoint's page. Pure; defined for every request, sensible for those that ValidateDeleteUser accepts.
//
//   {id: "a/b", integrated_account_id: "62f4…", truto_exclude_fields: ["id"]}
//   -> https://api.truto.one/unified/ticketing/users/a%2Fb?integrated_account_id=62f4…&truto_exclude_fields%5B%5D=id
std::string DeleteUserUrl(const ticketing::v1::DeleteTicketingUserRequest& request, const Endpoint& endpoint);

// The whole HTTP request: DELETE, the URL, and the headers authorization, accept, content-type, idempotency-key (the
// request's request_id) and user-agent. `token` has no control characters (the settings and the door see to it).
core::HttpRequest BuildDeleteUserRequest(const ticketing::v1::DeleteTicketingUserRequest& request,
                                         const Endpoint& endpoint, std::string_view token);

// The same request as a message for validate_only, its token masked as "Bearer ***".
ticketing::v1::PlannedRequest PlanDeleteUserRequest(const ticketing::v1::DeleteTicketingUserRequest& request,
                                                    const Endpoint& endpoint);

}  // namespace ticketing::truto
