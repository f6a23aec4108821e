// A linear layer's operations with one thread per output: the obvious variant, and what serves extents beyond an int.
#pragma once

#include "kernels/linear/linear_product.cuh"

namespace cuelbo::kernels::cuda {

__device__ inline float dot(const LinearForward& a, std::int64_t row, std::int64_t out) {
  float sum = 0;
  for (std::int64_t i = 0; i < a.in; ++i) sum += a.x[row * a.in + i] * a.weight[out * a.in + i];
  return sum;
}
__device__ inline float dot(const LinearBackwardData& a, std::int64_t row, std::int64_t in) {
  float sum = 0;
  for (std::int64_t o = 0; o < a.out; ++o) sum += a.dy[row * a.out + o] * a.weight[o * a.in + in];
  return sum;
}
__device__ inline float dot(const LinearBackwardWeight& a, std::int64_t out, std::int64_t in) {
  float sum = 0;
  for (std::int64_t r = 0; r < a.rows; ++r) sum += a.dy[r * a.out + out] * a.x[r * a.in + in];
  return sum;
}

template <class Args>
struct OneLinearOutput {
  Args a;
  std::int64_t columns;
  float* y;
  Epilogue epilogue;
  template <int>
  __device__ void at(std::int64_t i) const {
    const std::int64_t row = i / columns, column = i % columns;
    y[i] = epilogue(dot(a, row, column), i, column);
  }
};

template <class Args>
void launch_linear_naive(const Args& a, Stream stream) {
  const Extents e = extents(a);
  launch_for_each_element<1>(e.m * e.n, OneLinearOutput<Args>{a, e.n, output(a), epilogue(a)}, stream);
}

}  // namespace cuelbo::kernels::cuda
