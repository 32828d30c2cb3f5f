// The rules that a request must keep before anything is sent.
#pragma once

#include <string_view>
#include <vector>

#include "core/failure.h"
#include "ticketing/v1/ticketing_user_service.pb.h"
#include "truto/delete_user_request.h"

namespace ticketing::truto {

inline constexpr std::size_t kMaxIdBytes = 512;
inline constexpr std::size_t kMaxUrlBytes = 8 * 1024;
inline constexpr int kMaxRemoteQueryDepth = 16;

// Every rule that `request` breaks, each with its field's path ("collections[1].id"); empty when it may be sent.
// `account_required`: whether integrated_account_id must be there (not with integrated-account tokens). Pure.
std::vector<core::FieldViolation> ValidateDeleteUser(const ticketing::v1::DeleteTicketingUserRequest& request,
                                                     const Endpoint& endpoint, bool account_required);

// Whether `text` is a UUID of any version, in letters of either case (RFC 9562, section 4).
bool IsUuid(std::string_view text);

}  // namespace ticketing::truto
