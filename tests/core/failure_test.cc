#include "core/failure.h"

#include <gtest/gtest.h>

#include "ticketing/v1/error_reason.pb.h"

namespace ticketing::core {
namespace {

TEST(ErrorReason, IsTheContractsEnumNumberForNumber) {
  const auto* contract = v1::ErrorReason_descriptor();
  for (int i = 0; i < contract->value_count(); ++i) {
    EXPECT_EQ("ERROR_REASON_" + std::string(ToString(static_cast<ErrorReason>(contract->value(i)->number()))),
              contract->value(i)->name());
  }
  EXPECT_EQ(contract->value_count(), static_cast<int>(ErrorReason::kNotSupportedByProvider) + 1);
}

TEST(Delivery, UnknownOutweighsRejectedOutweighsNotSent) {
  EXPECT_EQ(Worst(Delivery::kNotSent, Delivery::kRejected), Delivery::kRejected);
  EXPECT_EQ(Worst(Delivery::kUnknown, Delivery::kRejected), Delivery::kUnknown);
  EXPECT_EQ(Worst(Delivery::kNotSent, Delivery::kNotSent), Delivery::kNotSent);
}

}  // namespace
}  // namespace ticketing::core
