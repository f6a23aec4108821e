// A convolution or its adjoint as dense correlations (indirect.hpp) over packed weights: all that stays the same from image
// to image.
#pragma once

#include <cstddef>

#include "kernels/conv2d/indirect.hpp"
#include "kernels/linear/panel.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

inline constexpr std::int64_t max_phases = 64;  // stride ≤ 8

// The correlations, and in memory their plans and the packed weights. Counts lanes of the operand.
struct Convolution {
  Correlation correlations[max_phases];
  std::int64_t phases = 0;
  std::int64_t input_size = 0, output_size = 0;  // of one image
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
  std::size_t constant_bytes() const {
    std::int64_t runs = 0;
    for (std::int64_t p = 0; p < phases; ++p) runs += plan_tiles(correlations[p], 0, nullptr, nullptr);
    const std::size_t bytes = static_cast<std::size_t>(packed_floats() + zero_floats()) * sizeof(float) +
                              static_cast<std::size_t>(tiles()) * sizeof(TilePlan) +
                              static_cast<std::size_t>(runs) * sizeof(Run);
    return (bytes + 63) / 64 * 64;
  }
};

// The content of the memory of constant_bytes.
struct Constants {
  float *packed, *zeros;
  TilePlan* plans;
  Run* runs;

  Constants(const Convolution& c, void* memory)
      : packed(static_cast<float*>(memory)),
        zeros(packed + c.packed_floats()),
        plans(reinterpret_cast<TilePlan*>(zeros + c.zero_floats())),
        runs(reinterpret_cast<Run*>(plans + c.tiles())) {}

  // All but the weights.
  void fill(const Convolution& c) const {
    for (std::int64_t i = 0; i < c.zero_floats(); ++i) zeros[i] = 0;
    std::int64_t tiles = 0, run_count = 0;
    for (std::int64_t p = 0; p < c.phases; ++p) {
      run_count += plan_tiles(c.correlations[p], run_count, plans + tiles, runs);
      tiles += c.correlations[p].tiles();
    }
  }
};

// small pixel (y, x) reads large pixels (y · stride − padding + ky, …).
template <class Operand>
[[maybe_unused]] static Convolution forward_convolution(const Conv2dShape& s) {
  Convolution c;
  c.phases = 1;
  c.correlations[0] = {.rows = s.small_height,
                       .columns = s.small_width,
                       .output_width = s.small_width,
                       .input_height = s.large_height,
                       .input_width = s.large_width,
                       .channels = s.large_channels / Operand::values,
                       .input_step = s.stride,
                       .input_y = -s.padding,
                       .input_x = -s.padding,
                       .taps_y = s.kernel,
                       .taps_x = s.kernel};
  c.input_size = s.large_height * s.large_width * s.large_channels / Operand::values;
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

template <class Operand>
[[maybe_unused]] static Convolution adjoint_convolution(const Conv2dShape& s) {
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
                                    .channels = s.small_channels / Operand::values,
                                    .input_y = y.input,
                                    .input_x = x.input,
                                    .taps_y = y.taps,
                                    .taps_x = x.taps};
    }
  c.input_size = s.small_height * s.small_width * s.small_channels / Operand::values;
  c.output_size = s.large_height * s.large_width * s.large_channels;
  c.output_channels = s.large_channels;
  return c;
}

template <class Operand>
[[maybe_unused]] static void pack_forward(const Conv2dShape& s, const float* weight, float* packed,
                                          Stream stream) {
  const std::int64_t values = s.kernel * s.kernel * s.large_channels;
  parallel_for(stream, count_panels(s.small_channels), [&](std::int64_t panel) {
    pack_transposed<Operand>(weight + panel * panel_width * values, values,
                             columns_of_panel(s.small_channels, panel), values,
                             packed + panel * panel_width * lanes_of<Operand>(values));
  });
}

// Panels of a phase: rows (tap_y, tap_x, small channel), columns large channels.
template <class Operand>
[[maybe_unused]] static void pack_phase(const Conv2dShape& s, const Phase& y, const Phase& x,
                                        const float* weight, float* packed) {
  const std::int64_t channels = lanes_of<Operand>(s.small_channels), depth = y.taps * x.taps * channels;
  for (std::int64_t panel = 0; panel < count_panels(s.large_channels); ++panel) {
    const std::int64_t columns = columns_of_panel(s.large_channels, panel);
    float* to = packed + panel * depth * panel_width;
    for (std::int64_t tap_y = 0; tap_y < y.taps; ++tap_y)
      for (std::int64_t tap_x = 0; tap_x < x.taps; ++tap_x) {
        const std::int64_t tap = y.tap(tap_y, s.stride) * s.kernel + x.tap(tap_x, s.stride);
        pack<Operand>(weight + tap * s.large_channels + panel * panel_width,
                      s.kernel * s.kernel * s.large_channels, columns, s.small_channels, to);
        to += channels * padded_width(columns);
      }
  }
}

template <class Operand>
[[maybe_unused]] static void pack_adjoint(const Conv2dShape& s, const float* weight, float* packed) {
  for (std::int64_t phase_y = 0; phase_y < s.stride; ++phase_y)
    for (std::int64_t phase_x = 0; phase_x < s.stride; ++phase_x) {
      const Phase y(phase_y, s.large_height, s.kernel, s.stride, s.padding);
      const Phase x(phase_x, s.large_width, s.kernel, s.stride, s.padding);
      pack_phase<Operand>(s, y, x, weight, packed);
      packed += packed_size(y.taps * x.taps * lanes_of<Operand>(s.small_channels), s.large_channels);
    }
}

}  // namespace cuelbo::kernels::CUELBO_ISA
