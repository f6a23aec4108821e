#include "kernels/linear/linear.hpp"

#include "kernels/conv2d/conv2d.hpp"
#include "kernels/linear/gemm_tile.hpp"
#include "kernels/linear/panel.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

void bias_backward(const BiasBackward&, Stream);
std::size_t bias_backward_workspace(const BiasBackward&);

namespace {

// The columns of B, seen through panels: a panel is either packed or a part of rows that already are contiguous.
struct Panels {
  std::int64_t rows = 0, columns = 0;
  const float* direct = nullptr;  // (rows, columns) or null: all panels are packed
  float* packed = nullptr;        // packed panels; with `direct`, the last one only, if it is ragged

  // A panel's width is one or two whole vectors; reading that much of the last rows of B would leave the matrix.
  bool last_is_ragged() const { return columns % lanes != 0; }
  bool is_direct(std::int64_t panel) const {
    return direct != nullptr && !(last_is_ragged() && panel == count_panels(columns) - 1);
  }
  const float* data(std::int64_t panel) const {
    if (is_direct(panel)) return direct + panel * panel_width;
    return direct != nullptr ? packed : packed + panel * rows * panel_width;
  }
  std::int64_t step(std::int64_t panel) const {
    return is_direct(panel) ? columns : padded_width(columns_of_panel(columns, panel));
  }
};

// Panels of a row-major matrix (rows, columns).
Panels direct_panels(const float* matrix, std::int64_t rows, std::int64_t columns, void* workspace) {
  Panels panels{.rows = rows, .columns = columns, .direct = matrix, .packed = static_cast<float*>(workspace)};
  if (panels.last_is_ragged()) {
    const std::int64_t last = count_panels(columns) - 1;
    pack(matrix + last * panel_width, columns, columns_of_panel(columns, last), rows, panels.packed);
  }
  return panels;
}
std::size_t direct_panels_workspace(std::int64_t rows) {
  return static_cast<std::size_t>(rows * panel_width) * sizeof(float);
}

// Rows of the output that one task computes for one panel: a shape's decision, not the thread count's.
std::int64_t rows_per_task(std::int64_t rows, std::int64_t panels, std::int64_t depth) {
  const double flops_per_row = 2.0 * static_cast<double>(depth * panel_width);
  const double total = flops_per_row * static_cast<double>(rows * panels);
  double target = total / 32;
  if (target < 1e6) target = 1e6;
  if (target > 16e6) target = 16e6;
  const auto tiles = static_cast<std::int64_t>(target / flops_per_row / tile_rows) + 1;
  return smaller(rows, tiles * tile_rows);
}

// Epilogue(a · B): a (rows, depth), contiguous rows. The epilogue's output is (rows, panels.columns).
void multiply_rows(const float* a, std::int64_t rows, const Panels& panels, const Epilogue& epilogue, Stream stream) {
  const std::int64_t depth = panels.rows, columns = panels.columns;
  const std::int64_t panel_count = count_panels(columns);
  const std::int64_t block = rows_per_task(rows, panel_count, depth);
  const std::int64_t blocks = divide_up(rows, block);
  parallel_for(stream, blocks * panel_count, [&](std::int64_t task) {
    const std::int64_t panel = task % panel_count, begin = task / panel_count * block;
    const std::int64_t end = smaller(rows, begin + block);
    const std::int64_t width = columns_of_panel(columns, panel);
    const float* const b = panels.data(panel);
    const std::int64_t b_step = panels.step(panel);
    dispatch_vectors(width, [&](auto vectors) {
      for (std::int64_t row = begin; row < end; row += tile_rows) {
        const auto count = static_cast<int>(smaller(tile_rows, end - row));
        const float* pointers[tile_rows];
        std::int64_t offsets[tile_rows];
        for (int m = 0; m < tile_rows; ++m) {
          const std::int64_t r = smaller(row + m, end - 1);  // rows behind the last repeat it; they are not stored
          pointers[m] = a + r * depth;
          offsets[m] = r * columns;
        }
        prefetch_saved<vectors.value>(epilogue, offsets, panel * panel_width);
        Tile<vectors.value> tile;
        multiply_add(tile, pointers, 1, b, b_step, depth);
        store_tile(tile, epilogue, offsets, count, panel * panel_width, static_cast<int>(width));
      }
    });
  });
}

}  // namespace

std::size_t linear_forward_workspace(const LinearForward& a) {
  return static_cast<std::size_t>(packed_size(a.in, a.out)) * sizeof(float);
}

void linear_forward(const LinearForward& a, Stream stream) {
  const Stream used = parallel_if_worthwhile(stream, cost(a).flops);
  const Panels panels{.rows = a.in, .columns = a.out, .packed = static_cast<float*>(a.workspace)};
  parallel_for(used, count_panels(a.out), [&](std::int64_t panel) {
    pack_transposed(a.weight + panel * panel_width * a.in, a.in, columns_of_panel(a.out, panel), a.in,
                    panels.packed + panel * a.in * panel_width);
  });
  multiply_rows(a.x, a.rows, panels, {.output = a.y, .bias = a.bias, .activation = a.activation}, used);
}

std::size_t linear_backward_data_workspace(const LinearBackwardData& a) { return direct_panels_workspace(a.out); }

void linear_backward_data(const LinearBackwardData& a, Stream stream) {
  const Panels panels = direct_panels(a.weight, a.out, a.in, a.workspace);
  multiply_rows(a.dy, a.rows, panels, {.output = a.dx, .gradient_activation = a.activation, .saved = a.x},
                parallel_if_worthwhile(stream, cost(a).flops));
}

std::size_t linear_backward_weight_workspace(const LinearBackwardWeight& a) {
  const std::size_t bias = bias_backward_workspace({.rows = a.rows, .channels = a.out});
  const std::size_t panels = direct_panels_workspace(a.rows);
  return bias > panels ? bias : panels;  // used one after the other
}

// dweight[o][:] = Σ_r dy[r][o] · x[r][:]: columns of dy are broadcast, rows of x are the panels.
void linear_backward_weight(const LinearBackwardWeight& a, Stream stream) {
  const Stream used = parallel_if_worthwhile(stream, cost(a).flops);
  if (a.dbias != nullptr)
    bias_backward({.rows = a.rows, .channels = a.out, .dy = a.dy, .dbias = a.dbias, .workspace = a.workspace}, stream);
  const Panels panels = direct_panels(a.x, a.rows, a.in, a.workspace);
  const Epilogue epilogue{.output = a.dweight};
  const std::int64_t panel_count = count_panels(a.in);
  const std::int64_t block = rows_per_task(a.out, panel_count, a.rows);
  const std::int64_t blocks = divide_up(a.out, block);
  parallel_for(used, blocks * panel_count, [&](std::int64_t task) {
    const std::int64_t panel = task % panel_count, begin = task / panel_count * block;
    const std::int64_t end = smaller(a.out, begin + block);
    const std::int64_t width = columns_of_panel(a.in, panel);
    const float* const b = panels.data(panel);
    const std::int64_t b_step = panels.step(panel);
    dispatch_vectors(width, [&](auto vectors) {
      for (std::int64_t o = begin; o < end; o += tile_rows) {
        const auto count = static_cast<int>(smaller(tile_rows, end - o));
        const float* pointers[tile_rows];
        std::int64_t offsets[tile_rows];
        for (int m = 0; m < tile_rows; ++m) {
          const std::int64_t row = smaller(o + m, end - 1);
          pointers[m] = a.dy + row;
          offsets[m] = row * a.in;
        }
        Tile<vectors.value> tile;
        if (count == tile_rows)
          multiply_add(tile, a.dy + o, a.out, b, b_step, a.rows);
        else
          multiply_add(tile, pointers, a.out, b, b_step, a.rows);
        store_tile(tile, epilogue, offsets, count, panel * panel_width, static_cast<int>(width));
      }
    });
  });
}

}  // namespace cuelbo::kernels::CUELBO_ISA
