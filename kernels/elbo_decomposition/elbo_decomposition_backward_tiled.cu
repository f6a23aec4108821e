#include "kernels/elbo_decomposition/elbo_decomposition_ladder.hpp"

#include "kernels/elbo_decomposition/pair_tiles.cuh"

namespace cuelbo::kernels::cuda {

namespace {

// Of the mixtures, row fastest. With S_k the sum of class k, the gradient of a pair is Σ_k dlog_q q_k w e Q_k / S_k:
// factor k is dlog_q q_k exp(level) / S_k, level the largest log S of the row.
struct Factors {
  float *level, *factor;
  std::int64_t rows;
};

// Thread: a row and a block of the table.
__global__ void __launch_bounds__(finish_block)
    mixture_factors(ElboDecompositionBackward a, BlockTable table, Factors out) {
  constexpr float largest_ratio = 69;  // only classes of no probability are that much below the largest
  const std::int64_t i = finish_thread(), rows = a.shape.rows;
  if (i >= rows * table.count) return;
  const std::int64_t row = i % rows;
  const auto at = static_cast<std::int32_t>(i / rows);
  const DensityBlock& v = table.blocks[at];
  if (!discrete(v)) return;
  const float* const log_sums = a.log_class_sums + row * table.saved + table.first_saved[at];
  const float* const q_row = a.row_probabilities + row * class_columns(a.shape);
  const float gradient = a.dlog_q[row * a.shape.block_count + table.first + at];
  const std::int32_t classes = class_count(a.shape, v);
  float level = minus_infinity;
  for (std::int32_t k = 0; k < classes; ++k) level = fmaxf(level, log_sums[k]);
  for (std::int32_t k = 0; k < classes; ++k) {
    const float q = class_product(a.shape, v, q_row, k), ratio = level - log_sums[k];
    out.factor[(table.first_saved[at] + k) * rows + row] =
        q == 0 ? 0 : gradient * q * expf(ratio > largest_ratio ? largest_ratio : ratio);
  }
  out.level[(table.first + at) * rows + row] = level;
}

// exp(x) for a term less the level of its row: more than 1 where the classes share a term, up to max_block_classes.
__device__ float relative_density(float x) {
  constexpr float most = 9;
  return __expf(x > most ? most : x);
}

// Σ_j gradient · t · a of each row: partial (parts, dims, rows).
__global__ void __launch_bounds__(widest, blocks_an_sm)
    backward_rows(ElboDecompositionBackward a, BlockTable table, LogWeights weights, Cut c, Factors factors,
                  float* partial) {
  const int n = static_cast<int>(blockDim.x), me = static_cast<int>(threadIdx.x);
  const auto dims = static_cast<std::int32_t>(a.shape.dims);
  const Place place(c);
  float* memory = dynamic_shared<float>();
  const Components columns = take_components(memory, dims, tile);
  float* const products = take(memory, tile * eight);
  float* const z = take(memory, dims * n) + me;          // (dims, threads)
  float* const dz = take(memory, dims * n) + me;         // (dims, threads)
  float* const gradients = take(memory, tile * n) + me;  // (tile, threads)
  const Neighbours near = neighbours(a.shape, a.own, place.own);
  partial += place.part() * dims * c.own + place.own;
  for (std::int32_t d = 0; d < dims; ++d) {
    z[d * n] = place.valid ? a.z[place.own * dims + d] : 0;
    dz[d * n] = place.valid && table.first > 0 ? partial[d * c.own] : 0;
  }

  for (std::int64_t first = place.begin; first < place.end; first += tile) {
    __syncthreads();
    fill_columns(a, first, columns);
    __syncthreads();
    for (auto at = static_cast<std::int32_t>(blockIdx.y); at < table.count;
         at += static_cast<std::int32_t>(gridDim.y)) {
      const DensityBlock& v = table.blocks[at];
      if (v.dim_begin == v.dim_end) continue;
      float gradient = 0, level = 0;
      if (discrete(v)) {
        if (place.valid) level = factors.level[(table.first + at) * factors.rows + place.own];
        for (int j = 0; j < tile; ++j) gradients[j * n] = 0;
        const std::int32_t classes = class_count(a.shape, v);
        for (std::int32_t k = 0; k < classes; k += eight) {
          __syncthreads();
          fill_products(a, v, k, first, products);
          __syncthreads();
          float factor[eight];
#pragma unroll
          for (int i = 0; i < eight; ++i)
            factor[i] = place.valid && k + i < classes
                            ? factors.factor[(table.first_saved[at] + k + i) * factors.rows + place.own]
                            : 0;
          for (int j = 0; j < tile; ++j) {
            float p[eight], sum = gradients[j * n];
            load_eight(products + j * eight, p);
#pragma unroll
            for (int i = 0; i < eight; ++i) sum = fmaf(factor[i], p[i], sum);
            gradients[j * n] = sum;
          }
        }
      } else if (place.valid) {
        const std::int64_t i = place.own * a.shape.block_count + table.first + at;
        gradient = a.dlog_q[i];
        level = a.log_q[i];
      }
      for (int j = 0; j < tile; j += eight) {
        float w[eight], x[eight];
        log_weights_of_eight(weights, near, first + j, c.other, w);
        log_terms(v, z, n, columns, j, w, x);
#pragma unroll
        for (int i = 0; i < eight; ++i)
          x[i] = discrete(v) ? gradients[(j + i) * n] * relative_density(x[i] - level)
                             : gradient * share(x[i] - level);
        for_each_dim(v, z, n, columns, j, [&](std::int32_t d, const float* t, const float* inverse) {
          float sum = dz[d * n];
#pragma unroll
          for (int i = 0; i < eight; ++i) sum = fmaf(x[i], t[i] * inverse[i], sum);
          dz[d * n] = sum;
        });
      }
    }
  }
  if (!place.valid) return;
  for (std::int32_t d = 0; d < dims; ++d) partial[d * c.own] = dz[d * n];
}

// Of each column: Σ_b gradient · t, Σ_b gradient · (t² − ½) and the gradients of its probabilities. Partial results (parts,
// dims, columns) twice and (parts, Σ classes, columns).
struct ColumnPartials {
  float *t, *squares, *probabilities;
};

// A tile of rows: z (dims, tile), and what a block of the table needs.
struct RowTile {
  float *z, *gradient, *level, *factors;  // factors: (tile, 8)
};

__device__ void log_terms_of_rows(const DensityBlock& v, const Components& own, int me, const RowTile& rows,
                                  int b, const float* weights, float* x) {
  float sum[eight] = {};
  for (std::int32_t d = v.dim_begin; d < v.dim_end; ++d) {
    const Component column = own.at(d, me);
    float z[eight];
    load_eight(rows.z + d * tile + b, z);
#pragma unroll
    for (int i = 0; i < eight; ++i) {
      const float t = column.t(z[i]);
      sum[i] = fmaf(t, t, sum[i] + column.c);
    }
  }
#pragma unroll
  for (int i = 0; i < eight; ++i) x[i] = weights[i] - sum[i];
}

__global__ void __launch_bounds__(widest, blocks_an_sm)
    backward_columns(ElboDecompositionBackward a, BlockTable table, LogWeights weights, Cut c,
                     Factors factors, ColumnPartials out) {
  const int n = static_cast<int>(blockDim.x), me = static_cast<int>(threadIdx.x);
  const auto dims = static_cast<std::int32_t>(a.shape.dims);
  const std::int32_t class_width = class_columns(a.shape);
  const Place place(c);
  float* memory = dynamic_shared<float>();
  RowTile rows{};
  rows.z = take(memory, dims * tile);
  auto* const near = reinterpret_cast<Neighbours*>(take(memory, tile * neighbour_floats));
  rows.factors = take(memory, tile * eight);
  rows.gradient = take(memory, tile);
  rows.level = take(memory, tile);
  const Components own = take_components(memory, dims, n);
  float* const sum_t = take(memory, dims * n) + me;        // (dims, threads)
  float* const sum_squares = take(memory, dims * n) + me;  // (dims, threads)
  float* const densities = take(memory, tile * n) + me;    // (tile, threads)
  float* const mixture = take(memory, tile * n) + me;      // (tile, threads): Σ_k factor · probability

  out.t += place.part() * dims * c.own + place.own;
  out.squares += place.part() * dims * c.own + place.own;
  out.probabilities += place.part() * class_width * c.own + place.own;
  for (std::int32_t d = 0; d < dims; ++d) {
    own.set(a, place.own, me, d);
    const bool resume = place.valid && table.first > 0;
    sum_t[d * n] = resume ? out.t[d * c.own] : 0;
    sum_squares[d * n] = resume ? out.squares[d * c.own] : 0;
  }
  if (place.valid && table.first == 0)
    for (std::int32_t k = 0; k < class_width; ++k) out.probabilities[k * c.own] = 0;

  for (std::int64_t first = place.begin; first < place.end; first += tile) {
    __syncthreads();
    for (int i = me; i < dims * tile; i += n) {
      const std::int64_t row = first + i % tile;
      rows.z[i] = row < c.other ? a.z[row * dims + i / tile] : 0;
    }
    if (me < tile) near[me] = neighbours(a.shape, a.own, first + me);
    for (auto at = static_cast<std::int32_t>(blockIdx.y); at < table.count;
         at += static_cast<std::int32_t>(gridDim.y)) {
      const DensityBlock& v = table.blocks[at];
      const bool is_mixture = discrete(v);
      __syncthreads();
      if (me < tile) {
        const std::int64_t row = first + me, i = row * a.shape.block_count + table.first + at;
        const bool valid = row < c.other;
        rows.gradient[me] = valid ? a.dlog_q[i] : 0;
        rows.level[me] = !valid       ? 0
                         : is_mixture ? factors.level[(table.first + at) * factors.rows + row]
                                      : a.log_q[i];
      }
      __syncthreads();
      // Rows beyond the last have no weight.
      const auto terms = [&](int b, float* x) {
        float w[eight];
#pragma unroll
        for (int i = 0; i < eight; ++i)
          w[i] = first + b + i < c.other ? log_weight(weights, near[b + i], place.own) : minus_infinity;
        log_terms_of_rows(v, own, me, rows, b, w, x);
      };
      if (is_mixture) {
        for (int b = 0; b < tile; b += eight) {
          float x[eight];
          terms(b, x);
#pragma unroll
          for (int i = 0; i < eight; ++i) {
            densities[(b + i) * n] = relative_density(x[i] - rows.level[b + i]);
            mixture[(b + i) * n] = 0;
          }
        }
        const std::int32_t classes = class_count(a.shape, v);
        const float* const p_row = a.probabilities + (place.valid ? place.own : 0) * class_width;
        for (std::int32_t k = 0; k < classes; k += eight) {
          __syncthreads();
          for (int i = me; i < tile * eight; i += n) {
            const std::int64_t row = first + i % tile, column = table.first_saved[at] + k + i / tile;
            rows.factors[i % tile * eight + i / tile] =
                row < c.other && k + i / tile < classes ? factors.factor[column * factors.rows + row] : 0;
          }
          __syncthreads();
          float p[eight], dp[eight] = {};
#pragma unroll
          for (int i = 0; i < eight; ++i)
            p[i] = k + i < classes ? class_product(a.shape, v, p_row, k + i) : 0;
          for (int b = 0; b < tile; ++b) {
            float f[eight], sum = mixture[b * n];
            load_eight(rows.factors + b * eight, f);
#pragma unroll
            for (int i = 0; i < eight; ++i) {
              sum = fmaf(f[i], p[i], sum);
              dp[i] = fmaf(f[i], densities[b * n], dp[i]);
            }
            mixture[b * n] = sum;
          }
#pragma unroll
          for (int i = 0; i < eight; ++i) {
            if (!place.valid || k + i >= classes) continue;
            for_each_class(a.shape, v, k + i, [&](std::int32_t column) {
              out.probabilities[column * c.own] += dp[i] * class_product(a.shape, v, p_row, k + i, column);
            });
          }
        }
      }
      if (v.dim_begin == v.dim_end) continue;
      for (int b = 0; b < tile; b += eight) {
        float x[eight];
        if (is_mixture) {
#pragma unroll
          for (int i = 0; i < eight; ++i) x[i] = densities[(b + i) * n] * mixture[(b + i) * n];
        } else {
          terms(b, x);
#pragma unroll
          for (int i = 0; i < eight; ++i) x[i] = rows.gradient[b + i] * share(x[i] - rows.level[b + i]);
        }
        for (std::int32_t d = v.dim_begin; d < v.dim_end; ++d) {
          const Component column = own.at(d, me);
          float z[eight], of_t = sum_t[d * n], of_squares = sum_squares[d * n];
          load_eight(rows.z + d * tile + b, z);
#pragma unroll
          for (int i = 0; i < eight; ++i) {
            const float t = column.t(z[i]);
            of_t = fmaf(x[i], t, of_t);
            of_squares = fmaf(x[i], fmaf(t, t, -0.5F), of_squares);
          }
          sum_t[d * n] = of_t;
          sum_squares[d * n] = of_squares;
        }
      }
    }
  }
  if (!place.valid) return;
  for (std::int32_t d = 0; d < dims; ++d) {
    out.t[d * c.own] = sum_t[d * n];
    out.squares[d * c.own] = sum_squares[d * n];
  }
}

// out[i, k] = Σ partial[·, k, i] in the order of the parts; of Gaussian columns times the derivative of t, which is `scale` a.
struct Finish {
  const float* partial;
  std::int64_t parts, own, width;
  const float* logvar;  // null: no a
  float scale;
  float* out;
};
__global__ void __launch_bounds__(finish_block) backward_finish(Finish f) {
  constexpr float root_half = 0.70710678F;
  const std::int64_t i = finish_thread();
  if (i >= f.own * f.width) return;
  const std::int64_t own = i % f.own, k = i / f.own, to = own * f.width + k;
  float sum = 0;
  for (std::int64_t p = 0; p < f.parts; ++p) sum += f.partial[(p * f.width + k) * f.own + own];
  const float slope = f.logvar != nullptr ? root_half * expf(-0.5F * f.logvar[to]) : 1;
  f.out[to] = f.scale * slope * sum;
}

// ---- launches

Cut row_cut(const ElboDecompositionShape& s) {
  const std::int64_t mixture = saved_columns(s) > 0 ? tile : 0;
  return cut(s, s.rows, s.columns, 2 * s.dims + mixture, (3 * s.dims + eight) * tile);
}
Cut column_cut(const ElboDecompositionShape& s) {
  const std::int64_t mixture = saved_columns(s) > 0 ? 2 * tile : 0;
  return cut(s, s.columns, s.rows, 5 * s.dims + mixture, (s.dims + neighbour_floats + eight + 2) * tile);
}

struct BackwardFloats {
  std::int64_t levels, factors, rows, columns;
};
BackwardFloats backward_floats(const ElboDecompositionShape& s, const Cut& row, const Cut& column) {
  const std::int64_t saved = saved_columns(s);
  return {.levels = saved > 0 ? s.block_count * s.rows : 0,
          .factors = saved * s.rows,
          .rows = row.parts() * s.dims * s.rows,
          .columns = column.parts() * (2 * s.dims + class_column_count(s)) * s.columns};
}

}  // namespace

std::size_t elbo_backward_tiled_workspace(const ElboDecompositionBackward& a) {
  if (!has_work(a.shape)) return 0;
  const Cut row = row_cut(a.shape), column = column_cut(a.shape);
  if (row.threads == 0 || column.threads == 0) return 0;
  const BackwardFloats f = backward_floats(a.shape, row, column);
  const std::int64_t floats = f.levels + f.factors + (f.rows > f.columns ? f.rows : f.columns);
  return static_cast<std::size_t>(floats) * sizeof(float);
}

void elbo_backward_tiled(const ElboDecompositionBackward& a, Stream stream) {
  const ElboDecompositionShape& s = a.shape;
  const Cut row = has_work(s) ? row_cut(s) : Cut{}, column = has_work(s) ? column_cut(s) : Cut{};
  if (row.threads == 0 || column.threads == 0) return elbo_backward_thread(a, stream);
  const BackwardFloats f = backward_floats(s, row, column);
  const LogWeights weights = log_weights(s);
  auto* const levels = static_cast<float*>(a.workspace);
  const Factors factors{.level = levels, .factor = levels + f.levels, .rows = s.rows};
  float* const partial = factors.factor + f.factors;  // of rows, then of columns

  for_each_part(s, [&](const BlockTable& table) {
    if (f.factors > 0) launch_finish<mixture_factors>(s.rows * table.count, stream, a, table, factors);
    elbo_row_probabilities(a, table, stream);
  });
  const auto finish = [&](const Cut& c, const float* sums, std::int64_t width, const float* logvar,
                          float scale, float* out) {
    const Finish sum{.partial = sums,
                     .parts = c.parts(),
                     .own = c.own,
                     .width = width,
                     .logvar = logvar,
                     .scale = scale,
                     .out = out};
    launch_finish<backward_finish>(c.own * width, stream, sum);
  };
  if (s.dims > 0) {
    for_each_part(s, [&](const BlockTable& table) {
      launch(backward_rows, row.grid(), static_cast<unsigned>(row.threads), row.shared_bytes, stream, a,
             table, weights, row, factors, partial);
    });
    finish(row, partial, s.dims, nullptr, -2, a.dz);
  }
  const std::int64_t gaussian = column.parts() * s.dims * s.columns;
  const ColumnPartials sums{
      .t = partial, .squares = partial + gaussian, .probabilities = partial + 2 * gaussian};
  for_each_part(s, [&](const BlockTable& table) {
    launch(backward_columns, column.grid(), static_cast<unsigned>(column.threads), column.shared_bytes,
           stream, a, table, weights, column, factors, sums);
  });
  finish(column, sums.t, s.dims, a.logvar, 2, a.dmean);
  finish(column, sums.squares, s.dims, nullptr, 1, a.dlogvar);
  finish(column, sums.probabilities, class_column_count(s), nullptr, 1, a.dprobabilities);
}

}  // namespace cuelbo::kernels::cuda
