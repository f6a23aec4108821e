// Bias gradients: the sums of a matrix's columns.
#pragma once

#include "kernels/runtime/reduction.cuh"

namespace cuelbo::kernels::cuda {

struct SumColumnAlone {
  std::int64_t rows, columns;
  const float* x;
  float* y;
  __device__ void operator()(std::int64_t column) const {
    double sum = 0;
    for (std::int64_t r = 0; r < rows; ++r) sum += static_cast<double>(x[r * columns + column]);
    y[column] = static_cast<float>(sum);
  }
};
inline void column_sums_naive(std::int64_t rows, std::int64_t columns, const float* x, float* y,
                              Stream stream) {
  launch_rows_alone(columns, SumColumnAlone{rows, columns, x, y}, stream);
}

// y (chunks, columns): the sums of each chunk of rows.
struct SumColumnChunk {
  std::int64_t rows, columns, across, chunk_rows;
  const float* x;
  float* y;
};
template <class Chunk>
__global__ void __launch_bounds__(matrix_block) sum_column_chunks(Chunk c) {
  const ChunkOfColumn own(c.rows, c.across, c.chunk_rows);
  const float sum = own.sum(c.columns, [=](std::int64_t r) { return c.x[r * c.columns + own.column]; });
  if (threadIdx.y == 0 && own.column < c.columns) c.y[own.chunk * c.columns + own.column] = sum;
}

inline std::size_t column_sums_workspace(std::int64_t rows, std::int64_t columns) {
  const std::int64_t chunks = column_chunks(rows, columns).chunks;
  return chunks == 1 ? 0 : sizeof(float) * static_cast<std::size_t>(chunks * columns);
}

// The bytes that they move, as Kernel::moved_bytes counts them; one thread per column makes one chunk.
inline std::int64_t column_sums_bytes(std::int64_t rows, std::int64_t columns, std::int64_t chunks) {
  return 4 * columns * (rows + 1 + (chunks > 1 ? 2 * chunks : 0));
}

inline void column_sums_two_phases(std::int64_t rows, std::int64_t columns, const float* x, float* y,
                                   void* workspace, Stream stream) {
  if (columns == 0) return;
  const auto sum = [&](const ColumnChunks& cut, std::int64_t count, const float* from, float* to) {
    launch(sum_column_chunks<SumColumnChunk>, cut.blocks(), cut.block, 0, stream,
           SumColumnChunk{count, columns, cut.across, cut.chunk_rows, from, to});
  };
  const ColumnChunks cut = column_chunks(rows, columns);
  if (cut.chunks == 1) {
    sum(cut, rows, x, y);
  } else {
    sum(cut, rows, x, static_cast<float*>(workspace));
    sum(cut.of_partials(), cut.chunks, static_cast<const float*>(workspace), y);
  }
}

}  // namespace cuelbo::kernels::cuda
