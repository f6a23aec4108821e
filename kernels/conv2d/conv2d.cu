#include "kernels/conv2d/conv2d.hpp"

#include "kernels/conv2d/conv2d_bytes.cuh"
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

std::int64_t forward_tiled_bytes(const Conv2dForward& a) {
  return factor_bytes(forward_extents(a.shape, stored_channels(a.shape)), shared_tile, shared_tile, 4) +
         output_bytes(small_pixels(a.shape), a.shape.small_channels, epilogue(a), shared_tile_rows);
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
std::int64_t forward_bytes(const Conv2dForward& a) {
  std::int64_t bytes = 0;
  with_tile(a.shape.small_channels, [&](auto tile) {
    bytes = sliced_bytes<decltype(tile)>(forward_extents(a.shape, stored_channels(a.shape)),
                                         forward_slices(a.shape).count, epilogue(a));
  });
  return bytes;
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

std::int64_t backward_data_tiled_bytes(const Conv2dBackwardData& a) {
  return phases_bytes(a, stored_channels(a.shape), shared_tile, shared_tile, shared_tile_rows, 4);
}

std::int64_t backward_data_bytes(const Conv2dBackwardData& a) {
  std::int64_t bytes = 0;
  with_tile(a.shape.large_channels, [&](auto tile) {
    using T = decltype(tile);
    bytes = phases_bytes(a, stored_channels(a.shape), T::m, T::n, T::lanes_down, 4);
  });
  return bytes;
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

constexpr const char
    *direct = "one thread per output",
    *tiled =
        "implicit matrix product, 16 x 16 tiles in shared memory: factors are read once for "
        "16 outputs",
    *tensor_tf32 =
        "implicit matrix product on tensor cores (mma.sync), 3 stages of cp.async: a quarter of the "
        "reads of shared memory",
    *tensor_bf16 = "the same of copies in bf16, read by ldmatrix: half of the bytes and of the reads";

}  // namespace

Variants<Conv2dForward> conv2d_forward_variants() {
  static const Variant<Conv2dForward> own[] = {
      {"direct", direct, {launch_direct, nullptr, direct_bytes}},
      {"tiled", tiled, {forward_tiled, nullptr, forward_tiled_bytes}},
      {"implicit_gemm",
       "by register tiles, 16-byte loads: a fifth of the reads of shared memory; few tiles: k in slices",
       {forward_implicit_gemm, forward_workspace, forward_bytes}},
      {"tensor_tf32", tensor_tf32, conv2d_tf32<Conv2dForward>(), Precision::tf32},
      {"tensor_bf16", tensor_bf16, conv2d_bf16<Conv2dForward>(), Precision::bf16}};
  static const auto variants = joined<Conv2dForward>({own, conv2d_library<Conv2dForward>()});
  return variants;
}

Variants<Conv2dBackwardData> conv2d_backward_data_variants() {
  static const Variant<Conv2dBackwardData> own[] = {
      {"direct", direct, {launch_direct, nullptr, direct_bytes}},
      {"tiled", tiled, {backward_data_tiled, nullptr, backward_data_tiled_bytes}},
      {"implicit_gemm",
       "a product for each phase of the stride by register tiles: a fifth of the reads of shared memory",
       {backward_data_implicit_gemm, nullptr, backward_data_bytes}},
      {"tensor_tf32", tensor_tf32, conv2d_tf32<Conv2dBackwardData>(), Precision::tf32},
      {"tensor_bf16", tensor_bf16, conv2d_bf16<Conv2dBackwardData>(), Precision::bf16}};
  static const auto variants = joined<Conv2dBackwardData>({own, conv2d_library<Conv2dBackwardData>()});
  return variants;
}

}  // namespace cuelbo::kernels::cuda
