// Products in fp32 arithmetic, two ways: a tile of shared memory with one output per thread, and register tiles.
#pragma once

#include "kernels/linear/product.cuh"

namespace cuelbo::kernels::cuda {

// ---- shared tiles: one output per thread

inline constexpr int shared_tile = 16;

// A tile [k][outer]: a warp reads half a row and writes two rows or, of an operand along k, two columns, which 18 floats
// between rows put into different banks.
template <class Operand>
using SharedTile = float[shared_tile][shared_tile + (Operand::along_k ? 2 : 0)];

template <class Problem>
__global__ void __launch_bounds__(shared_tile* shared_tile) gemm_shared_tile(Problem problem, int tiles_n) {
  const auto product = problem.part(blockIdx.z);
  using Product = std::remove_cvref_t<decltype(product)>;
  __shared__ SharedTile<std::remove_cvref_t<decltype(Product::a)>> a_tile;
  __shared__ SharedTile<std::remove_cvref_t<decltype(Product::b)>> b_tile;
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int first_m = static_cast<int>(blockIdx.x) / tiles_n * shared_tile;
  const int first_n = static_cast<int>(blockIdx.x) % tiles_n * shared_tile;
  // A warp's loads go along the operand's neighbours.
  const int a_outer = product.a.along_k ? y : x, a_k = product.a.along_k ? x : y;
  const int b_outer = product.b.along_k ? y : x, b_k = product.b.along_k ? x : y;
  const auto a_line = product.a.line(first_m + a_outer);
  const auto b_line = product.b.line(first_n + b_outer);
  float sum = 0;
  for (int k = 0; k < product.k; k += shared_tile) {
    a_tile[a_k][a_outer] = load_or_zeros(product.a, a_line, k + a_k)[0];
    b_tile[b_k][b_outer] = load_or_zeros(product.b, b_line, k + b_k)[0];
    __syncthreads();
#pragma unroll
    for (int j = 0; j < shared_tile; ++j) sum += a_tile[j][y] * b_tile[j][x];
    __syncthreads();
  }
  product.output.store(0, first_m + y, first_n + x, Pack<1>{sum});
}

template <class Problem>
void launch_gemm_shared_tile(const Problem& problem, std::int64_t m, std::int64_t n, unsigned parts,
                             Stream stream) {
  const auto tiles_m = divide_up<std::int64_t>(m, shared_tile),
             tiles_n = divide_up<std::int64_t>(n, shared_tile);
  launch(gemm_shared_tile<Problem>, dim3(static_cast<unsigned>(tiles_m * tiles_n), 1, parts),
         dim3(shared_tile, shared_tile), 0, stream, problem, static_cast<int>(tiles_n));
}

// ---- register tiles

// A block makes m × n outputs, a thread thread_m × thread_n.
template <int m_, int n_, int thread_m_, int thread_n_>
struct Tile {
  static constexpr int m = m_, n = n_, k = 16, thread_m = thread_m_, thread_n = thread_n_;
  static constexpr int down = m / thread_m, across = n / thread_n, threads = down * across;
  static constexpr int lanes_across = across < 8 ? across : 8, lanes_down = 32 / lanes_across;
  static constexpr int warps_across = across / lanes_across;
};

// One operand's way from memory to a tile of shared memory [k][outer]: fetched into registers while the tile before is
// in use.
template <class Operand, int outer, int threads>
struct Stage {
  static constexpr int width = Operand::width, depth = 16, packs = outer * depth / width;
  static constexpr int count = (packs + threads - 1) / threads;  // packs a thread

  // Where an element stands. A warp stores packs along k as four columns of eight, four rows apart: every four rows are
  // followed by eight floats, which puts the columns into different banks and leaves 16-byte reads of a row aligned. Single
  // elements along k are stored as two columns of sixteen, of which two meet in a bank where rows are read by 16 bytes.
  static constexpr bool packs_along_k = Operand::along_k && width == 4;
  static constexpr int pitch = outer + (!Operand::along_k || packs_along_k ? 0 : outer % 32 == 0 ? 4 : 2);
  __host__ __device__ static constexpr int at(int k, int o) {
    return k * pitch + (packs_along_k ? k / 4 * 8 : 0) + o;
  }
  static constexpr int elements = at(depth - 1, outer);

  typename Operand::Line line[count];
  Pack<width> held[count];

  __device__ static bool exists(int i) {
    return packs % threads == 0 || i * threads + static_cast<int>(threadIdx.x) < packs;
  }
  __device__ static int outer_of(int i) {
    const int p = i * threads + static_cast<int>(threadIdx.x);
    return Operand::along_k ? p / (depth / width) : p % (outer / width) * width;
  }
  __device__ static int k_of(int i) {
    const int p = i * threads + static_cast<int>(threadIdx.x);
    return Operand::along_k ? p % (depth / width) * width : p / (outer / width);
  }

  __device__ Stage(const Operand& operand, int first) {
#pragma unroll
    for (int i = 0; i < count; ++i) line[i] = operand.line(first + outer_of(i));
  }
  __device__ void fetch(const Operand& operand, int k) {
#pragma unroll
    for (int i = 0; i < count; ++i)
      if (exists(i)) held[i] = load_or_zeros(operand, line[i], k + k_of(i));
  }
  __device__ void put(float* tile) const {
#pragma unroll
    for (int i = 0; i < count; ++i) {
      if (!exists(i)) continue;
      float* const to = tile + at(k_of(i), outer_of(i));
      if constexpr (Operand::along_k) {
#pragma unroll
        for (int j = 0; j < width; ++j) to[j * pitch] = held[i][j];
      } else {
        store(to, held[i]);
      }
    }
  }
};

// Grid: tiles, n fastest; slices of k; parts of the problem. Every output is the sum over k in order.
// 64 × 64 tiles take up to 128 registers of 128 threads: four blocks, 16 of 64 warps a multiprocessor. What hides latency is
// in the thread: 32 independent sums, and the next tile on its way in registers. Of shared memory a step of k reads 3 packs
// for 32 multiply-adds.
template <class T, class Problem>
__global__ void __launch_bounds__(T::threads, 2)
    gemm_register_tile(Problem problem, int tiles_n, int slice_depth) {
  const auto product = problem.part(blockIdx.z);
  using Product = std::remove_cvref_t<decltype(product)>;
  using StageA = Stage<std::remove_cvref_t<decltype(Product::a)>, T::m, T::threads>;
  using StageB = Stage<std::remove_cvref_t<decltype(Product::b)>, T::n, T::threads>;
  __shared__ __align__(16) float a_tile[2][StageA::elements];
  __shared__ __align__(16) float b_tile[2][StageB::elements];

  const int first_m = static_cast<int>(blockIdx.x) / tiles_n * T::m;
  const int first_n = static_cast<int>(blockIdx.x) % tiles_n * T::n;
  if (first_m >= product.m) return;  // parts differ in size
  const int slice = static_cast<int>(blockIdx.y), begin = slice * slice_depth;
  const int end = product.k - begin < slice_depth ? product.k : begin + slice_depth;

  // A warp's threads form a rectangle, so that its reads of a row of a tile are broadcasts of 32 to 128 bytes.
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int down = warp / T::warps_across * T::lanes_down + lane / T::lanes_across;
  const int across = warp % T::warps_across * T::lanes_across + lane % T::lanes_across;
  // Rows 4·down … + 3 of each of thread_m / 4 bands, columns thread_n · across …
  constexpr int bands = T::thread_m / 4, band = T::m / bands;

  StageA a(product.a, first_m);
  StageB b(product.b, first_n);
  Pack<T::thread_n> sum[T::thread_m] = {};
  a.fetch(product.a, begin);
  b.fetch(product.b, begin);
  int buffer = 0;
  for (int k = begin; k < end; k += T::k) {
    a.put(a_tile[buffer]);
    b.put(b_tile[buffer]);
    __syncthreads();  // also: all have finished with the other buffer
    if (k + T::k < end) {
      a.fetch(product.a, k + T::k);
      b.fetch(product.b, k + T::k);
    }
#pragma unroll
    for (int j = 0; j < T::k; ++j) {
      Pack<4> column[bands];
#pragma unroll
      for (int i = 0; i < bands; ++i)
        column[i] = load<4>(a_tile[buffer] + StageA::at(j, i * band + 4 * down));
      const auto row = load<T::thread_n>(b_tile[buffer] + StageB::at(j, T::thread_n * across));
#pragma unroll
      for (int i = 0; i < T::thread_m; ++i)
#pragma unroll
        for (int l = 0; l < T::thread_n; ++l) sum[i][l] += column[i / 4][i % 4] * row[l];
    }
    buffer ^= 1;
  }
#pragma unroll
  for (int i = 0; i < T::thread_m; ++i)
    product.output.store(slice, first_m + i / 4 * band + 4 * down + i % 4, first_n + T::thread_n * across,
                         sum[i]);
}

template <int m_, int n_, int thread_m, int thread_n, class Problem>
void launch_tiles(Tile<m_, n_, thread_m, thread_n>, const Problem& problem, std::int64_t m, std::int64_t n,
                  Slices slices, unsigned parts, Stream stream) {
  using T = Tile<m_, n_, thread_m, thread_n>;
  const auto tiles_m = divide_up<std::int64_t>(m, T::m), tiles_n = divide_up<std::int64_t>(n, T::n);
  const dim3 grid(static_cast<unsigned>(tiles_m * tiles_n), static_cast<unsigned>(slices.count), parts);
  launch(gemm_register_tile<T, Problem>, grid, T::threads, 0, stream, problem, static_cast<int>(tiles_n),
         slices.depth);
}

}  // namespace cuelbo::kernels::cuda
