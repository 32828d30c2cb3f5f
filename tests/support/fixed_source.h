// A core::Source that a test holds in its hand.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "core/source.h"

namespace ticketing::support {

template <typename Value>
class FixedSource final : public core::Source<Value> {
 public:
  explicit FixedSource(Value value) { Replace(std::move(value)); }

  void Replace(Value value) {
    const std::lock_guard lock(mutex_);
    value_ = std::make_shared<const Value>(std::move(value));
  }

  std::shared_ptr<const Value> Current() const override {
    const std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Value> value_;
};

}  // namespace ticketing::support
