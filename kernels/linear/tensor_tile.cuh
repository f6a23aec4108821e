// Products on tensor cores, fp32 sums of bf16 or tf32 factors: tiles of both operands travel to shared memory by cp.async,
// two on their way while one is multiplied by mma.sync. Operands' packs are 16 bytes.
#pragma once

#include <cuda_bf16.h>

#include "kernels/linear/product.cuh"
#include "kernels/runtime/ptx.hpp"

namespace cuelbo::kernels::cuda {

// A block makes m × n outputs, each of its warps a rectangle of them.
template <class T, int m_, int n_, int warps_m_, int warps_n_>
struct TensorTile {
  using Element = T;
  static constexpr int m = m_, n = n_, k = 64 / sizeof(T);  // 64 bytes of a row
  static constexpr int warps_n = warps_n_, threads = 32 * warps_m_ * warps_n_;
  static constexpr int warp_m = m / warps_m_, warp_n = n / warps_n_;
  static constexpr int stages = 3;
  static constexpr int lanes_down = 8;  // rows of outputs that a warp stores at once
};

// A tile of one operand in shared memory, laid out as in memory: [outer][k] or [k][outer].
template <class Operand, int outer, int threads>
struct AsyncStage {
  using T = typename Operand::Element;
  static constexpr bool along_k = Operand::along_k;
  static constexpr int width = 16 / sizeof(T), depth = 64 / sizeof(T);
  static constexpr int packs_per_row = along_k ? 4 : outer / width,
                       count = outer * 4 / threads;  // packs a thread
  static constexpr int rows = along_k ? outer : depth, row_length = packs_per_row * width;
  static_assert(Operand::width == width && outer * 4 % threads == 0);

  // Where an element stands. No two of eight packs that are copied or read at once begin in the same bank: eight neighbours
  // of a row, or four of two rows; one of each of eight rows (ldmatrix), or two of each of four rows (fp32). Rows of 64 bytes
  // are followed by 16 bytes every other time, longer ones by 8 elements each.
  __host__ __device__ static constexpr int at(int row, int column) {
    return row * row_length + (packs_per_row == 4 ? row / 2 * width : row * 8) + column;
  }
  static constexpr int elements = at(rows - 1, row_length);

  const Operand& operand;
  typename Operand::Line line[count];

  __device__ static int row_of(int i) {
    return (i * threads + static_cast<int>(threadIdx.x)) / packs_per_row;
  }
  __device__ static int column_of(int i) {
    return (i * threads + static_cast<int>(threadIdx.x)) % packs_per_row * width;
  }

  __device__ AsyncStage(const Operand& o, int first) : operand(o) {
#pragma unroll
    for (int i = 0; i < count; ++i) line[i] = operand.line(first + (along_k ? row_of(i) : column_of(i)));
  }
  // Begins to copy depths k … + depth − 1.
  __device__ void copy(int k, T* tile) const {
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const T* const from = operand.address(line[i], k + (along_k ? column_of(i) : row_of(i)));
      ptx::cp_async_16(tile + at(row_of(i), column_of(i)), from == nullptr ? operand.base() : from,
                       from == nullptr ? 0 : 16);
    }
  }
};

// ---- what one mma multiplies, from a tile: a[] of 16 rows, b[] of 16 columns, two for each 8 (lane layouts of the PTX ISA)

template <class Stage>
__device__ inline void load_rows(const __nv_bfloat16* tile, int outer, int k, std::uint32_t (&a)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if constexpr (Stage::along_k)
    ptx::ldmatrix_x4(a, tile + Stage::at(outer + lane % 16, k + lane / 16 * 8));
  else
    ptx::ldmatrix_x4_trans(a, tile + Stage::at(k + lane / 16 * 8 + lane % 8, outer + lane / 8 % 2 * 8));
}
template <class Stage>
__device__ inline void load_columns(const __nv_bfloat16* tile, int outer, int k, std::uint32_t (&b)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if constexpr (Stage::along_k)
    ptx::ldmatrix_x4(b, tile + Stage::at(outer + lane / 16 * 8 + lane % 8, k + lane / 8 % 2 * 8));
  else
    ptx::ldmatrix_x4_trans(b, tile + Stage::at(k + lane % 16, outer + lane / 16 * 8));
}

// ldmatrix moves 16-bit elements; tf32 ones are read one by one and rounded on the way.
template <class Stage>
__device__ inline std::uint32_t element(const float* tile, int outer, int k) {
  return ptx::to_tf32(tile[Stage::along_k ? Stage::at(outer, k) : Stage::at(k, outer)]);
}
template <class Stage>
__device__ inline void load_rows(const float* tile, int outer, int k, std::uint32_t (&a)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int i = 0; i < 4; ++i)
    a[i] = element<Stage>(tile, outer + lane / 4 + i % 2 * 8, k + lane % 4 + i / 2 * 4);
}
template <class Stage>
__device__ inline void load_columns(const float* tile, int outer, int k, std::uint32_t (&b)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int i = 0; i < 4; ++i)
    b[i] = element<Stage>(tile, outer + lane / 4 + i / 2 * 8, k + lane % 4 + i % 2 * 4);
}

template <class T>
__device__ inline void multiply(float (&sum)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  if constexpr (sizeof(T) == 2)
    ptx::mma_bf16(sum, a, b);
  else
    ptx::mma_tf32(sum, a, b);
}

// Grid: tiles, n fastest; slices of k; parts of the problem.
// A warp has 8 (32 × 32 outputs) to 16 (64 × 32) independent mma in flight and two tiles on their way, so three to five
// blocks of four warps a multiprocessor, which 90 to 168 registers leave, are enough.
template <class T, class Problem>
__global__ void __launch_bounds__(T::threads, 2)
    gemm_tensor_tile(Problem problem, int tiles_n, int slice_depth) {
  using Element = typename T::Element;
  const auto product = problem.part(blockIdx.z);
  using Product = std::remove_cvref_t<decltype(product)>;
  using StageA = AsyncStage<std::remove_cvref_t<decltype(Product::a)>, T::m, T::threads>;
  using StageB = AsyncStage<std::remove_cvref_t<decltype(Product::b)>, T::n, T::threads>;
  __shared__ __align__(16) Element a_tile[T::stages][StageA::elements];
  __shared__ __align__(16) Element b_tile[T::stages][StageB::elements];

  const int first_m = static_cast<int>(blockIdx.x) / tiles_n * T::m;
  const int first_n = static_cast<int>(blockIdx.x) % tiles_n * T::n;
  if (first_m >= product.m) return;  // parts differ in size
  const int slice = static_cast<int>(blockIdx.y), begin = slice * slice_depth;
  const int end = product.k - begin < slice_depth ? product.k : begin + slice_depth;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int warp_m = warp / T::warps_n * T::warp_m, warp_n = warp % T::warps_n * T::warp_n;

  const StageA a(product.a, first_m);
  const StageB b(product.b, first_n);
  int filled = 0, fetched = begin;
  const auto fetch = [&] {
    if (fetched < end) {
      a.copy(fetched, a_tile[filled]);
      b.copy(fetched, b_tile[filled]);
    }
    ptx::cp_async_commit();  // also an empty group, so that the number of groups tells the stage
    fetched += T::k;
    filled = filled + 1 == T::stages ? 0 : filled + 1;
  };

  constexpr int step = 32 / sizeof(Element), rows = T::warp_m / 16, columns = T::warp_n / 16;
  float sum[rows][2 * columns][4] = {};
  for (int s = 0; s + 1 < T::stages; ++s) fetch();
  for (int k = begin, used = 0; k < end; k += T::k, used = used + 1 == T::stages ? 0 : used + 1) {
    ptx::cp_async_wait<T::stages - 2>();
    __syncthreads();  // all see this stage, and have finished with the one that is fetched into next
    fetch();
#pragma unroll
    for (int j = 0; j < T::k; j += step) {
      std::uint32_t row[rows][4], column[columns][4];
#pragma unroll
      for (int r = 0; r < rows; ++r) load_rows<StageA>(a_tile[used], warp_m + 16 * r, j, row[r]);
#pragma unroll
      for (int c = 0; c < columns; ++c) load_columns<StageB>(b_tile[used], warp_n + 16 * c, j, column[c]);
#pragma unroll
      for (int r = 0; r < rows; ++r)
#pragma unroll
        for (int c = 0; c < columns; ++c) {
          multiply<Element>(sum[r][2 * c], row[r], {column[c][0], column[c][1]});
          multiply<Element>(sum[r][2 * c + 1], row[r], {column[c][2], column[c][3]});
        }
    }
  }
#pragma unroll
  for (int r = 0; r < rows; ++r)
#pragma unroll
    for (int c = 0; c < 2 * columns; ++c)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        product.output.store(slice, first_m + warp_m + 16 * r + 8 * half + lane / 4,
                             first_n + warp_n + 8 * c + lane % 4 * 2,
                             Pack<2>{sum[r][c][2 * half], sum[r][c][2 * half + 1]});
}

template <class Element, int m_, int n_, int warps_m, int warps_n, class Problem>
void launch_tiles(TensorTile<Element, m_, n_, warps_m, warps_n>, const Problem& problem, std::int64_t m,
                  std::int64_t n, Slices slices, unsigned parts, Stream stream) {
  using T = TensorTile<Element, m_, n_, warps_m, warps_n>;
  const auto tiles_m = divide_up<std::int64_t>(m, T::m), tiles_n = divide_up<std::int64_t>(n, T::n);
  const dim3 grid(static_cast<unsigned>(tiles_m * tiles_n), static_cast<unsigned>(slices.count), parts);
  launch(gemm_tensor_tile<T, Problem>, grid, T::threads, 0, stream, problem, static_cast<int>(tiles_n),
         slices.depth);
}

}  // namespace cuelbo::kernels::cuda
