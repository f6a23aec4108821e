// The transpose of every matrix of a batch.
#pragma once

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

// y[b, c, r] = x[b, r, c]. y is not x.
struct Transpose {
  std::int64_t batch = 1, rows = 0, columns = 0;
  const float* x = nullptr;  // (batch, rows, columns)
  float* y = nullptr;        // (batch, columns, rows)
};

inline Cost cost(const Transpose& a) {
  return {.bytes = 8 * static_cast<double>(a.batch * a.rows * a.columns)};
}

}  // namespace cuelbo::kernels
