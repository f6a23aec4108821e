// The adjoint of conv2d for images of few channels, whose pixels would leave most lanes of a vector empty: all
// kernel² · large_channels products of a small pixel are columns of one GEMM. Those of a line of small pixels are then
// laid side by side, and added to the lines of the large image. One task owns an image, so the order of the additions is
// fixed.
#pragma once

#include "kernels/conv2d/conv2d.hpp"
#include "kernels/linear/panel.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

CUELBO_INLINE bool prefers_scatter(const Conv2dShape& s) { return s.large_channels * 2 <= lanes; }

struct Scatter {
  const Conv2dShape& s;
  std::int64_t columns;   // products of a small pixel: (kernel, kernel, large_channels)
  std::int64_t row_size;  // columns, filled up to whole vectors
  std::int64_t segment;   // floats of a line of the large image that one small pixel reaches
  std::int64_t ways;      // every ways-th segment of a line can be laid side by side without overlap
  std::int64_t
      line_size;  // floats of the large line that a line of small pixels reaches, and a vector to spare

  explicit Scatter(const Conv2dShape& shape) : s(shape) {
    columns = s.kernel * s.kernel * s.large_channels;
    row_size = divide_up(columns, lanes) * lanes;
    segment = s.kernel * s.large_channels;
    ways = divide_up(s.kernel, s.stride);
    line_size = ((s.small_width - 1) * s.stride + s.kernel) * s.large_channels + lanes;
  }
  std::int64_t packed_floats() const { return packed_size(s.small_channels, columns); }
  std::int64_t products_floats() const { return divide_up(s.small_width, tile_rows) * tile_rows * row_size; }
  std::int64_t lines_floats() const { return ways * s.kernel * line_size; }
  std::int64_t workers() const { return smaller(s.batch, ThreadPool::max_threads); }
  std::int64_t scratch_floats() const { return workers() * (products_floats() + lines_floats()); }
};

// products[x] = small[x] · weight for the pixels of one line
[[maybe_unused]] static void multiply_line(const Scatter& plan, const float* small, const float* packed,
                                           float* products) {
  const std::int64_t depth = plan.s.small_channels;
  const Epilogue epilogue{.output = products};
  for (std::int64_t panel = 0; panel < count_panels(plan.columns); ++panel)
    dispatch_vectors(columns_of_panel(plan.columns, panel), [&](auto vectors) {
      for (std::int64_t x = 0; x < plan.s.small_width; x += tile_rows) {
        const float* a[tile_rows];
        std::int64_t offsets[tile_rows];
        for (int m = 0; m < tile_rows; ++m) {
          a[m] = small + smaller(x + m, plan.s.small_width - 1) * depth;
          offsets[m] = (x + m) * plan.row_size;
        }
        Tile<vectors.value> tile;
        multiply_add<Fp32>(tile, a, 1, packed + panel * depth * panel_width, vectors.value * lanes, depth);
        store_tile(tile, epilogue, offsets, tile_rows, panel * panel_width, vectors.value * lanes);
      }
    });
}

// lines[x % ways][ky][x · stride · large_channels + …] = products[x][ky][…]. Whole vectors, whose rest is zeros that the next
// segment of the same line overwrites: partial stores take many times longer on some processors.
[[maybe_unused]] static void spread_line(const Scatter& plan, const float* products, float* lines) {
  const Conv2dShape& s = plan.s;
  for (std::int64_t x = 0, way = 0; x < s.small_width; ++x, way = way + 1 == plan.ways ? 0 : way + 1) {
    const float* from = products + x * plan.row_size;
    float* to = lines + way * s.kernel * plan.line_size + x * s.stride * s.large_channels;
    for (std::int64_t ky = 0; ky < s.kernel; ++ky, from += plan.segment, to += plan.line_size)
      for_vectors(0, plan.segment, [&](std::int64_t i, auto n) { store(to + i, load(from + i, n)); });
  }
}

// large[top + ky] += Σ_ways lines[way][ky], clipped to the image
[[maybe_unused]] static void add_lines(const Scatter& plan, const float* lines, std::int64_t top,
                                       float* large) {
  const Conv2dShape& s = plan.s;
  const std::int64_t left = s.padding * s.large_channels;
  const std::int64_t count = smaller(s.large_width * s.large_channels, plan.line_size - lanes - left);
  for (std::int64_t ky = 0; ky < s.kernel; ++ky) {
    if (top + ky < 0 || top + ky >= s.large_height) continue;
    float* const to = large + (top + ky) * s.large_width * s.large_channels;
    const float* const from = lines + ky * plan.line_size + left;
    for_vectors(0, count, [&](std::int64_t i, auto n) {
      vfloat sum = load(to + i, n);
      for (std::int64_t way = 0; way < plan.ways; ++way)
        sum += load(from + way * s.kernel * plan.line_size + i, n);
      store(to + i, sum, n);
    });
  }
}

// The epilogue over a whole image that holds raw sums.
[[maybe_unused]] static void finish_image(const Epilogue& epilogue, std::int64_t offset, std::int64_t pixels,
                                          std::int64_t channels) {
  float* const y = epilogue.output + offset;
  if (epilogue.bias != nullptr && channels == 1) {
    const vfloat bias = broadcast(*epilogue.bias);
    for_vectors(0, pixels, [&](std::int64_t i, auto n) { store(y + i, load(y + i, n) + bias, n); });
  } else if (epilogue.bias != nullptr) {
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel)
      for (std::int64_t c = 0; c < channels; ++c) y[pixel * channels + c] += epilogue.bias[c];
  }
  if (epilogue.activation != Activation::identity) activate_values(epilogue.activation, y, pixels * channels);
  if (epilogue.gradient_activation != Activation::identity)
    multiply_by_derivative(epilogue.gradient_activation, epilogue.saved + offset, y, pixels * channels);
}

// packed: of packed_floats
[[maybe_unused]] static void pack_scatter(const Scatter& plan, const float* weight, float* packed) {
  for (std::int64_t panel = 0; panel < count_panels(plan.columns); ++panel)
    pack<Fp32>(weight + panel * panel_width, plan.columns, columns_of_panel(plan.columns, panel),
               plan.s.small_channels, packed + panel * plan.s.small_channels * panel_width);
}

[[maybe_unused]] static void scatter(const Scatter& plan, const float* small, const float* packed,
                                     float* scratch, const Epilogue& epilogue, Stream stream) {
  const Conv2dShape& s = plan.s;
  const std::int64_t pixels = s.large_height * s.large_width, size = pixels * s.large_channels;
  const std::int64_t small_line = s.small_width * s.small_channels;
  parallel_for(stream, s.batch, [&](std::int64_t image, int worker) {
    float* const products = scratch + worker * (plan.products_floats() + plan.lines_floats());
    float* const lines = products + plan.products_floats();
    float* const large = epilogue.output + image * size;
    // Gaps between segments stay zero.
    for_vectors(0, plan.lines_floats(), [&](std::int64_t i, auto n) { store(lines + i, vfloat{}, n); });
    for_vectors(0, size, [&](std::int64_t i, auto n) { store(large + i, vfloat{}, n); });
    for (std::int64_t y = 0; y < s.small_height; ++y) {
      multiply_line(plan, small + (image * s.small_height + y) * small_line, packed, products);
      spread_line(plan, products, lines);
      add_lines(plan, lines, y * s.stride - s.padding, large);
    }
    finish_image(epilogue, image * size, pixels, s.large_channels);
  });
}

}  // namespace cuelbo::kernels::CUELBO_ISA
