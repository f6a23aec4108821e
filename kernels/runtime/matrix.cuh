// Element-wise kernels of a (rows, columns) matrix whose rows or columns differ, two ways: one thread per element, which it
// finds by a division, and blocks of rows × columns, which need none.
#pragma once

#include <bit>

#include "kernels/runtime/pack.cuh"

namespace cuelbo::kernels::cuda {

inline constexpr unsigned matrix_block = 256;

// A block as wide as the columns (at most `widest`, in powers of two) and as tall as its threads allow.
inline dim3 matrix_block_shape(std::int64_t columns, unsigned widest = matrix_block) {
  const unsigned wide =
      columns >= widest ? widest : std::bit_ceil(static_cast<unsigned>(columns < 1 ? 1 : columns));
  return {wide, matrix_block / wide};
}

// f.at<width>(r, c) computes columns c … c + width − 1 of row r.
template <class F>
__global__ void for_each_flat_element(std::int64_t rows, std::int64_t columns, F f) {
  const std::int64_t i = std::int64_t{blockIdx.x} * matrix_block + threadIdx.x;
  if (i < rows * columns) f.template at<1>(i / columns, i % columns);
}

template <class F>
void launch_flat_elements(std::int64_t rows, std::int64_t columns, const F& f, Stream stream) {
  if (rows == 0 || columns == 0) return;
  const auto blocks = divide_up<std::int64_t>(rows * columns, matrix_block);
  launch(for_each_flat_element<F>, static_cast<unsigned>(blocks), matrix_block, 0, stream, rows, columns, f);
}

template <int width, class F>
__global__ void for_each_matrix_element(std::int64_t rows, std::int64_t columns, F f) {
  const std::int64_t row = std::int64_t{blockIdx.x} * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  const std::int64_t step = std::int64_t{gridDim.y} * blockDim.x * width;
  for (std::int64_t c = (std::int64_t{blockIdx.y} * blockDim.x + threadIdx.x) * width; c < columns; c += step)
    f.template at<width>(row, c);
}

// `aligned`: every row of every operand starts at a multiple of 16 bytes, if columns are a multiple of 4.
template <class F>
void launch_matrix_elements(std::int64_t rows, std::int64_t columns, bool aligned, const F& f,
                            Stream stream) {
  if (rows == 0 || columns == 0) return;
  with_width(aligned && columns % 4 == 0, [&](auto width) {
    const dim3 block = matrix_block_shape(columns / width());
    const auto down = divide_up<std::int64_t>(rows, block.y);
    const auto across = divide_up<std::int64_t>(columns, block.x * width());
    const dim3 grid(static_cast<unsigned>(down), static_cast<unsigned>(across < 65535 ? across : 65535));
    launch(for_each_matrix_element<width(), F>, grid, block, 0, stream, rows, columns, f);
  });
}

}  // namespace cuelbo::kernels::cuda
