// The backward pass by tiles: rows, then columns, each with partial sums of slices that are added in order.
#pragma once

#include "kernels/elbo_decomposition/pair_tiles.cuh"

namespace cuelbo::kernels::cuda {

// Per block of the whole table and row, row fastest: the gradient of log q̂ and the level, log q̂ or, for a mixture
// with class sums S_k, the largest log S. There the gradient of a pair is Σ_k dlog_q q_k w e Q_k / S_k: factor k, a column
// of log_class_sums, is dlog_q q_k exp(level) / S_k.
struct RowLevels {
  float *gradient, *level, *factor;
  std::int64_t rows;
};

// exp(x) for a term less the level of its row: more than 1 where the classes share a term, up to max_block_classes.
__device__ inline float relative_density(float x) {
  constexpr float most = 9;
  return __expf(x > most ? most : x);
}

// The dimensions that a share of the table covers: those of its blocks, and those between them. It leaves partial sums
// of no others.
struct ShareDims {
  std::int32_t begin[table_size] = {}, end[table_size] = {};

  ShareDims() = default;
  ShareDims(const ElboDecompositionShape& s, unsigned shares) {
    for (std::int32_t i = 0; i < s.block_count; ++i) {
      const DensityBlock& v = s.blocks[i];
      const unsigned share = static_cast<unsigned>(i % table_size) % shares;
      if (v.dim_begin == v.dim_end) continue;
      const bool first = begin[share] == end[share];
      if (first || v.dim_begin < begin[share]) begin[share] = v.dim_begin;
      if (first || v.dim_end > end[share]) end[share] = v.dim_end;
    }
  }
  __host__ __device__ bool contains(std::int64_t share, std::int64_t d) const {
    return begin[share] <= d && d < end[share];
  }
  std::int64_t count(unsigned shares) const {
    std::int64_t sum = 0;
    for (unsigned i = 0; i < shares; ++i) sum += end[i] - begin[i];
    return sum;
  }
};

Cut backward_row_cut(const ElboDecompositionShape& s);
Cut backward_column_cut(const ElboDecompositionShape& s);

// partial (parts, dims, rows): Σ_j gradient · t · a of each row.
void launch_backward_rows(const ElboDecompositionBackward& a, const BlockTable& table, const Cut& c,
                          const ShareDims& share_dims, const RowLevels& levels, float* partial,
                          Stream stream);

// Per column: Σ_b gradient · t, Σ_b gradient · (t² − ½) and the gradients of its probabilities. Partial results
// (parts, dims, columns) twice and (parts, Σ classes, columns).
struct ColumnPartials {
  float *t, *squares, *probabilities;
};
void launch_backward_columns(const ElboDecompositionBackward& a, const BlockTable& table, const Cut& c,
                             const ShareDims& share_dims, const RowLevels& levels, const ColumnPartials& out,
                             Stream stream);

}  // namespace cuelbo::kernels::cuda
