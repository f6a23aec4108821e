// The bytes that the variants below `tiled` move, as Kernel::moved_bytes counts them, for tables of up to 32 blocks
// without discrete groups. They read a pair's operands again for each block and dimension, so requests are counted.
#pragma once

#include <algorithm>
#include <set>

#include "kernels/elbo_decomposition/elbo_decomposition.hpp"

namespace cuelbo::kernels::cuda {

inline constexpr std::int64_t sector_floats = 8, sector_bytes = 32;

// The sectors of a warp's request: its elements are neighbours in a row of n, which other lanes share, or in rows that
// are n apart.
inline std::int64_t row_sectors(std::int64_t n) {
  return std::min<std::int64_t>(4, (n + sector_floats - 1) / sector_floats);
}
inline std::int64_t strided_sectors(std::int64_t n) { return std::min<std::int64_t>(32, 4 * n); }

inline std::int64_t dims_of(const DensityBlock& v) { return v.dim_end - v.dim_begin; }

// Σ f(block)
template <class F>
std::int64_t sum_over_blocks(const ElboDecompositionShape& s, F&& f) {
  std::int64_t sum = 0;
  for (std::int32_t v = 0; v < s.block_count; ++v) sum += f(s.blocks[v]);
  return sum;
}

// The threads of a warp are all blocks of a row, then of the next, and step through the dimensions together. Sectors
// that the warp touches in one row of dimensions, and in all rows that it has a share of.
struct StepSectors {
  double of_one_row = 0, of_own_rows = 0;
};
inline StepSectors step_sectors(const ElboDecompositionShape& s) {
  StepSectors all;
  for (std::int64_t step = 0; step < s.dims; ++step) {
    std::set<std::int64_t> touched;
    for (std::int32_t v = 0; v < s.block_count; ++v)
      if (step < dims_of(s.blocks[v])) touched.insert((s.blocks[v].dim_begin + step) / sector_floats);
    // Blocks of one dimension come last: of a row that only they have a share of, later steps touch nothing.
    const double blocks = s.block_count, rows = step == 0 ? 1 + 31 / blocks : 32 / blocks;
    all.of_one_row += static_cast<double>(touched.size());
    all.of_own_rows += static_cast<double>(touched.size()) * std::max(1.0, rows);
  }
  return all;
}

}  // namespace cuelbo::kernels::cuda
