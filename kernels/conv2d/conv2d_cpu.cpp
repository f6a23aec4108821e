// conv2d and its adjoint: tiles of all images, cut into tasks by shape.
#include "kernels/conv2d/conv2d.hpp"

#include <cstddef>
#include <type_traits>

#include "kernels/conv2d/convolution.hpp"
#include "kernels/conv2d/gather.hpp"
#include "kernels/conv2d/scatter.hpp"
#include "kernels/conv2d/winograd_convolution.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {
namespace {

// Tiles of all images in one row; a task takes `tiles_per_task` of them. 8 Mflop are some 40 µs.
std::int64_t tiles_per_task(std::int64_t tiles, double flops) {
  double target = flops / 16;
  if (target < 0.5e6) target = 0.5e6;
  if (target > 8e6) target = 8e6;
  return static_cast<std::int64_t>(target / flops * static_cast<double>(tiles)) + 1;
}

// The hardware prefetcher cannot follow the tiles, so each of them prefetches the share of the image that is some tiles
// ahead.
CUELBO_INLINE void prefetch_input(const Convolution& c, std::int64_t image, std::int64_t tile,
                                  const float* input) {
  constexpr std::int64_t tiles_ahead = 12, cache_line = 16;
  const std::int64_t share = c.input_size / c.correlations[0].tiles();
  const std::int64_t begin = image * c.input_size + (tile + tiles_ahead) * share;
  for (std::int64_t i = begin; i < begin + share; i += cache_line) __builtin_prefetch(input + i, 0, 2);
}

// Images are multiplied as they are, or each worker converts the one that it is at.
template <class Operand>
constexpr bool converts = !std::is_same_v<Operand, Fp32>;

template <class Operand>
std::int64_t converted_floats(const Convolution& c, std::int64_t batch) {
  return converts<Operand> ? smaller(batch, ThreadPool::max_threads) * divide_up(c.input_size, lanes) * lanes
                           : 0;
}

template <class Operand>
void convolve(const Convolution& c, const Constants& constants, std::int64_t batch, const float* input,
              float* scratch, const Epilogue& epilogue, double flops, Stream stream) {
  std::int64_t tile_end[max_phases], tiles = 0;
  const float* weights[max_phases];
  const float* packed = constants.packed;
  for (std::int64_t p = 0; p < c.phases; ++p) {
    const Correlation& correlation = c.correlations[p];
    tiles += correlation.tiles();
    tile_end[p] = tiles;
    weights[p] = packed;
    packed += packed_size(correlation.depth(), c.output_channels);
  }

  const std::int64_t units = batch * tiles;
  if (units == 0) return;
  std::int64_t units_per_task = tiles_per_task(units, flops);
  if (converts<Operand>) units_per_task = divide_up(units_per_task, tiles) * tiles;  // whole images
  parallel_for(stream, divide_up(units, units_per_task), [&](std::int64_t task, int worker) {
    float* const converted = scratch + worker * divide_up(c.input_size, lanes) * lanes;
    std::int64_t unit = task * units_per_task;
    const std::int64_t last = smaller(units, unit + units_per_task);
    while (unit < last) {  // stretches of tiles of one phase of one image
      const std::int64_t image = unit / tiles, first_tile = unit % tiles;
      const float* a = input + image * c.input_size * Operand::values;
      if (converts<Operand>) {
        if (first_tile == 0) convert_row<Operand>(a, c.input_size * Operand::values, converted);
        a = converted;
      }
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
            const TilePlan& plan = constants.plans[t];
            std::int64_t offsets[tile_rows];
            for (int m = 0; m < tile_rows; ++m)
              offsets[m] = image * c.output_size + plan.output[m] * c.output_channels;
            prefetch_saved<vectors.value>(epilogue, offsets, panel * panel_width);
            if (!converts<Operand> && panel == 0 && phase == 0) prefetch_input(c, image, t, input);
            Tile<vectors.value> tile;
            multiply_runs<Operand>(tile, constants.runs + plan.first_run, plan.runs, a, constants.zeros, b);
            store_tile(tile, epilogue, offsets, plan.rows, panel * panel_width, static_cast<int>(columns));
          }
        });
      }
    }
  });
}

template <class Args>
Epilogue epilogue_of(const Args& a, float* output) {
  return {.output = output,
          .bias = a.bias,
          .activation = a.activation,
          .gradient_activation = a.gradient_activation,
          .saved = a.saved};
}

// A direction of the convolution: its correlations, and how its weights are packed.
template <class Operand>
struct Forward {
  using Args = Conv2dForward;
  static Convolution convolution(const Args& a) { return forward_convolution<Operand>(a.shape); }
  static void pack_weight(const Args& a, float* packed, Stream stream) {
    pack_forward<Operand>(a.shape, a.weight, packed, stream);
  }
  static const float* input(const Args& a) { return a.large; }
  static float* output(const Args& a) { return a.small; }
};
template <class Operand>
struct Adjoint {
  using Args = Conv2dBackwardData;
  static Convolution convolution(const Args& a) { return adjoint_convolution<Operand>(a.shape); }
  static void pack_weight(const Args& a, float* packed, Stream) {
    pack_adjoint<Operand>(a.shape, a.weight, packed);
  }
  static const float* input(const Args& a) { return a.small; }
  static float* output(const Args& a) { return a.large; }
};

template <class Operand, template <class> class Direction>
struct Correlated {
  using Args = Direction<Operand>::Args;

  static std::size_t prepared_bytes(const Args& a) {
    return Direction<Operand>::convolution(a).constant_bytes();
  }
  static void prepare(const Args& a, void* memory, Stream stream) {
    const Convolution c = Direction<Operand>::convolution(a);
    const Constants constants(c, memory);
    Direction<Operand>::pack_weight(a, constants.packed, stream);
    constants.fill(c);
  }
  static std::size_t workspace(const Args& a) {
    const Convolution c = Direction<Operand>::convolution(a);
    return (a.prepared != nullptr ? 0 : c.constant_bytes()) +
           static_cast<std::size_t>(converted_floats<Operand>(c, a.shape.batch)) * sizeof(float);
  }
  static void launch(const Args& a, Stream stream) {
    const Stream used = parallel_if_worthwhile(stream, cost(a).flops);
    const Convolution c = Direction<Operand>::convolution(a);
    auto* scratch = static_cast<std::byte*>(a.workspace);
    void* constants = const_cast<void*>(a.prepared);
    if (constants == nullptr) {
      constants = scratch;
      scratch += c.constant_bytes();
      prepare(a, constants, used);
    }
    convolve<Operand>(c, {c, constants}, a.shape.batch, Direction<Operand>::input(a),
                      reinterpret_cast<float*>(scratch), epilogue_of(a, Direction<Operand>::output(a)),
                      cost(a).flops, used);
  }
};

// Few channels, in fp32: a plan, what packs the weight, and what multiplies.
struct Gathered {
  using Args = Conv2dForward;
  using Plan = Gather;
  static void pack_weight(const Args& a, float* packed, Stream stream) {
    pack_forward<Fp32>(a.shape, a.weight, packed, stream);
  }
  static std::int64_t scratch_floats(const Plan& plan) { return plan.workers() * plan.copy_floats(); }
  static void multiply(const Plan& plan, const Args& a, const float* packed, float* scratch, Stream stream) {
    gather(plan, a.large, packed, scratch, epilogue_of(a, a.small), stream);
  }
};
struct Scattered {
  using Args = Conv2dBackwardData;
  using Plan = Scatter;
  static void pack_weight(const Args& a, float* packed, Stream) {
    pack_scatter(Scatter(a.shape), a.weight, packed);
  }
  static std::int64_t scratch_floats(const Plan& plan) { return plan.scratch_floats(); }
  static void multiply(const Plan& plan, const Args& a, const float* packed, float* scratch, Stream stream) {
    scatter(plan, a.small, packed, scratch, epilogue_of(a, a.large), stream);
  }
};

template <class Direction>
struct FewChannels {
  using Args = Direction::Args;
  using Plan = Direction::Plan;

  static std::size_t prepared_bytes(const Args& a) {
    return static_cast<std::size_t>(Plan(a.shape).packed_floats()) * sizeof(float);
  }
  static void prepare(const Args& a, void* memory, Stream stream) {
    Direction::pack_weight(a, static_cast<float*>(memory), stream);
  }
  static std::size_t workspace(const Args& a) {
    return (a.prepared != nullptr ? 0 : prepared_bytes(a)) +
           static_cast<std::size_t>(Direction::scratch_floats(Plan(a.shape))) * sizeof(float);
  }
  static void launch(const Args& a, Stream stream) {
    const Plan plan(a.shape);
    auto* scratch = static_cast<float*>(a.workspace);
    const auto* packed = static_cast<const float*>(a.prepared);
    if (packed == nullptr) {
      prepare(a, scratch, stream);
      packed = scratch;
      scratch += plan.packed_floats();
    }
    Direction::multiply(plan, a, packed, scratch, parallel_if_worthwhile(stream, cost(a).flops));
  }
};

// Calls f with the implementation of a shape. bf16 needs an even number of channels; otherwise fp32.
template <class Operand, class F>
auto with_implementation(const Conv2dForward& a, F&& f) {
  if (converts<Operand> && a.shape.large_channels % Operand::values == 0)
    return f(Correlated<Operand, Forward>{});
  if (prefers_gather(a.shape)) return f(FewChannels<Gathered>{});
  if (winograd::applies(a.shape)) return f(winograd::Filtered<winograd::ForwardWinograd>{});
  return f(Correlated<Fp32, Forward>{});
}
template <class Operand, class F>
auto with_implementation(const Conv2dBackwardData& a, F&& f) {
  if (prefers_scatter(a.shape)) return f(FewChannels<Scattered>{});
  if (converts<Operand> && a.shape.small_channels % Operand::values == 0)
    return f(Correlated<Operand, Adjoint>{});
  if (winograd::applies(a.shape)) return f(winograd::Filtered<winograd::AdjointWinograd>{});
  return f(Correlated<Fp32, Adjoint>{});
}

template <class Operand, class Args>
constexpr Kernel<Args> kernel = {
    .launch =
        [](const Args& a, Stream stream) {
          with_implementation<Operand>(a, [&](auto i) { decltype(i)::launch(a, stream); });
        },
    .workspace =
        [](const Args& a) {
          return with_implementation<Operand>(a, [&](auto i) { return decltype(i)::workspace(a); });
        },
    .prepared_bytes =
        [](const Args& a) {
          return with_implementation<Operand>(a, [&](auto i) { return decltype(i)::prepared_bytes(a); });
        },
    .prepare =
        [](const Args& a, void* prepared, Stream stream) {
          with_implementation<Operand>(a, [&](auto i) { decltype(i)::prepare(a, prepared, stream); });
        }};

}  // namespace

Kernel<Conv2dForward> conv2d_forward(Precision precision) {
  return precision == Precision::bf16 ? kernel<Bf16, Conv2dForward> : kernel<Fp32, Conv2dForward>;
}
Kernel<Conv2dBackwardData> conv2d_backward_data(Precision precision) {
  return precision == Precision::bf16 ? kernel<Bf16, Conv2dBackwardData> : kernel<Fp32, Conv2dBackwardData>;
}

}  // namespace cuelbo::kernels::CUELBO_ISA
