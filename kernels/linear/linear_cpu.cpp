#include "kernels/linear/linear.hpp"

#include "kernels/bias/bias.hpp"
#include "kernels/linear/dot_products.hpp"
#include "kernels/linear/gemm_tile.hpp"
#include "kernels/linear/panel.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

void bias_backward(const BiasBackward&, Stream);
std::size_t bias_backward_workspace(const BiasBackward&);

namespace {

// Below this many rows, packing the weight would cost more than it gains.
constexpr std::int64_t few_rows = tile_rows;

// B of a GEMM, (depth, columns), in packed panels.
struct Packed {
  std::int64_t depth, columns;
  float* data;

  std::int64_t panels() const { return count_panels(columns); }
  float* panel(std::int64_t index) const { return data + index * depth * panel_width; }
};

std::size_t workspace_of(std::int64_t depth, std::int64_t columns) {
  return static_cast<std::size_t>(packed_size(depth, columns)) * sizeof(float);
}

// matrix: (columns, depth)
void pack_all_transposed(const float* matrix, const Packed& b, Stream stream) {
  parallel_for(stream, b.panels(), [&](std::int64_t i) {
    pack_transposed(matrix + i * panel_width * b.depth, b.depth, columns_of_panel(b.columns, i), b.depth,
                    b.panel(i));
  });
}
// matrix: (depth, columns)
void pack_all(const float* matrix, const Packed& b, Stream stream) {
  parallel_for(stream, b.panels(), [&](std::int64_t i) {
    pack(matrix + i * panel_width, b.columns, columns_of_panel(b.columns, i), b.depth, b.panel(i));
  });
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
void multiply_rows(const float* a, std::int64_t rows, const Packed& b, const Epilogue& epilogue,
                   Stream stream) {
  for_blocks(rows, b, stream,
             [&](auto vectors, std::int64_t panel, int columns, std::int64_t begin, std::int64_t end) {
               for (std::int64_t row = begin; row < end; row += tile_rows) {
                 const TileRows block(a, b.depth, b.columns, row, end);
                 prefetch_saved<vectors.value>(epilogue, block.output, panel * panel_width);
                 Tile<vectors.value> tile;
                 multiply_add(tile, block.a, 1, b.panel(panel), vectors.value * lanes, b.depth);
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

// a: (depth, rows)
void pack_rows(const float* a, const PackedRows& packed, Stream stream) {
  parallel_for(stream, divide_up(packed.rows, tile_rows), [&](std::int64_t i) {
    const std::int64_t row = i * tile_rows;
    const auto n = static_cast<int>(smaller(tile_rows, packed.rows - row));
    float* to = packed.tile(row);
    for (std::int64_t k = 0; k < packed.depth; ++k, to += tile_rows)
      store(to, load_partial(a + k * packed.rows + row, n));
  });
}

// aᵀ · B. The sum over depth goes by pieces, so that a piece of A and of the panel stay in cache.
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
                   multiply_add(tile, a.tile(row) + k * tile_rows, tile_rows, b.panel(panel) + k * b_step, b_step,
                                depth);
                   store_tile(tile, epilogue, offsets, count, panel * panel_width, columns);
                 }
               }
             });
}

}  // namespace

std::size_t linear_forward_workspace(const LinearForward& a) {
  return a.rows < few_rows ? 0 : workspace_of(a.in, a.out);
}

void linear_forward(const LinearForward& a, Stream stream) {
  if (a.rows < few_rows) return dot_products(a, stream);
  const Stream used = parallel_if_worthwhile(stream, cost(a).flops);
  const Packed b{.depth = a.in, .columns = a.out, .data = static_cast<float*>(a.workspace)};
  pack_all_transposed(a.weight, b, used);
  multiply_rows(a.x, a.rows, b, {.output = a.y, .bias = a.bias, .activation = a.activation}, used);
}

std::size_t linear_backward_data_workspace(const LinearBackwardData& a) { return workspace_of(a.out, a.in); }

void linear_backward_data(const LinearBackwardData& a, Stream stream) {
  const Stream used = parallel_if_worthwhile(stream, cost(a).flops);
  const Packed b{.depth = a.out, .columns = a.in, .data = static_cast<float*>(a.workspace)};
  pack_all(a.weight, b, used);
  multiply_rows(a.dy, a.rows, b, {.output = a.dx, .gradient_activation = a.activation, .saved = a.x}, used);
}

std::size_t linear_backward_weight_workspace(const LinearBackwardWeight& a) {
  const std::size_t bias = bias_backward_workspace({.rows = a.rows, .channels = a.out});
  const std::size_t panels = workspace_of(a.rows, a.in) +
                             static_cast<std::size_t>(PackedRows::floats(a.rows, a.out)) * sizeof(float);
  return bias > panels ? bias : panels;  // used one after the other
}

void linear_backward_weight(const LinearBackwardWeight& a, Stream stream) {
  const Stream used = parallel_if_worthwhile(stream, cost(a).flops);
  if (a.dbias != nullptr)
    bias_backward({.rows = a.rows, .channels = a.out, .dy = a.dy, .dbias = a.dbias, .workspace = a.workspace},
                  used);
  const Packed b{.depth = a.rows, .columns = a.in, .data = static_cast<float*>(a.workspace)};
  const PackedRows dy{.depth = a.rows, .rows = a.out, .data = b.data + packed_size(a.rows, a.in)};
  pack_all(a.x, b, used);
  pack_rows(a.dy, dy, used);
  multiply_columns(dy, b, a.dweight, used);
}

}  // namespace cuelbo::kernels::CUELBO_ISA
