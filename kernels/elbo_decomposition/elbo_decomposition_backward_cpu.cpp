// Row slices and column slices cross in blocks. In one step each row slice meets another column slice; after as many steps
// as column slices all have met. There may be a multiple of row slices: as many copies of the columns' sums keep every sum
// at one writer at a time.
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
}

// Clears what one task adds up in its first column slice.
void clear_sums(const BlockPlan& plan, std::int64_t first_tile, std::int64_t last_tile, BackwardScratch& s) {
  for (std::int64_t i = first_tile * 2 * plan.dims; i < last_tile * 2 * plan.dims; ++i)
    fill_tile(s.column_sums + i * tile, 0);
  for (std::int64_t i = first_tile * plan.class_columns; i < last_tile * plan.class_columns; ++i)
    fill_tile(s.class_sums + i * tile, 0);
}

// Adds up the copies of n tiles of sums, `stride` apart, in the first one.
void add_copies(float* sums, std::int64_t n, std::int64_t copies, std::int64_t stride) {
  for (std::int64_t i = 0; i < n * tile; i += lanes) {
    vfloat sum = load(sums + i);
    for (std::int64_t copy = 1; copy < copies; ++copy) sum += load(sums + copy * stride + i);
    store(sums + i, sum);
  }
}

void finish_columns(const Backward& b, std::int64_t q) {
  constexpr float ln2 = 0.693147180559945309F, two_ln2 = 2 * ln2;
  const BlockPlan& plan = b.plan;
  const ColumnTables& tables = b.memory.tables;
  const std::int64_t first = q * tile, count = tables.columns - first < tile ? tables.columns - first : tile;
  float* const column_sums = b.memory.column_sums + q * plan.dims * 2 * tile;
  add_copies(column_sums, plan.dims * 2, b.memory.copies, tables.tiles * plan.dims * 2 * tile);
  for (std::int64_t d = 0; d < plan.dims; ++d) {
    const float* const a = component(tables, q, d).a;
    const float* const sums = column_sums + d * 2 * tile;
    for (std::int64_t j = 0; j < count; ++j) {
      b.args.dmean[(first + j) * plan.dims + d] = -two_ln2 * a[j] * sums[j];
      b.args.dlogvar[(first + j) * plan.dims + d] = ln2 * sums[tile + j];
    }
  }
  float* const class_sums = b.memory.class_sums + q * plan.class_columns * tile;
  add_copies(class_sums, plan.class_columns, b.memory.copies, tables.tiles * plan.class_columns * tile);
  for (std::int64_t c = 0; c < plan.class_columns; ++c)
    for (std::int64_t j = 0; j < count; ++j)
      b.args.dprobabilities[(first + j) * plan.class_columns + c] = class_sums[c * tile + j];
}

}  // namespace

std::size_t elbo_decomposition_backward_workspace(const ElboDecompositionBackward& args) {
  return take_backward_memory(args.shape, measure_block_plan(args.shape), nullptr).bytes;
}

void launch_elbo_decomposition_backward(const ElboDecompositionBackward& args, Stream stream) {
  const BlockPlan plan = build_block_plan(args.shape, args.workspace);
  const BackwardMemory memory = take_backward_memory(args.shape, plan, args.workspace);
  const Backward backward{args, plan, memory, largest_exponent(args.shape)};
  prepare_memory(backward, stream);
  const std::int64_t rows = args.shape.rows, tiles = memory.tables.tiles;
  const std::int64_t slices = memory.row_slices, column_slices = memory.column_slices;
  const std::int64_t row_blocks = (rows + block_rows - 1) / block_rows;
  for (std::int64_t step = 0; step < column_slices; ++step) {
    parallel_for(stream, slices, [&](std::int64_t task) {
      const unsigned state = flush_subnormals();
      Scratch scratch{memory.scratch + static_cast<std::size_t>(task) * memory.scratch_bytes};
      BackwardScratch s = take_backward_scratch(scratch, plan);
      const std::int64_t copy = task / column_slices, column_slice = (task + step) % column_slices;
      s.column_sums = memory.column_sums + copy * tiles * plan.dims * 2 * tile;
      s.class_sums = memory.class_sums + copy * tiles * plan.class_columns * tile;
      const std::int64_t first_tile = column_slice * tiles / column_slices,
                         last_tile = (column_slice + 1) * tiles / column_slices;
      if (step == 0) clear_sums(plan, first_tile, last_tile, s);
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

Kernel<ElboDecompositionBackward> elbo_decomposition_backward(Precision) {
  return {launch_elbo_decomposition_backward, elbo_decomposition_backward_workspace};
}

}  // namespace cuelbo::kernels::CUELBO_ISA
