#include "kernels/conv2d/conv2d_tensor.hpp"

#include "kernels/conv2d/conv2d_bytes.cuh"
#include "kernels/conv2d/conv2d_direct.cuh"
#include "kernels/conv2d/conv2d_product.cuh"
#include "kernels/linear/padded_factor.cuh"
#include "kernels/linear/tensor_tile.cuh"

namespace cuelbo::kernels::cuda {

namespace {

// ---- images times weight

template <class T, class F>
void with_tile(std::int64_t channels, F&& f) {
  if (channels > 32) {
    f(TensorTile<T, 128, 64, 2, 2>{});
  } else {
    f(TensorTile<T, 128, 32, 4, 1>{});
  }
}

template <class T>
Slices slices(const Conv2dForward& a) {
  const Conv2dShape& s = a.shape;
  Slices slices{};
  with_tile<T>(s.small_channels, [&](auto tile) {
    slices = slices_of<decltype(tile)>(small_pixels(s), s.small_channels,
                                       s.kernel * s.kernel * padded_stride<T>(s.large_channels));
  });
  return slices;
}
template <class T>
std::size_t workspace(const Conv2dForward& a) {
  const Conv2dShape& s = a.shape;
  return padded_bytes<T>(large_pixels(s), s.large_channels) +
         padded_bytes<T>(weight_taps(s), s.large_channels) +
         slices_workspace(slices<T>(a), small_pixels(s), s.small_channels);
}
template <class T>
void launch_tensor(const Conv2dForward& a, Stream stream) {
  if (is_empty(a)) return;
  const Conv2dShape& s = a.shape;
  if (!fit_tiles(s)) return launch_direct(a, stream);
  auto* workspace = static_cast<std::byte*>(a.workspace);
  const auto large = padded_factor<T>(a.large, large_pixels(s), s.large_channels, workspace, stream);
  const auto weight = padded_factor<T>(a.weight, weight_taps(s), s.large_channels, workspace, stream);
  with_tile<T>(s.small_channels, [&](auto tile) {
    launch_sliced<decltype(tile)>(forward_product<pack_width<T>>(a, large, weight), slices<T>(a), workspace,
                                  stream);
  });
}

template <class T>
std::int64_t moved_bytes(const Conv2dForward& a) {
  const Conv2dShape& s = a.shape;
  std::int64_t bytes = 0;
  with_tile<T>(s.small_channels, [&](auto tile) {
    bytes = sliced_bytes<decltype(tile)>(forward_extents(s, padded_channels<T>(s)), slices<T>(a).count,
                                         epilogue(a), sizeof(T));
  });
  return bytes + copies_bytes<T>(large_pixels(s), s.large_channels, weight_taps(s), s.large_channels);
}

template <class T>
std::size_t workspace(const Conv2dBackwardData& a) {
  const Conv2dShape& s = a.shape;
  return padded_bytes<T>(small_pixels(s), s.small_channels) +
         padded_bytes<T>(weight_taps(s), s.large_channels);
}
template <class T>
void launch_tensor(const Conv2dBackwardData& a, Stream stream) {
  if (is_empty(a)) return;
  const Conv2dShape& s = a.shape;
  if (!fit_tiles(s)) return launch_direct(a, stream);
  auto* workspace = static_cast<std::byte*>(a.workspace);
  const auto small = padded_factor<T>(a.small, small_pixels(s), s.small_channels, workspace, stream);
  const auto weight = padded_factor<T>(a.weight, weight_taps(s), s.large_channels, workspace, stream);
  const Slices whole{1, static_cast<int>(s.kernel * s.kernel * small.stride)};
  with_tile<T>(s.large_channels, [&](auto tile) {
    launch_tiles(tile, phases<pack_width<T>, pack_width<T>>(a, small, weight), phase_pixels(s),
                 s.large_channels, whole, phase_count(s), stream);
  });
}

template <class T>
std::int64_t moved_bytes(const Conv2dBackwardData& a) {
  const Conv2dShape& s = a.shape;
  std::int64_t bytes = 0;
  with_tile<T>(s.large_channels, [&](auto tile) {
    using Tile = decltype(tile);
    bytes = phases_bytes(a, padded_channels<T>(s), Tile::m, Tile::n, Tile::lanes_down, sizeof(T));
  });
  return bytes + copies_bytes<T>(small_pixels(s), s.small_channels, weight_taps(s), s.large_channels);
}

// ---- image times image

template <class T, class F>
void with_weight_tile(const Conv2dShape& s, F&& f) {
  if (s.small_channels > 32) {
    f(TensorTile<T, 64, 64, 2, 2>{});
  } else {
    f(TensorTile<T, 32, 128, 1, 4>{});
  }
}

template <class T>
Slices slices(const Conv2dBackwardWeight& a) {
  const Conv2dShape& s = a.shape;
  Slices slices{};
  with_weight_tile<T>(s, [&](auto tile) {
    slices = slices_of<decltype(tile)>(
        s.small_channels, s.kernel * s.kernel * padded_stride<T>(s.large_channels), small_pixels(s));
  });
  return slices;
}
template <class T>
std::size_t workspace(const Conv2dBackwardWeight& a) {
  const Conv2dShape& s = a.shape;
  return padded_bytes<T>(large_pixels(s), s.large_channels) +
         padded_bytes<T>(small_pixels(s), s.small_channels) +
         slices_workspace(slices<T>(a), s.small_channels, window_elements(s));
}
template <class T>
void launch_tensor(const Conv2dBackwardWeight& a, Stream stream) {
  const Conv2dShape& s = a.shape;
  if (s.small_channels == 0 || s.large_channels == 0) return;
  if (!fit_int(s) || small_pixels(s) == 0) return launch_direct(a, stream);
  auto* workspace = static_cast<std::byte*>(a.workspace);
  const auto large = padded_factor<T>(a.large, large_pixels(s), s.large_channels, workspace, stream);
  const auto small = padded_factor<T>(a.small, small_pixels(s), s.small_channels, workspace, stream);
  with_weight_tile<T>(s, [&](auto tile) {
    launch_sliced<decltype(tile)>(weight_product<pack_width<T>>(a, large, small), slices<T>(a), workspace,
                                  stream);
  });
}

template <class T>
std::int64_t moved_bytes(const Conv2dBackwardWeight& a) {
  const Conv2dShape& s = a.shape;
  std::int64_t bytes = 0;
  with_weight_tile<T>(s, [&](auto tile) {
    bytes = weight_bytes<decltype(tile)>(a, padded_channels<T>(s), slices<T>(a).count, sizeof(T));
  });
  return bytes + copies_bytes<T>(large_pixels(s), s.large_channels, small_pixels(s), s.small_channels);
}

}  // namespace

template <class Args>
Kernel<Args> conv2d_tf32() {
  return {launch_tensor<float>, workspace<float>, moved_bytes<float>};
}
template <class Args>
Kernel<Args> conv2d_bf16() {
  return {launch_tensor<__nv_bfloat16>, workspace<__nv_bfloat16>, moved_bytes<__nv_bfloat16>};
}

template Kernel<Conv2dForward> conv2d_tf32();
template Kernel<Conv2dForward> conv2d_bf16();
template Kernel<Conv2dBackwardData> conv2d_tf32();
template Kernel<Conv2dBackwardData> conv2d_bf16();
template Kernel<Conv2dBackwardWeight> conv2d_tf32();
template Kernel<Conv2dBackwardWeight> conv2d_bf16();

}  // namespace cuelbo::kernels::cuda
