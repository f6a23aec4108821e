// Shared by the tiled variants: a thread owns a row (for gradients of columns, a column) and meets the other side in
// tiles that pass through shared memory, eight at a time in registers. The other side is cut into slices, one per block
// of threads; a slice leaves partial results in the workspace, which a second kernel combines in slice order.
// Data that only one thread ever touches stays in the workspace from tile to tile, so any table of blocks fits.
#pragma once

#include <cmath>

#include "kernels/elbo_decomposition/block_table.cuh"
#include "kernels/runtime/pack.cuh"

namespace cuelbo::kernels::cuda {

inline constexpr int tile = 32;     // columns or rows in shared memory
inline constexpr int eight = 8;     // of them in registers; also classes of a mixture
inline constexpr int widest = 128;  // threads
inline constexpr int blocks_an_sm =
    4;  // leaves a thread 128 registers; without it ptxas stops at 64 and spills
inline constexpr std::size_t most_shared = std::size_t{96} << 10;

// Rows of shared memory that are filled across (see for_each_of_rows) are that much longer.
inline constexpr int gap = 4;

// ---- how the work is cut; by the shape alone

struct Cut {
  int threads = 0;  // of a block; each owns one of `own`. 0: dimensions too many for shared memory
  std::int64_t own = 0, other = 0;
  std::int64_t tiles = 0, slices = 0, slice = 0;  // blocks of threads, slices, length of a slice
  unsigned shares = 1;  // into which the table is dealt, where there is little else to share
  std::size_t shared_bytes = 0;

  dim3 grid() const { return {static_cast<unsigned>(tiles * slices), shares}; }
  std::int64_t parts() const { return slices * shares; }
};

// Shared memory has floats_of_own for each thread and floats_of_tile for the tile.
inline Cut cut(const ElboDecompositionShape& s, std::int64_t own, std::int64_t other,
               std::int64_t floats_of_own, std::int64_t floats_of_tile) {
  constexpr std::int64_t enough_blocks = 256;
  Cut c{.own = own, .other = other};
  const auto bytes = [&](int threads) {
    return static_cast<std::size_t>(threads * floats_of_own + floats_of_tile) * sizeof(float);
  };
  int threads = widest;
  while (threads > tile && (threads / 2 >= own || bytes(threads) > most_shared)) threads /= 2;
  if (bytes(threads) > most_shared) return c;
  c.threads = threads;
  c.shared_bytes = bytes(threads);
  c.tiles = divide_up<std::int64_t>(own, threads);
  const std::int64_t other_tiles = divide_up<std::int64_t>(other, tile);
  std::int64_t slices = enough_blocks / c.tiles;
  slices = slices < 1 ? 1 : slices > other_tiles ? other_tiles : slices;
  c.slice = divide_up(other_tiles, slices) * tile;
  c.slices = divide_up(other, c.slice);
  std::int64_t shares = enough_blocks / (c.tiles * c.slices);
  const std::int64_t most = s.block_count < table_size ? s.block_count : table_size;
  c.shares = static_cast<unsigned>(shares < 1 ? 1 : shares > most ? most : shares);
  return c;
}

// This block of threads in its cut.
struct Place {
  std::int64_t first, own;  // of the block of threads and of this one; may lie beyond the last
  std::int64_t begin, end;  // slice of the others
  std::int64_t slice;
  bool valid;

  __device__ explicit Place(const Cut& c) {
    const auto tiles = static_cast<unsigned>(c.tiles);  // 32 bits: divisions of 64 are calls
    slice = blockIdx.x / tiles;
    first = std::int64_t{blockIdx.x % tiles} * c.threads;
    own = first + threadIdx.x;
    valid = own < c.own;
    begin = slice * c.slice;
    end = begin + c.slice < c.other ? begin + c.slice : c.other;
  }
  __device__ std::int64_t part() const { return slice * gridDim.y + blockIdx.y; }
};

// ---- pairs

struct LogWeights {
  float own, next, other;
};

inline LogWeights log_weights(const ElboDecompositionShape& s) {
  const auto log = [](double w) { return static_cast<float>(std::log(w)); };
  return {log(s.own_weight), log(s.next_weight), log(s.other_weight)};
}

// The columns of one row that have a weight of their own; −1: none.
struct Neighbours {
  std::int64_t own, next;
};

inline constexpr int neighbour_floats = sizeof(Neighbours) / sizeof(float);

__device__ inline Neighbours neighbours(const ElboDecompositionShape& s, const std::int32_t* own,
                                        std::int64_t row) {
  if (row >= s.rows) return {-1, -1};
  const std::int64_t o = own != nullptr ? own[row] : row;
  if (o < 0 || o >= s.columns) return {-1, -1};
  return {o, o + 1 == s.columns ? 0 : o + 1};
}

__device__ inline float log_weight(const LogWeights& w, const Neighbours& n, std::int64_t j) {
  return j == n.own ? w.own : j == n.next ? w.next : w.other;
}

// log N(z; mean, σ²) = −(c + t²), t = (z − mean) · a, a = √½ / σ, c = log σ + ½ log 2π. All passes add up a pair in the
// same way, so that a density less a saved sum loses nothing by it.
struct Component {
  float mean, a, c;
  __device__ float t(float z) const { return (z - mean) * a; }
};

__device__ inline float* take(float*& memory, std::int64_t count) {
  float* const p = memory;
  memory += count;
  return p;
}

// Calls f(r, d) for rows r of `dims` each, neighbouring threads along memory. Where rows are whole sectors a warp takes eight
// dimensions of four rows: its request is as good as any other, and what it stores at [d · pitch + r], the pitch being a
// multiple of 32 and a gap of four, meets no bank twice.
template <class F>
__device__ inline void for_each_of_rows(std::int32_t dims, int rows, F f) {
  const int width = dims % 8 == 0 ? 8 : dims;
  for (int i = static_cast<int>(threadIdx.x); i < rows * dims; i += static_cast<int>(blockDim.x)) {
    const int rest = i / width;
    f(rest % rows, rest / rows * width + i % width);
  }
}

// to[d · pitch + r] = from[first + r, d]; 0 beyond the last row.
__device__ inline void fill_rows(const float* from, std::int64_t first, std::int64_t count, std::int32_t dims,
                                 int rows, float* to) {
  for_each_of_rows(dims, rows, [&](int r, int d) {
    to[d * (rows + gap) + r] = first + r < count ? from[(first + r) * dims + d] : 0;
  });
}

// (dims, n + gap) each
struct Components {
  float *mean, *a, *c;
  int n;

  __device__ int pitch() const { return n + gap; }
  __device__ Component at(std::int32_t d, int j) const {
    const int i = d * pitch() + j;
    return {mean[i], a[i], c[i]};
  }
  // Those of columns first … first + n − 1; 0 beyond the last.
  template <class Args>
  __device__ void fill(const Args& args, std::int64_t first) const {
    constexpr float root_half = 0.70710678F, half_log_2pi = 0.91893853F;
    const auto dims = static_cast<std::int32_t>(args.shape.dims);
    for_each_of_rows(dims, n, [&](int j, int d) {
      const bool valid = first + j < args.shape.columns;
      const std::int64_t from = (first + j) * dims + d;
      const float logvar = valid ? args.logvar[from] : 0;
      const int to = d * pitch() + j;
      mean[to] = valid ? args.mean[from] : 0;
      a[to] = valid ? root_half * expf(-0.5F * logvar) : 0;
      c[to] = valid ? 0.5F * logvar + half_log_2pi : 0;
    });
  }
};

__device__ inline Components take_components(float*& memory, std::int64_t dims, int n) {
  float* const mean = take(memory, dims * (n + gap));
  float* const a = take(memory, dims * (n + gap));
  return {mean, a, take(memory, dims * (n + gap)), n};
}
// Their floats beyond n for each dimension.
inline std::int64_t component_gaps(std::int64_t dims) { return 3 * dims * gap; }

__device__ inline void load_eight(const float* p, float* x) {
  const Pack<4> low = load<4>(p), high = load<4>(p + 4);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    x[i] = low[i];
    x[i + 4] = high[i];
  }
}

// One row, z[d · stride], and eight columns of a tile: f(d, t, a), eight t and a each.
template <class F>
__device__ inline void for_each_dim(const DensityBlock& v, const float* z, int stride,
                                    const Components& columns, int j, F f) {
  for (std::int32_t d = v.dim_begin; d < v.dim_end; ++d) {
    float mean[eight], a[eight], t[eight];
    load_eight(columns.mean + d * (tile + gap) + j, mean);
    load_eight(columns.a + d * (tile + gap) + j, a);
#pragma unroll
    for (int i = 0; i < eight; ++i) t[i] = (z[d * stride] - mean[i]) * a[i];
    f(d, t, a);
  }
}

// x = log(weight · density) of one row and eight columns.
__device__ inline void log_terms(const DensityBlock& v, const float* z, int stride, const Components& columns,
                                 int j, const float* weights, float* x) {
  float sum[eight] = {};
  for_each_dim(v, z, stride, columns, j, [&](std::int32_t d, const float* t, const float*) {
    float c[eight];
    load_eight(columns.c + d * (tile + gap) + j, c);
#pragma unroll
    for (int i = 0; i < eight; ++i) sum[i] = fmaf(t[i], t[i], sum[i] + c[i]);
  });
#pragma unroll
  for (int i = 0; i < eight; ++i) x[i] = weights[i] - sum[i];
}

// exp(x), at most 1: where |x| is so large that rounding leaves nothing of a difference, it stays finite. NaN stays.
__device__ inline float share(float x) { return __expf(x > 0 ? 0 : x); }

// Weights of a row for columns first + j … first + j + 7; 0 beyond the last.
__device__ inline void log_weights_of_eight(const LogWeights& w, const Neighbours& n, std::int64_t first,
                                            std::int64_t columns, float* weights) {
#pragma unroll
  for (int i = 0; i < eight; ++i)
    weights[i] = first + i < columns ? log_weight(w, n, first + i) : minus_infinity;
}

// products[(j, 8)]: probability of classes k … k + 7 in column first + j.
template <class Args>
__device__ inline void fill_products(const Args& a, const DensityBlock& v, std::int32_t k, std::int64_t first,
                                     float* products) {
  const std::int32_t classes = class_columns(a.shape), count = class_count(a.shape, v);
  for (int i = static_cast<int>(threadIdx.x); i < tile * eight; i += static_cast<int>(blockDim.x)) {
    const std::int64_t j = first + i / eight;
    const std::int32_t at = k + i % eight;
    products[i] =
        j < a.shape.columns && at < count ? class_product(a.shape, v, a.probabilities + j * classes, at) : 0;
  }
}

inline bool has_work(const ElboDecompositionShape& s) {
  return s.rows > 0 && s.columns > 0 && s.block_count > 0;
}

}  // namespace cuelbo::kernels::cuda
