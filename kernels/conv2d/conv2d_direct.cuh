// Convolutions with one thread per output: the obvious variant, and what serves extents beyond an int and empty images.
#pragma once

#include "kernels/conv2d/conv2d_product.cuh"

namespace cuelbo::kernels::cuda {

struct ForwardOutput {
  Conv2dForward a;
  Epilogue epilogue;
  template <int>
  __device__ void at(std::int64_t i) const {
    const Conv2dShape& s = a.shape;
    const std::int64_t channel = i % s.small_channels, pixel = i / s.small_channels;
    const std::int64_t x = pixel % s.small_width, y = pixel / s.small_width % s.small_height;
    const std::int64_t image = pixel / s.small_width / s.small_height;
    float sum = 0;
    for (std::int64_t ky = 0; ky < s.kernel; ++ky)
      for (std::int64_t kx = 0; kx < s.kernel; ++kx) {
        const std::int64_t large_y = y * s.stride + ky - s.padding, large_x = x * s.stride + kx - s.padding;
        if (large_y < 0 || large_y >= s.large_height || large_x < 0 || large_x >= s.large_width) continue;
        const float* large = a.large + large_offset(s, image, large_y, large_x);
        const float* weight = a.weight + weight_offset(s, channel, ky, kx);
        for (std::int64_t l = 0; l < s.large_channels; ++l) sum += large[l] * weight[l];
      }
    a.small[i] = epilogue(sum, i, channel);
  }
};
inline void launch_direct(const Conv2dForward& a, Stream stream) {
  launch_for_each_element<1>(small_pixels(a.shape) * a.shape.small_channels, ForwardOutput{a, epilogue(a)},
                             stream);
}

struct BackwardDataOutput {
  Conv2dBackwardData a;
  Epilogue epilogue;
  template <int>
  __device__ void at(std::int64_t i) const {
    const Conv2dShape& s = a.shape;
    const std::int64_t channel = i % s.large_channels, pixel = i / s.large_channels;
    const std::int64_t x = pixel % s.large_width, y = pixel / s.large_width % s.large_height;
    const std::int64_t image = pixel / s.large_width / s.large_height;
    float sum = 0;
    for (std::int64_t ky = (y + s.padding) % s.stride; ky < s.kernel; ky += s.stride)
      for (std::int64_t kx = (x + s.padding) % s.stride; kx < s.kernel; kx += s.stride) {
        const std::int64_t small_y = (y + s.padding - ky) / s.stride,
                           small_x = (x + s.padding - kx) / s.stride;
        if (y + s.padding < ky || small_y >= s.small_height || x + s.padding < kx || small_x >= s.small_width)
          continue;
        const float* small = a.small + small_offset(s, image, small_y, small_x);
        for (std::int64_t c = 0; c < s.small_channels; ++c)
          sum += small[c] * a.weight[weight_offset(s, c, ky, kx) + channel];
      }
    a.large[i] = epilogue(sum, i, channel);
  }
};
inline void launch_direct(const Conv2dBackwardData& a, Stream stream) {
  launch_for_each_element<1>(large_pixels(a.shape) * a.shape.large_channels,
                             BackwardDataOutput{a, epilogue(a)}, stream);
}

struct OneWeight {
  Conv2dBackwardWeight a;
  template <int>
  __device__ void at(std::int64_t i) const {
    const Conv2dShape& s = a.shape;
    const std::int64_t l = i % s.large_channels, kx = i / s.large_channels % s.kernel;
    const std::int64_t ky = i / s.large_channels / s.kernel % s.kernel;
    const std::int64_t channel = i / s.large_channels / s.kernel / s.kernel;
    float sum = 0;
    for (std::int64_t image = 0; image < s.batch; ++image)
      for (std::int64_t y = 0; y < s.small_height; ++y)
        for (std::int64_t x = 0; x < s.small_width; ++x) {
          const std::int64_t large_y = y * s.stride + ky - s.padding, large_x = x * s.stride + kx - s.padding;
          if (large_y < 0 || large_y >= s.large_height || large_x < 0 || large_x >= s.large_width) continue;
          sum += a.small[small_offset(s, image, y, x) + channel] *
                 a.large[large_offset(s, image, large_y, large_x) + l];
        }
    a.dweight[i] = sum;
  }
};
inline void launch_direct(const Conv2dBackwardWeight& a, Stream stream) {
  launch_for_each_element<1>(a.shape.small_channels * window_elements(a.shape), OneWeight{a}, stream);
}

}  // namespace cuelbo::kernels::cuda
