// A team of threads, a block or where there are few pairs a warp, owns a row of the result (or, for the gradients of
// columns, a column) and shares its pairs. Neighbouring threads meet neighbouring columns; what they have found is reduced by
// shuffles.
#include "kernels/elbo_decomposition/elbo_decomposition_ladder.hpp"
#include "kernels/elbo_decomposition/pair_bytes.hpp"
#include "kernels/elbo_decomposition/pair_density.cuh"
#include "kernels/runtime/reduction.cuh"

namespace cuelbo::kernels::cuda {

namespace {

struct ForwardRow {
  ElboDecompositionForward a;
  BlockTable table;

  template <class Team, class>
  __device__ void row(std::int64_t b) const {
    const std::int64_t classes = class_columns(a.shape);
    for (std::int32_t at = 0; at < table.count; ++at) {
      const DensityBlock& v = table.blocks[at];
      float result = 0;
      for (std::int32_t k = 0; k < class_count(a.shape, v); ++k) {
        OnlineLogSumExp mine;
        float largest = minus_infinity;  // of the pairs, whatever their class
        for (std::int64_t j = Team::rank(); j < a.shape.columns; j += Team::size) {
          const float term = log_term(a, v, b, j);
          largest = fmaxf(largest, term);
          mine.add(discrete(v) ? term + logf(class_product(a.shape, v, a.probabilities + j * classes, k))
                               : term);
        }
        OnlineLogSumExp all;
        all.maximum = Team::reduce(mine.maximum, Maximum{});
        all.sum = Team::sum(mine.relative_to(all.maximum));
        if (discrete(v)) largest = Team::reduce(largest, Maximum{});
        if (Team::rank() > 0) continue;
        result += discrete(v) ? finish_class(a, table, at, b, k, all.result(), largest) : all.result();
      }
      if (Team::rank() == 0) a.log_q[b * a.shape.block_count + table.first + at] = result;
    }
  }
};

constexpr int several = 8;  // sums that a thread keeps in registers

// Adds the team's sums to out[0 … count), which no other team touches.
template <class Team>
__device__ void add_sums(const float (&sums)[several], int count, float* out) {
#pragma unroll
  for (int i = 0; i < several; ++i) {
    if (i >= count) break;
    const float sum = Team::sum(sums[i]);
    if (Team::rank() == 0) out[i] += sum;
  }
}

template <class Team>
__device__ void clear(float* p, std::int64_t count) {
  if (Team::rank() == 0)
    for (std::int64_t i = 0; i < count; ++i) p[i] = 0;
}

struct BackwardRow {
  ElboDecompositionBackward a;
  BlockTable table;

  template <class Team, class>
  __device__ void row(std::int64_t b) const {
    float* const dz = a.dz + b * a.shape.dims;
    if (table.first == 0) clear<Team>(dz, a.shape.dims);
    for (std::int32_t at = 0; at < table.count; ++at) {
      const DensityBlock& v = table.blocks[at];
      for (std::int32_t d = v.dim_begin; d < v.dim_end; d += several) {
        const int count = min(v.dim_end - d, several);
        float sums[several] = {};
        for (std::int64_t j = Team::rank(); j < a.shape.columns; j += Team::size) {
          const float gradient = pair_gradient(a, table, at, b, j);
#pragma unroll
          for (int i = 0; i < several; ++i)
            if (i < count) sums[i] -= gradient * density_slopes(a, b, j, d + i).mean;
        }
        add_sums<Team>(sums, count, dz + d);
      }
    }
  }
};

struct BackwardColumn {
  ElboDecompositionBackward a;
  BlockTable table;

  template <class Team, class>
  __device__ void row(std::int64_t j) const {
    const std::int64_t classes = class_columns(a.shape);
    float *const dmean = a.dmean + j * a.shape.dims, *const dlogvar = a.dlogvar + j * a.shape.dims;
    if (table.first == 0) {
      clear<Team>(dmean, a.shape.dims);
      clear<Team>(dlogvar, a.shape.dims);
      clear<Team>(a.dprobabilities + j * classes, classes);
    }
    for (std::int32_t at = 0; at < table.count; ++at) {
      const DensityBlock& v = table.blocks[at];
      for (std::int32_t d = v.dim_begin; d < v.dim_end; d += several) {
        const int count = min(v.dim_end - d, several);
        float of_mean[several] = {}, of_logvar[several] = {};
        for (std::int64_t b = Team::rank(); b < a.shape.rows; b += Team::size) {
          const float gradient = pair_gradient(a, table, at, b, j);
#pragma unroll
          for (int i = 0; i < several; ++i) {
            if (i >= count) break;
            const DensitySlopes slopes = density_slopes(a, b, j, d + i);
            of_mean[i] += gradient * slopes.mean;
            of_logvar[i] += gradient * slopes.logvar;
          }
        }
        add_sums<Team>(of_mean, count, dmean + d);
        add_sums<Team>(of_logvar, count, dlogvar + d);
      }
      if (discrete(v)) add_class_gradients<Team>(at, j);
    }
  }

  template <class Team>
  __device__ void add_class_gradients(std::int32_t at, std::int64_t j) const {
    const DensityBlock& v = table.blocks[at];
    const std::int32_t classes = class_columns(a.shape);
    const float* const p_row = a.probabilities + j * classes;
    float* const out = a.dprobabilities + j * classes;
    for (std::int32_t k = 0; k < class_count(a.shape, v); ++k) {
      float sum = 0;
      for (std::int64_t b = Team::rank(); b < a.shape.rows; b += Team::size)
        sum += class_gradient(a, table, at, b, k, log_term(a, v, b, j));
      sum = Team::sum(sum);
      if (Team::rank() > 0) continue;
      for_each_class(a.shape, v, k, [&](std::int32_t column) {
        out[column] += sum * class_product(a.shape, v, p_row, k, column);
      });
    }
  }
};

// A team for each of `owners`, which has `pairs`.
template <class F>
void run(std::int64_t owners, std::int64_t pairs, const F& f, Stream stream) {
  if (owners == 0) return;
  with_row_team(pairs, [&](auto team) {
    using Team = decltype(team);
    const auto blocks = divide_up<std::int64_t>(owners, Team::rows_per_block);
    launch(for_each_row<Team, Access<1, true>, F>, static_cast<unsigned>(blocks), reduction_block, 0, stream,
           owners, f);
  });
}

}  // namespace

// A warp's threads have 32 columns, each its own row of memory, and share z; one of them writes.
std::int64_t elbo_forward_block_bytes(const ElboDecompositionForward& a) {
  const ElboDecompositionShape& s = a.shape;
  const std::int64_t pair = sum_over_blocks(s, dims_of) * (2 * strided_sectors(s.dims) + 1);
  return (s.rows * s.columns / 32 * pair + s.rows * s.block_count) * sector_bytes;
}

// For every eight dimensions of a block a pair's density is computed; then come the operands of each dimension, and one
// thread adds its sum to memory.
std::int64_t elbo_backward_block_bytes(const ElboDecompositionBackward& a) {
  const ElboDecompositionShape& s = a.shape;
  const std::int64_t apart = strided_sectors(s.dims), visits = sum_over_blocks(s, dims_of);
  const auto pairs = [&](std::int64_t of_dim, std::int64_t of_block) {
    return s.rows * s.columns / 32 *
           (sum_over_blocks(s,
                            [&](const DensityBlock& v) {
                              return (dims_of(v) + several - 1) / several * (dims_of(v) * of_dim + of_block);
                            }) +
            visits * of_dim);
  };
  const std::int64_t of_rows = pairs(2 * apart + 1, 2) + s.rows * (s.dims + 2 * visits);
  const std::int64_t of_columns =
      pairs(apart + 2, 2 * strided_sectors(s.block_count)) + s.columns * (2 * s.dims + 4 * visits);
  return (of_rows + of_columns) * sector_bytes;
}

void elbo_forward_block(const ElboDecompositionForward& a, Stream stream) {
  for_each_part(a.shape, [&](const BlockTable& table) {
    run(a.shape.rows, a.shape.columns, ForwardRow{a, table}, stream);
  });
}

void elbo_backward_block(const ElboDecompositionBackward& a, Stream stream) {
  for_each_part(a.shape, [&](const BlockTable& table) {
    run(a.shape.rows, a.shape.columns, BackwardRow{a, table}, stream);
    run(a.shape.columns, a.shape.rows, BackwardColumn{a, table}, stream);
    elbo_row_probabilities(a, table, stream);
  });
}

}  // namespace cuelbo::kernels::cuda
