// 2-D convolution and its adjoint, NHWC fp32. Three kernels serve two operations: conv2d_transpose is the adjoint of
// conv2d, so its forward is conv2d_backward_data, its backward_data is conv2d_forward, and its backward_weight is
// conv2d_backward_weight with the two images exchanged. The weight is always that of the conv2d: (small_channels, kernel,
// kernel, large_channels).
//
//   large image (batch, large_height, large_width, large_channels)  --conv2d-->  small image (batch, small_height, …)
//   small_height = (large_height + 2·padding − kernel) / stride + 1, likewise the width
//
// A sum with an operand that is not finite is not finite either. Sums are then unspecified where the window reaches
// beyond the image, or between pixels that a stride separates: padding may be multiplied as zeros or skipped.
#pragma once

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

struct Conv2dShape {
  std::int64_t batch = 0;
  std::int64_t large_height = 0, large_width = 0, large_channels = 0;
  std::int64_t small_height = 0, small_width = 0, small_channels = 0;
  std::int64_t kernel = 0, stride = 1,
               padding = 0;  // square; 1 ≤ kernel ≤ 16, 1 ≤ stride ≤ 8, 0 ≤ padding < kernel
};

// small = activation(conv2d(large, weight) + bias) ⊙ gradient_activation'(saved)
struct Conv2dForward {
  Conv2dShape shape;
  const float* large = nullptr;
  const float* weight = nullptr;  // (small_channels, kernel, kernel, large_channels)
  const float* bias = nullptr;    // (small_channels) or null
  Activation activation = Activation::identity;
  Activation gradient_activation = Activation::identity;  // identity: no factor, saved is not read
  const float* saved = nullptr;                           // shape of small: the output of gradient_activation
  float* small = nullptr;
  const void* prepared = nullptr;  // what Kernel::prepare made of the weight, or null
  void* workspace = nullptr;
};

// large = activation(conv2dᵀ(small, weight) + bias) ⊙ gradient_activation'(saved).
// Every pixel of large is written, also those that no kernel window reaches.
struct Conv2dBackwardData {
  Conv2dShape shape;
  const float* small = nullptr;
  const float* weight = nullptr;
  const float* bias = nullptr;  // (large_channels) or null
  Activation activation = Activation::identity;
  Activation gradient_activation = Activation::identity;
  const float* saved = nullptr;  // shape of large
  float* large = nullptr;
  const void* prepared = nullptr;  // what Kernel::prepare made of the weight, or null
  void* workspace = nullptr;
};

// dweight[s, ky, kx, l] = Σ_{b, y, x} small[b, y, x, s] · large[b, y·stride + ky − padding, x·stride + kx − padding, l]
struct Conv2dBackwardWeight {
  Conv2dShape shape;
  const float* large = nullptr;
  const float* small = nullptr;
  float* dweight = nullptr;
  void* workspace = nullptr;
};

inline Cost conv2d_cost(const Conv2dShape& s) {
  const auto d = [](std::int64_t v) { return static_cast<double>(v); };
  const double small_pixels = d(s.batch) * d(s.small_height) * d(s.small_width);
  const double large_pixels = d(s.batch) * d(s.large_height) * d(s.large_width);
  const double weights = d(s.small_channels) * d(s.kernel) * d(s.kernel) * d(s.large_channels);
  return {.bytes = 4 * (small_pixels * d(s.small_channels) + large_pixels * d(s.large_channels) + weights),
          .flops = 2 * small_pixels * weights};
}
// With what an epilogue reads beside the product: a bias, and the image `saved`.
inline Cost conv2d_cost(const Conv2dShape& s, std::int64_t pixels, std::int64_t channels, bool bias,
                        Activation gradient) {
  Cost cost = conv2d_cost(s);
  const double saved = gradient == Activation::identity ? 0 : static_cast<double>(pixels);
  cost.bytes += 4 * static_cast<double>(channels) * (saved + (bias ? 1 : 0));
  return cost;
}
inline Cost cost(const Conv2dForward& a) {
  const Conv2dShape& s = a.shape;
  return conv2d_cost(s, s.batch * s.small_height * s.small_width, s.small_channels, a.bias != nullptr,
                     a.gradient_activation);
}
inline Cost cost(const Conv2dBackwardData& a) {
  const Conv2dShape& s = a.shape;
  return conv2d_cost(s, s.batch * s.large_height * s.large_width, s.large_channels, a.bias != nullptr,
                     a.gradient_activation);
}
inline Cost cost(const Conv2dBackwardWeight& a) { return conv2d_cost(a.shape); }
}  // namespace cuelbo::kernels
