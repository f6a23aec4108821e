// conv2d and its adjoint by minimal filtering (winograd.hpp). Tiles go block by block, so that what they are transformed to
// stays in the L2 cache: pixels to factors, products with the packed filters, products to pixels.
#pragma once

#include "kernels/conv2d/winograd.hpp"
#include "kernels/linear/panel.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA::winograd {

// A direction's sizes: `filters` matrices (depth, columns), each multiplied with one of a tile's `factors` vectors.
struct Sizes {
  std::int64_t factors, filters, depth, columns;

  // Strides, padded so that neighbours do not alias to the same cache sets.
  std::int64_t filter_step() const { return packed_size(depth, columns) + 16; }
  std::int64_t factor_step() const { return factors * depth + 16; }     // tiles
  std::int64_t product_step() const { return filters * columns + 16; }  // tiles
};

// The address of output (i, j) of a transform, both (phase, point).
struct Places {
  std::int64_t product, phase;  // from one pair of points to the next, from one pair of phases to the next

  std::int64_t line(int i) const { return i % points * points * product + i / points * phases * phase; }
  std::int64_t column(int j) const { return j % points * product + j / points * phase; }
};

// Rows and columns of (phase, phase, channel) belong to one product, so the sum over the phases is part of it.
struct ForwardWinograd {
  using Args = Conv2dForward;
  static Sizes sizes(const Conv2dShape& s) {
    return {.factors = points * points,
            .filters = points * points,
            .depth = phases * phases * s.large_channels,
            .columns = s.small_channels};
  }
  static std::int64_t factor_of(std::int64_t filter) { return filter; }

  // Packs one panel of small channels. `scratch` holds the panel of the untransformed kernel.
  static std::int64_t pack_floats(const Conv2dShape& s) { return 16 * s.large_channels * panel_width; }
  static void pack_panel(const Conv2dShape& s, const float* weight, std::int64_t panel, float* scratch,
                         float* packed) {
    const Sizes z = sizes(s);
    const std::int64_t channels = s.large_channels, values = 16 * channels;
    const std::int64_t columns = columns_of_panel(z.columns, panel), width = padded_width(columns);
    pack_transposed<Fp32>(weight + panel * panel_width * values, values, columns, values, scratch);
    packed += panel * z.depth * panel_width;
    for (std::int64_t l = 0; l < channels; ++l)
      for (std::int64_t column = 0; column < width; column += lanes) {
        const Places to{.product = z.filter_step(), .phase = channels * width};
        transform<TapAxis>([&](int r) { return scratch + (r * 4 * channels + l) * width + column; },
                           [&](const float* row, int c) { return load(row + c * channels * width); },
                           [&](int i) { return packed + l * width + column + to.line(i); },
                           [&](int j) { return to.column(j); });
      }
  }

  static void transform_tile(const Args& a, TilePosition p, const float* zeros, float* factors) {
    const Conv2dShape& s = a.shape;
    const Sizes z = sizes(s);
    const std::int64_t channels = s.large_channels;
    const auto patch = large_patch(s, a.large, p, zeros);
    const Places to{.product = z.depth, .phase = channels};
    for (std::int64_t l = 0; l < channels; l += lanes)
      transform<LargeAxis>([&](int r) { return patch.second[r] + l; },
                           [&](const float* row, int c) { return patch.at(row, c); },
                           [&](int i) { return factors + l + to.line(i); },
                           [&](int j) { return to.column(j); });
  }

  // offset[m] for the four pixels of a group of nine products.
  static void offsets(const Conv2dShape& s, TilePosition p, std::int64_t, std::int64_t (&offset)[tile_rows]) {
    for (int m = 0; m < 4; ++m)
      offset[m] =
          ((p.image * s.small_height + 2 * p.y + m / 2) * s.small_width + 2 * p.x + m % 2) * s.small_channels;
  }
  static std::int64_t zeros(const Conv2dShape& s) { return s.large_width * s.large_channels; }
  static float* output(const Args& a) { return a.small; }
};

// Each phase of the large image has nine products of its own.
struct AdjointWinograd {
  using Args = Conv2dBackwardData;
  static Sizes sizes(const Conv2dShape& s) {
    return {.factors = SmallAxis::outputs * SmallAxis::outputs,
            .filters = phases * phases * points * points,
            .depth = s.small_channels,
            .columns = s.large_channels};
  }
  static std::int64_t factor_of(std::int64_t filter) {
    const std::int64_t phase = filter / (points * points), product = filter % (points * points);
    return (phase / phases * 2 + product / points) * SmallAxis::outputs + phase % phases * 2 +
           product % points;
  }

  static std::int64_t pack_floats(const Conv2dShape&) { return 0; }
  static void pack_panel(const Conv2dShape& s, const float* weight, std::int64_t panel, float*,
                         float* packed) {
    const Sizes z = sizes(s);
    const std::int64_t channels = s.large_channels, columns = columns_of_panel(z.columns, panel);
    const Places to{.product = z.filter_step(), .phase = points * points * z.filter_step()};
    packed += panel * z.depth * panel_width;
    for (std::int64_t row = 0; row < z.depth; ++row, packed += padded_width(columns)) {
      const float* const kernel = weight + row * 16 * channels + panel * panel_width;
      for (std::int64_t l = 0; l < columns; l += lanes)
        transform<AdjointTapAxis>([&](int r) { return kernel + r * 4 * channels + l; },
                                  [&](const float* from, int c) { return load(from + c * channels); },
                                  [&](int i) { return packed + l + to.line(i); },
                                  [&](int j) { return to.column(j); });
    }
  }

  static void transform_tile(const Args& a, TilePosition p, const float* zeros, float* factors) {
    const Conv2dShape& s = a.shape;
    const std::int64_t channels = s.small_channels;
    const Patch<SmallAxis::inputs> patch(a.small + p.image * s.small_height * s.small_width * channels,
                                         s.small_height, s.small_width, channels, 2 * p.y - 1, 2 * p.x - 1,
                                         zeros);
    for (std::int64_t l = 0; l < channels; l += lanes)
      transform<SmallAxis>([&](int r) { return patch.second[r] + l; },
                           [&](const float* row, int c) { return patch.at(row, c); },
                           [&](int i) { return factors + l + i * SmallAxis::outputs * channels; },
                           [&](int j) { return j * channels; });
  }

  static void offsets(const Conv2dShape& s, TilePosition p, std::int64_t phase,
                      std::int64_t (&offset)[tile_rows]) {
    for (int m = 0; m < 4; ++m)
      offset[m] = ((p.image * s.large_height + 4 * p.y + m / 2 * 2 + phase / phases) * s.large_width +
                   4 * p.x + m % 2 * 2 + phase % phases) *
                  s.large_channels;
  }
  static std::int64_t zeros(const Conv2dShape& s) { return s.small_width * s.small_channels; }
  static float* output(const Args& a) { return a.large; }
};

// Memory of a call: zeros, then for each worker the factors and the products of a block.
template <class Direction>
struct Blocks {
  Sizes sizes;
  Tiles tiles;
  std::int64_t zero_floats, block_tiles;

  explicit Blocks(const Conv2dShape& s) : sizes(Direction::sizes(s)), tiles(s) {
    constexpr std::int64_t block_floats = 32 * 1024;  // 128 KiB, a quarter of an L2 cache
    zero_floats = divide_up(Direction::zeros(s), 16) * 16;
    const std::int64_t fit = block_floats / tile_floats(), enough = divide_up(tiles.count(), 8);
    block_tiles = larger(1, divide_up(smaller(fit, enough), tile_rows)) * tile_rows;
  }
  std::int64_t tile_floats() const { return sizes.factor_step() + sizes.product_step(); }
  std::int64_t count() const { return divide_up(tiles.count(), block_tiles); }
  std::int64_t worker_floats() const { return block_tiles * tile_floats(); }
  std::int64_t workers() const { return smaller(count(), ThreadPool::max_threads); }
  std::int64_t packed_floats() const { return sizes.filters * sizes.filter_step(); }
  std::int64_t panels() const { return count_panels(sizes.columns); }
};

// product[t] = factor[t] · panel for the tiles of a block. Not inlined: its loop needs all registers.
template <int vectors>
[[gnu::noinline]] void multiply_tiles(const float* factor, std::int64_t factor_step, std::int64_t depth,
                                      const float* panel, float* product, std::int64_t product_step,
                                      std::int64_t tiles) {
  for (std::int64_t t = 0; t < tiles; t += tile_rows) {
    const float* a[tile_rows];
#pragma GCC unroll 8
    for (int m = 0; m < tile_rows; ++m) a[m] = factor + smaller(t + m, tiles - 1) * factor_step;
    Tile<vectors> tile;
    multiply_add<Fp32>(tile, a, 1, panel, vectors * lanes, depth);
#pragma GCC unroll 8
    for (int m = 0; m < tile_rows; ++m)
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) store(product + (t + m) * product_step + v * lanes, tile.sum[m][v]);
  }
}

// Nine products become four pixels.
template <int vectors>
CUELBO_INLINE void store_pixels(const float* product, std::int64_t columns, const Epilogue& epilogue,
                                const std::int64_t (&offset)[tile_rows], std::int64_t column) {
  Tile<vectors> tile;
#pragma GCC unroll 2
  for (int v = 0; v < vectors; ++v) {
    vfloat x[points][points], y[2][2];
#pragma GCC unroll 9
    for (int i = 0; i < points * points; ++i)
      x[i / points][i % points] = load(product + i * columns + column + v * lanes);
    add_points(x, y);
#pragma GCC unroll 4
    for (int m = 0; m < 4; ++m) tile.sum[m][v] = y[m / 2][m % 2];
  }
  store_tile(tile, epilogue, offset, 4, column, vectors * lanes);
}

template <class Direction>
CUELBO_INLINE void store_tile_pixels(const Conv2dShape& s, const Sizes& z, const float* products,
                                     const Epilogue& epilogue, TilePosition p) {
  for (std::int64_t panel = 0; panel < count_panels(z.columns); ++panel)
    dispatch_vectors(columns_of_panel(z.columns, panel), [&](auto vectors) {
      for (std::int64_t group = 0; group < z.filters / (points * points); ++group) {
        std::int64_t offset[tile_rows] = {};
        Direction::offsets(s, p, group, offset);
        store_pixels<vectors.value>(products + group * points * points * z.columns, z.columns, epilogue,
                                    offset, panel * panel_width);
      }
    });
}

template <class Direction>
void convolve_block(const typename Direction::Args& a, const Blocks<Direction>& blocks, const float* packed,
                    const Epilogue& epilogue, const float* zeros, float* scratch, std::int64_t first,
                    std::int64_t count) {
  const Sizes& z = blocks.sizes;
  float *const factors = scratch, *const products = scratch + blocks.block_tiles * z.factor_step();
  for_tiles(blocks.tiles, first, count, [&](std::int64_t t, TilePosition p) {
    Direction::transform_tile(a, p, zeros, factors + t * z.factor_step());
  });
  for (std::int64_t filter = 0; filter < z.filters; ++filter)
    for (std::int64_t panel = 0; panel < count_panels(z.columns); ++panel)
      dispatch_vectors(columns_of_panel(z.columns, panel), [&](auto vectors) {
        multiply_tiles<vectors.value>(
            factors + Direction::factor_of(filter) * z.depth, z.factor_step(), z.depth,
            packed + filter * z.filter_step() + panel * z.depth * panel_width,
            products + filter * z.columns + panel * panel_width, z.product_step(), count);
      });
  for_tiles(blocks.tiles, first, count, [&](std::int64_t t, TilePosition p) {
    store_tile_pixels<Direction>(a.shape, z, products + t * z.product_step(), epilogue, p);
  });
}

// The implementation of a direction, as conv2d_cpu.cpp has them.
template <class Direction>
struct Filtered {
  using Args = Direction::Args;

  static std::size_t bytes(std::int64_t floats) { return static_cast<std::size_t>(floats) * sizeof(float); }
  static std::int64_t prepared_floats(const Args& a) {
    const Blocks<Direction> blocks(a.shape);
    return blocks.packed_floats() + blocks.panels() * Direction::pack_floats(a.shape);
  }
  static std::size_t prepared_bytes(const Args& a) { return bytes(prepared_floats(a)); }
  static void prepare(const Args& a, void* memory, Stream stream) {
    const Blocks<Direction> blocks(a.shape);
    auto* const packed = static_cast<float*>(memory);
    float* const scratch = packed + blocks.packed_floats();
    parallel_for(stream, blocks.panels(), [&](std::int64_t panel) {
      Direction::pack_panel(a.shape, a.weight, panel, scratch + panel * Direction::pack_floats(a.shape),
                            packed);
    });
  }
  static std::size_t workspace(const Args& a) {
    const Blocks<Direction> blocks(a.shape);
    return (a.prepared != nullptr ? 0 : prepared_bytes(a)) +
           bytes(blocks.zero_floats + blocks.workers() * blocks.worker_floats());
  }
  static void launch(const Args& a, Stream stream) {
    const Stream used = parallel_if_worthwhile(stream, cost(a).flops);
    const Blocks<Direction> blocks(a.shape);
    auto* scratch = static_cast<float*>(a.workspace);
    const auto* packed = static_cast<const float*>(a.prepared);
    if (packed == nullptr) {
      prepare(a, scratch, used);
      packed = scratch;
      scratch += prepared_floats(a);
    }
    float *const zeros = scratch, *const blocks_scratch = scratch + blocks.zero_floats;
    for (std::int64_t i = 0; i < blocks.zero_floats; ++i) zeros[i] = 0;
    const Epilogue epilogue = {.output = Direction::output(a),
                               .bias = a.bias,
                               .activation = a.activation,
                               .gradient_activation = a.gradient_activation,
                               .saved = a.saved};
    parallel_for(used, blocks.count(), [&](std::int64_t block, int worker) {
      const std::int64_t first = block * blocks.block_tiles;
      convolve_block<Direction>(a, blocks, packed, epilogue, zeros,
                                blocks_scratch + worker * blocks.worker_floats(), first,
                                smaller(blocks.block_tiles, blocks.tiles.count() - first));
    });
  }
};

}  // namespace cuelbo::kernels::CUELBO_ISA::winograd
