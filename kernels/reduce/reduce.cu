#include "kernels/reduce/reduce.hpp"

#include "kernels/reduce/reduce_library.hpp"
#include "kernels/runtime/matrix.cuh"
#include "kernels/runtime/reduction.cuh"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

namespace {

// ---- sum_rows

struct SumColumnAlone {
  SumRows a;
  __device__ void operator()(std::int64_t c) const {
    double sum = 0;
    for (std::int64_t r = 0; r < a.rows; ++r) sum += static_cast<double>(a.x[r * a.columns + c]);
    a.y[c] = static_cast<float>(static_cast<double>(a.factor) * sum);
  }
};
void sum_rows_naive(const SumRows& a, Stream stream) {
  launch_rows_alone(a.columns, SumColumnAlone{a}, stream);
}

// y (chunks, columns): the sums of each chunk of rows.
__global__ void __launch_bounds__(matrix_block)
    sum_row_chunks(std::int64_t rows, std::int64_t columns, std::int64_t across, std::int64_t chunk_rows,
                   float factor, const float* __restrict__ x, float* __restrict__ y) {
  const ChunkOfColumn own(rows, across, chunk_rows);
  const float sum = own.sum(columns, [=](std::int64_t r) { return x[r * columns + own.column]; });
  if (threadIdx.y == 0 && own.column < columns) y[own.chunk * columns + own.column] = factor * sum;
}

std::size_t sum_rows_workspace(const SumRows& a) {
  const std::int64_t chunks = column_chunks(a.rows, a.columns).chunks;
  return chunks == 1 ? 0 : sizeof(float) * static_cast<std::size_t>(chunks * a.columns);
}

void sum_rows_two_phases(const SumRows& a, Stream stream) {
  if (a.columns == 0) return;
  const auto sum = [&](const ColumnChunks& cut, std::int64_t rows, float factor, const float* x, float* y) {
    launch(sum_row_chunks, cut.blocks(), cut.block, 0, stream, rows, a.columns, cut.across, cut.chunk_rows,
           factor, x, y);
  };
  const ColumnChunks cut = column_chunks(a.rows, a.columns);
  if (cut.chunks == 1) {
    sum(cut, a.rows, a.factor, a.x, a.y);
  } else {
    float* partial = static_cast<float*>(a.workspace);
    sum(cut, a.rows, 1, a.x, partial);
    sum(cut.of_partials(), cut.chunks, a.factor, partial, a.y);
  }
}

// ---- sum_columns

struct SumRowAlone {
  SumColumns a;
  __device__ void operator()(std::int64_t r) const {
    double sum = 0;
    for (std::int64_t c = 0; c < a.columns; ++c) sum += static_cast<double>(a.x[r * a.columns + c]);
    a.y[r] = static_cast<float>(static_cast<double>(a.factor) * sum);
  }
};
void sum_columns_naive(const SumColumns& a, Stream stream) {
  launch_rows_alone(a.rows, SumRowAlone{a}, stream);
}

struct SumRowByTeam {
  SumColumns a;
  template <class Team, class Access>
  __device__ void row(std::int64_t r) const {
    constexpr int width = Access::width;
    const float* x = a.x + r * a.columns;
    float sum = 0;
#pragma unroll 4
    for (std::int64_t c = Team::rank() * width; c < a.columns; c += Team::size * width)
      sum += sum_of(Access::load(x + c));
    sum = Team::sum(sum);
    if (Team::rank() == 0) a.y[r] = a.factor * sum;
  }
};
void sum_columns_shuffle(const SumColumns& a, Stream stream) {
  launch_row_teams(a.rows, a.columns, aligned_to_16(a.x), SumRowByTeam{a}, stream);
}

// ---- broadcasts

struct BroadcastRowsAt {
  BroadcastRows a;
  template <int width>
  __device__ void at(std::int64_t r, std::int64_t c) const {
    Pack<width> value = load<width>(a.dy + c);
#pragma unroll
    for (int k = 0; k < width; ++k) value[k] *= a.factor;
    store(a.dx + r * a.columns + c, value);
  }
};
struct BroadcastColumnsAt {
  BroadcastColumns a;
  template <int width>
  __device__ void at(std::int64_t r, std::int64_t c) const {
    const float factor = a.factor * a.dy[r];
    Pack<width> value;
#pragma unroll
    for (int k = 0; k < width; ++k) value[k] = factor;
    store(a.dx + r * a.columns + c, value);
  }
};

BroadcastRowsAt at(const BroadcastRows& a) { return {a}; }
BroadcastColumnsAt at(const BroadcastColumns& a) { return {a}; }
bool aligned(const BroadcastRows& a) { return all_aligned_to_16(a.dy, a.dx); }
bool aligned(const BroadcastColumns& a) { return aligned_to_16(a.dx); }

template <class Args>
void broadcast_scalar(const Args& a, Stream stream) {
  launch_flat_elements(a.rows, a.columns, at(a), stream);
}
template <class Args>
void broadcast_float4(const Args& a, Stream stream) {
  launch_matrix_elements(a.rows, a.columns, aligned(a), at(a), stream);
}
template <class Args>
constexpr Variant<Args> broadcast_ladder[] = {
    {"scalar", "one thread per element, its row by a division", {broadcast_scalar<Args>}},
    {"float4", "blocks of rows and columns, 16-byte loads and stores", {broadcast_float4<Args>}}};

// ---- sum_of_squares

// sums[block] = Σ over this block's packs, which lie a grid of threads apart; block 0 adds what is left of a pack.
template <class Access, class T>
__global__ void sum_squares(std::int64_t count, const float* __restrict__ x, T* __restrict__ sums) {
  constexpr int width = Access::width;
  const std::int64_t packs = count / width, step = std::int64_t{gridDim.x} * reduction_block;
  const std::int64_t thread = std::int64_t{blockIdx.x} * reduction_block + threadIdx.x;
  double sum = 0;
#pragma unroll 4
  for (std::int64_t i = thread; i < packs; i += step) {
    Pack<width> squares = Access::load(x + i * width);
#pragma unroll
    for (int k = 0; k < width; ++k) squares[k] *= squares[k];
    sum += static_cast<double>(sum_of(squares));
  }
  if (thread < count % width) {
    const float rest = x[packs * width + thread];
    sum += static_cast<double>(rest * rest);
  }
  sum = block_reduce(sum, Plus{});
  if (threadIdx.x == 0) sums[blockIdx.x] = static_cast<T>(sum);
}

void sum_of_squares_one_block(const SumOfSquares& a, Stream stream) {
  launch(sum_squares<Access<1, true>, float>, 1, reduction_block, 0, stream, a.count, a.x, a.y);
}

__global__ void __launch_bounds__(reduction_block)
    total_of_blocks(int blocks, const double* __restrict__ sums, float* __restrict__ y) {
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < blocks; i += reduction_block) sum += sums[i];
  sum = block_reduce(sum, Plus{});
  if (threadIdx.x == 0) *y = static_cast<float>(sum);
}

// 16 elements a thread, else 1024 blocks.
int square_blocks(std::int64_t count) {
  const std::int64_t blocks = divide_up<std::int64_t>(count, 16 * reduction_block);
  return blocks < 1 ? 1 : blocks > 1024 ? 1024 : static_cast<int>(blocks);
}
std::size_t sum_of_squares_workspace(const SumOfSquares& a) {
  return sizeof(double) * static_cast<std::size_t>(square_blocks(a.count));
}
void sum_of_squares_two_phases(const SumOfSquares& a, Stream stream) {
  const int blocks = square_blocks(a.count);
  double* sums = static_cast<double*>(a.workspace);
  with_access(true, aligned_to_16(a.x), [&](auto access) {
    launch(sum_squares<decltype(access), double>, static_cast<unsigned>(blocks), reduction_block, 0, stream,
           a.count, a.x, sums);
  });
  launch(total_of_blocks, 1, reduction_block, 0, stream, blocks, sums, a.y);
}

}  // namespace

Variants<SumRows> sum_rows_variants() {
  static constexpr Variant<SumRows> variants[] = {{"naive", "one thread per column", {sum_rows_naive}},
                                                  {"two_phases",
                                                   "blocks sum chunks of rows, then the chunks' sums",
                                                   {sum_rows_two_phases, sum_rows_workspace}}};
  return variants;
}

Variants<BroadcastRows> broadcast_rows_variants() { return broadcast_ladder<BroadcastRows>; }

Variants<SumColumns> sum_columns_variants() {
  static constexpr Variant<SumColumns> variants[] = {
      {"naive", "one thread per row", {sum_columns_naive}},
      {"shuffle", "one warp per row, one block when rows are long; 16-byte loads", {sum_columns_shuffle}}};
  static const auto all = joined<SumColumns>({variants, sum_columns_library_variants()});
  return all;
}

Variants<BroadcastColumns> broadcast_columns_variants() { return broadcast_ladder<BroadcastColumns>; }

Variants<SumOfSquares> sum_of_squares_variants() {
  static constexpr Variant<SumOfSquares> variants[] = {
      {"one_block", "one block for everything, in double", {sum_of_squares_one_block}},
      {"two_phases",
       "blocks to partial sums in double, then one block; 16-byte loads",
       {sum_of_squares_two_phases, sum_of_squares_workspace}}};
  static const auto all = joined<SumOfSquares>({variants, sum_of_squares_library_variants()});
  return all;
}

}  // namespace cuelbo::kernels::cuda
