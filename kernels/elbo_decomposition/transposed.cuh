// Between matrices that kernels find by columns, a warp's threads being neighbouring rows, and those that stand by rows.
// Threads: 32 rows × 8. A block takes 32 rows and up to 32 columns, by way of shared memory, so that both sides are whole
// sectors.
#pragma once

#include "kernels/runtime/cuda.hpp"

namespace cuelbo::kernels::cuda {

inline constexpr int transposed_rows = 32, transposed_columns = 32;
inline constexpr dim3 transposed_block(transposed_rows, 8);

inline dim3 transposed_grid(std::int64_t rows, std::int64_t columns, unsigned matrices = 1) {
  return {static_cast<unsigned>(divide_up<std::int64_t>(rows, transposed_rows)),
          static_cast<unsigned>(divide_up<std::int64_t>(columns, transposed_columns)), matrices};
}

// This block's part of a matrix; by rows, `stride` elements apart.
struct TransposedPart {
  std::int64_t first_row, first_column, stride;
  int rows, columns;  // may be none

  __device__ TransposedPart(std::int64_t all_rows, std::int64_t all_columns, std::int64_t stride_)
      : first_row(std::int64_t{blockIdx.x} * transposed_rows),
        first_column(std::int64_t{blockIdx.y} * transposed_columns),
        stride(stride_) {
    const auto left = [](std::int64_t all, std::int64_t first, int most) {
      return all <= first ? 0 : all - first < most ? static_cast<int>(all - first) : most;
    };
    rows = left(all_rows, first_row, transposed_rows);
    columns = left(all_columns, first_column, transposed_columns);
  }

  // Calls f(row, column) by columns: of rows that share a bank, each stands one word further than the one before.
  template <class F>
  __device__ void by_columns(float* shared, F f) const {
    const int row = static_cast<int>(threadIdx.x);
    for (int c = static_cast<int>(threadIdx.y); row < rows && c < columns; c += static_cast<int>(blockDim.y))
      f(first_row + row, first_column + c, shared[at(row, c)]);
  }
  // Calls f(index in memory, element in shared memory) by rows.
  template <class F>
  __device__ void by_rows(float* shared, F f) const {
    const int threads = static_cast<int>(blockDim.x * blockDim.y);
    for (int i = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x); i < rows * columns; i += threads) {
      const int row = i / columns, column = i % columns;
      f((first_row + row) * stride + first_column + column, shared[at(row, column)]);
    }
  }

 private:
  __device__ int at(int row, int column) const {
    const int period = 32 / (columns & -columns);  // rows after which a column's bank comes again
    return row * columns + column + row / period;
  }
};

inline constexpr int transposed_elements = transposed_rows * (transposed_columns + 1);

}  // namespace cuelbo::kernels::cuda
