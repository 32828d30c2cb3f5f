// The one delete that is measured.
#pragma once

#include "ticketing/v1/ticketing_user_service.pb.h"

namespace ticketing::bench {

inline ticketing::v1::DeleteTicketingUserRequest MeasuredDelete() {
  ticketing::v1::DeleteTicketingUserRequest request;
  request.set_id("23423523");
  request.set_integrated_account_id("62f44730-dd91-461e-bd6a-aedd9e0ad79d");
  return request;
}

}  // namespace ticketing::bench
