// The mixture's components as the pair loops want them: tiles of columns, one array per quantity.
//
// Log-densities are kept to base 2 and less their largest possible value in each dimension:
//   log₂ q(z | column j) = offset_d + e,   e = c_j − t²,   t = (z − mean_j) · a_j
//   a = √(½ log₂e) / σ,   c = −log₂σ + log₂ min σ ≤ 0,   offset_d = −log₂ min σ − ½ log₂ 2π
#pragma once

#include "kernels/elbo_decomposition/block_plan.hpp"
#include "kernels/elbo_decomposition/scratch.hpp"
#include "kernels/runtime/simd.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

inline constexpr std::int64_t tile = 64;  // columns

// Columns that fill up the last tile; their weights are 0.
inline constexpr float padding_log_density = -1e30F;

struct ColumnTables {
  std::int64_t columns, tiles, dims, classes;
  float* gaussian;       // (tiles, dims, 3, tile): mean, a, c
  float* probabilities;  // (tiles, Σ classes, tile)
  float* tile_min;       // (tiles, dims): least logvar of each tile
  double* offset;        // (dims), in nats

  const float* dimension(std::int64_t t, std::int64_t d) const {
    return gaussian + (t * dims + d) * 3 * tile;
  }
  const float* classes_of(std::int64_t t) const { return probabilities + t * classes * tile; }
};

CUELBO_INLINE ColumnTables take_column_tables(Scratch& scratch, const ElboDecompositionShape& s,
                                              std::int64_t classes) {
  ColumnTables t;
  t.columns = s.columns;
  t.tiles = (s.columns + tile - 1) / tile;
  t.dims = s.dims;
  t.classes = classes;
  t.gaussian = take<float>(scratch, t.tiles * t.dims * 3 * tile);
  t.probabilities = take<float>(scratch, t.tiles * t.classes * tile);
  t.tile_min = take<float>(scratch, t.tiles * t.dims);
  t.offset = take<double>(scratch, t.dims);
  return t;
}

// to[column, j] = from[j, column] for the tile's columns j < count; the rest becomes `padding`.
CUELBO_INLINE void transpose_tile(const float* from, std::int64_t width, std::int64_t count, float padding,
                                  float* to, std::int64_t stride) {
  for (std::int64_t c = 0; c < width; ++c) {
    float* const out = to + c * stride;
    for (std::int64_t j = 0; j < count; ++j) out[j] = from[j * width + c];
    for (std::int64_t j = count; j < tile; ++j) out[j] = padding;
  }
}

template <class Args>
CUELBO_INLINE void fill_column_tables(const ColumnTables& t, const Args& args, Stream stream) {
  constexpr double half_log_two_pi = 0.91893853320467274178;
  constexpr float largest = 3.402823466e+38F;
  parallel_for(stream, t.tiles, [&](std::int64_t q) {
    const std::int64_t count = t.columns - q * tile < tile ? t.columns - q * tile : tile;
    float* const table = t.gaussian + q * t.dims * 3 * tile;
    transpose_tile(args.mean + q * tile * t.dims, t.dims, count, 0, table, 3 * tile);
    transpose_tile(args.logvar + q * tile * t.dims, t.dims, count, largest, table + 2 * tile, 3 * tile);
    for (std::int64_t d = 0; d < t.dims; ++d) {
      const float* const logvar = table + (d * 3 + 2) * tile;
      vfloat least = broadcast(largest);
      for (std::int64_t j = 0; j < tile; j += lanes) least = vmin(load(logvar + j), least);
      t.tile_min[q * t.dims + d] = -reduce_max(-least);
    }
    if (t.classes > 0) {
      transpose_tile(args.probabilities + q * tile * t.classes, t.classes, count, 0,
                     t.probabilities + q * t.classes * tile, tile);
    }
  });

  float* const least = t.tile_min;  // the first tile's becomes that of all
  for (std::int64_t q = 1; q < t.tiles; ++q) {
    for (std::int64_t d = 0; d < t.dims; ++d) {
      const float x = t.tile_min[q * t.dims + d];
      least[d] = x < least[d] ? x : least[d];
    }
  }
  for (std::int64_t d = 0; d < t.dims; ++d)
    t.offset[d] = -0.5 * static_cast<double>(least[d]) - half_log_two_pi;

  parallel_for(stream, t.tiles, [&](std::int64_t q) {
    const std::int64_t count = t.columns - q * tile < tile ? t.columns - q * tile : tile;
    for (std::int64_t d = 0; d < t.dims; ++d) {
      float* const a = t.gaussian + ((q * t.dims + d) * 3 + 1) * tile;
      float* const c = a + tile;
      for (std::int64_t j = 0; j < tile; j += lanes) {
        const vfloat logvar = load(c + j);
        store(a + j, exp(logvar * -0.5F) * 0.84932180028801904F);             // √(½ log₂e)
        store(c + j, (broadcast(least[d]) - logvar) * 0.72134752044448170F);  // ½ log₂e
      }
      for (std::int64_t j = count; j < tile; ++j) {
        a[j] = 0;
        c[j] = padding_log_density;
      }
    }
  });
}

}  // namespace cuelbo::kernels::CUELBO_ISA
