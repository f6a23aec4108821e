// The bytes that the variants of conv2d move, as Kernel::moved_bytes counts them. Only the elements of a window inside
// the image are read, so they are counted by loops.
#pragma once

#include <algorithm>

#include "kernels/conv2d/conv2d_product.cuh"
#include "kernels/linear/product_bytes.cuh"

namespace cuelbo::kernels::cuda {

// Pairs of a small pixel and a tap, along one axis, that meet a large pixel.
inline std::int64_t taps_inside(const Conv2dShape& s, std::int64_t large, std::int64_t small) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < small; ++i)
    for (std::int64_t tap = 0; tap < s.kernel; ++tap) {
      const std::int64_t at = i * s.stride + tap - s.padding;
      count += 0 <= at && at < large ? 1 : 0;
    }
  return count;
}
// The same of whole images: what windows of large read, and phases of backward_data of small, apart from the channels.
inline std::int64_t taps_inside(const Conv2dShape& s) {
  return s.batch * taps_inside(s, s.large_height, s.small_height) *
         taps_inside(s, s.large_width, s.small_width);
}

inline std::int64_t weight_taps(const Conv2dShape& s) { return s.small_channels * s.kernel * s.kernel; }

// ---- one thread per output: `pairs` of a pixel and a tap; a warp's threads are the channels of one

inline std::int64_t direct_bytes(const Conv2dForward& a) {
  const Conv2dShape& s = a.shape;
  return one_output_bytes(taps_inside(s) * s.small_channels, s.large_channels, true) +
         output_bytes(small_pixels(s), s.small_channels, epilogue(a), 1);
}
inline std::int64_t direct_bytes(const Conv2dBackwardData& a) {
  const Conv2dShape& s = a.shape;
  return one_output_bytes(taps_inside(s) * s.large_channels, s.small_channels, false) +
         output_bytes(large_pixels(s), s.large_channels, epilogue(a), 1);
}
inline std::int64_t direct_bytes(const Conv2dBackwardWeight& a) {
  const Conv2dShape& s = a.shape;
  return one_output_bytes(taps_inside(s) * s.large_channels, s.small_channels, false) +
         4 * weight_taps(s) * s.large_channels;
}

// ---- products; stored channels are those of the copies that tensor cores multiply

struct StoredChannels {
  std::int64_t large, small;
};
inline StoredChannels stored_channels(const Conv2dShape& s) { return {s.large_channels, s.small_channels}; }
template <class T>
StoredChannels padded_channels(const Conv2dShape& s) {
  return {padded_stride<T>(s.large_channels), padded_stride<T>(s.small_channels)};
}

inline ProductExtents forward_extents(const Conv2dShape& s, const StoredChannels& stored) {
  return {small_pixels(s), s.small_channels, taps_inside(s) * stored.large, weight_taps(s) * stored.large};
}

// A phase's weight is a part of the whole, which every tile of its pixels reads.
inline std::int64_t phases_bytes(const Conv2dBackwardData& a, const StoredChannels& stored,
                                 std::int64_t tile_m, std::int64_t tile_n, std::int64_t bias_rows,
                                 std::int64_t element_bytes) {
  const Conv2dShape& s = a.shape;
  const std::int64_t pixels = phase_pixels(s);
  const ProductExtents e{pixels, s.large_channels, taps_inside(s) * stored.small,
                         weight_taps(s) * stored.large};
  return factor_bytes(e, tile_m, tile_n, element_bytes) +
         output_bytes(large_pixels(s), s.large_channels, epilogue(a), bias_rows);
}

// A warp reads packs of a row of the tile, the taps of one window, and where rows are short of the next window too, which
// shares taps with it.
template <class T>
std::int64_t weight_bytes(const Conv2dBackwardWeight& a, const StoredChannels& stored, std::int64_t slices,
                          std::int64_t element_bytes = 4) {
  const Conv2dShape& s = a.shape;
  const std::int64_t windows = std::max<std::int64_t>(1, warp_threads * 16 / (T::n * element_bytes));
  const std::int64_t taps = std::clamp<std::int64_t>(T::n / stored.large, 1, s.kernel);
  const std::int64_t distinct = taps + (windows - 1) * std::min(s.stride, taps);
  const std::int64_t windows_read = taps_inside(s) * stored.large * distinct / (windows * taps);
  const std::int64_t columns = window_elements(s);
  return sliced_bytes<T>({s.small_channels, columns, small_pixels(s) * stored.small, windows_read}, slices,
                         {}, element_bytes);
}

// The copies of both images, or of an image and the weight.
template <class T>
std::int64_t copies_bytes(std::int64_t first_rows, std::int64_t first_columns, std::int64_t second_rows,
                          std::int64_t second_columns) {
  return padded_copy<T>(first_rows, first_columns).bytes + padded_copy<T>(second_rows, second_columns).bytes;
}

}  // namespace cuelbo::kernels::cuda
