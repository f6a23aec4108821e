// The table of blocks in device code, and the classes of blocks with discrete groups.
#pragma once

#include "kernels/elbo_decomposition/elbo_decomposition.hpp"
#include "kernels/runtime/cuda.hpp"

namespace cuelbo::kernels::cuda {

inline constexpr int table_size = 64;  // blocks that one launch takes

// A part of the block table, by value: the contract's table is host memory.
struct BlockTable {
  DensityBlock blocks[table_size];
  std::int32_t first_saved[table_size];  // column of log_class_sums
  std::int32_t first = 0, count = 0;     // this part stands at column `first` of log_q
  std::int32_t saved = 0;                // columns of log_class_sums, of the whole table
};

__device__ inline std::int32_t class_columns(const ElboDecompositionShape& s) {
  std::int32_t n = 0;
  for (std::int32_t c = 0; c < s.group_count; ++c) n += s.classes[c];
  return n;
}

__device__ inline std::int32_t class_count(const ElboDecompositionShape& s, const DensityBlock& v) {
  std::int32_t n = 1;
  for (std::int32_t c = v.group_begin; c < v.group_end; ++c) n *= s.classes[c];
  return n;
}

__host__ __device__ inline bool discrete(const DensityBlock& v) { return v.group_begin < v.group_end; }

// Π of a table row's probabilities for class k of a block's groups, of which the last group's class changes fastest; the
// group that `without`, a column of the row, belongs to is left out. Zero if k has another class of that group.
__device__ inline float class_product(const ElboDecompositionShape& s, const DensityBlock& v,
                                      const float* row, std::int32_t k, std::int32_t without = -1) {
  std::int32_t column = 0;
  for (std::int32_t c = 0; c < v.group_end; ++c) column += s.classes[c];
  float product = 1;
  for (std::int32_t c = v.group_end - 1; c >= v.group_begin; --c) {
    column -= s.classes[c];
    const std::int32_t at = column + k % s.classes[c];
    if (without < column || without >= column + s.classes[c]) {
      product *= row[at];
    } else if (without != at) {
      return 0;
    }
    k /= s.classes[c];
  }
  return product;
}

// Calls f(column of the probability tables) for the class of each of a block's groups that class k stands for.
template <class F>
__device__ void for_each_class(const ElboDecompositionShape& s, const DensityBlock& v, std::int32_t k, F f) {
  std::int32_t first = 0;
  for (std::int32_t c = 0; c < v.group_end; ++c) first += s.classes[c];
  for (std::int32_t c = v.group_end - 1; c >= v.group_begin; --c) {
    first -= s.classes[c];
    f(first + k % s.classes[c]);
    k /= s.classes[c];
  }
}

__device__ inline float finite(float x) { return x == minus_infinity ? 0 : x; }

// Saves log S of class k of a row and returns the class's part of log q̂. A class that no column has gets what fp32 holds
// beside the largest pair.
__device__ inline float finish_class(const ElboDecompositionForward& a, const BlockTable& table,
                                     std::int32_t at, std::int64_t row, std::int32_t k, float log_sum,
                                     float largest) {
  constexpr float least = -126 * 0.69314718F;
  if (log_sum < largest + least) log_sum = largest + least;
  if (a.log_class_sums != nullptr) a.log_class_sums[row * table.saved + table.first_saved[at] + k] = log_sum;
  const float* const q_row = a.row_probabilities + row * class_columns(a.shape);
  const float q = class_product(a.shape, table.blocks[at], q_row, k);
  return q == 0 ? 0 : q * log_sum;
}

// Calls f(part) for the parts of the table, which are launched one after the other. An empty table is one empty part, so
// that gradients become 0.
template <class F>
void for_each_part(const ElboDecompositionShape& s, F&& f) {
  BlockTable table;
  table.saved = static_cast<std::int32_t>(saved_columns(s));
  std::int32_t saved = 0;
  for (std::int32_t v = 0; v < s.block_count; ++v) {
    table.blocks[table.count] = s.blocks[v];
    table.first_saved[table.count++] = saved;
    if (s.blocks[v].group_begin < s.blocks[v].group_end)
      saved += static_cast<std::int32_t>(block_classes(s, s.blocks[v]));
    if (table.count < table_size && v + 1 < s.block_count) continue;
    f(table);
    table.first += table.count;
    table.count = 0;
  }
  if (s.block_count == 0) f(table);
}

}  // namespace cuelbo::kernels::cuda
