// The backward pass by tiles: rows, then columns, each with partial sums of slices that are added in order.
#pragma once

#include "kernels/elbo_decomposition/pair_tiles.cuh"

namespace cuelbo::kernels::cuda {

// Of blocks of the whole table and rows, row fastest: the gradient of log q̂ and the level, log q̂ or, of a mixture with the
// sums S_k of its classes, the largest log S. There the gradient of a pair is Σ_k dlog_q q_k w e Q_k / S_k: factor k, a column
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

Cut backward_row_cut(const ElboDecompositionShape& s);
Cut backward_column_cut(const ElboDecompositionShape& s);

// partial (parts, dims, rows): Σ_j gradient · t · a of each row.
void launch_backward_rows(const ElboDecompositionBackward& a, const BlockTable& table, const Cut& c,
                          const RowLevels& levels, float* partial, Stream stream);

// Of each column: Σ_b gradient · t, Σ_b gradient · (t² − ½) and the gradients of its probabilities. Partial results (parts,
// dims, columns) twice and (parts, Σ classes, columns).
struct ColumnPartials {
  float *t, *squares, *probabilities;
};
void launch_backward_columns(const ElboDecompositionBackward& a, const BlockTable& table, const Cut& c,
                             const RowLevels& levels, const ColumnPartials& out, Stream stream);

}  // namespace cuelbo::kernels::cuda
