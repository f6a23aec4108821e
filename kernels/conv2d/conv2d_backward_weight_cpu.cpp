// dweightᵀ: rows (ky, kx, large channel), columns small channels, summed over the pixels of the small image: large pixels
// are broadcast, small pixels are rows of B where they are. The images are cut into parts by shape, and the parts' sums
// are added in order.
#include "kernels/conv2d/conv2d.hpp"
#include "kernels/conv2d/indirect.hpp"
#include "kernels/linear/panel.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {
namespace {

struct Plan {
  const Conv2dShape& s;
  std::int64_t depth;          // rows of dweightᵀ
  std::int64_t width;          // small channels, filled up to whole vectors
  bool contiguous;             // the rows of a tile are neighbouring channels of one tap
  std::int64_t tiles_per_tap;  // if contiguous
  std::int64_t tiles;
  std::int64_t parts, images_per_part;
  std::int64_t slices, tiles_per_slice;  // a task is a part of the images and a slice of the tiles
  std::int64_t group;                    // images whose products one tile sums up in registers

  explicit Plan(const Conv2dShape& shape) : s(shape) {
    depth = s.kernel * s.kernel * s.large_channels;
    width = divide_up(s.small_channels, lanes) * lanes;
    contiguous = s.large_channels >= tile_rows;
    tiles_per_tap = divide_up(s.large_channels, tile_rows);
    tiles = contiguous ? s.kernel * s.kernel * tiles_per_tap : divide_up(depth, tile_rows);
    // Enough pixels a part to pay for adding its sums; enough slices to make 16 tasks.
    parts = larger(1, smaller(16, s.batch * s.small_height * s.small_width / 512));
    parts = smaller(parts, larger(1, s.batch));
    images_per_part = larger(1, divide_up(s.batch, parts));
    parts = larger(1, divide_up(s.batch, images_per_part));
    slices = smaller(tiles, divide_up(16, parts));
    tiles_per_slice = divide_up(tiles, slices);
    group = larger(1, smaller(16, 256 / larger(1, s.small_height * s.small_width)));
  }

  // The first row of a tile, and how many of its rows the tile before has already: the last tile of a tap is moved back,
  // so that it has only channels of this tap.
  std::int64_t first_row(std::int64_t tile) const {
    if (!contiguous) return tile * tile_rows;
    const std::int64_t channel = tile % tiles_per_tap * tile_rows;
    return tile / tiles_per_tap * s.large_channels + smaller(channel, s.large_channels - tile_rows);
  }
  int repeated_rows(std::int64_t tile) const {
    if (!contiguous) return 0;
    const std::int64_t channel = tile % tiles_per_tap * tile_rows;
    return static_cast<int>(channel - smaller(channel, s.large_channels - tile_rows));
  }

  bool packs_small() const { return s.small_channels % lanes != 0; }
  std::int64_t zero_floats() const { return larger(1, s.small_width * s.stride * s.large_channels); }
  std::int64_t part_size() const { return depth * width; }
  std::int64_t packed_floats() const {  // of one worker: a small image, whose pixels are whole vectors
    return packs_small() ? s.small_height * s.small_width * width : 0;
  }
  std::int64_t tasks() const { return parts * slices; }
  std::int64_t workers() const { return smaller(tasks(), ThreadPool::max_threads); }
};

// The runs of a tile: line by line of the small image, cut where a row of the tile enters or leaves the large image.
std::int32_t plan_runs(const Plan& plan, std::int64_t tile, Run* runs) {
  const Conv2dShape& s = plan.s;
  std::int32_t count = 0;
  std::int64_t tap_y[tile_rows], tap_x[tile_rows], channel[tile_rows];
  for (int m = 0; m < tile_rows; ++m) {
    const std::int64_t row = smaller(plan.first_row(tile) + m, plan.depth - 1);
    channel[m] = row % s.large_channels;
    tap_x[m] = row / s.large_channels % s.kernel - s.padding;
    tap_y[m] = row / s.large_channels / s.kernel - s.padding;
  }
  for (std::int64_t y = 0; y < s.small_height; ++y) {
    std::int64_t x = 0;
    while (x < s.small_width) {
      std::int64_t end = s.small_width;
      bool any_inside = false;
      bool inside[tile_rows];
      for (int m = 0; m < tile_rows; ++m) {
        const std::int64_t at_y = y * s.stride + tap_y[m], at_x = x * s.stride + tap_x[m];
        inside[m] = at_y >= 0 && at_y < s.large_height && at_x >= 0 && at_x < s.large_width;
        any_inside = any_inside || inside[m];
        if (at_x < 0)
          end = smaller(end, x + divide_up(-at_x, s.stride));
        else if (at_x < s.large_width)
          end = smaller(end, x + divide_up(s.large_width - at_x, s.stride));
      }
      if (any_inside) {
        if (runs != nullptr) {
          Run& run = runs[count];
          for (int m = 0; m < tile_rows; ++m) {
            const std::int64_t pixel = (y * s.stride + tap_y[m]) * s.large_width + x * s.stride + tap_x[m];
            run.a[m] = inside[m] ? static_cast<std::int32_t>(pixel * s.large_channels + channel[m]) : outside;
          }
          run.b = static_cast<std::int32_t>(y * s.small_width + x);
          run.count = static_cast<std::int32_t>(end - x);
        }
        ++count;
      }
      x = end;
    }
  }
  return count;
}

struct Workspace {
  float *partial, *zeros, *packed;
  std::int32_t* run_end;  // by tile
  Run* runs;

  Workspace(const Plan& plan, void* memory)
      : partial(static_cast<float*>(memory)),
        zeros(partial + plan.parts * plan.part_size()),
        packed(zeros + plan.zero_floats()),
        run_end(reinterpret_cast<std::int32_t*>(packed + plan.workers() * plan.packed_floats())),
        runs(reinterpret_cast<Run*>(run_end + plan.tiles)) {}
};

// partial[rows of the tile] (+)= products of the images begin … end - 1
template <int vectors>
void add_images(const Plan& plan, const Workspace& w, std::int64_t tile, std::int64_t column,
                const float* large, std::int64_t large_size, const float* small, std::int64_t small_size,
                std::int64_t small_step, std::int64_t images, float* partial, bool first) {
  const Conv2dShape& s = plan.s;
  const Run* const begin = w.runs + (tile == 0 ? 0 : w.run_end[tile - 1]);
  const Run* const end = w.runs + w.run_end[tile];
  const std::ptrdiff_t a_step = s.stride * s.large_channels;
  Tile<vectors> sums;
  for (std::int64_t image = 0; image < images; ++image) {
    const float* const a_image = large + image * large_size;
    const float* const b = small + image * small_size + column;
    if (plan.contiguous)
      for (const Run* run = begin; run != end; ++run)
        multiply_add(sums, a_image + run->a[0], a_step, b + run->b * small_step, small_step, run->count);
    else
      multiply_runs(sums, begin, end - begin, a_image, a_step, w.zeros, b, small_step);
  }
  const std::int64_t row = plan.first_row(tile);
  const int skip = plan.repeated_rows(tile), rows = static_cast<int>(smaller(tile_rows, plan.depth - row));
#pragma GCC unroll 8
  for (int m = 0; m < tile_rows; ++m) {
    if (m < skip || m >= rows) continue;
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      float* const p = partial + (row + m) * plan.width + column + v * lanes;
      store(p, first ? sums.sum[m][v] : load(p) + sums.sum[m][v]);
    }
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
  transpose_block(block, lanes, rows, columns, dweight + column * plan.depth + row, plan.depth, false);
}

}  // namespace

std::size_t conv2d_backward_weight_workspace(const Conv2dBackwardWeight& a) {
  const Plan plan(a.shape);
  std::int64_t runs = 0;
  for (std::int64_t tile = 0; tile < plan.tiles; ++tile) runs += plan_runs(plan, tile, nullptr);
  return static_cast<std::size_t>(plan.parts * plan.part_size() + plan.zero_floats() +
                                  plan.workers() * plan.packed_floats() + plan.tiles) *
             sizeof(float) +
         static_cast<std::size_t>(runs) * sizeof(Run);
}

void conv2d_backward_weight(const Conv2dBackwardWeight& a, Stream stream) {
  const Conv2dShape& s = a.shape;
  const Stream used = parallel_if_worthwhile(stream, cost(a).flops);
  const Plan plan(s);
  if (s.batch == 0) {
    for (std::int64_t i = 0; i < s.small_channels * plan.depth; ++i) a.dweight[i] = 0;
    return;
  }
  const Workspace w(plan, a.workspace);
  for (std::int64_t i = 0; i < plan.zero_floats(); ++i) w.zeros[i] = 0;
  for (std::int64_t tile = 0, runs = 0; tile < plan.tiles; ++tile) {
    runs += plan_runs(plan, tile, w.runs + runs);
    w.run_end[tile] = static_cast<std::int32_t>(runs);
  }

  const std::int64_t large_size = s.large_height * s.large_width * s.large_channels;
  const std::int64_t small_pixels = s.small_height * s.small_width,
                     small_size = small_pixels * s.small_channels;
  const std::int64_t group = plan.packs_small() ? 1 : plan.group;
  parallel_for(used, plan.tasks(), [&](std::int64_t task, int worker) {
    const std::int64_t part = task / plan.slices, slice = task % plan.slices;
    const std::int64_t first_tile = slice * plan.tiles_per_slice;
    const std::int64_t last_tile = smaller(plan.tiles, first_tile + plan.tiles_per_slice);
    const std::int64_t begin = part * plan.images_per_part,
                       end = smaller(s.batch, begin + plan.images_per_part);
    float* const partial = w.partial + part * plan.part_size();
    for (std::int64_t image = begin; image < end; image += group) {
      const std::int64_t images = smaller(group, end - image);
      const float* small = a.small + image * small_size;
      if (plan.packs_small()) {
        float* const packed = w.packed + worker * plan.packed_floats();
        for (std::int64_t pixel = 0; pixel < small_pixels; ++pixel)
          for_vectors(0, s.small_channels, [&](std::int64_t c, auto n) {
            store(packed + pixel * plan.width + c, load(small + pixel * s.small_channels + c, n));
          });
        small = packed;
      }
      for (std::int64_t column = 0; column < plan.width; column += panel_width)
        dispatch_vectors(plan.width - column, [&](auto vectors) {
          for (std::int64_t tile = first_tile; tile < last_tile; ++tile)
            add_images<vectors.value>(plan, w, tile, column, a.large + image * large_size, large_size, small,
                                      small_size, plan.width, images, partial, image == begin);
        });
    }
  });

  const std::int64_t row_blocks = divide_up(plan.depth, lanes), column_blocks = plan.width / lanes;
  parallel_for(used, row_blocks, [&](std::int64_t block) {
    for (std::int64_t c = 0; c < column_blocks; ++c)
      add_parts(plan, w.partial, block * lanes, c * lanes, a.dweight);
  });
}

}  // namespace cuelbo::kernels::CUELBO_ISA
