#include "kernels/elbo_decomposition/forward_rows.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

std::size_t elbo_decomposition_forward_workspace(const ElboDecompositionForward& args) {
  return take_forward_memory(args.shape, measure_block_plan(args.shape), nullptr).bytes;
}

void launch_elbo_decomposition_forward(const ElboDecompositionForward& args, Stream stream) {
  const ElboDecompositionShape& shape = args.shape;
  const BlockPlan plan = build_block_plan(shape, args.workspace);
  const ForwardMemory memory = take_forward_memory(shape, plan, args.workspace);
  fill_column_tables(memory.tables, args, stream);
  const auto offset = [&](IndexRange dims) {
    double sum = 0;
    for (std::int32_t d = dims.begin; d < dims.end; ++d) sum += memory.tables.offset[d];
    return sum;
  };
  for (std::int32_t n = 0; n < plan.node_count; ++n) memory.node_offset[n] = offset(plan.nodes[n].dims);
  for (std::int32_t i = 0; i < plan.span_count; ++i) memory.span_offset[i] = offset(plan.spans[i].dims);
  const Forward forward{args, plan, memory};
  const std::int64_t blocks = (shape.rows + block_rows - 1) / block_rows;
  parallel_for(stream, memory.tasks, [&](std::int64_t task) {
    const unsigned state = flush_subnormals();
    Scratch scratch{memory.scratch + static_cast<std::size_t>(task) * memory.scratch_bytes};
    ForwardScratch s = take_forward_scratch(scratch, plan);
    for (std::int64_t i = task * blocks / memory.tasks; i < (task + 1) * blocks / memory.tasks; ++i) {
      const std::int64_t first = i * block_rows;
      const std::int64_t rows = shape.rows - first < block_rows ? shape.rows - first : block_rows;
      forward_rows(forward, first, static_cast<std::int32_t>(rows), s);
    }
    restore_subnormals(state);
  });
}

Kernel<ElboDecompositionForward> elbo_decomposition_forward(Precision) {
  return {launch_elbo_decomposition_forward, elbo_decomposition_forward_workspace};
}

}  // namespace cuelbo::kernels::CUELBO_ISA
