// Convolution without im2col. A tile is tile_rows output pixels; what they read is described by runs: stretches of
// products whose operands are contiguous for every pixel of the tile. The runs are the same for all images, so they are
// made once per call. Pixels outside the image read zeros.
#pragma once

#include "kernels/conv2d/conv2d.hpp"
#include "kernels/linear/gemm_tile.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

// sum[m] += Σ_i a[m][i · a_step] · b[i], i < count: floats of A from the start of the image, rows of the panel B.
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
  std::int64_t input_height = 0, input_width = 0, channels = 0;
  std::int64_t input_step = 1, input_y = 0, input_x = 0;
  std::int64_t taps_y = 0, taps_x = 0;

  std::int64_t tiles() const { return divide_up(rows * columns, tile_rows); }
  std::int64_t depth() const { return taps_y * taps_x * channels; }
};

CUELBO_INLINE void store_ints(std::int32_t (&to)[tile_rows], vint from) {
  store_partial(reinterpret_cast<float*>(to), as_float(from), tile_rows);
}
CUELBO_INLINE bool any(vint mask) {
  int bits = 0;
  for (int m = 0; m < tile_rows; ++m) bits |= mask[m];
  return bits != 0;
}

// Describes tile `tile`; its runs are appended at runs[plan.first_run], or only counted if `runs` is null.
[[maybe_unused]] static TilePlan plan_tile(const Correlation& c, std::int64_t tile, std::int32_t first_run, Run* runs) {
  TilePlan plan{};
  const std::int64_t begin = tile * tile_rows, pixels = c.rows * c.columns;
  plan.rows = static_cast<std::int32_t>(smaller(tile_rows, pixels - begin));
  plan.first_run = first_run;
  vint y{}, x{}, output{};
  for (int m = 0; m < tile_rows; ++m) {
    const std::int64_t pixel = smaller(begin + m, pixels - 1);
    const std::int64_t row = pixel / c.columns, column = pixel % c.columns;
    y[m] = static_cast<std::int32_t>(c.input_y + row * c.input_step);
    x[m] = static_cast<std::int32_t>(c.input_x + column * c.input_step);
    output[m] = static_cast<std::int32_t>((c.output_y + row * c.output_step) * c.output_width + c.output_x +
                                          column * c.output_step);
  }
  store_ints(plan.output, output);

  const auto height = static_cast<std::int32_t>(c.input_height), width = static_cast<std::int32_t>(c.input_width);
  const auto channels = static_cast<std::int32_t>(c.channels);
  for (std::int64_t tap_y = 0; tap_y < c.taps_y; ++tap_y) {
    const vint at_y = y + static_cast<std::int32_t>(tap_y);
    const vint inside_y = (at_y >= 0) & (at_y < height);
    vint previous{};  // validity in the run that may go on
    for (std::int64_t tap_x = 0; tap_x < c.taps_x; ++tap_x) {
      const vint at_x = x + static_cast<std::int32_t>(tap_x);
      const vint inside = inside_y & (at_x >= 0) & (at_x < width);
      const bool goes_on = !any(inside ^ previous);
      previous = inside;
      if (!any(inside)) continue;
      if (!goes_on) {
        if (runs != nullptr) {
          Run& run = runs[plan.first_run + plan.runs];
          store_ints(run.a, select(inside, (at_y * width + at_x) * channels, broadcast_int(outside)));
          run.b = static_cast<std::int32_t>((tap_y * c.taps_x + tap_x) * channels);
          run.count = 0;
        }
        ++plan.runs;
      }
      if (runs != nullptr) runs[plan.first_run + plan.runs - 1].count += channels;
    }
  }
  return plan;
}

CUELBO_INLINE std::int64_t count_runs(const Correlation& c) {
  std::int64_t runs = 0;
  for (std::int64_t tile = 0; tile < c.tiles(); ++tile) runs += plan_tile(c, tile, 0, nullptr).runs;
  return runs;
}

CUELBO_INLINE void point(const Run& run, const float* image, const float* zeros, const float* (&a)[tile_rows]) {
#pragma GCC unroll 8
  for (int m = 0; m < tile_rows; ++m) a[m] = run.a[m] < 0 ? zeros : image + run.a[m];
}

// Adds a plan's runs to the tile.
template <int vectors>
CUELBO_INLINE void multiply_runs(Tile<vectors>& tile, const Run* runs, std::int64_t count, const float* image,
                                 std::ptrdiff_t a_step, const float* zeros, const float* b, std::ptrdiff_t b_step) {
  for (std::int64_t r = 0; r < count; ++r) {
    const float* a[tile_rows];
    point(runs[r], image, zeros, a);
    multiply_add(tile, a, a_step, b + runs[r].b * b_step, b_step, runs[r].count);
  }
}

}  // namespace cuelbo::kernels::CUELBO_ISA
