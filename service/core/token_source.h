// Where the service's own token for Truto comes from.
#pragma once

#include <string>

namespace ticketing::core {

// Used on the loop thread.
class TokenSource {
 public:
  virtual ~TokenSource() = default;
  // The token as of now: not empty, without control characters.
  virtual std::string Current() = 0;
  // Looks at once whether there is a new token; true when Current() has changed.
  virtual bool Reload() = 0;
};

}  // namespace ticketing::core
