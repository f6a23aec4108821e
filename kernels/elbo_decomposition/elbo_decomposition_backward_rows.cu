// The gradients of rows: a thread owns a row and meets the columns in tiles.
#include "kernels/elbo_decomposition/backward_tiles.cuh"

namespace cuelbo::kernels::cuda {

namespace {

// Σ_j gradient · t · a of each row: partial (parts, dims, rows).
__global__ void __launch_bounds__(widest, blocks_an_sm)
    backward_rows(ElboDecompositionBackward a, BlockTable table, LogWeights weights, Cut c,
                  ShareDims share_dims, RowLevels levels, float* partial) {
  const int n = static_cast<int>(blockDim.x), me = static_cast<int>(threadIdx.x);
  const auto dims = static_cast<std::int32_t>(a.shape.dims);
  const Place place(c);
  float* memory = dynamic_shared<float>();
  const Components columns = take_components(memory, dims, tile);
  float* const products = take(memory, tile * eight);
  float* const all_z = take(memory, dims * (n + gap));   // (dims, threads + gap)
  float* const dz = take(memory, dims * n) + me;         // (dims, threads)
  float* const gradients = take(memory, tile * n) + me;  // (tile, threads)
  const Neighbours near = neighbours(a.shape, a.own, place.own);
  partial += place.part() * dims * c.own + place.own;
  const float* const z = all_z + me;
  fill_rows(a.z, place.first, c.own, dims, n, all_z);
  const std::int32_t begin = share_dims.begin[blockIdx.y], end = share_dims.end[blockIdx.y];
  for (std::int32_t d = begin; d < end; ++d)
    dz[d * n] = place.valid && table.first > 0 ? partial[d * c.own] : 0;

  for (std::int64_t first = place.begin; first < place.end; first += tile) {
    __syncthreads();
    columns.fill(a, first);
    __syncthreads();
    for (auto at = static_cast<std::int32_t>(blockIdx.y); at < table.count;
         at += static_cast<std::int32_t>(gridDim.y)) {
      const DensityBlock& v = table.blocks[at];
      if (v.dim_begin == v.dim_end) continue;
      const std::int64_t of_row = (table.first + at) * levels.rows + place.own;
      const float gradient = place.valid ? levels.gradient[of_row] : 0;
      const float level = place.valid ? levels.level[of_row] : 0;
      if (discrete(v)) {
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
                            ? levels.factor[(table.first_saved[at] + k + i) * levels.rows + place.own]
                            : 0;
          for (int j = 0; j < tile; ++j) {
            float p[eight], sum = gradients[j * n];
            load_eight(products + j * eight, p);
#pragma unroll
            for (int i = 0; i < eight; ++i) sum = fmaf(factor[i], p[i], sum);
            gradients[j * n] = sum;
          }
        }
      }
      for (int j = 0; j < tile; j += eight) {
        float w[eight], x[eight];
        log_weights_of_eight(weights, near, first + j, c.other, w);
        log_terms(v, z, n + gap, columns, j, w, x);
#pragma unroll
        for (int i = 0; i < eight; ++i)
          x[i] = discrete(v) ? gradients[(j + i) * n] * relative_density(x[i] - level)
                             : gradient * share(x[i] - level);
        for_each_dim(v, z, n + gap, columns, j, [&](std::int32_t d, const float* t, const float* inverse) {
          float sum = dz[d * n];
#pragma unroll
          for (int i = 0; i < eight; ++i) sum = fmaf(x[i], t[i] * inverse[i], sum);
          dz[d * n] = sum;
        });
      }
    }
  }
  if (!place.valid) return;
  for (std::int32_t d = begin; d < end; ++d) partial[d * c.own] = dz[d * n];
}

}  // namespace

Cut backward_row_cut(const ElboDecompositionShape& s) {
  const std::int64_t mixture = saved_columns(s) > 0 ? tile : 0;
  return cut(s, s.rows, s.columns, 2 * s.dims + mixture,
             (3 * s.dims + eight) * tile + component_gaps(s.dims) + gap * s.dims);
}

void launch_backward_rows(const ElboDecompositionBackward& a, const BlockTable& table, const Cut& c,
                          const ShareDims& share_dims, const RowLevels& levels, float* partial,
                          Stream stream) {
  launch(backward_rows, c.grid(), static_cast<unsigned>(c.threads), c.shared_bytes, stream, a, table,
         log_weights(a.shape), c, share_dims, levels, partial);
}

}  // namespace cuelbo::kernels::cuda
