// Loops over elements by whole vectors, then one partial vector; cut into tasks by shape alone, so that results do not
// depend on the number of threads.
#pragma once

#include <cstdint>

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/simd.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

// Elements of one task: 64 KiB an operand, well above the cost of handing out a task.
inline constexpr std::int64_t task_elements = 16384;

// The number of elements in a vector: the type tells a whole vector, whose loads need no mask.
struct WholeVector {
  constexpr operator int() const { return lanes; }
};

CUELBO_INLINE vfloat load(const float* p, WholeVector) { return load(p); }
CUELBO_INLINE vfloat load(const float* p, int n) { return load_partial(p, n); }
CUELBO_INLINE void store(float* p, vfloat v, WholeVector) { store(p, v); }
CUELBO_INLINE void store(float* p, vfloat v, int n) { store_partial(p, v, n); }

// Zero in lanes ≥ n.
CUELBO_INLINE vfloat keep_first(vfloat v, WholeVector) { return v; }
CUELBO_INLINE vfloat keep_first(vfloat v, int n) { return select(iota() < n, v, broadcast(0)); }

// Calls f(i, n) for the vectors of [begin, end): n elements from i on.
template <class F>
CUELBO_INLINE void for_vectors(std::int64_t begin, std::int64_t end, F&& f) {
  std::int64_t i = begin;
  for (; i + lanes <= end; i += lanes) f(i, WholeVector{});
  if (i < end) f(i, static_cast<int>(end - i));
}

CUELBO_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
CUELBO_INLINE std::int64_t larger(std::int64_t a, std::int64_t b) { return a > b ? a : b; }
CUELBO_INLINE std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Calls f(begin, end) for pieces of at most `grain` of [0, count), in parallel.
template <class F>
CUELBO_INLINE void parallel_ranges(Stream stream, std::int64_t count, std::int64_t grain, F&& f) {
  parallel_for(stream, divide_up(count, grain), [&](std::int64_t task) {
    const std::int64_t begin = task * grain;
    f(begin, begin + grain < count ? begin + grain : count);
  });
}

// Calls f(i, n) for the vectors of [0, count), in parallel.
template <class F>
CUELBO_INLINE void parallel_vectors(Stream stream, std::int64_t count, F&& f) {
  parallel_ranges(stream, count, task_elements,
                  [&](std::int64_t begin, std::int64_t end) { for_vectors(begin, end, f); });
}

// Calls f(begin, end) for pieces of the rows, in parallel.
template <class F>
CUELBO_INLINE void parallel_row_ranges(Stream stream, std::int64_t rows, std::int64_t columns, F&& f) {
  const std::int64_t grain = columns < task_elements ? task_elements / (columns > 0 ? columns : 1) : 1;
  parallel_ranges(stream, rows, grain, f);
}

// Calls f(row) for every row, in parallel.
template <class F>
CUELBO_INLINE void parallel_rows(Stream stream, std::int64_t rows, std::int64_t columns, F&& f) {
  parallel_row_ranges(stream, rows, columns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) f(row);
  });
}

// Σ of the terms f(i, n) over [begin, end): fp32 within pieces of 1024 elements, double from piece to piece, so the error
// stays near 1e-7 of Σ|term| at any length. f need not mask its terms.
template <class F>
CUELBO_INLINE double sum_vectors(std::int64_t begin, std::int64_t end, F&& f) {
  constexpr std::int64_t piece = 1024, unroll = 4;
  double total = 0;
  std::int64_t i = begin;
  for (; i + piece <= end; i += piece) {
    vfloat sums[unroll] = {};
    for (std::int64_t j = i; j < i + piece; j += unroll * lanes) {
#pragma GCC unroll 4
      for (int k = 0; k < unroll; ++k) sums[k] += f(j + k * lanes, WholeVector{});
    }
    total += static_cast<double>(reduce_add((sums[0] + sums[1]) + (sums[2] + sums[3])));
  }
  vfloat sum = broadcast(0);
  for_vectors(i, end, [&](std::int64_t j, auto n) { sum += keep_first(f(j, n), n); });
  return total + static_cast<double>(reduce_add(sum));
}

}  // namespace cuelbo::kernels::CUELBO_ISA
