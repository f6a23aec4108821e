#include "kernels/conv2d/conv2d.hpp"

#include "kernels/conv2d/conv2d_direct.cuh"
#include "kernels/conv2d/conv2d_library.hpp"
#include "kernels/conv2d/conv2d_tensor.hpp"
#include "kernels/linear/gemm_tile.cuh"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

namespace {

template <class Args>
Factor<float> large(const Args& a) {
  return {a.large, a.shape.large_channels};
}
template <class Args>
Factor<float> small(const Args& a) {
  return {a.small, a.shape.small_channels};
}
template <class Args>
Factor<float> weight(const Args& a) {
  return {a.weight, a.shape.large_channels};
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

// ---- forward

void forward_tiled(const Conv2dForward& a, Stream stream) {
  if (is_empty(a)) return;
  if (!fit_tiles(a.shape)) return launch_direct(a, stream);
  launch_gemm_shared_tile(forward_product<1>(a, large(a), weight(a)), small_pixels(a.shape),
                          a.shape.small_channels, 1, stream);
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
  if (!fit_tiles(a.shape)) return launch_direct(a, stream);
  const bool four = a.shape.large_channels % 4 == 0 && all_aligned_to_16(a.large, a.weight);
  with_tile(a.shape.small_channels, [&](auto tile) {
    with_width(four, [&](auto width) {
      launch_sliced<decltype(tile)>(forward_product<width()>(a, large(a), weight(a)), forward_slices(a.shape),
                                    a.workspace, stream);
    });
  });
}

// ---- backward_data

void backward_data_tiled(const Conv2dBackwardData& a, Stream stream) {
  if (is_empty(a)) return;
  if (!fit_tiles(a.shape)) return launch_direct(a, stream);
  launch_gemm_shared_tile(phases<1, 1>(a, small(a), weight(a)), phase_pixels(a.shape), a.shape.large_channels,
                          phase_count(a.shape), stream);
}

void backward_data_implicit_gemm(const Conv2dBackwardData& a, Stream stream) {
  if (is_empty(a)) return;
  const Conv2dShape& s = a.shape;
  if (!fit_tiles(s)) return launch_direct(a, stream);
  const bool four_a = s.small_channels % 4 == 0 && aligned_to_16(a.small);
  const bool four_b = s.large_channels % 4 == 0 && aligned_to_16(a.weight);
  with_tile(s.large_channels, [&](auto tile) {
    using T = decltype(tile);
    // A thin tile's weight is small, and the image's one or three channels come in no packs.
    constexpr bool thin = std::is_same_v<T, ThinTile>;
    with_width(four_a && (thin || four_b), [&](auto width) {
      const Slices whole{1, static_cast<int>(s.kernel * s.kernel * s.small_channels)};
      launch_tiles(T{}, phases<width(), thin ? 1 : width()>(a, small(a), weight(a)), phase_pixels(s),
                   s.large_channels, whole, phase_count(s), stream);
    });
  });
}

constexpr const char *direct = "one thread an output",
                     *tiled = "implicit matrix product, 16 x 16 tiles in shared memory, one thread an output",
                     *tensor_tf32 =
                         "implicit matrix product on tensor cores (mma.sync), three stages of cp.async",
                     *tensor_bf16 = "the same of copies in bf16, read by ldmatrix";

}  // namespace

Variants<Conv2dForward> conv2d_forward_variants() {
  static const Variant<Conv2dForward> own[] = {
      {"direct", direct, {launch_direct}},
      {"tiled", tiled, {forward_tiled}},
      {"implicit_gemm",
       "implicit matrix product by register tiles, 16-byte loads; few tiles: k in slices",
       {forward_implicit_gemm, forward_workspace}},
      {"tensor_tf32", tensor_tf32, conv2d_tf32<Conv2dForward>(), Precision::tf32},
      {"tensor_bf16", tensor_bf16, conv2d_bf16<Conv2dForward>(), Precision::bf16}};
  static const auto variants = joined<Conv2dForward>({own, conv2d_library<Conv2dForward>()});
  return variants;
}

Variants<Conv2dBackwardData> conv2d_backward_data_variants() {
  static const Variant<Conv2dBackwardData> own[] = {
      {"direct", direct, {launch_direct}},
      {"tiled", tiled, {backward_data_tiled}},
      {"implicit_gemm",
       "a product for each phase of the stride by register tiles, 16-byte loads",
       {backward_data_implicit_gemm}},
      {"tensor_tf32", tensor_tf32, conv2d_tf32<Conv2dBackwardData>(), Precision::tf32},
      {"tensor_bf16", tensor_bf16, conv2d_bf16<Conv2dBackwardData>(), Precision::bf16}};
  static const auto variants = joined<Conv2dBackwardData>({own, conv2d_library<Conv2dBackwardData>()});
  return variants;
}

}  // namespace cuelbo::kernels::cuda
