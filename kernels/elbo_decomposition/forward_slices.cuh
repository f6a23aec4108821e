// The forward pass by slices of columns: the results of a slice, however it is computed.
#pragma once

#include "kernels/elbo_decomposition/pair_tiles.cuh"

namespace cuelbo::kernels::cuda {

// Per slice and row, row fastest: the largest term of every block, and Σ exp(term − largest): one sum per Gaussian
// block, one per class of a mixture.
struct Sums {
  float *largest, *sums;
  std::int64_t rows, blocks, columns;  // blocks of the whole table, sums of a row

  __device__ float& largest_at(std::int64_t slice, std::int64_t block, std::int64_t row) const {
    return largest[(slice * blocks + block) * rows + row];
  }
  __device__ float& sum_at(std::int64_t slice, std::int64_t column, std::int64_t row) const {
    return sums[(slice * columns + column) * rows + row];
  }
};

// The sums of a table part's block: Gaussian blocks come after the classes.
__device__ inline std::int64_t first_sum(const BlockTable& table, std::int32_t at) {
  const DensityBlock& v = table.blocks[at];
  return discrete(v) ? table.first_saved[at] : table.saved + table.first + at;
}

// The blocks that the variant `mma` computes as a product: of Gaussian dimensions, enough of them to fill a step of
// mma.m16n8k8 and no more than shared memory takes.
__host__ __device__ inline bool is_product(const DensityBlock& v) {
  const std::int32_t dims = v.dim_end - v.dim_begin;
  return !discrete(v) && 4 <= dims && dims <= 108;
}

// The bytes that it moves, as Kernel::moved_bytes counts them.
std::int64_t products_bytes(const ElboDecompositionForward& a, const Cut& c);

// Their slices, in place of those that tiles would have made.
void launch_products(const ElboDecompositionForward& a, const BlockTable& table, const LogWeights& weights,
                     const Cut& c, const Sums& sums, Stream stream);

}  // namespace cuelbo::kernels::cuda
