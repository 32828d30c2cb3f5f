// Where tests find the files of the source tree.
#pragma once

#include <string>

namespace ticketing::support {

// The folder tests/ of the source tree. Its path is compiled into one small file instead of into every test, so that a
// compiler cache serves clones in other places, too.
std::string TestsDirectory();

}  // namespace ticketing::support
