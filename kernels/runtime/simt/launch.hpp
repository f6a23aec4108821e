// The parameters of a launch.
#pragma once

#include <array>
#include <cstddef>

namespace cuelbo::simt {

struct Launch {
  const void* kernel = nullptr;  // address of the function, in the module that launches it
  std::array<unsigned, 3> grid{1, 1, 1}, block{1, 1, 1};
  std::size_t shared_bytes = 0;  // dynamic

  bool operator==(const Launch&) const = default;
};

}  // namespace cuelbo::simt
