#include "kernels/linear/linear.hpp"

#include <type_traits>

#include "kernels/bias/bias.hpp"
#include "kernels/linear/dot_products.hpp"
#include "kernels/linear/gemm_tile.hpp"
#include "kernels/linear/panel.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

void launch_bias_backward(const BiasBackward&, Stream);
std::size_t bias_backward_workspace(const BiasBackward&);

namespace {

// Below this many rows, packing the weight would cost more than it gains.
constexpr std::int64_t few_rows = tile_rows;

std::size_t bytes_of(std::int64_t floats) { return static_cast<std::size_t>(floats) * sizeof(float); }

// B of a GEMM, (depth, columns), in packed panels. `depth` counts lanes of the operand, as below.
struct Packed {
  std::int64_t depth, columns;
  const float* data;

  std::int64_t panels() const { return count_panels(columns); }
  const float* panel(std::int64_t index) const { return data + index * depth * panel_width; }
};

// matrix: (columns, values)
template <class Operand>
void pack_all_transposed(const float* matrix, std::int64_t values, std::int64_t columns, float* packed,
                         Stream stream) {
  parallel_for(stream, count_panels(columns), [&](std::int64_t i) {
    pack_transposed<Operand>(matrix + i * panel_width * values, values, columns_of_panel(columns, i), values,
                             packed + i * panel_width * lanes_of<Operand>(values));
  });
}
// matrix: (values, columns)
template <class Operand>
void pack_all(const float* matrix, std::int64_t values, std::int64_t columns, float* packed, Stream stream) {
  parallel_for(stream, count_panels(columns), [&](std::int64_t i) {
    pack<Operand>(matrix + i * panel_width, columns, columns_of_panel(columns, i), values,
                  packed + i * panel_width * lanes_of<Operand>(values));
  });
}

// A of a GEMM in lanes of the operand: as it is, or converted, which needs converted_floats.
template <class Operand>
std::int64_t converted_floats(std::int64_t rows, std::int64_t values) {
  return std::is_same_v<Operand, Fp32> ? 0 : rows * lanes_of<Operand>(values);
}
template <class Operand>
const float* converted(const float* matrix, std::int64_t rows, std::int64_t values, float* memory,
                       Stream stream) {
  if constexpr (std::is_same_v<Operand, Fp32>) {
    return matrix;
  } else {
    parallel_rows(stream, rows, values, [&](std::int64_t row) {
      convert_row<Operand>(matrix + row * values, values, memory + row * lanes_of<Operand>(values));
    });
    return memory;
  }
}

// Rows of the output that one task computes of one panel: a shape's decision, not the thread count's.
std::int64_t rows_per_task(std::int64_t rows, const Packed& b) {
  const double flops_per_row = 2.0 * static_cast<double>(larger(1, b.depth) * panel_width);
  double target = flops_per_row * static_cast<double>(rows * b.panels()) / 32;
  if (target < 1e6) target = 1e6;
  if (target > 16e6) target = 16e6;
  return (static_cast<std::int64_t>(target / flops_per_row / tile_rows) + 1) * tile_rows;
}

// The rows row … row + tile_rows - 1 of A, with those behind `end` replaced by the last one, whose products are not stored.
struct TileRows {
  const float* a[tile_rows];
  std::int64_t output[tile_rows];
  int count;

  TileRows(const float* matrix, std::int64_t a_step, std::int64_t output_step, std::int64_t row,
           std::int64_t end)
      : count(static_cast<int>(smaller(tile_rows, end - row))) {
    for (int m = 0; m < tile_rows; ++m) {
      const std::int64_t r = smaller(row + m, end - 1);
      a[m] = matrix + r * a_step;
      output[m] = r * output_step;
    }
  }
};

// Calls f(vectors, panel, columns of the panel, first row, end) for blocks of all rows and panels.
template <class F>
void for_blocks(std::int64_t rows, const Packed& b, Stream stream, F&& f) {
  const std::int64_t block = rows_per_task(rows, b);
  parallel_for(stream, divide_up(rows, block) * b.panels(), [&](std::int64_t task) {
    const std::int64_t panel = task % b.panels(), begin = task / b.panels() * block;
    const auto columns = static_cast<int>(columns_of_panel(b.columns, panel));
    dispatch_vectors(columns,
                     [&](auto vectors) { f(vectors, panel, columns, begin, smaller(rows, begin + block)); });
  });
}

// Epilogue(a · B), a: (rows, depth)
template <class Operand>
void multiply_rows(const float* a, std::int64_t rows, const Packed& b, const Epilogue& epilogue,
                   Stream stream) {
  for_blocks(rows, b, stream,
             [&](auto vectors, std::int64_t panel, int columns, std::int64_t begin, std::int64_t end) {
               for (std::int64_t row = begin; row < end; row += tile_rows) {
                 const TileRows block(a, b.depth, b.columns, row, end);
                 prefetch_saved<vectors.value>(epilogue, block.output, panel * panel_width);
                 Tile<vectors.value> tile;
                 multiply_add<Operand>(tile, block.a, 1, b.panel(panel), vectors.value * lanes, b.depth);
                 store_tile(tile, epilogue, block.output, block.count, panel * panel_width, columns);
               }
             });
}

// Aᵀ, tile_rows of its rows at a time, so that a tile reads it in order: [tile][k][row].
struct PackedRows {
  std::int64_t depth, rows;
  float* data;

  // Copies go by whole vectors.
  static std::int64_t floats(std::int64_t depth, std::int64_t rows) {
    return divide_up(rows, tile_rows) * (depth * tile_rows + lanes);
  }
  float* tile(std::int64_t row) const { return data + row / tile_rows * (depth * tile_rows + lanes); }
};

// a: (values, rows)
template <class Operand>
void pack_rows(const float* a, std::int64_t values, const PackedRows& packed, Stream stream) {
  parallel_for(stream, divide_up(packed.rows, tile_rows), [&](std::int64_t i) {
    const std::int64_t row = i * tile_rows;
    const auto n = static_cast<int>(smaller(tile_rows, packed.rows - row));
    float* to = packed.tile(row);
    for (std::int64_t k = 0; k < values; k += Operand::values, to += tile_rows)
      store(to, Operand::load_across(a + k * packed.rows + row, packed.rows, k + 1 < values, n));
  });
}

// aᵀ · B. The sum over depth goes by pieces, so that a piece of A and of the panel stay in cache.
template <class Operand>
void multiply_columns(const PackedRows& a, const Packed& b, float* output, Stream stream) {
  constexpr std::int64_t piece = 256;
  const Epilogue epilogue{.output = output};
  for_blocks(a.rows, b, stream,
             [&](auto vectors, std::int64_t panel, int columns, std::int64_t begin, std::int64_t end) {
               constexpr std::int64_t b_step = vectors.value * lanes;
               for (std::int64_t k = 0; k < larger(1, b.depth); k += piece) {
                 const std::int64_t depth = smaller(piece, b.depth - k);
                 for (std::int64_t row = begin; row < end; row += tile_rows) {
                   std::int64_t offsets[tile_rows];
                   for (int m = 0; m < tile_rows; ++m) offsets[m] = (row + m) * b.columns;
                   const auto count = static_cast<int>(smaller(tile_rows, end - row));
                   Tile<vectors.value> tile;
                   if (k > 0) load_tile(tile, epilogue, offsets, count, panel * panel_width, columns);
                   multiply_add<Operand>(tile, a.tile(row) + k * tile_rows, tile_rows,
                                         b.panel(panel) + k * b_step, b_step, depth);
                   store_tile(tile, epilogue, offsets, count, panel * panel_width, columns);
                 }
               }
             });
}

// Floats that the weight takes in the form that a forward pass reads; 0 for the form it has.
template <class Operand>
std::int64_t forward_weight_floats(const LinearForward& a) {
  if (a.rows < few_rows) return converted_floats<Operand>(a.out, a.in);
  return packed_size(lanes_of<Operand>(a.in), a.out);
}

template <class Operand>
void prepare_forward(const LinearForward& a, float* memory, Stream stream) {
  if (a.rows < few_rows)
    converted<Operand>(a.weight, a.out, a.in, memory, stream);
  else
    pack_all_transposed<Operand>(a.weight, a.in, a.out, memory, stream);
}

template <class Operand>
std::size_t forward_workspace(const LinearForward& a) {
  const std::int64_t weight = a.prepared != nullptr ? 0 : forward_weight_floats<Operand>(a);
  return bytes_of(weight + converted_floats<Operand>(a.rows, a.in));
}

template <class Operand>
void forward(const LinearForward& a, Stream stream) {
  // With few rows, reading the weight dominates: count a byte as four operations.
  const Cost work = cost(a);
  const Stream used = parallel_if_worthwhile(stream, a.rows < few_rows ? 4 * work.bytes : work.flops);
  auto* memory = static_cast<float*>(a.workspace);
  const auto* weight = static_cast<const float*>(a.prepared);
  if (const std::int64_t floats = forward_weight_floats<Operand>(a); floats == 0) {
    weight = a.weight;
  } else if (weight == nullptr) {
    prepare_forward<Operand>(a, memory, used);
    weight = memory;
    memory += floats;
  }
  const float* const x = converted<Operand>(a.x, a.rows, a.in, memory, used);
  if (a.rows < few_rows) return dot_products<Operand>(a, weight, x, used);
  multiply_rows<Operand>(x, a.rows, {.depth = lanes_of<Operand>(a.in), .columns = a.out, .data = weight},
                         {.output = a.y, .bias = a.bias, .activation = a.activation}, used);
}

template <class Operand>
std::size_t backward_data_workspace(const LinearBackwardData& a) {
  return bytes_of(packed_size(lanes_of<Operand>(a.out), a.in) + converted_floats<Operand>(a.rows, a.out));
}

template <class Operand>
void backward_data(const LinearBackwardData& a, Stream stream) {
  const Stream used = parallel_if_worthwhile(stream, cost(a).flops);
  const std::int64_t depth = lanes_of<Operand>(a.out);
  auto* const packed = static_cast<float*>(a.workspace);
  pack_all<Operand>(a.weight, a.out, a.in, packed, used);
  const float* const dy = converted<Operand>(a.dy, a.rows, a.out, packed + packed_size(depth, a.in), used);
  multiply_rows<Operand>(dy, a.rows, {.depth = depth, .columns = a.in, .data = packed},
                         {.output = a.dx, .gradient_activation = a.activation, .saved = a.x}, used);
}

template <class Operand>
std::size_t backward_weight_workspace(const LinearBackwardWeight& a) {
  const std::int64_t depth = lanes_of<Operand>(a.rows);
  const std::size_t bias = bias_backward_workspace({.rows = a.rows, .channels = a.out});
  const std::size_t factors = bytes_of(packed_size(depth, a.in) + PackedRows::floats(depth, a.out));
  return bias > factors ? bias : factors;  // used one after the other
}

template <class Operand>
void backward_weight(const LinearBackwardWeight& a, Stream stream) {
  const Stream used = parallel_if_worthwhile(stream, cost(a).flops);
  if (a.dbias != nullptr)
    launch_bias_backward(
        {.rows = a.rows, .channels = a.out, .dy = a.dy, .dbias = a.dbias, .workspace = a.workspace}, used);
  const std::int64_t depth = lanes_of<Operand>(a.rows);
  auto* const packed = static_cast<float*>(a.workspace);
  const PackedRows dy{.depth = depth, .rows = a.out, .data = packed + packed_size(depth, a.in)};
  pack_all<Operand>(a.x, a.rows, a.in, packed, used);
  pack_rows<Operand>(a.dy, a.rows, dy, used);
  multiply_columns<Operand>(dy, {.depth = depth, .columns = a.in, .data = packed}, a.dweight, used);
}

template <class Operand>
constexpr Kernel<LinearForward> forward_kernel = {
    .launch = forward<Operand>,
    .workspace = forward_workspace<Operand>,
    .prepared_bytes = [](const LinearForward& a) { return bytes_of(forward_weight_floats<Operand>(a)); },
    .prepare = [](const LinearForward& a, void* prepared,
                  Stream stream) { prepare_forward<Operand>(a, static_cast<float*>(prepared), stream); }};
template <class Operand>
constexpr Kernel<LinearBackwardData> backward_data_kernel = {backward_data<Operand>,
                                                             backward_data_workspace<Operand>};
template <class Operand>
constexpr Kernel<LinearBackwardWeight> backward_weight_kernel = {backward_weight<Operand>,
                                                                 backward_weight_workspace<Operand>};

}  // namespace

Kernel<LinearForward> linear_forward(Precision precision) {
  return precision == Precision::bf16 ? forward_kernel<Bf16> : forward_kernel<Fp32>;
}
Kernel<LinearBackwardData> linear_backward_data(Precision precision) {
  return precision == Precision::bf16 ? backward_data_kernel<Bf16> : backward_data_kernel<Fp32>;
}
Kernel<LinearBackwardWeight> linear_backward_weight(Precision precision) {
  return precision == Precision::bf16 ? backward_weight_kernel<Bf16> : backward_weight_kernel<Fp32>;
}

}  // namespace cuelbo::kernels::CUELBO_ISA
