// Element-wise kernels, two ways: one thread per element, and four elements per thread by 16-byte loads and stores.
#pragma once

#include "kernels/runtime/pack.cuh"

namespace cuelbo::kernels::cuda {

inline constexpr unsigned elementwise_block = 256;

// f.at<width>(i) computes elements i … i + width − 1.
template <int width, class F>
__global__ void for_each_element(std::int64_t count, F f) {
  std::int64_t i = (std::int64_t{blockIdx.x} * elementwise_block + threadIdx.x) * width;
  if (i + width <= count) {
    f.template at<width>(i);
  } else {
    for (; i < count; ++i) f.template at<1>(i);
  }
}

template <int width, class F>
void launch_for_each_element(std::int64_t count, const F& f, Stream stream) {
  if (count == 0) return;
  const auto blocks = divide_up<std::int64_t>(count, width * elementwise_block);
  launch(for_each_element<width, F>, static_cast<unsigned>(blocks), elementwise_block, 0, stream, count, f);
}

// One output of some inputs: y[i] = f(v), v being the inputs at element i.
template <class F, int inputs>
struct ElementwiseOperands {
  std::int64_t count = 0;
  const float* x[inputs == 0 ? 1 : inputs] = {};
  float* y = nullptr;
  F f;

  template <int width>
  __device__ void at(std::int64_t i) const {
    Pack<width> in[inputs == 0 ? 1 : inputs], out;
#pragma unroll
    for (int k = 0; k < inputs; ++k) in[k] = load<width>(x[k] + i);
#pragma unroll
    for (int j = 0; j < width; ++j) {
      float v[inputs == 0 ? 1 : inputs];
#pragma unroll
      for (int k = 0; k < inputs; ++k) v[k] = in[k][j];
      out[j] = f(v);
    }
    store(y + i, out);
  }
};

template <class F, int inputs>
void launch_elementwise_scalar(const ElementwiseOperands<F, inputs>& a, Stream stream) {
  launch_for_each_element<1>(a.count, a, stream);
}

// Falls back to single elements for pointers that are not aligned.
template <class F, int inputs>
void launch_elementwise_float4(const ElementwiseOperands<F, inputs>& a, Stream stream) {
  bool aligned = aligned_to_16(a.y);
  for (int k = 0; k < inputs; ++k) aligned = aligned && aligned_to_16(a.x[k]);
  with_width(aligned, [&](auto width) { launch_for_each_element<width()>(a.count, a, stream); });
}

}  // namespace cuelbo::kernels::cuda
