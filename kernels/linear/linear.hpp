// Fully connected layer: GEMM with a fused epilogue. All matrices are row-major fp32.
#pragma once

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

// y = activation(x · weightᵀ + bias)
struct LinearForward {
  std::int64_t rows = 0, in = 0, out = 0;
  const float* x = nullptr;       // (rows, in)
  const float* weight = nullptr;  // (out, in)
  const float* bias = nullptr;    // (out) or null
  Activation activation = Activation::identity;
  float* y = nullptr;              // (rows, out)
  const void* prepared = nullptr;  // what Kernel::prepare made of the weight, or null
  void* workspace = nullptr;
};

// dx = (dy · weight) ⊙ activation'(x), where `activation` is the one that produced x, expressed by its output.
// identity: no factor, x is not read.
struct LinearBackwardData {
  std::int64_t rows = 0, in = 0, out = 0;
  const float* dy = nullptr;      // (rows, out)
  const float* weight = nullptr;  // (out, in)
  Activation activation = Activation::identity;
  const float* x = nullptr;  // (rows, in) or null
  float* dx = nullptr;       // (rows, in)
  void* workspace = nullptr;
};

// dweight = dyᵀ · x,  dbias = Σ_rows dy
struct LinearBackwardWeight {
  std::int64_t rows = 0, in = 0, out = 0;
  const float* x = nullptr;   // (rows, in)
  const float* dy = nullptr;  // (rows, out)
  float* dweight = nullptr;   // (out, in)
  float* dbias = nullptr;     // (out) or null
  void* workspace = nullptr;
};

inline Cost linear_cost(std::int64_t rows, std::int64_t in, std::int64_t out) {
  const double m = static_cast<double>(rows), k = static_cast<double>(in), n = static_cast<double>(out);
  return {.bytes = 4 * (m * k + n * k + m * n), .flops = 2 * m * k * n};
}
inline Cost cost(const LinearForward& a) {
  Cost cost = linear_cost(a.rows, a.in, a.out);
  if (a.bias != nullptr) cost.bytes += 4 * static_cast<double>(a.out);
  return cost;
}
inline Cost cost(const LinearBackwardData& a) {
  Cost cost = linear_cost(a.rows, a.in, a.out);
  if (a.activation != Activation::identity)
    cost.bytes += 4 * static_cast<double>(a.rows) * static_cast<double>(a.in);
  return cost;
}
inline Cost cost(const LinearBackwardWeight& a) {
  Cost cost = linear_cost(a.rows, a.in, a.out);
  if (a.dbias != nullptr) cost.bytes += 4 * static_cast<double>(a.out);
  return cost;
}

}  // namespace cuelbo::kernels
