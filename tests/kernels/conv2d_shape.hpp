// Shapes of convolutions for tests.
#pragma once

#include <cstdint>

#include "kernels/conv2d/conv2d.hpp"

namespace cuelbo::test {

inline kernels::Conv2dShape make_shape(std::int64_t batch, std::int64_t height, std::int64_t width,
                                       std::int64_t large_channels, std::int64_t small_channels,
                                       std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
  return {.batch = batch,
          .large_height = height,
          .large_width = width,
          .large_channels = large_channels,
          .small_height = (height + 2 * padding - kernel) / stride + 1,
          .small_width = (width + 2 * padding - kernel) / stride + 1,
          .small_channels = small_channels,
          .kernel = kernel,
          .stride = stride,
          .padding = padding};
}

}  // namespace cuelbo::test
