// Shape checks shared by the operations.
#pragma once

#include <string_view>

#include "engine/error.hpp"
#include "engine/program.hpp"

namespace cuelbo {

inline void require_shape(std::string_view operation, std::string_view what, Tensor t,
                          const Shape& expected) {
  if (t.shape() != expected)
    fail("{}: {} '{}' has shape {}, expected {}", operation, what, t.name(), to_string(t.shape()),
         to_string(expected));
}

inline void require_axes(std::string_view operation, std::string_view what, Tensor t, std::size_t axes) {
  if (t.shape().size() != axes)
    fail("{}: {} '{}' has shape {}, expected {} axes", operation, what, t.name(), to_string(t.shape()), axes);
}

// For inputs that an operation is not differentiated with respect to.
inline void require_no_gradient(std::string_view operation, std::string_view what, Tensor t) {
  if (t.requires_gradient())
    fail("{}: {} '{}' needs a gradient, and there is none: wrap it in stop_gradient", operation, what,
         t.name());
}

inline void require_same_size(std::string_view operation, Tensor a, Tensor b) {
  if (a.size() != b.size())
    fail("{}: '{}' {} and '{}' {} differ in size", operation, a.name(), to_string(a.shape()), b.name(),
         to_string(b.shape()));
}

}  // namespace cuelbo
