// Sums down the columns of a row-major matrix, for reductions over rows: fp32 within 128 rows, double from there on.
#pragma once

#include "kernels/runtime/vector_loop.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

inline constexpr std::int64_t chunk_rows = 128;
inline constexpr std::int64_t chunk_columns = 1024;

// A piece of at most chunk_rows × chunk_columns.
struct Chunk {
  std::int64_t index;  // of its rows: row_begin / chunk_rows
  std::int64_t row_begin, row_end, column_begin, column_end;
};

CUELBO_INLINE std::int64_t row_chunks(std::int64_t rows) { return divide_up(rows, chunk_rows); }

// Calls f(chunk) for all pieces of (rows, columns), in parallel.
template <class F>
CUELBO_INLINE void parallel_chunks(Stream stream, std::int64_t rows, std::int64_t columns, F&& f) {
  const std::int64_t across = divide_up(columns, chunk_columns);
  const std::int64_t elements = chunk_rows * (columns < chunk_columns ? columns : chunk_columns);
  const std::int64_t grain = elements < task_elements ? task_elements / elements : 1;
  parallel_ranges(stream, row_chunks(rows) * across, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i / across * chunk_rows, column = i % across * chunk_columns;
      f(Chunk{.index = i / across,
              .row_begin = row,
              .row_end = row + chunk_rows < rows ? row + chunk_rows : rows,
              .column_begin = column,
              .column_end = column + chunk_columns < columns ? column + chunk_columns : columns});
    }
  });
}

template <int outputs>
struct ColumnSums {
  vfloat value[outputs];
};

// `width` vectors side by side, from column c on.
template <int outputs, int width, class N, class Accumulate, class Finish>
CUELBO_INLINE void sum_strip(const Chunk& chunk, std::int64_t c, N n, Accumulate&& accumulate,
                             Finish&& finish) {
  ColumnSums<outputs> sums[width] = {};
  for (std::int64_t r = chunk.row_begin; r < chunk.row_end; ++r) {
#pragma GCC unroll 4
    for (int k = 0; k < width; ++k) accumulate(sums[k], r, c + k * lanes, n);
  }
#pragma GCC unroll 4
  for (int k = 0; k < width; ++k) finish(sums[k], c + k * lanes, n);
}

// accumulate(sums, r, c, n) adds row r of columns c … c + n − 1; finish(sums, c, n) takes the sums of the chunk's rows.
template <int outputs, class Accumulate, class Finish>
CUELBO_INLINE void sum_columns_of(const Chunk& chunk, Accumulate&& accumulate, Finish&& finish) {
  std::int64_t c = chunk.column_begin;
  for (; c + 4 * lanes <= chunk.column_end; c += 4 * lanes) {
    sum_strip<outputs, 4>(chunk, c, WholeVector{}, accumulate, finish);
  }
  for (; c + lanes <= chunk.column_end; c += lanes) {
    sum_strip<outputs, 1>(chunk, c, WholeVector{}, accumulate, finish);
  }
  if (c < chunk.column_end) {
    sum_strip<outputs, 1>(chunk, c, static_cast<int>(chunk.column_end - c), accumulate, finish);
  }
}

// Σ over the chunks of column c of partial sums (row chunks, columns).
CUELBO_INLINE double total_of_chunks(const float* partial, std::int64_t chunks, std::int64_t columns,
                                     std::int64_t c) {
  double total = 0;
  for (std::int64_t i = 0; i < chunks; ++i) total += static_cast<double>(partial[i * columns + c]);
  return total;
}

}  // namespace cuelbo::kernels::CUELBO_ISA
