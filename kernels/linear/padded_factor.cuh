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

// One thread a pack.
template <class T>
struct PadRows {
  const float* from;  // (rows, columns)
  T* to;              // (rows, packs · pack_width)
  int columns, packs;

  template <int>
  __device__ void at(std::int64_t i) const {
    constexpr int width = pack_width<T>;
    const std::int64_t row = i / packs;
    const int first = static_cast<int>(i - row * packs) * width;
    struct alignas(16) {
      T v[width];
    } pack;
#pragma unroll
    for (int j = 0; j < width; ++j)
      convert(first + j < columns ? from[row * columns + first + j] : 0.0F, pack.v[j]);
    *reinterpret_cast<decltype(pack)*>(to + i * width) = pack;
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
  const std::int64_t packs = padded_stride<T>(columns) / pack_width<T>;
  launch_for_each_element<1>(rows * packs,
                             PadRows<T>{p, to, static_cast<int>(columns), static_cast<int>(packs)}, stream);
  return {to, packs * pack_width<T>};
}

}  // namespace cuelbo::kernels::cuda
