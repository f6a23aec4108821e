// Convolution without im2col. A tile is tile_rows output pixels; what they read is described by runs: stretches of
// products whose operands are contiguous for every pixel of the tile. The runs are the same for all images, so they are
// made once per call. Pixels outside the image read zeros.
#pragma once

#include "kernels/conv2d/conv2d.hpp"
#include "kernels/linear/gemm_tile.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

// sum[m] += Σ_i a[m][i] · b[i], i < count: lanes of A from the start of the image, rows of the panel B.
struct Run {
  std::int32_t a[tile_rows];  // outside: all zeros
  std::int32_t b, count;
};
inline constexpr std::int32_t outside = -1;

struct TilePlan {
  std::int32_t output[tile_rows];  // pixel of the output image; pixels behind the last repeat it
  std::int32_t rows;               // of them to be stored
  std::int32_t first_run, runs;
};

// A grid of output pixels that is a dense correlation of the input with a rectangle of taps. conv2d is one of them, its
// adjoint is stride² of them.
struct Correlation {
  std::int64_t rows = 0, columns = 0;
  // Pixel (y, x) of the grid is pixel (output_y + y · output_step, output_x + x · output_step) of the output image.
  std::int64_t output_width = 0, output_step = 1, output_y = 0, output_x = 0;
  // It reads the pixels (input_y + y · input_step + tap_y, input_x + x · input_step + tap_x) of the input image.
  std::int64_t input_height = 0, input_width = 0, channels = 0;  // channels: lanes of the operand
  std::int64_t input_step = 1, input_y = 0, input_x = 0;
  std::int64_t taps_y = 0, taps_x = 0;

  std::int64_t tiles() const { return divide_up(rows * columns, tile_rows); }
  std::int64_t depth() const { return taps_y * taps_x * channels; }
};

CUELBO_INLINE vint load_ints(const std::int32_t (&from)[lanes]) {
  return as_int(load(reinterpret_cast<const float*>(from)));
}
CUELBO_INLINE void store_ints(std::int32_t (&to)[tile_rows], vint from) {
  store_partial(reinterpret_cast<float*>(to), as_float(from), tile_rows);
}

// Describes the tiles of a correlation; their runs are numbered from `first_run` on. With plans and runs null, they are
// only counted. Returns the number of runs.
[[maybe_unused]] static std::int64_t plan_tiles(const Correlation& c, std::int64_t first_run, TilePlan* plans,
                                                Run* runs) {
  constexpr std::int64_t max_kernel = 16;
  const auto height = static_cast<std::int32_t>(c.input_height),
             width = static_cast<std::int32_t>(c.input_width);
  const auto channels = static_cast<std::int32_t>(c.channels);
  const std::int64_t pixels = c.rows * c.columns;
  std::int64_t run_count = 0, row = 0, column = 0;
  for (std::int64_t tile = 0; tile < c.tiles(); ++tile) {
    alignas(64) std::int32_t ys[lanes] = {}, xs[lanes] = {}, outputs[lanes] = {};
    for (int m = 0; m < tile_rows; ++m) {
      ys[m] = static_cast<std::int32_t>(c.input_y + row * c.input_step);
      xs[m] = static_cast<std::int32_t>(c.input_x + column * c.input_step);
      outputs[m] = static_cast<std::int32_t>((c.output_y + row * c.output_step) * c.output_width +
                                             c.output_x + column * c.output_step);
      if (tile * tile_rows + m + 1 == pixels) continue;  // repeat the last one
      if (++column == c.columns) column = 0, ++row;
    }
    const vint y = load_ints(ys), x = load_ints(xs);
    std::uint32_t inside_x[max_kernel];  // bit m: is the tap's pixel of row m inside?
    for (std::int32_t tap = 0; tap < c.taps_x; ++tap)
      inside_x[tap] = mask_bits((x + tap >= 0) & (x + tap < width));

    const std::int64_t runs_before = run_count;
    for (std::int32_t tap_y = 0; tap_y < c.taps_y; ++tap_y) {
      const std::uint32_t inside_y =
          mask_bits((y + tap_y >= 0) & (y + tap_y < height)) & ((1U << tile_rows) - 1U);
      std::uint32_t previous = 0;  // of the run that may go on
      for (std::int32_t tap_x = 0; tap_x < c.taps_x; ++tap_x) {
        const std::uint32_t inside = inside_y & inside_x[tap_x];
        const bool goes_on = inside == previous;
        previous = inside;
        if (inside == 0) continue;
        if (!goes_on) ++run_count;
        if (runs == nullptr) continue;
        Run& run = runs[first_run + run_count - 1];
        if (!goes_on) {
          const vint is_inside = ((broadcast_int(static_cast<std::int32_t>(inside)) >> iota()) & 1) != 0;
          store_ints(run.a,
                     select(is_inside, ((y + tap_y) * width + x + tap_x) * channels, broadcast_int(outside)));
          run.b = (tap_y * static_cast<std::int32_t>(c.taps_x) + tap_x) * channels;
          run.count = 0;
        }
        run.count += channels;
      }
    }
    if (plans == nullptr) continue;
    TilePlan& plan = plans[tile];
    store_ints(plan.output, load_ints(outputs));
    plan.rows = static_cast<std::int32_t>(smaller(tile_rows, pixels - tile * tile_rows));
    plan.first_run = static_cast<std::int32_t>(first_run + runs_before);
    plan.runs = static_cast<std::int32_t>(run_count - runs_before);
  }
  return run_count;
}

CUELBO_INLINE void point(const Run& run, const float* image, const float* zeros,
                         const float* (&a)[tile_rows]) {
#pragma GCC unroll 8
  for (int m = 0; m < tile_rows; ++m) a[m] = run.a[m] < 0 ? zeros : image + run.a[m];
}

// Adds a plan's runs to the tile.
template <class Operand, int vectors>
CUELBO_INLINE void multiply_runs(Tile<vectors>& tile, const Run* runs, std::int64_t count, const float* image,
                                 const float* zeros, const float* panel) {
  constexpr std::ptrdiff_t b_step = vectors * lanes;
  for (std::int64_t r = 0; r < count; ++r) {
    const float* a[tile_rows];
    point(runs[r], image, zeros, a);
    multiply_add<Operand>(tile, a, 1, panel + runs[r].b * b_step, b_step, runs[r].count);
  }
}

}  // namespace cuelbo::kernels::CUELBO_ISA
