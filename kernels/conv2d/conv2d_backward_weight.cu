#include "kernels/conv2d/conv2d_bytes.cuh"
#include "kernels/conv2d/conv2d_direct.cuh"
#include "kernels/conv2d/conv2d_library.hpp"
#include "kernels/conv2d/conv2d_tensor.hpp"
#include "kernels/linear/gemm_tile.cuh"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

namespace {

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
std::int64_t implicit_gemm_bytes(const Conv2dBackwardWeight& a) {
  std::int64_t bytes = 0;
  with_tile(a.shape, [&](auto tile) {
    bytes = weight_bytes<decltype(tile)>(a, stored_channels(a.shape), slices(a.shape).count);
  });
  return bytes;
}

void backward_weight_implicit_gemm(const Conv2dBackwardWeight& a, Stream stream) {
  const Conv2dShape& s = a.shape;
  if (s.small_channels == 0 || s.large_channels == 0) return;
  if (!fit_int(s) || small_pixels(s) == 0) return launch_direct(a, stream);
  const bool four =
      s.small_channels % 4 == 0 && s.large_channels % 4 == 0 && all_aligned_to_16(a.small, a.large);
  with_tile(s, [&](auto tile) {
    with_width(four, [&](auto width) {
      launch_sliced<decltype(tile)>(weight_product<width()>(a, Factor<float>{a.large, s.large_channels},
                                                            Factor<float>{a.small, s.small_channels}),
                                    slices(s), a.workspace, stream);
    });
  });
}

}  // namespace

Variants<Conv2dBackwardWeight> conv2d_backward_weight_variants() {
  static const Variant<Conv2dBackwardWeight> own[] = {
      {"direct", "one thread per weight", {launch_direct, nullptr, direct_bytes}},
      {"implicit_gemm",
       "implicit matrix product by register tiles: images are read once per tile; pixels in slices, then "
       "summed",
       {backward_weight_implicit_gemm, workspace, implicit_gemm_bytes}},
      {"tensor_tf32",
       "on tensor cores (mma.sync), 3 stages of cp.async: a quarter of the reads of shared memory",
       conv2d_tf32<Conv2dBackwardWeight>(), Precision::tf32},
      {"tensor_bf16",
       "the same of copies in bf16, both read by ldmatrix.trans: half of the bytes and of the reads",
       conv2d_bf16<Conv2dBackwardWeight>(), Precision::bf16}};
  static const auto variants = joined<Conv2dBackwardWeight>({own, conv2d_library<Conv2dBackwardWeight>()});
  return variants;
}

}  // namespace cuelbo::kernels::cuda
