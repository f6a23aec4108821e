// The operations in double precision, by the kernels' references: what tests compose their expectations from.
#pragma once

#include "kernels/activation/activation_reference.hpp"
#include "kernels/batch_norm/batch_norm_reference.hpp"
#include "kernels/conv2d/conv2d_reference.hpp"
#include "kernels/linear/linear_reference.hpp"
#include "tests/engine/engine_test.hpp"

namespace cuelbo::test::in_double {

namespace reference = kernels::reference;

inline Doubles zeros(std::int64_t n) { return Doubles(static_cast<std::size_t>(n)); }

// x (rows, in), weight (out, in); an empty bias is absent.
inline Doubles linear(const Doubles& x, const Doubles& weight, const Doubles& bias, std::int64_t rows,
                      Activation activation = Activation::identity) {
  const std::int64_t in = std::ssize(x) / rows, out = std::ssize(weight) / in;
  Doubles y = zeros(rows * out);
  reference::linear_forward<double>({.rows = rows, .in = in, .out = out, .activation = activation}, x.data(),
                                    weight.data(), bias.empty() ? nullptr : bias.data(), y.data());
  return y;
}

// The shape of an image pair whose large side is (batch, height, width, large_channels).
inline kernels::Conv2dShape conv2d_shape(const Shape& large, std::int64_t small_channels,
                                         const Conv2dGeometry& g) {
  const auto extent = [&](std::int64_t n) { return (n + 2 * g.padding - g.kernel) / g.stride + 1; };
  return {.batch = large[0],
          .large_height = large[1],
          .large_width = large[2],
          .large_channels = large[3],
          .small_height = extent(large[1]),
          .small_width = extent(large[2]),
          .small_channels = small_channels,
          .kernel = g.kernel,
          .stride = g.stride,
          .padding = g.padding};
}

inline Shape small_image(const kernels::Conv2dShape& s) {
  return {s.batch, s.small_height, s.small_width, s.small_channels};
}

// large → small
inline Doubles conv2d(const kernels::Conv2dShape& shape, const Doubles& large, const Doubles& weight,
                      const Doubles& bias, Activation activation = Activation::identity) {
  Doubles small = zeros(reference::small_size(shape));
  reference::conv2d_forward<double>({.shape = shape, .activation = activation}, large.data(), weight.data(),
                                    bias.empty() ? nullptr : bias.data(), nullptr, small.data());
  return small;
}

// small → large
inline Doubles conv2d_transpose(const kernels::Conv2dShape& shape, const Doubles& small,
                                const Doubles& weight, const Doubles& bias,
                                Activation activation = Activation::identity) {
  Doubles large = zeros(reference::large_size(shape));
  reference::conv2d_backward_data<double>({.shape = shape, .activation = activation}, small.data(),
                                          weight.data(), bias.empty() ? nullptr : bias.data(), nullptr,
                                          large.data());
  return large;
}

inline Doubles activate(Doubles x, Activation activation) {
  reference::activation_forward<double>(std::ssize(x), activation, x.data(), x.data());
  return x;
}

inline Doubles add(Doubles a, const Doubles& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

inline Doubles multiply(Doubles a, const Doubles& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] *= b[i];
  return a;
}

// In training mode; the running estimates do not matter.
inline Doubles batch_norm(const Doubles& x, const Doubles& scale, const Doubles& shift,
                          Activation activation = Activation::identity) {
  const std::int64_t channels = std::ssize(scale);
  Doubles y = zeros(std::ssize(x)), running_mean = scale, running_variance = scale, mean = scale,
          deviation = scale;
  reference::batch_norm_forward<double>(std::ssize(x) / channels, channels, x.data(), scale.data(),
                                        shift.data(), activation, running_mean.data(),
                                        running_variance.data(), mean.data(), deviation.data(), y.data());
  return y;
}

// (rows, columns_a) and (rows, columns_b) side by side.
inline Doubles concat(const Doubles& a, const Doubles& b, std::int64_t rows) {
  const std::int64_t columns_a = std::ssize(a) / rows, columns_b = std::ssize(b) / rows;
  Doubles y;
  for (std::int64_t r = 0; r < rows; ++r) {
    y.insert(y.end(), a.begin() + r * columns_a, a.begin() + (r + 1) * columns_a);
    y.insert(y.end(), b.begin() + r * columns_b, b.begin() + (r + 1) * columns_b);
  }
  return y;
}

inline Doubles slice(const Doubles& x, std::int64_t rows, std::int64_t begin, std::int64_t count) {
  const std::int64_t columns = std::ssize(x) / rows;
  Doubles y;
  for (std::int64_t r = 0; r < rows; ++r)
    y.insert(y.end(), x.begin() + r * columns + begin, x.begin() + r * columns + begin + count);
  return y;
}

}  // namespace cuelbo::test::in_double
