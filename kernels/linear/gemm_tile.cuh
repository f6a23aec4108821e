// Matrix products Σ_k A(m, k) · B(n, k) that linear and conv2d are made of, two ways: a tile of shared memory with one
// output a thread, and register tiles. The matrices may be implicit: an operand tells how an element is loaded.
//
// An operand has
//   width     how many neighbours one load takes: 1, or 4 where memory allows
//   along_k   whether neighbours lie along k or along the outer index (m of A, n of B)
//   line(o)   what all elements of outer index o share, made once a thread
//   load(line, k)   the pack that begins at (o, k); zeros outside the matrix
// A problem has extents m, n, k, operands a and b, and output.store(slice, m, n, pack).
#pragma once

#include "kernels/activation/activation.cuh"
#include "kernels/runtime/elementwise.cuh"

namespace cuelbo::kernels::cuda {

// A stored matrix: element (o, k) is p[o · stride + k] if along_k, else p[k · stride + o].
template <bool along_k_, int width_>
struct Matrix {
  static constexpr bool along_k = along_k_;
  static constexpr int width = width_;
  const float* p;
  int outer, depth;
  std::int64_t stride;

  using Line = const float*;
  __device__ Line line(int o) const { return o >= outer ? nullptr : along_k ? p + o * stride : p + o; }
  __device__ Pack<width> load(Line line, int k) const {
    if (line == nullptr || k >= depth) return {};
    return cuda::load<width>(line + (along_k ? k : k * stride));
  }
};

// y = activation(sum + bias) ⊙ gradient_activation'(saved)
struct Epilogue {
  const float* bias;  // by column, or null
  Activation activation, gradient_activation;
  const float* saved;  // laid out like y; not read if gradient_activation is identity

  __device__ float operator()(float sum, std::int64_t index, std::int64_t column) const {
    if (bias != nullptr) sum += bias[column];
    float y = activate(activation, sum);
    if (gradient_activation != Activation::identity)
      y *= derivative_from_output(gradient_activation, saved[index]);
    return y;
  }
};

// y[index … ] = finished pack, of which the columns below `columns` exist.
template <int width>
__device__ inline void store_finished(float* y, const Epilogue& epilogue, bool packs, std::int64_t index,
                                      int column, int columns, Pack<width> sum) {
#pragma unroll
  for (int j = 0; j < width; ++j)
    if (column + j < columns) sum[j] = epilogue(sum[j], index + j, column + j);
  if (packs && column + width <= columns) {
    store(y + index, sum);
  } else {
#pragma unroll
    for (int j = 0; j < width; ++j)
      if (column + j < columns) y[index + j] = sum[j];
  }
}

// A row-major matrix; slices of k go one after another.
struct RowMajor {
  float* y;
  int rows, columns;
  bool packs;  // every fourth element is aligned to 16 bytes
  Epilogue epilogue;

  template <int width>
  __device__ void store(int slice, int row, int column, const Pack<width>& sum) const {
    if (row >= rows) return;
    const std::int64_t size = std::int64_t{rows} * columns, index = std::int64_t{row} * columns + column;
    store_finished(y + slice * size, epilogue, packs, index, column, columns, sum);
  }
};

inline bool packs_fit(const float* y, std::int64_t columns) { return columns % 4 == 0 && aligned_to_16(y); }

template <class A, class B, class Output = RowMajor>
struct Product {
  int m, n, k;
  A a;
  B b;
  Output output;
  __device__ const Product& part(unsigned) const { return *this; }
};

// ---- shared tiles: one output a thread

inline constexpr int shared_tile = 16;

template <class Problem>
__global__ void __launch_bounds__(shared_tile* shared_tile) gemm_shared_tile(Problem problem, int tiles_n) {
  __shared__ float a_tile[shared_tile][shared_tile + 1], b_tile[shared_tile][shared_tile + 1];  // [outer][k]
  const auto product = problem.part(blockIdx.z);
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
    a_tile[a_outer][a_k] = product.a.load(a_line, k + a_k)[0];
    b_tile[b_outer][b_k] = product.b.load(b_line, k + b_k)[0];
    __syncthreads();
#pragma unroll
    for (int j = 0; j < shared_tile; ++j) sum += a_tile[y][j] * b_tile[x][j];
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
  static constexpr int pitch = outer + 4;                        // rows stay aligned, columns change banks

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
      if (exists(i)) held[i] = operand.load(line[i], k + k_of(i));
  }
  __device__ void put(float* tile) const {
#pragma unroll
    for (int i = 0; i < count; ++i) {
      if (!exists(i)) continue;
      float* to = tile + k_of(i) * pitch + outer_of(i);
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
template <class T, class Problem>
__global__ void __launch_bounds__(T::threads, 2)
    gemm_register_tile(Problem problem, int tiles_n, int slice_depth) {
  const auto product = problem.part(blockIdx.z);
  using Product = std::remove_cvref_t<decltype(product)>;
  using StageA = Stage<std::remove_cvref_t<decltype(Product::a)>, T::m, T::threads>;
  using StageB = Stage<std::remove_cvref_t<decltype(Product::b)>, T::n, T::threads>;
  __shared__ __align__(16) float a_tile[2][T::k * StageA::pitch];
  __shared__ __align__(16) float b_tile[2][T::k * StageB::pitch];

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
        column[i] = load<4>(a_tile[buffer] + j * StageA::pitch + i * band + 4 * down);
      const auto row = load<T::thread_n>(b_tile[buffer] + j * StageB::pitch + T::thread_n * across);
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

// How k is cut where an output has too few tiles to fill a device: by the shape only, so that sums do not depend on the
// device.
struct Slices {
  int count, depth;
};
template <class T>
Slices slices_of(std::int64_t m, std::int64_t n, std::int64_t k) {
  constexpr std::int64_t enough_blocks = 256, least_depth = 64;
  const std::int64_t tiles = divide_up<std::int64_t>(m, T::m) * divide_up<std::int64_t>(n, T::n);
  std::int64_t count = divide_up(enough_blocks, tiles < 1 ? 1 : tiles);
  if (count > k / least_depth) count = k / least_depth;
  if (count < 2) return {1, static_cast<int>(k)};
  const std::int64_t depth = divide_up(k, count * T::k) * T::k;
  return {static_cast<int>(divide_up(k, depth)), static_cast<int>(depth)};
}

template <class T, class Problem>
void launch_gemm_register_tile(const Problem& problem, std::int64_t m, std::int64_t n, Slices slices,
                               unsigned parts, Stream stream) {
  const auto tiles_m = divide_up<std::int64_t>(m, T::m), tiles_n = divide_up<std::int64_t>(n, T::n);
  const dim3 grid(static_cast<unsigned>(tiles_m * tiles_n), static_cast<unsigned>(slices.count), parts);
  launch(gemm_register_tile<T, Problem>, grid, T::threads, 0, stream, problem, static_cast<int>(tiles_n),
         slices.depth);
}

// ---- sums of slices

struct SumSlices {
  const float* partial;  // (slices, count)
  std::int64_t count;
  int slices, columns;
  float* y;
  Epilogue epilogue;

  template <int>
  __device__ void at(std::int64_t i) const {
    float sum = 0;
    for (int s = 0; s < slices; ++s) sum += partial[s * count + i];
    y[i] = epilogue(sum, i, i % columns);
  }
};

inline std::size_t slices_workspace(Slices slices, std::int64_t m, std::int64_t n) {
  return slices.count == 1 ? 0 : sizeof(float) * static_cast<std::size_t>(slices.count * m * n);
}

// A product with a row-major output, its slices by way of the workspace.
template <class T, class A, class B>
void launch_sliced_gemm(Product<A, B> product, Slices slices, void* workspace, Stream stream) {
  const RowMajor output = product.output;
  if (slices.count > 1) {
    product.output.y = static_cast<float*>(workspace);
    product.output.packs = product.n % 4 == 0;
    product.output.epilogue = {};
  }
  launch_gemm_register_tile<T>(product, product.m, product.n, slices, 1, stream);
  if (slices.count == 1) return;
  const std::int64_t count = std::int64_t{product.m} * product.n;
  launch_for_each_element<1>(count,
                             SumSlices{.partial = product.output.y,
                                       .count = count,
                                       .slices = slices.count,
                                       .columns = product.n,
                                       .y = output.y,
                                       .epilogue = output.epilogue},
                             stream);
}

// Rows, columns and depths are ints inside kernels.
template <class... Extents>
bool fit_int(Extents... extents) {
  return ((extents < (std::int64_t{1} << 30)) && ...);
}

}  // namespace cuelbo::kernels::cuda
