// Copies of factors in the element type and alignment that tensor cores want: rows are packs of 16 bytes, filled up with
// zeros.
#pragma once

#include <cuda_bf16.h>

#include "kernels/linear/product.cuh"

namespace cuelbo::kernels::cuda {

template <class T>
inline constexpr int pack_width = 16 / sizeof(T);

template <class T>
constexpr std::int64_t padded_stride(std::int64_t columns) {
  return divide_up<std::int64_t>(columns, pack_width<T>) * pack_width<T>;
}

__device__ inline void convert(float x, float& y) { y = x; }
__device__ inline void convert(float x, __nv_bfloat16& y) { y = __float2bfloat16_rn(x); }

// One thread as many neighbours as 16 bytes of fp32 are, so that a warp reads whole sectors; one where rows are not aligned.
template <class T>
struct PadRows {
  const float* from;  // (rows, columns)
  T* to;              // (rows, stride)
  int columns, stride;

  template <int width>
  __device__ void at(std::int64_t i) const {
    const std::int64_t row = i / stride;
    const int first = static_cast<int>(i - row * stride);
    const auto x = first < columns ? load<width>(from + row * columns + first) : Pack<width>{};
    struct alignas(width * sizeof(T)) {
      T v[width];
    } pack;
#pragma unroll
    for (int j = 0; j < width; ++j) convert(x[j], pack.v[j]);
    *reinterpret_cast<decltype(pack)*>(to + i) = pack;
  }
};

template <class T>
std::size_t padded_bytes(std::int64_t rows, std::int64_t columns) {
  return divide_up<std::size_t>(static_cast<std::size_t>(rows * padded_stride<T>(columns)) * sizeof(T), 64) *
         64;
}

// The factor (rows, columns) as T at `workspace`, which moves behind it. What is fp32 and aligned already stays where it is.
template <class T>
Factor<T> padded_factor(const float* p, std::int64_t rows, std::int64_t columns, std::byte*& workspace,
                        Stream stream) {
  if constexpr (sizeof(T) == sizeof(float))
    if (columns == padded_stride<T>(columns) && aligned_to_16(p)) return {p, columns};
  T* const to = reinterpret_cast<T*>(workspace);
  workspace += padded_bytes<T>(rows, columns);
  const std::int64_t stride = padded_stride<T>(columns);
  with_width(columns % 4 == 0 && aligned_to_16(p), [&](auto width) {
    launch_for_each_element<width()>(
        rows * stride, PadRows<T>{p, to, static_cast<int>(columns), static_cast<int>(stride)}, stream);
  });
  return {to, stride};
}

}  // namespace cuelbo::kernels::cuda
