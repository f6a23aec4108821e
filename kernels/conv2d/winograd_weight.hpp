// The weight gradient by minimal filtering (winograd.hpp): along each axis the two pixels of a tile of the small image are the
// taps, and the two taps of the kernel are the outputs. For each of the nine products, rows (phase, phase, large channel) ×
// columns small channel, the tiles are summed up; only the sums are turned into taps.
#pragma once

#include "kernels/conv2d/winograd.hpp"
#include "kernels/linear/panel.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA::winograd {

// A task is a part of the tiles and one line of three products. It goes through its tiles block by block, so that what they
// are transformed to stays in the L2 cache.
struct WeightPlan {
  const Conv2dShape& s;
  Tiles tiles;
  std::int64_t rows, columns;  // of a product
  std::int64_t parts, tiles_per_part, block_tiles;

  explicit WeightPlan(const Conv2dShape& shape) : s(shape), tiles(shape) {
    rows = phases * phases * s.large_channels;
    columns = s.small_channels;
    // Enough tiles a part to pay for adding its sums, and not more sums than an L2 cache or two hold.
    constexpr std::int64_t most_floats = 256 * 1024;
    const std::int64_t affordable = larger(2, smaller(6, most_floats / (points * points * product_step())));
    parts = larger(1, smaller(affordable, tiles.count() / 32));
    tiles_per_part = larger(1, divide_up(tiles.count(), parts));
    parts = larger(1, divide_up(tiles.count(), tiles_per_part));
    block_tiles = smaller(64, tiles_per_part);
  }
  std::int64_t tasks() const { return parts * points; }
  std::int64_t sums_floats() const { return tasks() * points * product_step(); }
  // Strides, padded so that neighbours do not alias to the same cache sets.
  std::int64_t product_step() const { return rows * columns + 16; }
  std::int64_t large_step() const { return points * rows + 16; }
  std::int64_t small_step() const { return points * columns + 16; }
  std::int64_t zero_floats() const { return divide_up(s.large_width * s.large_channels, 16) * 16; }
  std::int64_t worker_floats() const { return block_tiles * (large_step() + small_step()); }
  std::int64_t workers() const { return smaller(tasks(), ThreadPool::max_threads); }
};

// Line `point` of a tile's products: large (product, phase, phase, channel), small (product, channel).
template <int point>
void transform_tile(const WeightPlan& plan, const Conv2dBackwardWeight& a, TilePosition p, const float* zeros,
                    float* large, float* small) {
  const Conv2dShape& s = plan.s;
  const std::int64_t channels = s.large_channels;
  const auto patch = large_patch(s, a.large, p, zeros);
  for (std::int64_t l = 0; l < channels; l += lanes)
#pragma GCC unroll 2
    for (int phase = 0; phase < phases; ++phase)
      transform_line<LargeAxis>(
          phase * points + point, [&](int r) { return patch.second[r] + l; },
          [&](const float* row, int c) { return patch.at(row, c); },
          one_pointer(large + l + phase * phases * channels),
          [&](int j) { return j % points * plan.rows + j / points * channels; });

  const std::int64_t line = s.small_width * s.small_channels;
  const float* const pixels =
      a.small + (p.image * s.small_height + 2 * p.y) * line + 2 * p.x * s.small_channels;
  for (std::int64_t c = 0; c < s.small_channels; c += lanes)
    transform_line<PixelAxis>(
        point, [&](int r) { return pixels + r * line + c; },
        [&](const float* row, int i) { return load(row + i * s.small_channels); }, small + c,
        [&](int j) { return j * plan.columns; });
}

// sums[rows of the tile] (+)= products of `count` tiles. Not inlined: its loop needs all registers.
template <int vectors>
[[gnu::noinline]] void add_products(const WeightPlan& plan, const float* large, const float* small,
                                    std::int64_t count, std::int64_t first_row, float* sums, bool first) {
  const std::int64_t row =
      smaller(first_row, plan.rows - tile_rows);  // the last tile overlaps the one before
  Tile<vectors> tile;
  multiply_add<Fp32>(tile, large + row, plan.large_step(), small, plan.small_step(), count);
#pragma GCC unroll 8
  for (int m = 0; m < tile_rows; ++m) {
    if (row + m < first_row) continue;
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      float* const p = sums + (row + m) * plan.columns + v * lanes;
      store(p, first ? tile.sum[m][v] : load(p) + tile.sum[m][v]);
    }
  }
}

template <int point>
void sum_line(const WeightPlan& plan, const Conv2dBackwardWeight& a, std::int64_t begin, std::int64_t end,
              const float* zeros, float* scratch, float* sums) {
  float *const large = scratch, *const small = scratch + plan.block_tiles * plan.large_step();
  for (std::int64_t first = begin; first < end; first += plan.block_tiles) {
    const std::int64_t count = smaller(plan.block_tiles, end - first);
    for_tiles(plan.tiles, first, count, [&](std::int64_t t, TilePosition p) {
      transform_tile<point>(plan, a, p, zeros, large + t * plan.large_step(), small + t * plan.small_step());
    });
    for (std::int64_t product = 0; product < points; ++product)
      for (std::int64_t panel = 0; panel < count_panels(plan.columns); ++panel)
        dispatch_vectors(columns_of_panel(plan.columns, panel), [&](auto vectors) {
          const std::int64_t column = panel * panel_width;
          for (std::int64_t row = 0; row < plan.rows; row += tile_rows)
            add_products<vectors.value>(plan, large + product * plan.rows,
                                        small + product * plan.columns + column, count, row,
                                        sums + product * plan.product_step() + column, first == begin);
        });
  }
}

// Sums of the parts, (part, product line, product, row, column), to the taps of one phase.
[[maybe_unused]] static void store_taps(const WeightPlan& plan, const float* sums, std::int64_t phase,
                                        std::int64_t channel, std::int64_t column, float* dweight) {
  const std::int64_t channels = plan.s.large_channels, size = plan.product_step();
  float taps[4][lanes * lanes];
  for (int i = 0; i < lanes; ++i) {
    const float* const from = sums + (phase * channels + channel + i) * plan.columns + column;
    vfloat product[points][points], y[2][2];
#pragma GCC unroll 9
    for (int n = 0; n < points * points; ++n) {
      vfloat sum = load(from + n * size);
      for (std::int64_t part = 1; part < plan.parts; ++part)
        sum += load(from + (part * points * points + n) * size);
      product[n / points][n % points] = sum;
    }
    add_points(product, y);
#pragma GCC unroll 4
    for (int tap = 0; tap < 4; ++tap) store(taps[tap] + i * lanes, y[tap / 2][tap % 2]);
  }
  for (std::int64_t tap = 0; tap < 4; ++tap) {
    const std::int64_t y = tap / 2 * 2 + phase / phases, x = tap % 2 * 2 + phase % phases;
    transpose_block<Fp32>(taps[tap], lanes, lanes, lanes,
                          dweight + (column * 16 + y * 4 + x) * channels + channel, 16 * channels, false);
  }
}

[[maybe_unused]] static std::size_t weight_workspace(const Conv2dBackwardWeight& a) {
  const WeightPlan plan(a.shape);
  return static_cast<std::size_t>(plan.sums_floats() + plan.zero_floats() +
                                  plan.workers() * plan.worker_floats()) *
         sizeof(float);
}

// Requires at least one image.
[[maybe_unused]] static void weight_gradient(const Conv2dBackwardWeight& a, Stream stream) {
  const WeightPlan plan(a.shape);
  auto* const sums = static_cast<float*>(a.workspace);
  float *const zeros = sums + plan.sums_floats(), *const scratch = zeros + plan.zero_floats();
  for (std::int64_t i = 0; i < plan.zero_floats(); ++i) zeros[i] = 0;
  parallel_for(stream, plan.tasks(), [&](std::int64_t task, int worker) {
    const std::int64_t part = task / points, begin = part * plan.tiles_per_part;
    const std::int64_t end = smaller(plan.tiles.count(), begin + plan.tiles_per_part);
    const auto sum = task % points == 0 ? sum_line<0> : task % points == 1 ? sum_line<1> : sum_line<2>;
    sum(plan, a, begin, end, zeros, scratch + worker * plan.worker_floats(),
        sums + task * points * plan.product_step());
  });
  const std::int64_t channel_blocks = a.shape.large_channels / lanes;
  parallel_for(stream, phases * phases * channel_blocks, [&](std::int64_t i) {
    for (std::int64_t column = 0; column < plan.columns; column += lanes)
      store_taps(plan, sums, i / channel_blocks, i % channel_blocks * lanes, column, a.dweight);
  });
}

}  // namespace cuelbo::kernels::CUELBO_ISA::winograd
