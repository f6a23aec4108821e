// Element-wise arithmetic and copies between row layouts. Outputs may be their inputs unless said otherwise.
#pragma once

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

// y = a + b
struct Add {
  std::int64_t count = 0;
  const float* a = nullptr;
  const float* b = nullptr;
  float* y = nullptr;
};

// y = a ⊙ b
struct Multiply {
  std::int64_t count = 0;
  const float* a = nullptr;
  const float* b = nullptr;
  float* y = nullptr;
};

// y = factor · x + offset
struct Affine {
  std::int64_t count = 0;
  float factor = 1, offset = 0;
  const float* x = nullptr;
  float* y = nullptr;
};

// y = exp(x); its gradient is Multiply(dy, y).
struct Exp {
  std::int64_t count = 0;
  const float* x = nullptr;
  float* y = nullptr;
};

// y[r, c] = scale[r] · x[r, c]
struct ScaleRows {
  std::int64_t rows = 0, columns = 0;
  const float* x = nullptr;      // (rows, columns)
  const float* scale = nullptr;  // (rows)
  float* y = nullptr;            // (rows, columns)
};

// y = value
struct Fill {
  std::int64_t count = 0;
  float value = 0;
  float* y = nullptr;
};

// y[r · y_stride + c] = x[r · x_stride + c] for c < columns: concatenation, splitting, reshaping. No overlap.
struct CopyColumns {
  std::int64_t rows = 0, columns = 0, x_stride = 0, y_stride = 0;
  const float* x = nullptr;
  float* y = nullptr;
};

inline Cost elementwise_cost(std::int64_t count, int operands) {
  const double n = static_cast<double>(count);
  return {.bytes = 4 * n * operands, .flops = n};
}
inline Cost cost(const Add& a) { return elementwise_cost(a.count, 3); }
inline Cost cost(const Multiply& a) { return elementwise_cost(a.count, 3); }
inline Cost cost(const Affine& a) { return elementwise_cost(a.count, 2); }
inline Cost cost(const Exp& a) {
  const double n = static_cast<double>(a.count);
  return {.bytes = 8 * n, .flops = n, .special = n};
}
inline Cost cost(const ScaleRows& a) { return elementwise_cost(a.rows * a.columns, 2); }
inline Cost cost(const Fill& a) { return elementwise_cost(a.count, 1); }
inline Cost cost(const CopyColumns& a) { return elementwise_cost(a.rows * a.columns, 2); }

}  // namespace cuelbo::kernels
