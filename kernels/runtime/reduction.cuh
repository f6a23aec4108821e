// Reductions of a warp, of a block, and over the rows of a matrix: fixed trees, so that a result depends on the shape only.
#pragma once

#include "kernels/runtime/matrix.cuh"
#include "kernels/runtime/pack.cuh"

namespace cuelbo::kernels::cuda {

inline constexpr int warp_lanes = 32;
inline constexpr int reduction_block = 256;

struct Plus {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
// May lose a NaN.
struct Maximum {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

// Every lane gets the result.
template <class T, class Op>
__device__ T warp_reduce(T value, Op op) {
#pragma unroll
  for (int distance = warp_lanes / 2; distance > 0; distance /= 2)
    value = op(value, __shfl_xor_sync(~0U, value, distance));
  return value;
}

// Every thread of a block of reduction_block threads gets the result.
template <class T, class Op>
__device__ T block_reduce(T value, Op op) {
  constexpr int warps = reduction_block / warp_lanes;
  __shared__ T of_warp[warps];
  value = warp_reduce(value, op);
  __syncthreads();  // the values of the reduction before have been read
  if (threadIdx.x % warp_lanes == 0) of_warp[threadIdx.x / warp_lanes] = value;
  __syncthreads();
  value = of_warp[0];
#pragma unroll
  for (int w = 1; w < warps; ++w) value = op(value, of_warp[w]);
  return value;
}

// The threads that share a row: a warp, or a block when rows are long.
template <int threads>
struct RowTeam {
  static_assert(threads == warp_lanes || threads == reduction_block);
  static constexpr int size = threads, rows_per_block = reduction_block / threads;

  __device__ static std::int64_t row() {
    return std::int64_t{blockIdx.x} * rows_per_block + threadIdx.x / size;
  }
  __device__ static std::int64_t rank() { return threadIdx.x % size; }

  template <class T, class Op>
  __device__ static T reduce(T value, Op op) {
    if constexpr (size == warp_lanes) {
      return warp_reduce(value, op);
    } else {
      return block_reduce(value, op);
    }
  }
  template <class T>
  __device__ static T sum(T value) {
    return reduce(value, Plus{});
  }
};

template <int width>
__device__ inline float sum_of(const Pack<width>& x) {
  if constexpr (width == 4) {
    return (x[0] + x[1]) + (x[2] + x[3]);
  } else {
    return x[0];
  }
}

// f.row<Team, Access>(r) is called by all threads of row r's team. `aligned` as in launch_matrix_elements.
template <class Team, class Access, class F>
__global__ void for_each_row(std::int64_t rows, F f) {
  if (Team::row() < rows) f.template row<Team, Access>(Team::row());  // all of the team or none
}

// Calls f with the team for rows of so many columns.
template <class F>
void with_row_team(std::int64_t columns, F&& f) {
  if (columns >= 2 * reduction_block) {
    f(RowTeam<reduction_block>{});
  } else {
    f(RowTeam<warp_lanes>{});
  }
}

template <class F>
void launch_row_teams(std::int64_t rows, std::int64_t columns, bool aligned, const F& f, Stream stream) {
  if (rows == 0) return;
  with_access(columns % 4 == 0, aligned, [&](auto access) {
    with_row_team(columns, [&](auto team) {
      using Team = decltype(team);
      const auto blocks = divide_up<std::int64_t>(rows, Team::rows_per_block);
      launch(for_each_row<Team, decltype(access), F>, static_cast<unsigned>(blocks), reduction_block, 0,
             stream, rows, f);
    });
  });
}

// The obvious way to reduce rows: one thread each.
template <class F>
__global__ void for_each_row_alone(std::int64_t rows, F f) {
  const std::int64_t row = std::int64_t{blockIdx.x} * reduction_block + threadIdx.x;
  if (row < rows) f(row);
}

template <class F>
void launch_rows_alone(std::int64_t rows, const F& f, Stream stream) {
  if (rows == 0) return;
  const auto blocks = divide_up<std::int64_t>(rows, reduction_block);
  launch(for_each_row_alone<F>, static_cast<unsigned>(blocks), reduction_block, 0, stream, rows, f);
}

// A reduction over rows is cut into chunks: chunk_rows × block.x elements per block, whose partial results (chunks,
// columns) are reduced in the same way.
struct ColumnChunks {
  std::int64_t chunk_rows, chunks, across;
  dim3 block;

  unsigned blocks() const { return static_cast<unsigned>(chunks * across); }
  // The one chunk that reduces the partial results.
  ColumnChunks of_partials() const { return {chunks, 1, across, block}; }
};

// At least 8 rows a thread, else about 1024 blocks.
inline ColumnChunks column_chunks(std::int64_t rows, std::int64_t columns) {
  const dim3 block = matrix_block_shape(columns, warp_lanes);
  const std::int64_t across = divide_up<std::int64_t>(columns, block.x);
  const std::int64_t least = std::int64_t{8} * block.y, even = divide_up<std::int64_t>(rows * across, 1024);
  const std::int64_t chunk_rows = even > least ? even : least;
  const std::int64_t chunks = rows <= chunk_rows ? 1 : divide_up(rows, chunk_rows);
  return {chunk_rows, chunks, across, block};
}

// Two sums made in one reading.
struct TwoSums {
  float first, second;
  __device__ TwoSums& operator+=(TwoSums other) {
    first += other.first;
    second += other.second;
    return *this;
  }
};

// This block's part of a reduction over `rows` rows; a thread takes every blockDim.y-th row of one column.
struct ChunkOfColumn {
  std::int64_t chunk, column, begin, end;  // rows [begin, end)

  __device__ ChunkOfColumn(std::int64_t rows, std::int64_t across, std::int64_t chunk_rows) {
    chunk = blockIdx.x / across;
    column = (blockIdx.x % across) * blockDim.x + threadIdx.x;
    begin = chunk * chunk_rows;
    end = begin + chunk_rows < rows ? begin + chunk_rows : rows;
  }

  __device__ float rows() const { return static_cast<float>(end - begin); }

  // Σ f(r) over the chunk's rows, for every thread of the column. All threads of the block must call it; those beyond the
  // last column get 0.
  template <class F>
  __device__ auto sum(std::int64_t columns, F f) const {
    decltype(f(begin)) value{};
    if (column < columns) {
#pragma unroll 4
      for (std::int64_t r = begin + threadIdx.y; r < end; r += blockDim.y) value += f(r);
    }
    return over_rows_of_threads(value);
  }

 private:
  template <class T>
  __device__ static T over_rows_of_threads(T value) {
    __shared__ T values[matrix_block];
    const unsigned mine = threadIdx.y * blockDim.x + threadIdx.x;
    __syncthreads();  // the sums before have been read
    values[mine] = value;
    for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
      __syncthreads();
      if (threadIdx.y < half) values[mine] += values[mine + half * blockDim.x];
    }
    __syncthreads();
    return values[threadIdx.x];
  }
};

}  // namespace cuelbo::kernels::cuda
