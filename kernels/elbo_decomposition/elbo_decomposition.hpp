// Log-density of the aggregate posterior, estimated from pairwise log-densities, for a table of blocks of dimensions.
//
//   ℓ[b, j, d] = log N(z[b, d]; mean[j, d], exp(logvar[j, d]))
//   log q̂_b^V = log Σ_j w_bj · exp(Σ_{d∈V} ℓ[b, j, d])                                        Gaussian block
//   log q̂_b^V = Σ_k q_bk · log Σ_j w_bj · exp(Σ_{d∈V} ℓ[b, j, d]) · Q_jk                        with discrete groups
//
// where k runs over the product of the classes of the block's discrete groups, the last group's class fastest,
// q_bk = Π_c row_probabilities[b, k_c] and Q_jk = Π_c probabilities[j, k_c] (the `categorical` option: the expectation
// over classes in closed form). Terms with q_bk = 0 count as 0.
// Weights: own_weight for j = own[b]; next_weight for j = (own[b] + 1) mod columns; other_weight for the rest, and for
// all columns if own[b] is not among them.
// The estimators hfvae, mws, mss, batch and exact differ in these three numbers only (Esmaeili et al. 2018,
// arXiv 1804.02086; Chen et al. 2018, arXiv 1802.04942). With columns = 1, or a next that is own, own wins.
//
// There may be no rows or no blocks: a gradient that nothing adds to is 0.
//
// Programs use variants without a rows × columns buffer: tiles, online log-sum-exp; the backward pass recomputes ℓ.
// Its peak workspace of forward and backward together stays under 40 MB at rows = columns = 16 384, dims = 64.
#pragma once

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

// Dimensions [dim_begin, dim_end) and discrete groups [group_begin, group_end); either range may be empty, not both.
// Blocks may overlap and nest in any way; typically: joint, tree nodes, single dimensions, single discrete groups.
struct DensityBlock {
  std::int32_t dim_begin = 0, dim_end = 0;
  std::int32_t group_begin = 0, group_end = 0;
};

// The product of the classes of one block's discrete groups may not exceed this; the caller checks it.
inline constexpr std::int64_t max_block_classes = 4096;
inline constexpr std::int32_t max_discrete_groups = 16;

struct ElboDecompositionShape {
  std::int64_t rows = 0, columns = 0, dims = 0;  // B, number of mixture components, D
  const DensityBlock* blocks =
      nullptr;  // (block_count), host memory on every device, lives as long as the program
  std::int32_t block_count = 0;
  std::int32_t group_count = 0;  // discrete groups
  std::int32_t classes[max_discrete_groups] =
      {};  // classes of each; tables are (n, Σ classes), groups side by side
  double own_weight = 0, next_weight = 0, other_weight = 0;
};

struct ElboDecompositionForward {
  ElboDecompositionShape shape;
  const float* z = nullptr;                  // (rows, dims)
  const float* mean = nullptr;               // (columns, dims)
  const float* logvar = nullptr;             // (columns, dims)
  const float* row_probabilities = nullptr;  // (rows, Σ classes) or null
  const float* probabilities = nullptr;      // (columns, Σ classes) or null
  const std::int32_t* own = nullptr;         // (rows): the column that row b was drawn from; null: own[b] = b
  float* log_q = nullptr;                    // (rows, block_count)
  // log Σ_j w_bj exp(ℓ) Q_jk for every class k of each block with discrete groups, which backward needs; blocks side by
  // side: (rows, saved_columns(shape)), or null. Not below what fp32 holds: log 2⁻¹²⁶ less than the row's largest pair.
  float* log_class_sums = nullptr;
  void* workspace = nullptr;
};

// Given the gradient of a loss with respect to log_q.
struct ElboDecompositionBackward {
  ElboDecompositionShape shape;
  const float* z = nullptr;
  const float* mean = nullptr;
  const float* logvar = nullptr;
  const float* row_probabilities = nullptr;
  const float* probabilities = nullptr;
  const std::int32_t* own = nullptr;
  const float* log_q = nullptr;           // as forward left it
  const float* log_class_sums = nullptr;  // as forward left it
  const float* dlog_q = nullptr;          // (rows, block_count)
  float* dz = nullptr;                    // (rows, dims)
  float* dmean = nullptr;                 // (columns, dims)
  float* dlogvar = nullptr;               // (columns, dims)
  float* drow_probabilities = nullptr;    // (rows, Σ classes) or null
  float* dprobabilities = nullptr;        // (columns, Σ classes) or null
  void* workspace = nullptr;
};

inline std::int64_t block_classes(const ElboDecompositionShape& s, const DensityBlock& v) {
  std::int64_t n = 1;
  for (std::int32_t c = v.group_begin; c < v.group_end; ++c) n *= s.classes[c];
  return n;
}

// The first column of discrete group c in the probability tables, and their width.
inline std::int64_t first_class_column(const ElboDecompositionShape& s, std::int32_t c) {
  std::int64_t n = 0;
  for (std::int32_t i = 0; i < c; ++i) n += s.classes[i];
  return n;
}
inline std::int64_t class_column_count(const ElboDecompositionShape& s) {
  return first_class_column(s, s.group_count);
}

inline double column_weight(const ElboDecompositionShape& s, const std::int32_t* own, std::int64_t row,
                            std::int64_t j) {
  const std::int64_t o = own != nullptr ? own[row] : row;
  if (o < 0 || o >= s.columns) return s.other_weight;
  return j == o ? s.own_weight : j == (o + 1) % s.columns ? s.next_weight : s.other_weight;
}

// Columns of log_class_sums: the classes of every block that has a discrete group.
inline std::int64_t saved_columns(const ElboDecompositionShape& s) {
  std::int64_t n = 0;
  for (std::int32_t v = 0; v < s.block_count; ++v)
    if (s.blocks[v].group_begin < s.blocks[v].group_end) n += block_classes(s, s.blocks[v]);
  return n;
}

// A pair takes an exponential for each dimension (blocks of several are products of them) and 5 operations: difference,
// scaling, square and sum, product. Each block adds its density to a sum.
inline Cost elbo_decomposition_cost(const ElboDecompositionShape& s, double passes) {
  const double pairs = static_cast<double>(s.rows) * static_cast<double>(s.columns);
  const double d = static_cast<double>(s.dims), v = s.block_count;
  const double n = static_cast<double>(s.rows), m = static_cast<double>(s.columns);
  return {.bytes = 4 * passes * (n * (d + v) + 2 * m * d),
          .flops = pairs * (5 * d + v + 2 * static_cast<double>(saved_columns(s))) * passes,
          .special = pairs * d};
}
inline Cost cost(const ElboDecompositionForward& a) { return elbo_decomposition_cost(a.shape, 1); }
inline Cost cost(const ElboDecompositionBackward& a) { return elbo_decomposition_cost(a.shape, 2); }

}  // namespace cuelbo::kernels
