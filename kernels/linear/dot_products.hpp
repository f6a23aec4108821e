// The forward pass for a few rows, as in inference: the weight is read once, without packing, and its rows are
// multiplied with x vector by vector. Bound by the bandwidth of the weight's memory.
#pragma once

#include "kernels/linear/gemm_tile.hpp"
#include "kernels/linear/linear.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

// y[o] for `outputs` ≤ 4 neighbouring outputs o; `depth` lanes of x and of each row of the weight
template <class Operand, int outputs>
CUELBO_INLINE void dot_product(const LinearForward& a, const float* weight, const float* x,
                               std::int64_t depth, std::int64_t o, float* y) {
  vfloat sum[outputs][2] = {};  // two of each, to hide the latency of fma
  weight += o * depth;
  std::int64_t i = 0;
  for (; i + 2 * lanes <= depth; i += 2 * lanes) {
    const vfloat x0 = load(x + i), x1 = load(x + i + lanes);
#pragma GCC unroll 4
    for (int j = 0; j < outputs; ++j) {
      sum[j][0] = Operand::multiply_add(load(weight + j * depth + i), x0, sum[j][0]);
      sum[j][1] = Operand::multiply_add(load(weight + j * depth + i + lanes), x1, sum[j][1]);
    }
  }
  for_vectors(i, depth, [&](std::int64_t k, auto n) {
    const vfloat v = load(x + k, n);
#pragma GCC unroll 4
    for (int j = 0; j < outputs; ++j)
      sum[j][0] = Operand::multiply_add(load(weight + j * depth + k, n), v, sum[j][0]);
  });
#pragma GCC unroll 4
  for (int j = 0; j < outputs; ++j)
    y[o + j] = reduce_add(sum[j][0] + sum[j][1]) + (a.bias != nullptr ? a.bias[o + j] : 0);
}

// weight: (out, depth), x: (rows, depth), in lanes of the operand
template <class Operand>
[[maybe_unused]] static void dot_products(const LinearForward& a, const float* weight, const float* x,
                                          Stream stream) {
  const std::int64_t depth = lanes_of<Operand>(a.in);
  // 256 KiB of the weight a task
  const std::int64_t outputs_per_task = divide_up(larger(1, 65536 / larger(1, depth)), 4) * 4;
  parallel_for(stream, divide_up(a.out, outputs_per_task), [&](std::int64_t task) {
    const std::int64_t begin = task * outputs_per_task, end = smaller(a.out, begin + outputs_per_task);
    std::int64_t o = begin;
    for (; o + 4 <= end; o += 4)
      for (std::int64_t row = 0; row < a.rows; ++row)
        dot_product<Operand, 4>(a, weight, x + row * depth, depth, o, a.y + row * a.out);
    for (; o < end; ++o)
      for (std::int64_t row = 0; row < a.rows; ++row)
        dot_product<Operand, 1>(a, weight, x + row * depth, depth, o, a.y + row * a.out);
    for (std::int64_t row = 0; row < a.rows; ++row)
      if (a.activation != Activation::identity)
        activate_values(a.activation, a.y + row * a.out + begin, end - begin);
  });
}

}  // namespace cuelbo::kernels::CUELBO_ISA
