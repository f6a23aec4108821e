#include "kernels/conv2d/conv2d.hpp"

#include "kernels/conv2d/windows.cuh"
#include "kernels/variants.hpp"

namespace cuelbo::kernels::cuda {

namespace {

template <class Args>
Epilogue epilogue(const Args& a) {
  return {a.bias, a.activation, a.gradient_activation, a.saved};
}

// Few output channels would leave most of a wide tile empty.
using WideTile = Tile<64, 64, 8, 4>;
using NarrowTile = Tile<128, 32, 8, 4>;
using ThinTile = Tile<128, 8, 4, 2>;

template <class F>
void with_tile(std::int64_t channels, F&& f) {
  if (channels > 32) {
    f(WideTile{});
  } else if (channels > 8) {
    f(NarrowTile{});
  } else {
    f(ThinTile{});
  }
}

// ---- forward: (pixels of small, small channels) = windows of large · weightᵀ

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
void forward_direct(const Conv2dForward& a, Stream stream) {
  launch_for_each_element<1>(small_pixels(a.shape) * a.shape.small_channels, ForwardOutput{a, epilogue(a)},
                             stream);
}

template <int width>
Product<Windows<width>, Matrix<true, width>> forward_product(const Conv2dForward& a) {
  const Conv2dShape& s = a.shape;
  const WindowShape windows = windows_of_large(s, a.large);
  const int m = windows.windows, n = static_cast<int>(s.small_channels), k = windows.elements();
  return {m,
          n,
          k,
          {windows, Divider(static_cast<unsigned>(windows.channels)),
           Divider(static_cast<unsigned>(windows.taps_x))},
          {a.weight, n, k, k},
          {a.small, m, n, packs_fit(a.small, n), epilogue(a)}};
}

bool is_empty(const Conv2dForward& a) { return small_pixels(a.shape) == 0 || a.shape.small_channels == 0; }
bool fit_tiles(const Conv2dShape& s) { return fit_int(s) && s.large_channels > 0 && s.small_channels > 0; }

void forward_tiled(const Conv2dForward& a, Stream stream) {
  if (is_empty(a)) return;
  if (!fit_tiles(a.shape)) return forward_direct(a, stream);
  launch_gemm_shared_tile(forward_product<1>(a), small_pixels(a.shape), a.shape.small_channels, 1, stream);
}

Slices forward_slices(const Conv2dShape& s) {
  Slices slices{};
  with_tile(s.small_channels, [&](auto tile) {
    slices = slices_of<decltype(tile)>(small_pixels(s), s.small_channels, window_elements(s));
  });
  return slices;
}
std::size_t forward_workspace(const Conv2dForward& a) {
  return slices_workspace(forward_slices(a.shape), small_pixels(a.shape), a.shape.small_channels);
}
void forward_implicit_gemm(const Conv2dForward& a, Stream stream) {
  if (is_empty(a)) return;
  if (!fit_tiles(a.shape)) return forward_direct(a, stream);
  const bool four = a.shape.large_channels % 4 == 0 && all_aligned_to_16(a.large, a.weight);
  with_tile(a.shape.small_channels, [&](auto tile) {
    with_width(four, [&](auto width) {
      launch_sliced_gemm<decltype(tile)>(forward_product<width()>(a), forward_slices(a.shape), a.workspace,
                                         stream);
    });
  });
}

// ---- backward_data. Pixels of large whose rows and columns leave the same remainders by the stride are reached by the
// same taps of the weight, every stride-th one. So the gradient is stride² products, one a phase: (pixels of the phase,
// large channels) = windows of small · taps of the weight. Tap t of a window is kernel row first + t · stride.

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
void backward_data_direct(const Conv2dBackwardData& a, Stream stream) {
  launch_for_each_element<1>(large_pixels(a.shape) * a.shape.large_channels,
                             BackwardDataOutput{a, epilogue(a)}, stream);
}

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
template <int width_>
struct PhaseWeight {
  static constexpr bool along_k = false;
  static constexpr int width = width_;
  const float* weight;
  int channels, kernel, stride, small_channels;
  int first_ky, first_kx, taps_y, taps_x;
  Divider by_channels, by_taps_x;

  using Line = int;
  __device__ Line line(int channel) const { return channel; }
  __device__ Pack<width> load(Line channel, int k) const {
    const int tap = by_channels.quotient(k), ty = by_taps_x.quotient(tap), tx = tap - ty * taps_x;
    if (channel >= channels || ty >= taps_y) return {};
    const int ky = first_ky + ty * stride, kx = first_kx + tx * stride;
    const std::int64_t row = (std::int64_t{k - tap * small_channels} * kernel + ky) * kernel + kx;
    return cuda::load<width>(weight + row * channels + channel);
  }
};

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

template <int width_a, int width_b>
struct Phases {
  Conv2dBackwardData a;
  Divider by_channels;
  bool packs;

  __device__ Product<Windows<width_a>, PhaseWeight<width_b>, PhaseOutput> part(unsigned phase) const {
    const Conv2dShape& s = a.shape;
    const int stride = static_cast<int>(s.stride), p = static_cast<int>(phase);
    const int channels = static_cast<int>(s.large_channels),
              small_channels = static_cast<int>(s.small_channels);
    const PhaseAxis y(s, s.large_height, p / stride), x(s, s.large_width, p % stride);
    const WindowShape windows{.image = a.small,
                              .height = static_cast<int>(s.small_height),
                              .width = static_cast<int>(s.small_width),
                              .channels = small_channels,
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
            {a.weight, channels, static_cast<int>(s.kernel), stride, small_channels, y.first_tap, x.first_tap,
             windows.taps_y, x.taps, by_channels, by_taps_x},
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

template <int width_a, int width_b>
Phases<width_a, width_b> phases(const Conv2dBackwardData& a) {
  return {a, Divider(static_cast<unsigned>(a.shape.small_channels)),
          packs_fit(a.large, a.shape.large_channels)};
}

bool is_empty(const Conv2dBackwardData& a) {
  return large_pixels(a.shape) == 0 || a.shape.large_channels == 0;
}
unsigned phase_count(const Conv2dShape& s) { return static_cast<unsigned>(s.stride * s.stride); }
// Pixels of phase 0, the largest.
std::int64_t phase_pixels(const Conv2dShape& s) {
  return s.batch * divide_up(s.large_height, s.stride) * divide_up(s.large_width, s.stride);
}

void backward_data_tiled(const Conv2dBackwardData& a, Stream stream) {
  if (is_empty(a)) return;
  if (!fit_tiles(a.shape)) return backward_data_direct(a, stream);
  launch_gemm_shared_tile(phases<1, 1>(a), phase_pixels(a.shape), a.shape.large_channels,
                          phase_count(a.shape), stream);
}

void backward_data_implicit_gemm(const Conv2dBackwardData& a, Stream stream) {
  if (is_empty(a)) return;
  const Conv2dShape& s = a.shape;
  if (!fit_tiles(s)) return backward_data_direct(a, stream);
  const bool four_a = s.small_channels % 4 == 0 && aligned_to_16(a.small);
  const bool four_b = s.large_channels % 4 == 0 && aligned_to_16(a.weight);
  with_tile(s.large_channels, [&](auto tile) {
    using T = decltype(tile);
    // A thin tile's weight is small, and the image's one or three channels come in no packs.
    constexpr bool thin = std::is_same_v<T, ThinTile>;
    with_width(four_a && (thin || four_b), [&](auto width) {
      const Slices whole{1, static_cast<int>(s.kernel * s.kernel * s.small_channels)};
      launch_gemm_register_tile<T>(phases<width(), thin ? 1 : width()>(a), phase_pixels(s), s.large_channels,
                                   whole, phase_count(s), stream);
    });
  });
}

constexpr const char *direct = "one thread an output",
                     *tiled = "implicit matrix product, 16 x 16 tiles in shared memory, one thread an output";

}  // namespace

Variants<Conv2dForward> conv2d_forward_variants() {
  static constexpr Variant<Conv2dForward> variants[] = {
      {"direct", direct, {forward_direct}},
      {"tiled", tiled, {forward_tiled}},
      {"implicit_gemm",
       "implicit matrix product by register tiles, 16-byte loads; few tiles: k in slices",
       {forward_implicit_gemm, forward_workspace}}};
  return variants;
}

Variants<Conv2dBackwardData> conv2d_backward_data_variants() {
  static constexpr Variant<Conv2dBackwardData> variants[] = {
      {"direct", direct, {backward_data_direct}},
      {"tiled", tiled, {backward_data_tiled}},
      {"implicit_gemm",
       "a product for each phase of the stride by register tiles, 16-byte loads",
       {backward_data_implicit_gemm}}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda
