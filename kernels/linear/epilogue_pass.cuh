// The epilogue of a product as a pass of its own, for what a library leaves undone.
#pragma once

#include "kernels/linear/product.cuh"
#include "kernels/runtime/matrix.cuh"

namespace cuelbo::kernels::cuda {

struct FinishAt {
  float* y;
  std::int64_t columns;
  Epilogue epilogue;
  template <int width>
  __device__ void at(std::int64_t row, std::int64_t column) const {
    const std::int64_t index = row * columns + column;
    store(y + index, epilogue(load<width>(y + index), index, column));
  }
};

// y (rows, columns) in place; nothing is launched if there is nothing to do.
inline void launch_epilogue(std::int64_t rows, std::int64_t columns, float* y, const Epilogue& epilogue,
                            Stream stream) {
  if (epilogue.bias == nullptr && epilogue.activation == Activation::identity &&
      epilogue.gradient_activation == Activation::identity)
    return;
  launch_matrix_elements(rows, columns, packs_fit(y, columns, epilogue), FinishAt{y, columns, epilogue},
                         stream);
}

}  // namespace cuelbo::kernels::cuda
