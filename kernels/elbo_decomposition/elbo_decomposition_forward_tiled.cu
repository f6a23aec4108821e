#include "kernels/elbo_decomposition/elbo_decomposition_ladder.hpp"

#include "kernels/elbo_decomposition/forward_slices.cuh"
#include "kernels/elbo_decomposition/transposed.cuh"

namespace cuelbo::kernels::cuda {

namespace {

// Tables of so many blocks keep their largest terms, and the sums of Gaussian blocks, in shared memory from tile to tile; with
// those of larger ones fewer blocks of threads would share a multiprocessor, so they stay in the workspace.
constexpr std::int32_t most_kept = 16;
__host__ __device__ inline std::int32_t kept_blocks(const ElboDecompositionShape& s) {
  return s.block_count <= most_kept ? s.block_count : 0;
}

__global__ void __launch_bounds__(widest, blocks_an_sm)
    forward_slice(ElboDecompositionForward a, BlockTable table, LogWeights weights, Cut c, Sums out,
                  bool products_apart) {
  const int n = static_cast<int>(blockDim.x), me = static_cast<int>(threadIdx.x);
  const auto dims = static_cast<std::int32_t>(a.shape.dims);
  const Place place(c);
  float* memory = dynamic_shared<float>();
  const Components columns = take_components(memory, dims, tile);
  float* const products = take(memory, tile * eight);
  float* const all_z = take(memory, dims * (n + gap));  // (dims, threads + gap)
  const std::int32_t kept = kept_blocks(a.shape);
  float* const state = take(memory, 2 * kept * n) + me;  // (blocks, 2, threads)
  float* const densities = take(memory, tile * n) + me;  // (tile, threads)
  const auto largest_of = [&](std::int32_t at) -> float& {
    return kept > 0 ? state[2 * at * n] : out.largest_at(place.slice, table.first + at, place.own);
  };
  const auto sum_of = [&](std::int32_t at) -> float& {
    return kept > 0 ? state[(2 * at + 1) * n] : out.sum_at(place.slice, first_sum(table, at), place.own);
  };
  const Neighbours near = neighbours(a.shape, a.own, place.own);
  const float* const z = all_z + me;
  fill_rows(a.z, place.first, c.own, dims, n, all_z);

  for (std::int64_t first = place.begin; first < place.end; first += tile) {
    __syncthreads();
    columns.fill(a, first);
    __syncthreads();
    for (auto at = static_cast<std::int32_t>(blockIdx.y); at < table.count;
         at += static_cast<std::int32_t>(gridDim.y)) {
      const DensityBlock& v = table.blocks[at];
      if (products_apart && is_product(v)) continue;
      const bool resume = place.valid && first > place.begin;
      const float before = resume ? largest_of(at) : minus_infinity;
      float largest = before;
      if (!discrete(v)) {
        float sum = resume ? sum_of(at) : 0;
        for (int j = 0; j < tile; j += eight) {
          float w[eight], x[eight];
          log_weights_of_eight(weights, near, first + j, c.other, w);
          log_terms(v, z, n + gap, columns, j, w, x);
          float now = largest;
#pragma unroll
          for (int i = 0; i < eight; ++i) now = fmaxf(now, x[i]);
          float more = 0;
#pragma unroll
          for (int i = 0; i < eight; ++i) more += __expf(x[i] - finite(now));
          sum = sum * __expf(largest - finite(now)) + more;
          largest = now;
        }
        if (place.valid) sum_of(at) = sum;
      } else {
        for (int j = 0; j < tile; j += eight) {
          float w[eight], x[eight];
          log_weights_of_eight(weights, near, first + j, c.other, w);
          log_terms(v, z, n + gap, columns, j, w, x);
#pragma unroll
          for (int i = 0; i < eight; ++i) {
            densities[(j + i) * n] = x[i];
            largest = fmaxf(largest, x[i]);
          }
        }
        for (int j = 0; j < tile; ++j) densities[j * n] = __expf(densities[j * n] - finite(largest));
        const float scale = __expf(before - finite(largest));
        const std::int32_t classes = class_count(a.shape, v);
        for (std::int32_t k = 0; k < classes; k += eight) {
          __syncthreads();
          fill_products(a, v, k, first, products);
          __syncthreads();
          float sum[eight] = {};
          for (int j = 0; j < tile; ++j) {
            float p[eight];
            load_eight(products + j * eight, p);
#pragma unroll
            for (int i = 0; i < eight; ++i) sum[i] = fmaf(densities[j * n], p[i], sum[i]);
          }
#pragma unroll
          for (int i = 0; i < eight; ++i) {
            if (!place.valid || k + i >= classes) continue;
            float& total = out.sum_at(place.slice, first_sum(table, at) + k + i, place.own);
            total = resume ? total * scale + sum[i] : sum[i];
          }
        }
      }
      if (place.valid) largest_of(at) = largest;
    }
  }
  if (!place.valid) return;
  for (auto at = static_cast<std::int32_t>(blockIdx.y); at < kept;
       at += static_cast<std::int32_t>(gridDim.y)) {
    if (products_apart && is_product(table.blocks[at])) continue;
    out.largest_at(place.slice, at, place.own) = largest_of(at);
    if (!discrete(table.blocks[at])) out.sum_at(place.slice, first_sum(table, at), place.own) = sum_of(at);
  }
}

// log q̂ of a row and a block of the table.
__device__ float combined(const ElboDecompositionForward& a, const BlockTable& table, std::int64_t slices,
                          const Sums& sums, std::int64_t row, std::int32_t at) {
  const DensityBlock& v = table.blocks[at];
  float largest = minus_infinity;
  for (std::int64_t s = 0; s < slices; ++s)
    largest = fmaxf(largest, sums.largest_at(s, table.first + at, row));
  const auto log_sum = [&](std::int64_t column) {
    float sum = 0;
    for (std::int64_t s = 0; s < slices; ++s)
      sum +=
          sums.sum_at(s, column, row) * __expf(sums.largest_at(s, table.first + at, row) - finite(largest));
    return finite(largest) + logf(sum);
  };
  float result = 0;
  for (std::int32_t k = 0; k < class_count(a.shape, v); ++k) {
    const float x = log_sum(first_sum(table, at) + k);
    result += discrete(v) ? finish_class(a, table, at, row, k, x, largest) : x;
  }
  return result;
}

__global__ void forward_finish(ElboDecompositionForward a, BlockTable table, std::int64_t slices, Sums sums) {
  __shared__ float results[transposed_elements];
  const TransposedPart part(a.shape.rows, table.count, a.shape.block_count);
  part.by_columns(results, [&](std::int64_t row, std::int64_t at, float& result) {
    result = combined(a, table, slices, sums, row, static_cast<std::int32_t>(at));
  });
  __syncthreads();
  part.by_rows(results, [&](std::int64_t i, float result) { a.log_q[table.first + i] = result; });
}

// ---- launches

Cut forward_cut(const ElboDecompositionShape& s) {
  const std::int64_t mixture = saved_columns(s) > 0 ? tile : 0;
  return cut(s, s.rows, s.columns, s.dims + 2 * kept_blocks(s) + mixture,
             (3 * s.dims + eight) * tile + component_gaps(s.dims) + gap * s.dims);
}

// The number of sums per slice and row.
std::int64_t sum_columns(const ElboDecompositionShape& s) { return saved_columns(s) + s.block_count; }

}  // namespace

std::size_t elbo_forward_tiled_workspace(const ElboDecompositionForward& a) {
  if (!has_work(a.shape)) return 0;
  const Cut c = forward_cut(a.shape);
  const std::int64_t floats = c.slices * a.shape.rows * (a.shape.block_count + sum_columns(a.shape));
  return c.threads == 0 ? 0 : static_cast<std::size_t>(floats) * sizeof(float);
}

namespace {

void forward(const ElboDecompositionForward& a, bool products_apart, Stream stream) {
  const ElboDecompositionShape& s = a.shape;
  const Cut c = has_work(s) ? forward_cut(s) : Cut{};
  if (c.threads == 0) return elbo_forward_thread(a, stream);
  auto* const largest = static_cast<float*>(a.workspace);
  const Sums sums{.largest = largest,
                  .sums = largest + c.slices * s.block_count * s.rows,
                  .rows = s.rows,
                  .blocks = s.block_count,
                  .columns = sum_columns(s)};
  for_each_part(s, [&](const BlockTable& table) {
    launch(forward_slice, c.grid(), static_cast<unsigned>(c.threads), c.shared_bytes, stream, a, table,
           log_weights(s), c, sums, products_apart);
    if (products_apart) launch_products(a, table, log_weights(s), c, sums, stream);
    launch(forward_finish, transposed_grid(s.rows, table.count), transposed_block, 0, stream, a, table,
           c.slices, sums);
  });
}

}  // namespace

// The floats that a block of the table leaves, and in the workspace picks up with every further tile of columns.
static std::int64_t sums_of_block(const ElboDecompositionShape& s, const Cut& c) {
  const std::int64_t tiles = divide_up<std::int64_t>(s.columns, tile);
  return s.rows * (kept_blocks(s) > 0 ? 2 * c.slices : 4 * tiles - 2 * c.slices);
}

// Each share of the table and slice of columns reads the rows, each share and tile of rows the columns. A block of the table
// leaves a largest term and a sum a row and slice, and the second kernel reads the largest twice. Without discrete groups.
std::int64_t elbo_forward_tiled_bytes(const ElboDecompositionForward& a) {
  const ElboDecompositionShape& s = a.shape;
  const Cut c = forward_cut(s);
  const std::int64_t operands = c.shares * s.dims * (s.rows * c.slices + 2 * s.columns * c.tiles);
  const std::int64_t finish = s.rows * s.block_count * (3 * c.slices + 1);
  return 4 * (operands + s.block_count * sums_of_block(s, c) + finish);
}
// Products leave their sums once a slice.
std::int64_t elbo_forward_mma_bytes(const ElboDecompositionForward& a) {
  const Cut c = forward_cut(a.shape);
  std::int64_t products = 0;
  for (std::int32_t v = 0; v < a.shape.block_count; ++v) products += is_product(a.shape.blocks[v]) ? 1 : 0;
  return elbo_forward_tiled_bytes(a) - 4 * products * sums_of_block(a.shape, c) + products_bytes(a, c);
}

void elbo_forward_tiled(const ElboDecompositionForward& a, Stream stream) { forward(a, false, stream); }
void elbo_forward_mma(const ElboDecompositionForward& a, Stream stream) { forward(a, true, stream); }

}  // namespace cuelbo::kernels::cuda
