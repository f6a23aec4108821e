// The gradients of columns: a thread owns a column and meets the rows in tiles.
#include "kernels/elbo_decomposition/backward_tiles.cuh"

namespace cuelbo::kernels::cuda {

namespace {

// A tile of rows: z (dims, tile + gap), and what a block of the table needs.
struct RowTile {
  float *z, *gradient, *level, *factors;  // factors: (tile, 8)
};

__device__ void log_terms_of_rows(const DensityBlock& v, const Components& own, int me, const RowTile& rows,
                                  int b, const float* weights, float* x) {
  float sum[eight] = {};
  for (std::int32_t d = v.dim_begin; d < v.dim_end; ++d) {
    const Component column = own.at(d, me);
    float z[eight];
    load_eight(rows.z + d * (tile + gap) + b, z);
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
                     ShareDims share_dims, RowLevels levels, ColumnPartials out) {
  const int n = static_cast<int>(blockDim.x), me = static_cast<int>(threadIdx.x);
  const auto dims = static_cast<std::int32_t>(a.shape.dims);
  const std::int32_t class_width = class_columns(a.shape);
  const Place place(c);
  float* memory = dynamic_shared<float>();
  RowTile rows{};
  rows.z = take(memory, dims * (tile + gap));
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
  own.fill(a, place.first);
  const std::int32_t begin = share_dims.begin[blockIdx.y], end = share_dims.end[blockIdx.y];
  for (std::int32_t d = begin; d < end; ++d) {
    const bool resume = place.valid && table.first > 0;
    sum_t[d * n] = resume ? out.t[d * c.own] : 0;
    sum_squares[d * n] = resume ? out.squares[d * c.own] : 0;
  }
  if (place.valid && table.first == 0)
    for (std::int32_t k = 0; k < class_width; ++k) out.probabilities[k * c.own] = 0;

  for (std::int64_t first = place.begin; first < place.end; first += tile) {
    __syncthreads();
    fill_rows(a.z, first, c.other, dims, tile, rows.z);
    if (me < tile) near[me] = neighbours(a.shape, a.own, first + me);
    for (auto at = static_cast<std::int32_t>(blockIdx.y); at < table.count;
         at += static_cast<std::int32_t>(gridDim.y)) {
      const DensityBlock& v = table.blocks[at];
      const bool is_mixture = discrete(v);
      __syncthreads();
      if (me < tile) {
        const std::int64_t of_row = (table.first + at) * levels.rows + first + me;
        const bool valid = first + me < c.other;
        rows.gradient[me] = valid ? levels.gradient[of_row] : 0;
        rows.level[me] = valid ? levels.level[of_row] : 0;
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
                row < c.other && k + i / tile < classes ? levels.factor[column * levels.rows + row] : 0;
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
          load_eight(rows.z + d * (tile + gap) + b, z);
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
  for (std::int32_t d = begin; d < end; ++d) {
    out.t[d * c.own] = sum_t[d * n];
    out.squares[d * c.own] = sum_squares[d * n];
  }
}

}  // namespace

Cut backward_column_cut(const ElboDecompositionShape& s) {
  const std::int64_t mixture = saved_columns(s) > 0 ? 2 * tile : 0;
  return cut(s, s.columns, s.rows, 5 * s.dims + mixture,
             (s.dims + neighbour_floats + eight + 2) * tile + component_gaps(s.dims) + gap * s.dims);
}

void launch_backward_columns(const ElboDecompositionBackward& a, const BlockTable& table, const Cut& c,
                             const ShareDims& share_dims, const RowLevels& levels, const ColumnPartials& out,
                             Stream stream) {
  launch(backward_columns, c.grid(), static_cast<unsigned>(c.threads), c.shared_bytes, stream, a, table,
         log_weights(a.shape), c, share_dims, levels, out);
}

}  // namespace cuelbo::kernels::cuda
