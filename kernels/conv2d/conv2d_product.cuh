// The three kernels of conv2d as matrix products. Rows of a factor are the channels of a pixel or of a tap of the weight;
// it may be stored with more channels than it has, zeros, for the sake of alignment.
#pragma once

#include "kernels/conv2d/windows.cuh"

namespace cuelbo::kernels::cuda {

template <class Args>
Epilogue epilogue(const Args& a) {
  return {a.bias, a.activation, a.gradient_activation, a.saved};
}

inline bool fit_tiles(const Conv2dShape& s) {
  return fit_int(s) && s.large_channels > 0 && s.small_channels > 0;
}
inline bool is_empty(const Conv2dForward& a) {
  return small_pixels(a.shape) == 0 || a.shape.small_channels == 0;
}
inline bool is_empty(const Conv2dBackwardData& a) {
  return large_pixels(a.shape) == 0 || a.shape.large_channels == 0;
}

// ---- forward: (pixels of small, small channels) = windows of large · weightᵀ

template <int width, class T>
Product<Windows<width, T>, Matrix<true, width, T>> forward_product(const Conv2dForward& a, Factor<T> large,
                                                                   Factor<T> weight) {
  const WindowShape<T> windows = windows_of_large(a.shape, large.p, large.stride);
  const int m = windows.windows, n = static_cast<int>(a.shape.small_channels), k = windows.elements();
  return {m,
          n,
          k,
          {windows, Divider(static_cast<unsigned>(windows.channels)),
           Divider(static_cast<unsigned>(windows.taps_x))},
          {weight.p, n, k, k},
          {a.small, m, n, packs_fit(a.small, n, epilogue(a)), epilogue(a)}};
}

// ---- backward_data. Pixels of large whose rows and columns leave the same remainders by the stride are reached by the
// same taps of the weight, every stride-th one. So the gradient is stride² products, one a phase: (pixels of the phase,
// large channels) = windows of small · taps of the weight. Tap t of a window is kernel row first + t · stride.

// Rows or columns of one phase: `count` of them, remainder + i · stride; their taps begin at `first_tap` of the kernel and
// at small pixel i + first.
struct PhaseAxis {
  int count, remainder, first_tap, taps, first;

  __device__ PhaseAxis(const Conv2dShape& s, std::int64_t size, int remainder_) : remainder(remainder_) {
    const int stride = static_cast<int>(s.stride), kernel = static_cast<int>(s.kernel);
    const int shifted = remainder + static_cast<int>(s.padding);
    count = (static_cast<int>(size) - remainder + stride - 1) / stride;
    first_tap = shifted % stride;
    taps = first_tap < kernel ? (kernel - first_tap + stride - 1) / stride : 0;
    first = shifted / stride;
  }
};

// Outer index: large channel; k: (ty, tx, small channel) of the phase.
template <int width_, class T>
struct PhaseWeight {
  using Element = T;
  static constexpr bool along_k = false;
  static constexpr int width = width_;
  Factor<T> weight;
  int channels, kernel, stride, small_channels, stored_small_channels;
  int first_ky, first_kx, taps_y, taps_x;
  Divider by_channels, by_taps_x;

  using Line = int;
  __device__ Line line(int channel) const { return channel; }
  __device__ const T* base() const { return weight.p; }
  __device__ const T* address(Line channel, int k) const {
    const int tap = by_channels.quotient(k), ty = by_taps_x.quotient(tap), tx = tap - ty * taps_x;
    const int small_channel = k - tap * stored_small_channels;
    if (channel >= channels || ty >= taps_y || small_channel >= small_channels) return nullptr;
    const int ky = first_ky + ty * stride, kx = first_kx + tx * stride;
    const std::int64_t row = (std::int64_t{small_channel} * kernel + ky) * kernel + kx;
    return weight.p + row * weight.stride + channel;
  }
};

// Pixels of a phase are `stride` apart: with fewer than eight channels (the decoder's image) its stores touch every sector of
// a row, of which other phases write the rest. That is 32 bytes a pixel at most beside the 4 · taps · small channels, 512 in
// the models, that it reads.
struct PhaseOutput {
  float* large;
  int rows, across, down;  // of the phase
  int remainder_y, remainder_x, stride, height, width, channels;
  bool packs;
  Epilogue epilogue;

  template <int n>
  __device__ void store(int, int row, int channel, const Pack<n>& sum) const {
    if (row >= rows) return;
    const int line = row / across, image = line / down;
    const int y = line % down * stride + remainder_y, x = row % across * stride + remainder_x;
    const std::int64_t pixel = (std::int64_t{image} * height + y) * width + x;
    store_finished(large, epilogue, packs, pixel * channels + channel, channel, channels, sum);
  }
};

template <int width_a, int width_b, class T>
struct Phases {
  Conv2dBackwardData a;
  Factor<T> small, weight;
  Divider by_channels;
  bool packs;

  __device__ Product<Windows<width_a, T>, PhaseWeight<width_b, T>, PhaseOutput> part(unsigned phase) const {
    const Conv2dShape& s = a.shape;
    const int stride = static_cast<int>(s.stride), p = static_cast<int>(phase);
    const int channels = static_cast<int>(s.large_channels),
              small_channels = static_cast<int>(s.small_channels),
              stored_small_channels = static_cast<int>(small.stride);
    const PhaseAxis y(s, s.large_height, p / stride), x(s, s.large_width, p % stride);
    const WindowShape<T> windows{.image = small.p,
                                 .height = static_cast<int>(s.small_height),
                                 .width = static_cast<int>(s.small_width),
                                 .channels = stored_small_channels,
                                 .windows = static_cast<int>(s.batch) * y.count * x.count,
                                 .across = x.count,
                                 .down = y.count,
                                 .first_y = y.first,
                                 .first_x = x.first,
                                 .step = 1,
                                 .direction = -1,
                                 .taps_y = x.taps == 0 ? 0 : y.taps,
                                 .taps_x = x.taps};
    const Divider by_taps_x(static_cast<unsigned>(x.taps == 0 ? 1 : x.taps));
    return {windows.windows,
            channels,
            windows.elements(),
            {windows, by_channels, by_taps_x},
            {weight, channels, static_cast<int>(s.kernel), stride, small_channels, stored_small_channels,
             y.first_tap, x.first_tap, windows.taps_y, x.taps, by_channels, by_taps_x},
            {a.large,
             windows.windows,
             x.count,
             y.count,
             y.remainder,
             x.remainder,
             stride,
             static_cast<int>(s.large_height),
             static_cast<int>(s.large_width),
             channels,
             packs,
             {a.bias, a.activation, a.gradient_activation, a.saved}}};
  }
};

template <int width_a, int width_b, class T>
Phases<width_a, width_b, T> phases(const Conv2dBackwardData& a, Factor<T> small, Factor<T> weight) {
  return {a, small, weight, Divider(static_cast<unsigned>(small.stride)),
          packs_fit(a.large, a.shape.large_channels, epilogue(a))};
}

inline unsigned phase_count(const Conv2dShape& s) { return static_cast<unsigned>(s.stride * s.stride); }
// Pixels of phase 0, the largest.
inline std::int64_t phase_pixels(const Conv2dShape& s) {
  return s.batch * divide_up(s.large_height, s.stride) * divide_up(s.large_width, s.stride);
}

// ---- backward_weight: (small channels, window elements) = smallᵀ · windows of large, summed over the pixels of small

// Columns are those of the stored channels: `stored` of them stand for `kept` outputs.
struct WeightOutput {
  float* y;
  int rows, columns, kept;
  Divider by_stored;
  bool packs;
  Epilogue epilogue;

  std::int64_t count() const { return std::int64_t{rows} * columns; }
  int run() const { return kept; }
  template <int n>
  __device__ void store(int slice, int row, int column, const Pack<n>& sum) const {
    const int run = by_stored.quotient(column), within = column - run * static_cast<int>(by_stored.divisor);
    if (row >= rows || run * kept >= columns) return;
    const std::int64_t index = (std::int64_t{slice} * rows + row) * columns + run * kept + within;
    store_finished(y, epilogue, packs, index, within, kept, sum);
  }
};

template <int width, class T>
Product<Matrix<false, width, T>, WindowElements<width, T>, WeightOutput> weight_product(
    const Conv2dBackwardWeight& a, Factor<T> large, Factor<T> small) {
  const Conv2dShape& s = a.shape;
  const WindowShape<T> windows = windows_of_large(s, large.p, large.stride);
  const int m = static_cast<int>(s.small_channels), n = windows.elements(), k = windows.windows;
  const int columns = static_cast<int>(window_elements(s));
  // Without padding all of a row is one run.
  const bool padded = large.stride != s.large_channels;
  const int kept = padded ? static_cast<int>(s.large_channels) : columns;
  const Divider by_stored(static_cast<unsigned>(padded ? large.stride : columns));
  return {
      m,
      n,
      k,
      {small.p, m, k, small.stride},
      {windows, Divider(static_cast<unsigned>(windows.across)), Divider(static_cast<unsigned>(windows.down))},
      {a.dweight, m, columns, kept, by_stored, packs_fit(a.dweight, kept, {}), {}}};
}

}  // namespace cuelbo::kernels::cuda
