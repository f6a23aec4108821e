// Plain loops: the truth that every device is compared with.
#pragma once

#include <cmath>

#include "kernels/activation/activation_reference.hpp"
#include "kernels/conv2d/conv2d.hpp"

namespace cuelbo::kernels::reference {

// Calls f(small element, weight element, large element) for every product of the convolution.
template <class F>
void for_products(const Conv2dShape& s, F&& f) {
  for (std::int64_t b = 0; b < s.batch; ++b)
    for (std::int64_t y = 0; y < s.small_height; ++y)
      for (std::int64_t x = 0; x < s.small_width; ++x)
        for (std::int64_t ky = 0; ky < s.kernel; ++ky)
          for (std::int64_t kx = 0; kx < s.kernel; ++kx) {
            const std::int64_t large_y = y * s.stride + ky - s.padding,
                               large_x = x * s.stride + kx - s.padding;
            if (large_y < 0 || large_y >= s.large_height || large_x < 0 || large_x >= s.large_width) continue;
            for (std::int64_t c = 0; c < s.small_channels; ++c)
              for (std::int64_t l = 0; l < s.large_channels; ++l)
                f(((b * s.small_height + y) * s.small_width + x) * s.small_channels + c,
                  ((c * s.kernel + ky) * s.kernel + kx) * s.large_channels + l,
                  ((b * s.large_height + large_y) * s.large_width + large_x) * s.large_channels + l);
          }
}

inline std::int64_t small_size(const Conv2dShape& s) {
  return s.batch * s.small_height * s.small_width * s.small_channels;
}
inline std::int64_t large_size(const Conv2dShape& s) {
  return s.batch * s.large_height * s.large_width * s.large_channels;
}
inline std::int64_t weight_size(const Conv2dShape& s) {
  return s.small_channels * s.kernel * s.kernel * s.large_channels;
}

template <class T>
void finish(std::int64_t count, std::int64_t channels, const T* bias, Activation activation,
            Activation gradient_activation, const T* saved, T* y) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (bias != nullptr) y[i] += bias[i % channels];
    y[i] = activate(activation, y[i]);
    if (gradient_activation != Activation::identity)
      y[i] *= derivative_from_output(gradient_activation, saved[i]);
  }
}

template <class T>
void conv2d_forward(const Conv2dForward& a, const T* large, const T* weight, const T* bias, const T* saved,
                    T* small) {
  for (std::int64_t i = 0; i < small_size(a.shape); ++i) small[i] = 0;
  for_products(a.shape, [&](auto s, auto w, auto l) { small[s] += weight[w] * large[l]; });
  finish(small_size(a.shape), a.shape.small_channels, bias, a.activation, a.gradient_activation, saved,
         small);
}

template <class T>
void conv2d_backward_data(const Conv2dBackwardData& a, const T* small, const T* weight, const T* bias,
                          const T* saved, T* large) {
  for (std::int64_t i = 0; i < large_size(a.shape); ++i) large[i] = 0;
  for_products(a.shape, [&](auto s, auto w, auto l) { large[l] += weight[w] * small[s]; });
  finish(large_size(a.shape), a.shape.large_channels, bias, a.activation, a.gradient_activation, saved,
         large);
}

template <class T>
void conv2d_backward_weight(const Conv2dBackwardWeight& a, const T* large, const T* small, T* dweight) {
  for (std::int64_t i = 0; i < weight_size(a.shape); ++i) dweight[i] = 0;
  for_products(a.shape, [&](auto s, auto w, auto l) { dweight[w] += small[s] * large[l]; });
}

}  // namespace cuelbo::kernels::reference
