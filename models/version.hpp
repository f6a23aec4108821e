#pragma once

#include <string_view>

namespace cuelbo {

std::string_view version();  // "0.1.0+1a2b3c4": release and commit

// The commit, compiler and flags of this program, for files of measurements.
struct Build {
  std::string_view commit;    // "1a2b3c4", or "unknown" outside of a git checkout
  std::string_view compiler;  // "GNU 12.2.0"
  std::string_view flags;     // of all C++ files
};
const Build& build();

}  // namespace cuelbo
