#include "kernels/elbo_decomposition/backward_tiles.cuh"
#include "kernels/elbo_decomposition/elbo_decomposition_ladder.hpp"
#include "kernels/elbo_decomposition/transposed.cuh"

namespace cuelbo::kernels::cuda {

namespace {

// ---- before: values per row and block of the table that the passes need

// Sets the factors of a mixture's classes; returns its level.
__device__ float set_factors(const ElboDecompositionBackward& a, const BlockTable& table, std::int32_t at,
                             std::int64_t row, float gradient, const RowLevels& out) {
  constexpr float largest_ratio = 69;  // only classes of no probability are that much below the largest
  const DensityBlock& v = table.blocks[at];
  const float* const log_sums = a.log_class_sums + row * table.saved + table.first_saved[at];
  const float* const q_row = a.row_probabilities + row * class_columns(a.shape);
  const std::int32_t classes = class_count(a.shape, v);
  float level = minus_infinity;
  for (std::int32_t k = 0; k < classes; ++k) level = fmaxf(level, log_sums[k]);
  for (std::int32_t k = 0; k < classes; ++k) {
    const float q = class_product(a.shape, v, q_row, k), ratio = level - log_sums[k];
    out.factor[(table.first_saved[at] + k) * out.rows + row] =
        q == 0 ? 0 : gradient * q * expf(ratio > largest_ratio ? largest_ratio : ratio);
  }
  return level;
}

__global__ void backward_levels(ElboDecompositionBackward a, BlockTable table, RowLevels out) {
  __shared__ float gradients[transposed_elements], log_q[transposed_elements];
  const TransposedPart part(a.shape.rows, table.count, a.shape.block_count);
  part.by_rows(gradients, [&](std::int64_t i, float& x) { x = a.dlog_q[table.first + i]; });
  part.by_rows(log_q, [&](std::int64_t i, float& x) { x = a.log_q[table.first + i]; });
  __syncthreads();
  part.by_columns(gradients, [&](std::int64_t row, std::int64_t at, float gradient) {
    out.gradient[(table.first + at) * out.rows + row] = gradient;
    const auto block = static_cast<std::int32_t>(at);
    if (discrete(table.blocks[at]))
      out.level[(table.first + at) * out.rows + row] = set_factors(a, table, block, row, gradient, out);
  });
  part.by_columns(log_q, [&](std::int64_t row, std::int64_t at, float level) {
    if (!discrete(table.blocks[at])) out.level[(table.first + at) * out.rows + row] = level;
  });
}

// ---- after: the partial sums of several results added in the order of the parts

// out[i, k] = Σ partial[·, k, i]; of Gaussian columns times the derivative of t, which is `scale` a.
struct Finish {
  const float* partial;
  std::int64_t own, width;
  bool of_dims;         // else of classes, of which every part has all
  const float* logvar;  // null: no a
  float scale;
  float* out;
};
struct Finishes {
  std::int64_t parts, shares;
  ShareDims share_dims;
  Finish of[3];
  int count;
};

__global__ void backward_finish(Finishes all) {
  constexpr float root_half = 0.70710678F;
  __shared__ float results[transposed_elements];
  const Finish& f = all.of[blockIdx.z];
  const TransposedPart part(f.own, f.width, f.width);
  part.by_columns(results, [&](std::int64_t own, std::int64_t k, float& result) {
    float sum = 0;
    for (std::int64_t p = 0; p < all.parts; ++p)
      if (!f.of_dims || all.share_dims.contains(p % all.shares, k))
        sum += f.partial[(p * f.width + k) * f.own + own];
    result = sum;
  });
  __syncthreads();
  part.by_rows(results, [&](std::int64_t i, float sum) {
    const float slope = f.logvar != nullptr ? root_half * expf(-0.5F * f.logvar[i]) : 1;
    f.out[i] = f.scale * slope * sum;
  });
}

void launch_finish(const Finishes& all, std::int64_t own, std::int64_t widest_result, Stream stream) {
  if (widest_result == 0) return;
  launch(backward_finish, transposed_grid(own, widest_result, static_cast<unsigned>(all.count)),
         transposed_block, 0, stream, all);
}

// ---- the workspace: levels, then partial results of rows, in whose place come those of columns

struct BackwardFloats {
  std::int64_t levels, factors, rows, columns;
};
BackwardFloats backward_floats(const ElboDecompositionShape& s, const Cut& row, const Cut& column) {
  return {.levels = s.block_count * s.rows,
          .factors = saved_columns(s) * s.rows,
          .rows = row.parts() * s.dims * s.rows,
          .columns = column.parts() * (2 * s.dims + class_column_count(s)) * s.columns};
}

}  // namespace

std::size_t elbo_backward_tiled_workspace(const ElboDecompositionBackward& a) {
  if (!has_work(a.shape)) return 0;
  const Cut row = backward_row_cut(a.shape), column = backward_column_cut(a.shape);
  if (row.threads == 0 || column.threads == 0) return 0;
  const BackwardFloats f = backward_floats(a.shape, row, column);
  const std::int64_t floats = 2 * f.levels + f.factors + (f.rows > f.columns ? f.rows : f.columns);
  return static_cast<std::size_t>(floats) * sizeof(float);
}

// Per pass: owned data is read once per share and slice, the rest once per share and tile of owners; a block's gradient
// and level come with every tile; partial sums are written and read again. Without discrete groups.
std::int64_t elbo_backward_tiled_bytes(const ElboDecompositionBackward& a) {
  const ElboDecompositionShape& s = a.shape;
  const Cut row = backward_row_cut(s), column = backward_column_cut(s);
  const std::int64_t levels = 4 * s.rows * s.block_count;
  const std::int64_t column_tiles = divide_up<std::int64_t>(s.columns, tile);
  const std::int64_t of_rows = s.dims * (row.parts() * s.rows + 2 * row.shares * row.tiles * s.columns) +
                               2 * s.rows * s.block_count * column_tiles +
                               2 * row.slices * ShareDims(s, row.shares).count(row.shares) * s.rows;
  const std::int64_t of_columns =
      s.dims * (2 * column.parts() * s.columns + column.shares * column.tiles * s.rows) +
      2 * s.rows * s.block_count * column.tiles +
      4 * column.slices * ShareDims(s, column.shares).count(column.shares) * s.columns;
  const std::int64_t results = s.dims * (s.rows + 3 * s.columns);  // and logvar
  return 4 * (levels + of_rows + of_columns + results);
}

void elbo_backward_tiled(const ElboDecompositionBackward& a, Stream stream) {
  const ElboDecompositionShape& s = a.shape;
  const Cut row = has_work(s) ? backward_row_cut(s) : Cut{};
  const Cut column = has_work(s) ? backward_column_cut(s) : Cut{};
  if (row.threads == 0 || column.threads == 0) return elbo_backward_thread(a, stream);
  const BackwardFloats f = backward_floats(s, row, column);
  auto* const gradients = static_cast<float*>(a.workspace);
  const RowLevels levels{.gradient = gradients,
                         .level = gradients + f.levels,
                         .factor = gradients + 2 * f.levels,
                         .rows = s.rows};
  float* const partial = levels.factor + f.factors;
  const ShareDims row_dims(s, row.shares), column_dims(s, column.shares);

  for_each_part(s, [&](const BlockTable& table) {
    launch(backward_levels, transposed_grid(s.rows, table.count), transposed_block, 0, stream, a, table,
           levels);
    elbo_row_probabilities(a, table, stream);
  });
  if (s.dims > 0) {
    for_each_part(s, [&](const BlockTable& table) {
      launch_backward_rows(a, table, row, row_dims, levels, partial, stream);
    });
    launch_finish({.parts = row.parts(),
                   .shares = row.shares,
                   .share_dims = row_dims,
                   .of = {{.partial = partial,
                           .own = s.rows,
                           .width = s.dims,
                           .of_dims = true,
                           .scale = -2,
                           .out = a.dz}},
                   .count = 1},
                  s.rows, s.dims, stream);
  }

  const std::int64_t gaussian = column.parts() * s.dims * s.columns, classes = class_column_count(s);
  const ColumnPartials sums{
      .t = partial, .squares = partial + gaussian, .probabilities = partial + 2 * gaussian};
  for_each_part(s, [&](const BlockTable& table) {
    launch_backward_columns(a, table, column, column_dims, levels, sums, stream);
  });
  const auto of_dims = [&](const float* of, const float* logvar, float scale, float* out) {
    return Finish{.partial = of,
                  .own = s.columns,
                  .width = s.dims,
                  .of_dims = true,
                  .logvar = logvar,
                  .scale = scale,
                  .out = out};
  };
  launch_finish({.parts = column.parts(),
                 .shares = column.shares,
                 .share_dims = column_dims,
                 .of = {of_dims(sums.t, a.logvar, 2, a.dmean),
                        of_dims(sums.squares, nullptr, 1, a.dlogvar),
                        {.partial = sums.probabilities,
                         .own = s.columns,
                         .width = classes,
                         .of_dims = false,
                         .logvar = nullptr,
                         .scale = 1,
                         .out = a.dprobabilities}},
                 .count = classes > 0 ? 3 : 2},
                s.columns, s.dims > classes ? s.dims : classes, stream);
}

}  // namespace cuelbo::kernels::cuda
