// A convolution as a matrix product whose matrices stay implicit: rows are windows, one per pixel, and columns the
// window's elements (ty, tx, channel). Elements outside the image are zeros.
#pragma once

#include "kernels/conv2d/conv2d.hpp"
#include "kernels/linear/product.cuh"

namespace cuelbo::kernels::cuda {

// n / divisor for 0 ≤ n < 2³¹ by a multiplication (Granlund and Montgomery).
struct Divider {
  unsigned divisor = 1, multiplier = 1, shift = 0;

  Divider() = default;
  __host__ __device__ explicit Divider(unsigned d) : divisor(d) {
    while ((std::uint64_t{1} << shift) < d) ++shift;
    multiplier =
        static_cast<unsigned>(((std::uint64_t{1} << 32) * ((std::uint64_t{1} << shift) - d)) / d + 1);
  }
  __device__ int quotient(int n) const {
    const unsigned u = static_cast<unsigned>(n);
    return static_cast<int>((__umulhi(u, multiplier) + u) >> shift);
  }
};

// Where windows lie: tap (ty, tx) of the window at pixel (y, x) is image element
// (first_y + y · step + ty · direction, first_x + x · step + tx · direction).
template <class T>
struct WindowShape {
  const T* image;               // (images, height, width, channels)
  int height, width, channels;  // of the image
  int windows, across, down;    // all of them, and those of a row and a column of one image
  int first_y, first_x, step, direction;
  int taps_y, taps_x;

  __host__ __device__ int elements() const { return taps_y * taps_x * channels; }
  __device__ bool contains(int y, int x) const {
    return static_cast<unsigned>(y) < static_cast<unsigned>(height) &&
           static_cast<unsigned>(x) < static_cast<unsigned>(width);
  }
  __device__ const T* pixel(int y, int x) const { return image + (std::int64_t{y} * width + x) * channels; }
  __device__ std::int64_t image_size() const { return std::int64_t{height} * width * channels; }
};

// Outer index: window; k: element of it.
template <int width_, class T = float>
struct Windows {
  using Element = T;
  static constexpr bool along_k = true;
  static constexpr int width = width_;
  WindowShape<T> shape;
  Divider by_channels, by_taps_x;

  struct Line {
    std::int64_t image;  // offset of the window's image
    int y, x;            // of its tap (0, 0)
  };
  __device__ Line line(int window) const {
    if (window >= shape.windows) return {0, -(1 << 30), 0};  // outside the image whatever the tap
    const int row = window / shape.across, x = window % shape.across;
    const int image = row / shape.down, y = row % shape.down;
    return {image * shape.image_size(), shape.first_y + y * shape.step, shape.first_x + x * shape.step};
  }
  __device__ const T* base() const { return shape.image; }
  __device__ const T* address(const Line& line, int k) const {
    const int tap = by_channels.quotient(k), ty = by_taps_x.quotient(tap), tx = tap - ty * shape.taps_x;
    const int y = line.y + ty * shape.direction, x = line.x + tx * shape.direction;
    if (ty >= shape.taps_y || !shape.contains(y, x)) return nullptr;
    return shape.pixel(y, x) + line.image + (k - tap * shape.channels);
  }
};

// Outer index: element of the window; k: window.
template <int width_, class T = float>
struct WindowElements {
  using Element = T;
  static constexpr bool along_k = false;
  static constexpr int width = width_;
  WindowShape<T> shape;
  Divider by_across, by_down;

  struct Line {
    int y, x, channel;
  };
  __device__ Line line(int element) const {
    if (element >= shape.elements()) return {-(1 << 30), 0, 0};
    const int tap = element / shape.channels, ty = tap / shape.taps_x, tx = tap % shape.taps_x;
    return {shape.first_y + ty * shape.direction, shape.first_x + tx * shape.direction,
            element % shape.channels};
  }
  __device__ const T* base() const { return shape.image; }
  __device__ const T* address(const Line& line, int window) const {
    const int row = by_across.quotient(window), image = by_down.quotient(row);
    const int y = line.y + (row - image * shape.down) * shape.step;
    const int x = line.x + (window - row * shape.across) * shape.step;
    if (window >= shape.windows || !shape.contains(y, x)) return nullptr;
    return shape.pixel(y, x) + image * shape.image_size() + line.channel;
  }
};

// The windows of the large image that conv2d multiplies with its weight. `channels`: of the image as it is stored.
template <class T>
WindowShape<T> windows_of_large(const Conv2dShape& s, const T* large, std::int64_t channels) {
  const auto i = [](std::int64_t v) { return static_cast<int>(v); };
  return {.image = large,
          .height = i(s.large_height),
          .width = i(s.large_width),
          .channels = i(channels),
          .windows = i(s.batch * s.small_height * s.small_width),
          .across = i(s.small_width),
          .down = i(s.small_height),
          .first_y = i(-s.padding),
          .first_x = i(-s.padding),
          .step = i(s.stride),
          .direction = 1,
          .taps_y = i(s.kernel),
          .taps_x = i(s.kernel)};
}

inline bool fit_int(const Conv2dShape& s) {
  return fit_int(s.batch * s.small_height * s.small_width, s.batch * s.large_height * s.large_width,
                 s.kernel * s.kernel * s.large_channels, s.kernel * s.kernel * s.small_channels);
}

inline std::int64_t small_pixels(const Conv2dShape& s) { return s.batch * s.small_height * s.small_width; }
inline std::int64_t large_pixels(const Conv2dShape& s) { return s.batch * s.large_height * s.large_width; }
inline std::int64_t window_elements(const Conv2dShape& s) { return s.kernel * s.kernel * s.large_channels; }

// Offset of weight[small channel, ky, kx, 0].
__device__ inline std::int64_t weight_offset(const Conv2dShape& s, std::int64_t channel, std::int64_t ky,
                                             std::int64_t kx) {
  return ((channel * s.kernel + ky) * s.kernel + kx) * s.large_channels;
}
__device__ inline std::int64_t small_offset(const Conv2dShape& s, std::int64_t image, std::int64_t y,
                                            std::int64_t x) {
  return ((image * s.small_height + y) * s.small_width + x) * s.small_channels;
}
__device__ inline std::int64_t large_offset(const Conv2dShape& s, std::int64_t image, std::int64_t y,
                                            std::int64_t x) {
  return ((image * s.large_height + y) * s.large_width + x) * s.large_channels;
}

}  // namespace cuelbo::kernels::cuda
