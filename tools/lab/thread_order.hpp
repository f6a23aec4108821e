// Orders of threads on simt, as --order names them.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "engine/error.hpp"

namespace cuelbo::lab {

inline constexpr std::array thread_orders{"forward", "reverse",
                                          "random"};  // as DeviceModule::set_order counts them

inline int parse_thread_order(const std::string& name) {
  for (std::size_t i = 0; i < thread_orders.size(); ++i)
    if (name == thread_orders[i]) return static_cast<int>(i);
  usage_fail("--order {}: use forward, reverse or random", name);
}

}  // namespace cuelbo::lab
