// Row slices and column slices cross in blocks. In one step each row slice meets another column slice, so that every
// gradient has one writer at a time and needs no partial sums; after as many steps as slices all have met.
#include "kernels/elbo_decomposition/backward_rows.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {
namespace {

void prepare_memory(const Backward& b, Stream stream) {
  const BackwardMemory& m = b.memory;
  const BlockPlan& plan = b.plan;
  fill_column_tables(m.tables, b.args, stream);
  const auto offset = [&](IndexRange dims) {
    double sum = 0;
    for (std::int32_t d = dims.begin; d < dims.end; ++d) sum += m.tables.offset[d];
    return sum * log2_e;
  };
  for (std::int32_t n = 0; n < plan.node_count; ++n) m.node_offset[n] = offset(plan.nodes[n].dims);
  for (std::int32_t i = 0; i < plan.span_count; ++i) m.span_offset[i] = offset(plan.spans[i].dims);
  parallel_for(stream, m.tables.tiles, [&](std::int64_t q) {
    for (std::int64_t i = 0; i < 2 * plan.dims; ++i)
      fill_tile(m.column_sums + (q * 2 * plan.dims + i) * tile, 0);
    for (std::int64_t i = 0; i < plan.class_columns; ++i)
      fill_tile(m.class_sums + (q * plan.class_columns + i) * tile, 0);
  });
}

void finish_columns(const Backward& b, std::int64_t q) {
  constexpr float two_ln2 = 1.38629436111989061884F;
  const BlockPlan& plan = b.plan;
  const ColumnTables& tables = b.memory.tables;
  const std::int64_t first = q * tile, count = tables.columns - first < tile ? tables.columns - first : tile;
  for (std::int64_t d = 0; d < plan.dims; ++d) {
    const float* const a = component(tables, q, d).a;
    const float* const sums = b.memory.column_sums + (q * plan.dims + d) * 2 * tile;
    for (std::int64_t j = 0; j < count; ++j) {
      b.args.dmean[(first + j) * plan.dims + d] = two_ln2 * a[j] * sums[j];
      b.args.dlogvar[(first + j) * plan.dims + d] = sums[tile + j];
    }
  }
  const float* const sums = b.memory.class_sums + q * plan.class_columns * tile;
  for (std::int64_t c = 0; c < plan.class_columns; ++c)
    for (std::int64_t j = 0; j < count; ++j)
      b.args.dprobabilities[(first + j) * plan.class_columns + c] = sums[c * tile + j];
}

}  // namespace

std::size_t elbo_decomposition_backward_workspace(const ElboDecompositionBackward& args) {
  return take_backward_memory(args.shape, measure_block_plan(args.shape), nullptr).bytes;
}

void elbo_decomposition_backward(const ElboDecompositionBackward& args, Stream stream) {
  const BlockPlan plan = build_block_plan(args.shape, args.workspace);
  const BackwardMemory memory = take_backward_memory(args.shape, plan, args.workspace);
  const Backward backward{args, plan, memory, largest_exponent(args.shape)};
  prepare_memory(backward, stream);
  const std::int64_t rows = args.shape.rows, slices = memory.slices, tiles = memory.tables.tiles;
  const std::int64_t row_blocks = (rows + block_rows - 1) / block_rows;
  for (std::int64_t step = 0; step < slices; ++step) {
    parallel_for(stream, slices, [&](std::int64_t task) {
      const unsigned state = flush_subnormals();
      Scratch scratch{memory.scratch + static_cast<std::size_t>(task) * memory.scratch_bytes};
      BackwardScratch s = take_backward_scratch(scratch, plan);
      const std::int64_t column_slice = (task + step) % slices;
      const std::int64_t first_tile = column_slice * tiles / slices,
                         last_tile = (column_slice + 1) * tiles / slices;
      for (std::int64_t i = task * row_blocks / slices; i < (task + 1) * row_blocks / slices; ++i) {
        const std::int64_t first = i * block_rows, left = rows - first;
        const auto count = static_cast<std::int32_t>(left < block_rows ? left : block_rows);
        backward_rows(backward, first_tile, last_tile, first, count, step == 0, s);
        if (step > 0 || plan.class_columns == 0) continue;
        for (std::int32_t r = 0; r < count; ++r) row_probability_gradients(backward, first + r);
      }
      restore_subnormals(state);
    });
  }
  parallel_for(stream, tiles, [&](std::int64_t q) { finish_columns(backward, q); });
}

}  // namespace cuelbo::kernels::CUELBO_ISA
