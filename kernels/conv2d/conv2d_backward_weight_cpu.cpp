// dweightᵀ: rows (ky, kx, large channel), columns small channels, summed over the pixels of the small image: large pixels
// are broadcast, small pixels are rows of B where they are. Large images are copied with the zeros around them, so that
// no window ends at a border. The images are cut into parts by shape, and the parts' sums are added in order.
#include "kernels/conv2d/conv2d.hpp"
#include "kernels/conv2d/winograd_weight.hpp"
#include "kernels/linear/panel.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {
namespace {

// Units whose products a tile sums up in registers. Of more, the large pixels would not stay in the L1 cache until the
// next tile, of fewer, loading and storing the sums would cost more.
constexpr std::int64_t block_units = 64;

// A unit is what a lane of the operand holds: a pixel of the small image, or two neighbours of a line.
struct Plan {
  const Conv2dShape& s;
  std::int64_t values;                       // pixels of a unit
  std::int64_t depth;                        // rows of dweightᵀ
  std::int64_t width;                        // small channels, filled up to whole vectors
  std::int64_t line_units, units;            // of an image
  std::int64_t padded_height, padded_width;  // of the large image, as far as windows reach
  // Windows of short lines are copied one after the other, so that a tile does not run into the end of a line all the
  // time. Not those of few channels: the copy would cost more than it gains.
  bool gathers;
  std::int64_t lines_per_block;
  std::int64_t group;  // images that are copied together
  std::int64_t tiles;
  std::int64_t parts, images_per_part;
  std::int64_t slices, tiles_per_slice;  // a task is a part of the images and a slice of the tiles

  Plan(const Conv2dShape& shape, std::int64_t values_of_operand) : s(shape), values(values_of_operand) {
    depth = s.kernel * s.kernel * s.large_channels;
    width = divide_up(s.small_channels, lanes) * lanes;
    line_units = divide_up(s.small_width, values);
    units = s.small_height * line_units;
    padded_height = (s.small_height - 1) * s.stride + s.kernel;
    padded_width = (s.small_width - 1) * s.stride + s.kernel;
    gathers = line_units < 8 && s.kernel * s.large_channels >= 4 * lanes;
    group = larger(1, smaller(s.batch, block_units / units));
    lines_per_block = larger(1, block_units / line_units);
    tiles = divide_up(depth, tile_rows);
    // Enough pixels a part to pay for adding its sums; enough slices to make 16 tasks.
    parts = larger(1, smaller(16, smaller(s.batch, s.batch * s.small_height * s.small_width / 128)));
    images_per_part = larger(1, divide_up(s.batch, parts));
    parts = larger(1, divide_up(s.batch, images_per_part));
    slices = smaller(tiles, divide_up(16, parts));
    tiles_per_slice = divide_up(tiles, slices);
  }

  bool packs_small() const { return values > 1 || s.small_channels % lanes != 0; }
  std::int64_t part_size() const { return depth * width; }
  std::int64_t padded_line() const { return padded_width * s.large_channels; }
  std::int64_t padded_size() const { return padded_height * padded_line(); }
  // Padded so that rows do not alias to the same cache sets.
  std::int64_t window_step() const { return divide_up(depth, lanes) * lanes + 16; }

  // A worker's memory: first what begins as zeros (images, and a line with its successor), then windows and the packed
  // small image.
  std::int64_t line_floats() const { return values > 1 ? padded_line() + s.stride * s.large_channels : 0; }
  std::int64_t zeroed_floats() const { return group * padded_size() + line_floats(); }
  std::int64_t window_floats() const { return gathers ? block_units * window_step() : 0; }
  std::int64_t packed_floats() const { return packs_small() ? group * units * width : 0; }
  std::int64_t worker_floats() const { return zeroed_floats() + window_floats() + packed_floats(); }
  std::int64_t tasks() const { return parts * slices; }
  std::int64_t workers() const { return smaller(tasks(), ThreadPool::max_threads); }
};

// The units that a tile sums up in registers: those of the small image follow each other.
struct Block {
  const float* a =
      nullptr;  // what row r is multiplied with at the first unit of a line: a[line_offset + row_offset[r]]
  const std::int32_t* row_offset = nullptr;
  std::int64_t line_offset[block_units];
  std::int64_t lines = 0, line_units = 0, a_step = 0;
  const float* b = nullptr;
};

// The image in the middle of the zeros. A lane of the operand holds a pixel, and the one that the same tap of the next window
// is at.
template <class Operand>
void copy_padded(const Plan& plan, const float* image, float* line, float* padded) {
  const Conv2dShape& s = plan.s;
  const std::int64_t left = smaller(s.padding * s.large_channels, plan.padded_line());
  const std::int64_t count = smaller(s.large_width * s.large_channels, plan.padded_line() - left);
  const std::int64_t height = smaller(s.large_height, plan.padded_height - s.padding);
  for (std::int64_t y = 0; y < height; ++y) {
    const float* const from = image + y * s.large_width * s.large_channels;
    float* const to = padded + (y + s.padding) * plan.padded_line();
    float* const inside = (Operand::values == 1 ? to : line) + left;
    for_vectors(0, count, [&](std::int64_t i, auto n) { store(inside + i, load(from + i, n), n); });
    if constexpr (Operand::values > 1)
      for_vectors(0, plan.padded_line(), [&](std::int64_t i, auto n) {
        store(to + i, Operand::load_across(line + i, s.stride * s.large_channels, true, n), n);
      });
  }
}

// Rows first_row … end_row - 1 of the windows of `count` units from unit `first` of the group on.
void gather_windows(const Plan& plan, const float* padded, std::int64_t first, std::int64_t count,
                    std::int64_t first_row, std::int64_t end_row, float* windows) {
  const Conv2dShape& s = plan.s;
  const std::int64_t line = s.kernel * s.large_channels;
  for (std::int64_t unit = first; unit < first + count; ++unit, windows += plan.window_step()) {
    const std::int64_t x = unit % plan.line_units * plan.values, y = unit / plan.line_units % s.small_height;
    const float* from = padded + unit / plan.units * plan.padded_size() + y * s.stride * plan.padded_line() +
                        x * s.stride * s.large_channels;
    for (std::int64_t row = 0; row < plan.depth; row += line, from += plan.padded_line())
      for_vectors(larger(0, first_row - row), smaller(line, end_row - row),
                  [&](std::int64_t i, auto n) { store(windows + row + i, load(from + i, n), n); });
  }
}

// packed[unit][channel], channels filled up to whole vectors
template <class Operand>
void pack_small(const Plan& plan, const float* small, std::int64_t images, float* packed) {
  const std::int64_t channels = plan.s.small_channels, line_pixels = plan.s.small_width;
  for (std::int64_t line = 0; line < images * plan.s.small_height; ++line)
    for (std::int64_t x = 0; x < line_pixels; x += Operand::values, packed += plan.width)
      for_vectors(0, channels, [&](std::int64_t c, auto n) {
        store(packed + c, Operand::load_across(small + (line * line_pixels + x) * channels + c, channels,
                                               x + 1 < line_pixels, n));
      });
}

// Offsets from the start of a window to the pixels of each row of dweightᵀ; the last one is repeated to fill a tile.
void fill_row_offsets(const Plan& plan, std::int32_t* offsets) {
  const std::int64_t line = plan.s.kernel * plan.s.large_channels;
  const std::int64_t next = plan.gathers ? line : plan.padded_line();
  for (std::int64_t i = 0; i < plan.tiles * tile_rows; ++i) {
    const std::int64_t row = smaller(i, plan.depth - 1);
    offsets[i] = static_cast<std::int32_t>(row / line * next + row % line);
  }
}

// partial[rows of the tile] (+)= products of the block's units. Not inlined: its loop needs all registers.
template <class Operand, int vectors>
[[gnu::noinline]] void add_tile(const Plan& plan, const Block& block, std::int64_t row, std::int64_t column,
                                float* partial, bool first) {
  Tile<vectors> tile;
  const float* b = block.b + column;
  for (std::int64_t line = 0; line < block.lines; ++line) {
    const float* a[tile_rows];
#pragma GCC unroll 8
    for (int m = 0; m < tile_rows; ++m) a[m] = block.a + block.line_offset[line] + block.row_offset[row + m];
    multiply_add<Operand>(tile, a, block.a_step, b, plan.width, block.line_units);
    b += block.line_units * plan.width;
  }
  const auto count = static_cast<int>(smaller(tile_rows, plan.depth - row));
#pragma GCC unroll 8
  for (int m = 0; m < tile_rows; ++m) {
    if (m >= count) break;
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      float* const p = partial + (row + m) * plan.width + column + v * lanes;
      store(p, first ? tile.sum[m][v] : load(p) + tile.sum[m][v]);
    }
  }
}

template <class Operand>
void add_block(const Plan& plan, const Block& block, std::int64_t first_tile, std::int64_t end_tile,
               float* partial, bool first) {
  for (std::int64_t column = 0; column < plan.width; column += panel_width)
    dispatch_vectors(plan.width - column, [&](auto vectors) {
      for (std::int64_t tile = first_tile; tile < end_tile; ++tile)
        add_tile<Operand, vectors.value>(plan, block, tile * tile_rows, column, partial, first);
    });
}

// Adds the products of `images` ≤ group images, tiles first_tile … end_tile - 1.
template <class Operand>
void add_images(const Plan& plan, const float* large, const float* small, std::int64_t images,
                std::int64_t first_tile, std::int64_t end_tile, const std::int32_t* row_offset,
                float* scratch, float* partial, bool first) {
  const Conv2dShape& s = plan.s;
  float* const padded = scratch;
  float* const line = padded + plan.group * plan.padded_size();
  float* const windows = padded + plan.zeroed_floats();
  float* const packed = windows + plan.window_floats();
  for (std::int64_t i = 0; i < images; ++i)
    copy_padded<Operand>(plan, large + i * s.large_height * s.large_width * s.large_channels, line,
                         padded + i * plan.padded_size());
  if (plan.packs_small()) {
    pack_small<Operand>(plan, small, images, packed);
    small = packed;
  }

  const std::int64_t units = images * plan.units;
  Block block{.row_offset = row_offset};
  for (std::int64_t unit = 0; unit < units; unit += block.lines * block.line_units) {
    if (plan.gathers) {
      block.lines = 1;
      block.line_units = smaller(block_units, units - unit);
      gather_windows(plan, padded, unit, block.line_units, first_tile * tile_rows, end_tile * tile_rows,
                     windows);
      block.a = windows;
      block.a_step = plan.window_step();
      block.line_offset[0] = 0;
    } else {
      const std::int64_t first_line = unit / plan.line_units;
      block.lines = smaller(plan.lines_per_block, images * s.small_height - first_line);
      block.line_units = plan.line_units;
      block.a = padded;
      block.a_step = plan.values * s.stride * s.large_channels;
      for (std::int64_t i = 0; i < block.lines; ++i)
        block.line_offset[i] = (first_line + i) / s.small_height * plan.padded_size() +
                               (first_line + i) % s.small_height * s.stride * plan.padded_line();
    }
    block.b = small + unit * plan.width;
    add_block<Operand>(plan, block, first_tile, end_tile, partial, first && unit == 0);
  }
}

// dweight[column + j][row + i] = Σ_parts partial[row + i][column + j]
void add_parts(const Plan& plan, const float* partial, std::int64_t row, std::int64_t column,
               float* dweight) {
  float block[lanes * lanes];
  const auto rows = static_cast<int>(smaller(lanes, plan.depth - row));
  for (int i = 0; i < rows; ++i) {
    vfloat sum = load(partial + (row + i) * plan.width + column);
    for (std::int64_t part = 1; part < plan.parts; ++part)
      sum += load(partial + part * plan.part_size() + (row + i) * plan.width + column);
    store(block + i * lanes, sum);
  }
  const auto columns = static_cast<int>(smaller(lanes, plan.s.small_channels - column));
  transpose_block<Fp32>(block, lanes, rows, columns, dweight + column * plan.depth + row, plan.depth, false);
}

template <class Operand>
bool filters(const Conv2dShape& s) {
  return Operand::values == 1 && winograd::applies(s);
}

template <class Operand>
std::size_t workspace(const Conv2dBackwardWeight& a) {
  if (filters<Operand>(a.shape)) return winograd::weight_workspace(a);
  const Plan plan(a.shape, Operand::values);
  return static_cast<std::size_t>(plan.parts * plan.part_size() + plan.workers() * plan.worker_floats()) *
             sizeof(float) +
         static_cast<std::size_t>(plan.tiles * tile_rows) * sizeof(std::int32_t);
}

template <class Operand>
void launch(const Conv2dBackwardWeight& a, Stream stream) {
  const Conv2dShape& s = a.shape;
  const Stream used = parallel_if_worthwhile(stream, cost(a).flops);
  const Plan plan(s, Operand::values);
  if (s.batch == 0) {
    for (std::int64_t i = 0; i < s.small_channels * plan.depth; ++i) a.dweight[i] = 0;
    return;
  }
  if (filters<Operand>(s)) return winograd::weight_gradient(a, used);
  auto* const partials = static_cast<float*>(a.workspace);
  float* const worker_scratch = partials + plan.parts * plan.part_size();
  auto* const row_offset =
      reinterpret_cast<std::int32_t*>(worker_scratch + plan.workers() * plan.worker_floats());
  fill_row_offsets(plan, row_offset);
  const std::int64_t large_size = s.large_height * s.large_width * s.large_channels;
  const std::int64_t small_size = s.small_height * s.small_width * s.small_channels;
  parallel_for(used, plan.tasks(), [&](std::int64_t task, int worker) {
    const std::int64_t part = task / plan.slices, slice = task % plan.slices;
    const std::int64_t first_tile = slice * plan.tiles_per_slice;
    const std::int64_t end_tile = smaller(plan.tiles, first_tile + plan.tiles_per_slice);
    const std::int64_t begin = part * plan.images_per_part,
                       end = smaller(s.batch, begin + plan.images_per_part);
    float* const scratch = worker_scratch + worker * plan.worker_floats();
    for_vectors(0, plan.zeroed_floats(), [&](std::int64_t i, auto n) { store(scratch + i, vfloat{}, n); });
    for (std::int64_t image = begin; image < end; image += plan.group)
      add_images<Operand>(plan, a.large + image * large_size, a.small + image * small_size,
                          smaller(plan.group, end - image), first_tile, end_tile, row_offset, scratch,
                          partials + part * plan.part_size(), image == begin);
  });

  const std::int64_t row_blocks = divide_up(plan.depth, lanes), column_blocks = plan.width / lanes;
  parallel_for(used, row_blocks, [&](std::int64_t block) {
    for (std::int64_t c = 0; c < column_blocks; ++c)
      add_parts(plan, partials, block * lanes, c * lanes, a.dweight);
  });
}

}  // namespace

Kernel<Conv2dBackwardWeight> conv2d_backward_weight(Precision precision) {
  return precision == Precision::bf16 ? Kernel<Conv2dBackwardWeight>{launch<Bf16>, workspace<Bf16>}
                                      : Kernel<Conv2dBackwardWeight>{launch<Fp32>, workspace<Fp32>};
}

}  // namespace cuelbo::kernels::CUELBO_ISA
