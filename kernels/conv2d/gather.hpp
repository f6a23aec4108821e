// conv2d of images of few channels. Runs of products (indirect.hpp) would be as short as a line of the kernel is; here they
// are read from a copy of the image with the zeros around it, where the windows of neighbouring pixels are at equal
// distances.
#pragma once

#include "kernels/conv2d/conv2d.hpp"
#include "kernels/linear/panel.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

CUELBO_INLINE bool prefers_gather(const Conv2dShape& s) { return s.large_channels * 2 <= lanes; }

// A task is a band of lines of one small image.
struct Gather {
  const Conv2dShape& s;
  std::int64_t depth;        // products per pixel
  std::int64_t kernel_line;  // of them, per line of the kernel
  std::int64_t window_step;  // floats from a window to the next
  std::int64_t line;         // floats per line of the copy
  std::int64_t bands, band_lines;

  explicit Gather(const Conv2dShape& shape) : s(shape) {
    kernel_line = s.kernel * s.large_channels;
    depth = s.kernel * kernel_line;
    window_step = s.stride * s.large_channels;
    line = (s.small_width - 1) * window_step + kernel_line;
    bands = larger(1, smaller(s.small_height / 4, 16 / larger(1, s.batch)));
    band_lines = divide_up(s.small_height, bands);
    bands = divide_up(s.small_height, larger(1, band_lines));
  }
  std::int64_t packed_floats() const { return packed_size(depth, s.small_channels); }
  // Includes the floats that a full tile reads behind the last window.
  std::int64_t copy_floats() const {
    return divide_up(((band_lines - 1) * s.stride + s.kernel) * line + tile_rows * window_step, lanes) *
           lanes;
  }
  std::int64_t tasks() const { return s.batch * bands; }
  std::int64_t workers() const { return smaller(tasks(), ThreadPool::max_threads); }
};

// Lines first_line … of the large image, in the middle of zeros.
[[maybe_unused]] static void copy_lines(const Gather& plan, const float* image, std::int64_t first_line,
                                        float* copy) {
  const Conv2dShape& s = plan.s;
  for_vectors(0, plan.copy_floats(), [&](std::int64_t i, auto n) { store(copy + i, vfloat{}, n); });
  const std::int64_t left = smaller(s.padding * s.large_channels, plan.line);
  const std::int64_t count = smaller(s.large_width * s.large_channels, plan.line - left);
  const std::int64_t lines = (plan.band_lines - 1) * s.stride + s.kernel;
  for (std::int64_t i = larger(0, -first_line); i < smaller(lines, s.large_height - first_line); ++i) {
    const float* const from = image + (first_line + i) * s.large_width * s.large_channels;
    float* const to = copy + i * plan.line + left;
    for_vectors(0, count, [&](std::int64_t j, auto n) { store(to + j, load(from + j, n), n); });
  }
}

// tile[m] = products of the window at `window` + m · window_step
template <int vectors>
CUELBO_INLINE void multiply_window(Tile<vectors>& tile, const Gather& plan, const float* window,
                                   const float* panel) {
  for (std::int64_t ky = 0; ky < plan.s.kernel; ++ky, window += plan.line) {
    const float* at = window;
    for (std::int64_t k = 0; k < plan.kernel_line; ++k, ++at, panel += vectors * lanes) {
      vfloat row[vectors];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) row[v] = load(panel + v * lanes);
#pragma GCC unroll 8
      for (int m = 0; m < tile_rows; ++m) {
        const vfloat factor = broadcast(at[m * plan.window_step]);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) tile.sum[m][v] = fma(factor, row[v], tile.sum[m][v]);
      }
    }
  }
}

// One line of small pixels. Not inlined: its loop needs all registers.
template <int vectors>
[[gnu::noinline]] void gather_line(const Gather& plan, const float* copy, const float* panel,
                                   const Epilogue& epilogue, std::int64_t first_pixel, std::int64_t column,
                                   int columns) {
  const std::int64_t width = plan.s.small_width, channels = plan.s.small_channels;
  for (std::int64_t x = 0; x < width; x += tile_rows) {
    Tile<vectors> tile;
    multiply_window(tile, plan, copy + x * plan.window_step, panel);
    std::int64_t offsets[tile_rows];
    for (int m = 0; m < tile_rows; ++m) offsets[m] = (first_pixel + x + m) * channels;
    store_tile(tile, epilogue, offsets, static_cast<int>(smaller(tile_rows, width - x)), column, columns);
  }
}

[[maybe_unused]] static void gather(const Gather& plan, const float* large, const float* packed,
                                    float* scratch, const Epilogue& epilogue, Stream stream) {
  const Conv2dShape& s = plan.s;
  parallel_for(stream, plan.tasks(), [&](std::int64_t task, int worker) {
    const std::int64_t image = task / plan.bands, first = task % plan.bands * plan.band_lines;
    const std::int64_t end = smaller(s.small_height, first + plan.band_lines);
    float* const copy = scratch + worker * plan.copy_floats();
    copy_lines(plan, large + image * s.large_height * s.large_width * s.large_channels,
               first * s.stride - s.padding, copy);
    for (std::int64_t y = first; y < end; ++y)
      for (std::int64_t panel = 0; panel < count_panels(s.small_channels); ++panel) {
        const std::int64_t columns = columns_of_panel(s.small_channels, panel);
        dispatch_vectors(columns, [&](auto vectors) {
          gather_line<vectors.value>(plan, copy + (y - first) * s.stride * plan.line,
                                     packed + panel * plan.depth * panel_width, epilogue,
                                     (image * s.small_height + y) * s.small_width, panel * panel_width,
                                     static_cast<int>(columns));
        });
      }
  });
}

}  // namespace cuelbo::kernels::CUELBO_ISA
