// Softmax of one row, shared by softmax and concrete.
#pragma once

#include "kernels/runtime/vector_loop.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

// The largest of x[0, count); NaN elements may be lost, the sum of exponentials that follows meets them.
CUELBO_INLINE float maximum_of(const float* x, std::int64_t count) {
  if (count < lanes) {
    const int n = static_cast<int>(count);
    return reduce_max(select(iota() < n, load_partial(x, n), broadcast(x[0])));
  }
  vfloat maximum = load(x);
  for (std::int64_t i = lanes; i + lanes <= count; i += lanes) maximum = vmax(maximum, load(x + i));
  return reduce_max(vmax(maximum, load(x + count - lanes)));
}

// y = softmax(factor · x), factor > 0; y may be x.
static inline void softmax_row(const float* x, float factor, float* y, std::int64_t count) {
  const vfloat maximum = broadcast(maximum_of(x, count));
  if (count <= lanes) {  // never leaves the registers
    const int n = static_cast<int>(count);
    const vfloat weight = keep_first(exp(broadcast(factor) * (load(x, n) - maximum)), n);
    store(y, weight / broadcast(reduce_add(weight)), n);
    return;
  }
  const double sum = sum_vectors(0, count, [=](std::int64_t i, auto n) {
    const vfloat weight = exp(broadcast(factor) * (load(x + i, n) - maximum));
    store(y + i, weight, n);
    return weight;
  });
  const vfloat inverse = broadcast(static_cast<float>(1 / sum));
  for_vectors(0, count, [=](std::int64_t i, auto n) { store(y + i, load(y + i, n) * inverse, n); });
}

// dx = factor · y ⊙ (dy − Σ y·dy), the gradient of softmax(factor · x); dx may be dy.
static inline void softmax_row_backward(const float* y, const float* dy, float factor, float* dx,
                                        std::int64_t count) {
  const double inner =
      sum_vectors(0, count, [=](std::int64_t i, auto n) { return load(y + i, n) * load(dy + i, n); });
  const vfloat mean = broadcast(static_cast<float>(inner)), scale = broadcast(factor);
  for_vectors(0, count, [=](std::int64_t i, auto n) {
    store(dx + i, scale * load(y + i, n) * (load(dy + i, n) - mean), n);
  });
}

}  // namespace cuelbo::kernels::CUELBO_ISA
