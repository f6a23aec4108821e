// The 32-bit lanes of a product's operands: a float, or two bf16 that are neighbours along the sum. All products are
// written for lanes, so both precisions share packing, tiles and loops; sums are fp32.
#pragma once

#include "kernels/runtime/simd.hpp"
#include "kernels/runtime/vector_loop.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

struct Fp32 {
  static constexpr std::int64_t values = 1;  // in a lane

  CUELBO_INLINE vfloat multiply_add(vfloat a, vfloat b, vfloat sum) { return fma(a, b, sum); }
  // Lanes of `count` values that follow each other, 0 ≤ count ≤ lanes · values; zeros behind them.
  CUELBO_INLINE vfloat load_along(const float* p, std::int64_t count) {
    return count == lanes ? load(p) : load_partial(p, static_cast<int>(count));
  }
  // Lanes of n columns: of the row p, and of the one `step` behind it if `both` are there.
  CUELBO_INLINE vfloat load_across(const float* p, std::ptrdiff_t, bool, int n) {
    return n == lanes ? load(p) : load_partial(p, n);
  }
};

struct Bf16 {
  static constexpr std::int64_t values = 2;

  CUELBO_INLINE vfloat multiply_add(vfloat a, vfloat b, vfloat sum) { return dot_bf16(a, b, sum); }
  CUELBO_INLINE vfloat load_along(const float* p, std::int64_t count) {
    const vfloat first = load_partial(p, static_cast<int>(smaller(count, lanes)));
    const vfloat second = count > lanes ? load_partial(p + lanes, static_cast<int>(count - lanes)) : vfloat{};
    vint even{};
    for (int lane = 0; lane < lanes; ++lane) even[lane] = 2 * lane;
    return bf16_pair(__builtin_shuffle(first, second, even), __builtin_shuffle(first, second, even + 1));
  }
  CUELBO_INLINE vfloat load_across(const float* p, std::ptrdiff_t step, bool both, int n) {
    return bf16_pair(load_partial(p, n), both ? load_partial(p + step, n) : vfloat{});
  }
};

// Lanes that `count` values along the sum take.
template <class Operand>
CUELBO_INLINE std::int64_t lanes_of(std::int64_t count) {
  return divide_up(count, Operand::values);
}

// to[row][k] = lanes of from[row][·], both with rows of their own length
template <class Operand>
CUELBO_INLINE void convert_row(const float* from, std::int64_t count, float* to) {
  constexpr std::int64_t step = lanes * Operand::values;
  std::int64_t i = 0;
  for (; i + step <= count; i += step, to += lanes) store(to, Operand::load_along(from + i, step));
  if (i < count)
    store_partial(to, Operand::load_along(from + i, count - i),
                  static_cast<int>(lanes_of<Operand>(count - i)));
}

}  // namespace cuelbo::kernels::CUELBO_ISA
