// The register tile that linear and conv2d are made of: tile_rows × panel_width sums stay in registers while products of
// broadcast elements of A and rows of a B panel are added; an epilogue is applied when they are stored.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/activation/activation_simd.hpp"
#include "kernels/linear/operand.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/simd.hpp"
#include "kernels/runtime/vector_loop.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

// 8 × 32 (AVX-512), 6 × 16 (AVX2), 4 × 8: enough sums to hide the latency of fma, few enough for the registers.
inline constexpr int tile_rows = lanes == 16 ? 8 : lanes == 8 ? 6 : 4;
inline constexpr int panel_width = 2 * lanes;

// Work that takes less time than waking a thread runs in the calling one.
CUELBO_INLINE Stream parallel_if_worthwhile(Stream stream, double flops) {
  return flops < 2e6 ? Stream{} : stream;
}

template <int vectors>
struct Tile {
  vfloat sum[tile_rows][vectors] = {};
};

// sum[m][:] += Σ_k a[m][k · a_step] · b[k · b_step + :]; k counts lanes of the operands
template <class Operand, int vectors>
CUELBO_INLINE void multiply_add(Tile<vectors>& tile, const float* const (&a)[tile_rows],
                                std::ptrdiff_t a_step, const float* b, std::ptrdiff_t b_step,
                                std::int64_t count) {
  // One pointer moves, the rows stay at their distances from it: as many additions less in a loop that is bound by the
  // number of its instructions.
  const char* at = reinterpret_cast<const char*>(a[0]);
  std::ptrdiff_t distance[tile_rows];
#pragma GCC unroll 8
  for (int m = 0; m < tile_rows; ++m) distance[m] = reinterpret_cast<const char*>(a[m]) - at;
  for (std::int64_t k = 0; k < count; ++k) {
    vfloat row[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) row[v] = load(b + v * lanes);
#pragma GCC unroll 8
    for (int m = 0; m < tile_rows; ++m) {
      const vfloat factor = broadcast(*reinterpret_cast<const float*>(at + distance[m]));
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v)
        tile.sum[m][v] = Operand::multiply_add(factor, row[v], tile.sum[m][v]);
    }
    at += a_step * static_cast<std::ptrdiff_t>(sizeof(float));
    b += b_step;
    asm("" : "+r"(at));  // or g++ makes a pointer of each row again
  }
}

// The same with a[m] = a + m, which needs one pointer only.
template <class Operand, int vectors>
CUELBO_INLINE void multiply_add(Tile<vectors>& tile, const float* a, std::ptrdiff_t a_step, const float* b,
                                std::ptrdiff_t b_step, std::int64_t count) {
  for (std::int64_t k = 0; k < count; ++k) {
    vfloat row[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) row[v] = load(b + v * lanes);
#pragma GCC unroll 8
    for (int m = 0; m < tile_rows; ++m) {
      const vfloat factor = broadcast(a[m]);
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v)
        tile.sum[m][v] = Operand::multiply_add(factor, row[v], tile.sum[m][v]);
    }
    a += a_step;
    b += b_step;
  }
}

// output = activation(sum + bias) ⊙ gradient_activation'(saved)
struct Epilogue {
  float* output = nullptr;
  const float* bias = nullptr;  // by column, or null
  Activation activation = Activation::identity;
  Activation gradient_activation = Activation::identity;
  const float* saved = nullptr;  // laid out like output; not read if gradient_activation is identity
};

// Inner code has identity and relu built in; other activations are a second pass over values just stored.
CUELBO_INLINE bool is_built_in(Activation activation) {
  return activation == Activation::identity || activation == Activation::relu;
}

[[maybe_unused, gnu::noinline]] static void activate_values(Activation activation, float* y,
                                                            std::int64_t count) {
  dispatch_activation(activation, [&](auto constant) {
    for_vectors(0, count, [&](std::int64_t i, auto n) {
      store(y + i, apply_activation(constant.value, load(y + i, n)), n);
    });
  });
}
[[maybe_unused, gnu::noinline]] static void multiply_by_derivative(Activation activation, const float* saved,
                                                                   float* y, std::int64_t count) {
  dispatch_activation(activation, [&](auto constant) {
    for_vectors(0, count, [&](std::int64_t i, auto n) {
      store(y + i, load(y + i, n) * activation_derivative_from_output(constant.value, load(saved + i, n)), n);
    });
  });
}

CUELBO_INLINE int lanes_left(int columns, int vector) {
  return static_cast<int>(larger(0, smaller(columns - vector * lanes, lanes)));
}

// Asks for the part of `saved` that store_tile is going to read.
template <int vectors>
CUELBO_INLINE void prefetch_saved(const Epilogue& epilogue, const std::int64_t (&offset)[tile_rows],
                                  std::int64_t column) {
  if (epilogue.gradient_activation == Activation::identity) return;
  for (const std::int64_t row : offset)
    for (int v = 0; v < vectors; ++v) __builtin_prefetch(epilogue.saved + row + column + v * lanes);
}

// Row m of the tile goes to output + offset[m] + column; the first `rows` rows and `columns` columns are written.
template <int vectors, bool full>
CUELBO_INLINE void store_tile(const Tile<vectors>& tile, const Epilogue& epilogue,
                              const std::int64_t (&offset)[tile_rows], int rows, std::int64_t column,
                              int columns) {
  const auto get = [&](const float* p, int v) {
    return full ? load(p + v * lanes) : load_partial(p + v * lanes, lanes_left(columns, v));
  };
  vfloat bias[vectors] = {};
  if (epilogue.bias != nullptr) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) bias[v] = get(epilogue.bias + column, v);
  }
  const vfloat floor = broadcast(epilogue.activation == Activation::relu ? 0.0F : -__builtin_inff());
  const bool relu_gradient =
      epilogue.gradient_activation == Activation::relu && is_built_in(epilogue.activation);
#pragma GCC unroll 8
  for (int m = 0; m < tile_rows; ++m) {
    if (m >= rows) break;
    float* const to = epilogue.output + offset[m] + column;
    const float* const saved = epilogue.saved + offset[m] + column;
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      vfloat y = vmax(floor, tile.sum[m][v] + bias[v]);
      if (relu_gradient) y *= activation_derivative_from_output(Activation::relu, get(saved, v));
      if (full)
        store(to + v * lanes, y);
      else
        store_partial(to + v * lanes, y, lanes_left(columns, v));
    }
  }
  if (is_built_in(epilogue.activation) &&
      (epilogue.gradient_activation == Activation::identity || relu_gradient))
    return;
  for (int m = 0; m < rows; ++m) {
    float* const y = epilogue.output + offset[m] + column;
    if (!is_built_in(epilogue.activation)) activate_values(epilogue.activation, y, columns);
    if (epilogue.gradient_activation != Activation::identity)
      multiply_by_derivative(epilogue.gradient_activation, epilogue.saved + offset[m] + column, y, columns);
  }
}
template <int vectors>
CUELBO_INLINE void store_tile(const Tile<vectors>& tile, const Epilogue& epilogue,
                              const std::int64_t (&offset)[tile_rows], int rows, std::int64_t column,
                              int columns) {
  if (columns == vectors * lanes)
    store_tile<vectors, true>(tile, epilogue, offset, rows, column, columns);
  else
    store_tile<vectors, false>(tile, epilogue, offset, rows, column, columns);
}

// Goes on from sums that store_tile has left in the output.
template <int vectors>
CUELBO_INLINE void load_tile(Tile<vectors>& tile, const Epilogue& epilogue,
                             const std::int64_t (&offset)[tile_rows], int rows, std::int64_t column,
                             int columns) {
#pragma GCC unroll 8
  for (int m = 0; m < tile_rows; ++m) {
    if (m >= rows) break;
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v)
      tile.sum[m][v] = load_partial(epilogue.output + offset[m] + column + v * lanes, lanes_left(columns, v));
  }
}

template <int value_>
struct Constant {
  static constexpr int value = value_;
};

// Calls f with the number of vectors, 1 or 2, that `columns` ≤ panel_width columns need.
template <class F>
CUELBO_INLINE void dispatch_vectors(std::int64_t columns, F&& f) {
  if (columns > lanes)
    f(Constant<2>{});
  else
    f(Constant<1>{});
}

}  // namespace cuelbo::kernels::CUELBO_ISA
