#include "kernels/conv2d/windows.cuh"
#include "kernels/linear/column_sums.cuh"
#include "kernels/variants.hpp"

namespace cuelbo::kernels::cuda {

namespace {

// ---- backward_weight: (small channels, window elements) = smallᵀ · windows of large, summed over the pixels of small

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
void backward_weight_direct(const Conv2dBackwardWeight& a, Stream stream) {
  launch_for_each_element<1>(a.shape.small_channels * window_elements(a.shape), OneWeight{a}, stream);
}

// Tiles as wide as the weight is.
template <class F>
void with_tile(const Conv2dShape& s, F&& f) {
  if (window_elements(s) <= 32) {
    f(Tile<32, 32, 4, 2>{});
  } else if (s.small_channels <= 32) {
    f(Tile<32, 128, 8, 4>{});
  } else {
    f(Tile<64, 64, 8, 4>{});
  }
}

template <int width>
Product<Matrix<false, width>, WindowElements<width>> product(const Conv2dBackwardWeight& a) {
  const Conv2dShape& s = a.shape;
  const WindowShape windows = windows_of_large(s, a.large);
  const int m = static_cast<int>(s.small_channels), n = windows.elements(), k = windows.windows;
  return {
      m,
      n,
      k,
      {a.small, m, k, m},
      {windows, Divider(static_cast<unsigned>(windows.across)), Divider(static_cast<unsigned>(windows.down))},
      {a.dweight, m, n, packs_fit(a.dweight, n), {}}};
}

Slices slices(const Conv2dShape& s) {
  Slices slices{};
  with_tile(s, [&](auto tile) {
    slices = slices_of<decltype(tile)>(s.small_channels, window_elements(s), small_pixels(s));
  });
  return slices;
}
std::size_t workspace(const Conv2dBackwardWeight& a) {
  return slices_workspace(slices(a.shape), a.shape.small_channels, window_elements(a.shape));
}

void backward_weight_implicit_gemm(const Conv2dBackwardWeight& a, Stream stream) {
  const Conv2dShape& s = a.shape;
  if (s.small_channels == 0 || s.large_channels == 0) return;
  if (!fit_int(s) || small_pixels(s) == 0) return backward_weight_direct(a, stream);
  const bool four =
      s.small_channels % 4 == 0 && s.large_channels % 4 == 0 && all_aligned_to_16(a.small, a.large);
  with_tile(s, [&](auto tile) {
    with_width(four, [&](auto width) {
      launch_sliced_gemm<decltype(tile)>(product<width()>(a), slices(s), a.workspace, stream);
    });
  });
}

// ---- bias_backward

void bias_backward_naive(const BiasBackward& a, Stream stream) {
  column_sums_naive(a.rows, a.channels, a.dy, a.dbias, stream);
}
void bias_backward_two_phases(const BiasBackward& a, Stream stream) {
  column_sums_two_phases(a.rows, a.channels, a.dy, a.dbias, a.workspace, stream);
}
std::size_t bias_backward_workspace(const BiasBackward& a) {
  return column_sums_workspace(a.rows, a.channels);
}

}  // namespace

Variants<Conv2dBackwardWeight> conv2d_backward_weight_variants() {
  static constexpr Variant<Conv2dBackwardWeight> variants[] = {
      {"direct", "one thread a weight", {backward_weight_direct}},
      {"implicit_gemm",
       "implicit matrix product by register tiles; pixels in slices, summed by a second kernel",
       {backward_weight_implicit_gemm, workspace}}};
  return variants;
}

Variants<BiasBackward> bias_backward_variants() {
  static constexpr Variant<BiasBackward> variants[] = {
      {"naive", "one thread a channel", {bias_backward_naive}},
      {"two_phases",
       "blocks sum chunks of rows, then the chunks",
       {bias_backward_two_phases, bias_backward_workspace}}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda
