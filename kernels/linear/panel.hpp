// Panels: the columns of B, panel_width at a time, so that a row of a panel is one or two vectors. The last panel is as
// wide as it needs to be: one vector or two.
#pragma once

#include "kernels/linear/gemm_tile.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

CUELBO_INLINE std::int64_t count_panels(std::int64_t columns) { return divide_up(columns, panel_width); }
CUELBO_INLINE std::int64_t columns_of_panel(std::int64_t columns, std::int64_t panel) {
  return smaller(columns - panel * panel_width, panel_width);
}
CUELBO_INLINE std::int64_t padded_width(std::int64_t columns) {
  return columns > lanes ? panel_width : lanes;
}

// Floats that `rows` × `columns` take when packed. Panel p starts at p · rows · panel_width.
CUELBO_INLINE std::int64_t packed_size(std::int64_t rows, std::int64_t columns) {
  return rows * divide_up(columns, lanes) * lanes;
}

// Transposes lanes × lanes values in registers: halves, quarters, … change places.
CUELBO_INLINE void transpose(vfloat (&row)[lanes]) {
#pragma GCC unroll 4
  for (int distance = lanes / 2; distance > 0; distance /= 2) {
    vint low{}, high{};
#pragma GCC unroll 16
    for (int j = 0; j < lanes; ++j) {
      low[j] = (j & distance) != 0 ? lanes + j - distance : j;
      high[j] = (j & distance) != 0 ? lanes + j : j + distance;
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) {
      if ((i & distance) != 0) continue;
      const vfloat a = row[i], b = row[i + distance];
      row[i] = __builtin_shuffle(a, b, low);
      row[i + distance] = __builtin_shuffle(a, b, high);
    }
  }
}

// to[j · to_step + i] = from[i · from_step + j] for i < rows ≤ lanes, j < columns ≤ lanes; j counts lanes of the operand,
// whose last one may be in part filled: `values` values of a row. The rows of `to` are filled up with zeros to whole vectors
// if `fill` is set.
template <class Operand>
CUELBO_INLINE void transpose_block(const float* from, std::int64_t from_step, int rows, std::int64_t values,
                                   float* to, std::int64_t to_step, bool fill) {
  const auto columns = static_cast<int>(lanes_of<Operand>(values));
  vfloat block[lanes];
  if (rows == lanes && values == lanes * Operand::values) {
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i)
      block[i] = Operand::load_along(from + i * from_step, lanes * Operand::values);
    transpose(block);
#pragma GCC unroll 16
    for (int j = 0; j < lanes; ++j) store(to + j * to_step, block[j]);
    return;
  }
#pragma GCC unroll 16
  for (int i = 0; i < lanes; ++i)
    block[i] = i < rows ? Operand::load_along(from + i * from_step, values) : vfloat{};
  transpose(block);
#pragma GCC unroll 16
  for (int j = 0; j < lanes; ++j)
    if (j < columns) {
      if (fill)
        store(to + j * to_step, block[j]);
      else
        store_partial(to + j * to_step, block[j], rows);
    }
}

// panel[k][j] = matrix[j][k]: `columns` ≤ panel_width rows of the matrix become columns. `count` values of each row.
template <class Operand>
[[maybe_unused]] static void pack_transposed(const float* matrix, std::int64_t step, std::int64_t columns,
                                             std::int64_t count, float* panel) {
  constexpr std::int64_t block = lanes * Operand::values;
  const std::int64_t width = padded_width(columns);
  for (std::int64_t j = 0; j < width; j += lanes) {
    const int rows = static_cast<int>(larger(0, smaller(columns - j, lanes)));
    for (std::int64_t k = 0; k < count; k += block)
      transpose_block<Operand>(matrix + j * step + k, step, rows, smaller(count - k, block),
                               panel + k / Operand::values * width + j, width, true);
  }
}

// panel[k][j] = matrix[k][j], j < columns ≤ panel_width. `count` rows of values.
template <class Operand>
[[maybe_unused]] static void pack(const float* matrix, std::int64_t step, std::int64_t columns,
                                  std::int64_t count, float* panel) {
  const std::int64_t width = padded_width(columns);
  for (std::int64_t k = 0; k < count; k += Operand::values, panel += width)
    for (std::int64_t j = 0; j < width; j += lanes)
      store(panel + j, Operand::load_across(matrix + k * step + j, step, k + 1 < count,
                                            static_cast<int>(larger(0, smaller(columns - j, lanes)))));
}

}  // namespace cuelbo::kernels::CUELBO_ISA
