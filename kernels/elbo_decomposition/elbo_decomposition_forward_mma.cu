// Gaussian blocks as a matrix product on tensor cores. With α = 1 / σ², the log-density of a pair is
//   Σ_d −½ α z² + α μ z − ½ α μ² − log σ − ½ log 2π = [z², z] · [−½ α, α μ] + constant of the column
// Its terms are as large as (z / σ)² where their sum is as small as t²: the smaller σ, the less is left of it.
// Factors are split into two tf32 numbers, of which three products are taken; the fourth is below fp32's rounding.
#include "kernels/elbo_decomposition/forward_slices.cuh"
#include "kernels/runtime/ptx.hpp"

namespace cuelbo::kernels::cuda {

namespace {

constexpr int warps = 4, warp_rows = 16, block_rows = warps * warp_rows;
constexpr int step = 8;                 // of k in one instruction
constexpr int column_tiles = tile / 8;  // an instruction makes 16 rows × 8 columns

__host__ __device__ inline unsigned row_tiles(const ElboDecompositionShape& s) {
  return static_cast<unsigned>((s.rows + block_rows - 1) / block_rows);
}

// Depth of the product: z² and z of the dimensions rounded up to four, so that it is a multiple of a step.
__host__ __device__ inline int depth(const DensityBlock& v) { return (v.dim_end - v.dim_begin + 3) / 4 * 8; }

// Rows of shared memory begin four banks further than a multiple of eight: a fragment's 8 rows × 4 words meet no bank twice.
__host__ __device__ inline int pitch(int k) { return k + 4; }

struct Split {
  std::uint32_t high, low;
};
__device__ inline Split split(float x) {
  const std::uint32_t high = ptx::to_tf32(x) & 0xffffe000U;  // the lower bits are not said to be 0
  return {high, ptx::to_tf32(x - __uint_as_float(high))};
}

// Threads: 4 warps of 16 rows each. Grid: tiles of rows × slices, blocks of the table.
__global__ void __launch_bounds__(warps * 32)
    product_slice(ElboDecompositionForward a, BlockTable table, LogWeights weights, Cut c, Sums out) {
  const auto at = static_cast<std::int32_t>(blockIdx.y);
  const DensityBlock& v = table.blocks[at];
  if (!is_product(v)) return;
  const int dims = v.dim_end - v.dim_begin, k_end = depth(v), half = k_end / 2, stride = pitch(k_end);
  float* const row_factors = dynamic_shared<float>();               // (block_rows, stride)
  float* const column_factors = row_factors + block_rows * stride;  // (tile, stride)
  float* const terms = column_factors + tile * stride;              // (tile, half + 1): of constants
  float* const constants = terms + tile * (half + 1);               // (tile)
  const unsigned tiles = row_tiles(a.shape);
  const std::int64_t slice = blockIdx.x / tiles, first_row = std::int64_t{blockIdx.x % tiles} * block_rows;
  const std::int64_t begin = slice * c.slice, end = begin + c.slice < c.other ? begin + c.slice : c.other;

  for (int i = static_cast<int>(threadIdx.x); i < block_rows * half; i += warps * 32) {
    const int r = i / half, d = i % half;
    const std::int64_t row = first_row + r;
    const float z = row < a.shape.rows && d < dims ? a.z[row * a.shape.dims + v.dim_begin + d] : 0;
    row_factors[r * stride + d] = z * z;
    row_factors[r * stride + half + d] = z;
  }
  const int lane = static_cast<int>(threadIdx.x) % 32, group = lane / 4, member = lane % 4;
  const int mine = static_cast<int>(threadIdx.x) / 32 * warp_rows + group;  // and the row eight below
  const Neighbours near[] = {neighbours(a.shape, a.own, first_row + mine),
                             neighbours(a.shape, a.own, first_row + mine + 8)};
  float largest[] = {minus_infinity, minus_infinity}, sums[] = {0, 0};

  for (std::int64_t first = begin; first < end; first += tile) {
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < tile * half; i += warps * 32) {
      const int j = i / half, d = i % half;
      const std::int64_t column = first + j, from = column * a.shape.dims + v.dim_begin + d;
      const bool valid = column < end && d < dims;
      constexpr float half_log_2pi = 0.91893853F;
      const float mean = valid ? a.mean[from] : 0, logvar = valid ? a.logvar[from] : 0;
      const float precision = valid ? expf(-logvar) : 0;
      column_factors[j * stride + d] = -0.5F * precision;
      column_factors[j * stride + half + d] = precision * mean;
      terms[j * (half + 1) + d] = valid ? 0.5F * (precision * mean * mean + logvar) + half_log_2pi : 0;
    }
    __syncthreads();
    if (threadIdx.x < tile) {
      float sum = 0;
      for (int d = 0; d < dims; ++d) sum += terms[threadIdx.x * (half + 1) + d];
      constants[threadIdx.x] = -sum;
    }
    __syncthreads();

    float x[column_tiles][4] = {};
    for (int k = 0; k < k_end; k += step) {
      std::uint32_t a_high[4], a_low[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const Split s = split(row_factors[(mine + 8 * (i % 2)) * stride + k + member + 4 * (i / 2)]);
        a_high[i] = s.high;
        a_low[i] = s.low;
      }
#pragma unroll
      for (int t = 0; t < column_tiles; ++t) {
        std::uint32_t b_high[2], b_low[2];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const Split s = split(column_factors[(8 * t + group) * stride + k + member + 4 * i]);
          b_high[i] = s.high;
          b_low[i] = s.low;
        }
        ptx::mma_tf32(x[t], a_low, b_high);
        ptx::mma_tf32(x[t], a_high, b_low);
        ptx::mma_tf32(x[t], a_high, b_high);
      }
    }
    // A thread has columns 2 · member, + 1 of each tile, in both of its rows.
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float now = largest[r];
#pragma unroll
      for (int t = 0; t < column_tiles; ++t)
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int j = 8 * t + 2 * member + i;
          float& term = x[t][2 * r + i];
          term = first + j < end ? term + constants[j] + log_weight(weights, near[r], first + j)
                                 : minus_infinity;
          now = fmaxf(now, term);
        }
      float more = 0;
#pragma unroll
      for (int t = 0; t < column_tiles; ++t)
#pragma unroll
        for (int i = 0; i < 2; ++i) more += __expf(x[t][2 * r + i] - finite(now));
      sums[r] = sums[r] * __expf(largest[r] - finite(now)) + more;
      largest[r] = now;
    }
  }

  // The four members of a group share its rows.
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float all = largest[r];
    all = fmaxf(all, __shfl_xor_sync(~0U, all, 1));
    all = fmaxf(all, __shfl_xor_sync(~0U, all, 2));
    float sum = sums[r] * __expf(largest[r] - finite(all));
    sum += __shfl_xor_sync(~0U, sum, 1);
    sum += __shfl_xor_sync(~0U, sum, 2);
    const std::int64_t row = first_row + mine + 8 * r;
    if (member != 0 || row >= a.shape.rows) continue;
    out.largest_at(slice, table.first + at, row) = all;
    out.sum_at(slice, first_sum(table, at), row) = sum;
  }
}

}  // namespace

// A block of the table reads its dimensions of rows once a slice and of columns once a tile of rows, and leaves two numbers a
// row and slice. What it reads of a row of memory may end within sectors.
std::int64_t products_bytes(const ElboDecompositionForward& a, const Cut& c) {
  constexpr std::int64_t sector_floats = 8;
  std::int64_t sectors = 0, products = 0;
  for (std::int32_t i = 0; i < a.shape.block_count; ++i) {
    const DensityBlock& v = a.shape.blocks[i];
    if (!is_product(v)) continue;
    sectors += (v.dim_end - 1) / sector_floats - v.dim_begin / sector_floats + 1;
    ++products;
  }
  return 32 * sectors * (a.shape.rows * c.slices + 2 * a.shape.columns * row_tiles(a.shape)) +
         8 * products * a.shape.rows * c.slices;
}

void launch_products(const ElboDecompositionForward& a, const BlockTable& table, const LogWeights& weights,
                     const Cut& c, const Sums& sums, Stream stream) {
  int deepest = 0;
  for (std::int32_t at = 0; at < table.count; ++at) {
    const DensityBlock& v = table.blocks[at];
    if (is_product(v) && depth(v) > deepest) deepest = depth(v);
  }
  if (deepest == 0) return;
  const auto floats =
      static_cast<std::size_t>((block_rows + tile) * pitch(deepest) + tile * (deepest / 2 + 1) + tile);
  const auto blocks = static_cast<unsigned>(row_tiles(a.shape) * c.slices);
  launch(product_slice, dim3(blocks, static_cast<unsigned>(table.count)), warps * 32, floats * sizeof(float),
         stream, a, table, weights, c, sums);
}

}  // namespace cuelbo::kernels::cuda
