// Reductions with a fixed tree: the result does not depend on the number of threads.
#pragma once

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

// y[c] = factor · Σ_r x[r, c]
struct SumRows {
  std::int64_t rows = 0, columns = 0;
  float factor = 1;
  const float* x = nullptr;  // (rows, columns)
  float* y = nullptr;        // (columns)
  void* workspace = nullptr;
};

// dx[r, c] = factor · dy[c]: the gradient of SumRows.
struct BroadcastRows {
  std::int64_t rows = 0, columns = 0;
  float factor = 1;
  const float* dy = nullptr;  // (columns)
  float* dx = nullptr;        // (rows, columns)
};

// y[r] = factor · Σ_c x[r, c]
struct SumColumns {
  std::int64_t rows = 0, columns = 0;
  float factor = 1;
  const float* x = nullptr;  // (rows, columns)
  float* y = nullptr;        // (rows)
};

// dx[r, c] = factor · dy[r]: the gradient of SumColumns.
struct BroadcastColumns {
  std::int64_t rows = 0, columns = 0;
  float factor = 1;
  const float* dy = nullptr;  // (rows)
  float* dx = nullptr;        // (rows, columns)
};

// y = Σ x², accumulated in double where the device can.
struct SumOfSquares {
  std::int64_t count = 0;
  const float* x = nullptr;  // (count)
  float* y = nullptr;        // (1)
  void* workspace = nullptr;
};

inline Cost reduce_cost(double in, double out) { return {.bytes = 4 * (in + out), .flops = in}; }
inline Cost cost(const SumRows& a) {
  return reduce_cost(static_cast<double>(a.rows * a.columns), static_cast<double>(a.columns));
}
inline Cost cost(const BroadcastRows& a) {
  return reduce_cost(static_cast<double>(a.rows * a.columns), static_cast<double>(a.columns));
}
inline Cost cost(const SumColumns& a) {
  return reduce_cost(static_cast<double>(a.rows * a.columns), static_cast<double>(a.rows));
}
inline Cost cost(const BroadcastColumns& a) {
  return reduce_cost(static_cast<double>(a.rows * a.columns), static_cast<double>(a.rows));
}
inline Cost cost(const SumOfSquares& a) { return reduce_cost(static_cast<double>(a.count), 1); }

}  // namespace cuelbo::kernels
