// conv2d and its adjoint as dense correlations (indirect.hpp) over packed weights.
#include "kernels/conv2d/conv2d.hpp"

#include "kernels/conv2d/indirect.hpp"
#include "kernels/conv2d/scatter.hpp"
#include "kernels/linear/panel.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {
namespace {

constexpr std::int64_t max_phases = 64;  // stride ≤ 8

// All that stays the same from image to image: the correlations, their plans and the packed weights.
struct Convolution {
  Correlation correlations[max_phases];
  std::int64_t phases = 0;
  std::int64_t input_size = 0, output_size = 0;  // floats of one image
  std::int64_t output_channels = 0;

  std::int64_t tiles() const {
    std::int64_t sum = 0;
    for (std::int64_t p = 0; p < phases; ++p) sum += correlations[p].tiles();
    return sum;
  }
  std::int64_t packed_floats() const {
    std::int64_t sum = 0;
    for (std::int64_t p = 0; p < phases; ++p) sum += packed_size(correlations[p].depth(), output_channels);
    return sum;
  }
  std::int64_t zero_floats() const {
    std::int64_t most = lanes;
    for (std::int64_t p = 0; p < phases; ++p)
      most = larger(most, correlations[p].taps_x * correlations[p].channels);
    return divide_up(most, lanes) * lanes;
  }
  std::size_t workspace() const {
    std::int64_t runs = 0;
    for (std::int64_t p = 0; p < phases; ++p) runs += plan_tiles(correlations[p], 0, nullptr, nullptr);
    return static_cast<std::size_t>(packed_floats() + zero_floats()) * sizeof(float) +
           static_cast<std::size_t>(tiles()) * sizeof(TilePlan) +
           static_cast<std::size_t>(runs) * sizeof(Run);
  }
};

// small pixel (y, x) reads large pixels (y · stride − padding + ky, …).
Convolution forward_convolution(const Conv2dShape& s) {
  Convolution c;
  c.phases = 1;
  c.correlations[0] = {.rows = s.small_height,
                       .columns = s.small_width,
                       .output_width = s.small_width,
                       .input_height = s.large_height,
                       .input_width = s.large_width,
                       .channels = s.large_channels,
                       .input_step = s.stride,
                       .input_y = -s.padding,
                       .input_x = -s.padding,
                       .taps_y = s.kernel,
                       .taps_x = s.kernel};
  c.input_size = s.large_height * s.large_width * s.large_channels;
  c.output_size = s.small_height * s.small_width * s.small_channels;
  c.output_channels = s.small_channels;
  return c;
}

// One axis of a phase of the adjoint. Large pixel Y = offset + stride · i takes part in the products with
// ky = first_tap + stride · j and the small pixel (Y + padding − ky) / stride = first_input + i − j. Taps are read
// backwards, so that small pixels are read forwards.
struct Phase {
  std::int64_t offset, count, first_tap, taps, input;

  Phase(std::int64_t phase, std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t padding)
      : offset(phase),
        count(phase < size ? divide_up(size - phase, stride) : 0),
        first_tap((phase + padding) % stride),
        taps(first_tap < kernel ? divide_up(kernel - first_tap, stride) : 0),
        input((phase + padding) / stride - (taps - 1)) {}
  std::int64_t tap(std::int64_t index, std::int64_t stride) const {
    return first_tap + stride * (taps - 1 - index);
  }
};

Convolution adjoint_convolution(const Conv2dShape& s) {
  Convolution c;
  for (std::int64_t phase_y = 0; phase_y < s.stride; ++phase_y)
    for (std::int64_t phase_x = 0; phase_x < s.stride; ++phase_x) {
      const Phase y(phase_y, s.large_height, s.kernel, s.stride, s.padding);
      const Phase x(phase_x, s.large_width, s.kernel, s.stride, s.padding);
      c.correlations[c.phases++] = {.rows = y.count,
                                    .columns = x.count,
                                    .output_width = s.large_width,
                                    .output_step = s.stride,
                                    .output_y = y.offset,
                                    .output_x = x.offset,
                                    .input_height = s.small_height,
                                    .input_width = s.small_width,
                                    .channels = s.small_channels,
                                    .input_y = y.input,
                                    .input_x = x.input,
                                    .taps_y = y.taps,
                                    .taps_x = x.taps};
    }
  c.input_size = s.small_height * s.small_width * s.small_channels;
  c.output_size = s.large_height * s.large_width * s.large_channels;
  c.output_channels = s.large_channels;
  return c;
}

void pack_forward(const Conv2dShape& s, const float* weight, float* packed, Stream stream) {
  const std::int64_t depth = s.kernel * s.kernel * s.large_channels;
  parallel_for(stream, count_panels(s.small_channels), [&](std::int64_t panel) {
    pack_transposed(weight + panel * panel_width * depth, depth, columns_of_panel(s.small_channels, panel),
                    depth, packed + panel * depth * panel_width);
  });
}

// Panels of a phase: rows (tap_y, tap_x, small channel), columns large channels.
void pack_phase(const Conv2dShape& s, const Phase& y, const Phase& x, const float* weight, float* packed) {
  const std::int64_t depth = y.taps * x.taps * s.small_channels;
  for (std::int64_t panel = 0; panel < count_panels(s.large_channels); ++panel) {
    const std::int64_t columns = columns_of_panel(s.large_channels, panel);
    float* to = packed + panel * depth * panel_width;
    for (std::int64_t tap_y = 0; tap_y < y.taps; ++tap_y)
      for (std::int64_t tap_x = 0; tap_x < x.taps; ++tap_x) {
        const std::int64_t tap = y.tap(tap_y, s.stride) * s.kernel + x.tap(tap_x, s.stride);
        pack(weight + tap * s.large_channels + panel * panel_width, s.kernel * s.kernel * s.large_channels,
             columns, s.small_channels, to);
        to += s.small_channels * padded_width(columns);
      }
  }
}

void pack_adjoint(const Conv2dShape& s, const float* weight, float* packed) {
  for (std::int64_t phase_y = 0; phase_y < s.stride; ++phase_y)
    for (std::int64_t phase_x = 0; phase_x < s.stride; ++phase_x) {
      const Phase y(phase_y, s.large_height, s.kernel, s.stride, s.padding);
      const Phase x(phase_x, s.large_width, s.kernel, s.stride, s.padding);
      pack_phase(s, y, x, weight, packed);
      packed += packed_size(y.taps * x.taps * s.small_channels, s.large_channels);
    }
}

// Tiles of all images in one row; a task takes `tiles_per_task` of them. 8 Mflop are some 40 µs.
std::int64_t tiles_per_task(std::int64_t tiles, double flops) {
  double target = flops / 16;
  if (target < 0.5e6) target = 0.5e6;
  if (target > 8e6) target = 8e6;
  return static_cast<std::int64_t>(target / flops * static_cast<double>(tiles)) + 1;
}

// Tiles walk over the input at a pace of their own, which hardware does not foresee: its share of the image is asked for
// some tiles ahead.
CUELBO_INLINE void prefetch_input(const Convolution& c, std::int64_t image, std::int64_t tile,
                                  const float* input) {
  constexpr std::int64_t tiles_ahead = 12, cache_line = 16;
  const std::int64_t share = c.input_size / c.correlations[0].tiles();
  const std::int64_t begin = image * c.input_size + (tile + tiles_ahead) * share;
  for (std::int64_t i = begin; i < begin + share; i += cache_line) __builtin_prefetch(input + i, 0, 2);
}

// `packed` is the start of the workspace, with the weights in place already.
void convolve(const Convolution& c, std::int64_t batch, const float* input, float* packed,
              const Epilogue& epilogue, double flops, Stream stream) {
  float* const zeros = packed + c.packed_floats();
  auto* const plans = reinterpret_cast<TilePlan*>(zeros + c.zero_floats());
  auto* const runs = reinterpret_cast<Run*>(plans + c.tiles());
  for (std::int64_t i = 0; i < c.zero_floats(); ++i) zeros[i] = 0;

  std::int64_t tile_end[max_phases], tiles = 0;
  const float* weights[max_phases];
  std::int64_t run_count = 0;
  for (std::int64_t p = 0; p < c.phases; ++p) {
    const Correlation& correlation = c.correlations[p];
    run_count += plan_tiles(correlation, run_count, plans + tiles, runs);
    tiles += correlation.tiles();
    tile_end[p] = tiles;
    weights[p] = packed;
    packed += packed_size(correlation.depth(), c.output_channels);
  }

  const std::int64_t units = batch * tiles;
  if (units == 0) return;
  const std::int64_t units_per_task = tiles_per_task(units, flops);
  parallel_for(stream, divide_up(units, units_per_task), [&](std::int64_t task) {
    std::int64_t unit = task * units_per_task;
    const std::int64_t last = smaller(units, unit + units_per_task);
    while (unit < last) {  // stretches of tiles of one phase of one image
      const std::int64_t image = unit / tiles, first_tile = unit % tiles;
      std::int64_t phase = 0;
      while (tile_end[phase] <= first_tile) ++phase;
      const std::int64_t end_tile = smaller(tile_end[phase], first_tile + last - unit);
      unit += end_tile - first_tile;
      const std::int64_t depth = c.correlations[phase].depth();
      for (std::int64_t panel = 0; panel < count_panels(c.output_channels); ++panel) {
        const std::int64_t columns = columns_of_panel(c.output_channels, panel);
        const float* const b = weights[phase] + panel * depth * panel_width;
        dispatch_vectors(columns, [&](auto vectors) {
          for (std::int64_t t = first_tile; t < end_tile; ++t) {
            const TilePlan& plan = plans[t];
            std::int64_t offsets[tile_rows];
            for (int m = 0; m < tile_rows; ++m)
              offsets[m] = image * c.output_size + plan.output[m] * c.output_channels;
            prefetch_saved<vectors.value>(epilogue, offsets, panel * panel_width);
            if (panel == 0 && phase == 0) prefetch_input(c, image, t, input);
            Tile<vectors.value> tile;
            multiply_runs(tile, runs + plan.first_run, plan.runs, input + image * c.input_size, 1, zeros, b,
                          vectors.value * lanes);
            store_tile(tile, epilogue, offsets, plan.rows, panel * panel_width, static_cast<int>(columns));
          }
        });
      }
    }
  });
}

}  // namespace

std::size_t conv2d_forward_workspace(const Conv2dForward& a) {
  return forward_convolution(a.shape).workspace();
}

void conv2d_forward(const Conv2dForward& a, Stream stream) {
  const Stream used = parallel_if_worthwhile(stream, cost(a).flops);
  auto* const packed = static_cast<float*>(a.workspace);
  pack_forward(a.shape, a.weight, packed, used);
  const Epilogue epilogue{.output = a.small,
                          .bias = a.bias,
                          .activation = a.activation,
                          .gradient_activation = a.gradient_activation,
                          .saved = a.saved};
  convolve(forward_convolution(a.shape), a.shape.batch, a.large, packed, epilogue, cost(a).flops, used);
}

std::size_t conv2d_backward_data_workspace(const Conv2dBackwardData& a) {
  return prefers_scatter(a.shape) ? Scatter(a.shape).workspace() : adjoint_convolution(a.shape).workspace();
}

void conv2d_backward_data(const Conv2dBackwardData& a, Stream stream) {
  const Stream used = parallel_if_worthwhile(stream, cost(a).flops);
  const Epilogue epilogue{.output = a.large,
                          .bias = a.bias,
                          .activation = a.activation,
                          .gradient_activation = a.gradient_activation,
                          .saved = a.saved};
  if (prefers_scatter(a.shape)) {
    scatter(a.shape, a.small, a.weight, a.workspace, epilogue, used);
    return;
  }
  auto* const packed = static_cast<float*>(a.workspace);
  pack_adjoint(a.shape, a.weight, packed);
  convolve(adjoint_convolution(a.shape), a.shape.batch, a.small, packed, epilogue, cost(a).flops, used);
}

}  // namespace cuelbo::kernels::CUELBO_ISA
