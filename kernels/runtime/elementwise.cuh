// Element-wise kernels, two ways: one thread an element, and one thread four elements by 16-byte loads and stores.
#pragma once

#include "kernels/runtime/cuda.hpp"

namespace cuelbo::kernels::cuda {

inline constexpr unsigned elementwise_block = 256;

// f(i, v) is the output at element i; v are the inputs there.
template <class F, int inputs>
struct ElementwiseOperands {
  std::int64_t count = 0;
  const float* x[inputs == 0 ? 1 : inputs] = {};
  float* y = nullptr;
  F f;
};

template <class F, int inputs>
__global__ void elementwise_scalar(ElementwiseOperands<F, inputs> a) {
  const std::int64_t i = std::int64_t{blockIdx.x} * elementwise_block + threadIdx.x;
  if (i >= a.count) return;
  float v[inputs == 0 ? 1 : inputs];
  for (int k = 0; k < inputs; ++k) v[k] = a.x[k][i];
  a.y[i] = a.f(v);
}

// Every pointer is aligned to 16 bytes.
template <class F, int inputs>
__global__ void elementwise_float4(ElementwiseOperands<F, inputs> a) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * elementwise_block + threadIdx.x) * 4;
  if (i >= a.count) return;
  float v[4][inputs == 0 ? 1 : inputs];
  if (i + 4 > a.count) {
    for (std::int64_t j = i; j < a.count; ++j) {
#pragma unroll
      for (int k = 0; k < inputs; ++k) v[0][k] = a.x[k][j];
      a.y[j] = a.f(v[0]);
    }
    return;
  }
#pragma unroll
  for (int k = 0; k < inputs; ++k) {
    const float4 x = *reinterpret_cast<const float4*>(a.x[k] + i);
    v[0][k] = x.x, v[1][k] = x.y, v[2][k] = x.z, v[3][k] = x.w;
  }
  *reinterpret_cast<float4*>(a.y + i) = make_float4(a.f(v[0]), a.f(v[1]), a.f(v[2]), a.f(v[3]));
}

inline bool aligned_to_16(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0; }

template <class F, int inputs>
void launch_elementwise_scalar(const ElementwiseOperands<F, inputs>& a, Stream stream) {
  if (a.count == 0) return;
  launch(elementwise_scalar<F, inputs>,
         static_cast<unsigned>(divide_up<std::int64_t>(a.count, elementwise_block)), elementwise_block, 0,
         stream, a);
}

// Falls back to single elements for pointers that are not aligned.
template <class F, int inputs>
void launch_elementwise_float4(const ElementwiseOperands<F, inputs>& a, Stream stream) {
  bool aligned = aligned_to_16(a.y);
  for (int k = 0; k < inputs; ++k) aligned = aligned && aligned_to_16(a.x[k]);
  if (!aligned) {
    launch_elementwise_scalar(a, stream);
  } else if (a.count > 0) {
    launch(elementwise_float4<F, inputs>,
           static_cast<unsigned>(divide_up<std::int64_t>(a.count, 4 * elementwise_block)), elementwise_block,
           0, stream, a);
  }
}

}  // namespace cuelbo::kernels::cuda
