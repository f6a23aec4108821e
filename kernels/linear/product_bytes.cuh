// Global memory that products by tiles move, as Kernel::moved_bytes counts it. A block reads the rows of its tile and the
// columns of its tile once each, so each factor is read once for every tile across the other.
#pragma once

#include "kernels/linear/gemm_tile.cuh"
#include "kernels/linear/padded_factor.cuh"

namespace cuelbo::kernels::cuda {

inline constexpr std::int64_t sector_bytes = 32, warp_threads = 32, shared_tile_rows = 32 / shared_tile;

// Outputs, and the elements of each factor that exist.
struct ProductExtents {
  std::int64_t m, n, first, second;
};

inline std::int64_t factor_bytes(const ProductExtents& e, std::int64_t tile_m, std::int64_t tile_n,
                                 std::int64_t element_bytes) {
  return element_bytes * (e.first * divide_up(e.n, tile_n) + e.second * divide_up(e.m, tile_m));
}

// Written once, with what the epilogue reads; a warp that stores `rows` rows at once shares their columns' bias.
inline std::int64_t output_bytes(std::int64_t m, std::int64_t n, const Epilogue& epilogue,
                                 std::int64_t rows) {
  const bool saved = epilogue.gradient_activation != Activation::identity;
  return 4 * m * n * (saved ? 2 : 1) + (epilogue.bias != nullptr ? 4 * m * n / rows : 0);
}

// One thread per output, a warp along a row. Of each element along k, a warp reads one of the first factor and 32 of the
// second: neighbours, or a sector each.
inline std::int64_t one_output_bytes(std::int64_t outputs, std::int64_t depth, bool second_along_k) {
  return outputs * depth / warp_threads * sector_bytes * (1 + (second_along_k ? 32 : 4));
}

// Slices are written, read again and summed by one thread per output.
template <class T>
std::int64_t sliced_bytes(const ProductExtents& e, std::int64_t slices, const Epilogue& epilogue,
                          std::int64_t element_bytes = 4) {
  const std::int64_t factors = factor_bytes(e, T::m, T::n, element_bytes);
  if (slices == 1) return factors + output_bytes(e.m, e.n, epilogue, T::lanes_down);
  return factors + 8 * slices * e.m * e.n + output_bytes(e.m, e.n, epilogue, 1);
}

// The copy that tensor cores multiply in place of a factor, and the bytes it takes to make; none if fp32 and aligned.
struct PaddedCopy {
  std::int64_t elements, bytes;
};
template <class T>
PaddedCopy padded_copy(std::int64_t rows, std::int64_t columns) {
  const std::int64_t elements = rows * padded_stride<T>(columns), element_bytes = sizeof(T);
  const bool in_place = element_bytes == 4 && elements == rows * columns;
  return {elements, in_place ? 0 : 4 * rows * columns + element_bytes * elements};
}

}  // namespace cuelbo::kernels::cuda
