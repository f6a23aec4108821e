// The workspace of the forward pass. Sizes are functions of the vector length, so that those of every path can be
// checked on any CPU.
#pragma once

#include <math.h>

#include "kernels/elbo_decomposition/block_plan.hpp"
#include "kernels/elbo_decomposition/column_tables.hpp"
#include "kernels/elbo_decomposition/pair_tile.hpp"
#include "kernels/elbo_decomposition/scratch.hpp"

namespace cuelbo::kernels::CUELBO_ISA {
namespace {

constexpr std::int64_t max_tasks = 32, max_scratch_bytes = 4 << 20;
constexpr float lowest = -3.402823466e+38F;

// One task's memory. Sums have a value for each lane, and log₂ of their scale where the maximum is tracked.
struct ForwardScratch {
  float* z;                        // (dims, block_rows)
  float* weights;                  // (block_rows, tile)
  float *density, *logs;           // (slots, row_group, tile)
  float *sum, *maximum;            // (nodes, block_rows, lanes)
  float *span_sum, *span_maximum;  // (spans, block_rows, lanes)
  float* span_logs;                // (spans, block_rows, tile)
  float* mixture_weights;          // (block_rows, tile): weight · density of the span at hand
  float* mixture_scale;            // (block_rows, spans)
  float* class_sum;                // (block_rows, class sums, lanes)
  float* class_product;            // (tile)
  float *value, *scale;            // (nodes, block_rows), and room for the classes of a block
  float *span_value, *span_scale;  // (spans, block_rows)
  float* own_exponent;             // (nodes, block_rows)
  bool* online;                    // (nodes)
  bool* needs_logs;                // (segments)
};

inline ForwardScratch take_forward_scratch(Scratch& scratch, const BlockPlan& plan,
                                           int vector_lanes = lanes) {
  ForwardScratch s;
  const std::int64_t slots = plan.slots, nodes = plan.node_count, spans = plan.span_count;
  s.z = take<float>(scratch, plan.dims * block_rows);
  s.weights = take<float>(scratch, block_rows * tile);
  s.density = take<float>(scratch, slots * group_tile);
  s.logs = take<float>(scratch, slots * group_tile);
  s.sum = take<float>(scratch, padded(block_rows * nodes) * vector_lanes);
  s.maximum = take<float>(scratch, block_rows * nodes * vector_lanes);
  s.span_sum = take<float>(scratch, block_rows * spans * vector_lanes);
  s.span_maximum = take<float>(scratch, block_rows * spans * vector_lanes);
  s.span_logs = take<float>(scratch, spans * block_rows * tile);
  s.mixture_weights = take<float>(scratch, block_rows * tile);
  s.mixture_scale = take<float>(scratch, block_rows * spans);
  s.class_sum = take<float>(scratch, padded(block_rows * plan.class_sums + vector_lanes) * vector_lanes);
  s.class_product = take<float>(scratch, tile);
  s.value = take<float>(scratch, padded(nodes * block_rows + plan.class_sums));
  s.scale = take<float>(scratch, padded(nodes * block_rows));
  s.span_value = take<float>(scratch, padded(spans * block_rows));
  s.span_scale = take<float>(scratch, padded(spans * block_rows));
  s.own_exponent = take<float>(scratch, nodes * block_rows);
  s.online = take<bool>(scratch, nodes);
  s.needs_logs = take<bool>(scratch, plan.segment_count);
  return s;
}

struct ForwardMemory {
  ColumnTables tables;
  double *node_offset, *span_offset;  // what a block's log-densities lack, in nats
  float own_exponent;                 // log₂ own_weight
  std::int64_t tasks;
  std::uintptr_t scratch;
  std::size_t scratch_bytes;  // of one task
  std::size_t bytes;
};

inline ForwardMemory take_forward_memory(const ElboDecompositionShape& shape, const BlockPlan& plan,
                                         void* base, int vector_lanes = lanes) {
  Scratch scratch{reinterpret_cast<std::uintptr_t>(base)};
  ForwardMemory m;
  take<std::uint8_t>(scratch, static_cast<std::int64_t>(block_plan_bytes(shape)));  // the plan itself
  m.tables = take_column_tables(scratch, shape, plan.class_columns);
  m.own_exponent = shape.own_weight > 0 ? static_cast<float>(::log2(shape.own_weight)) : lowest;
  m.node_offset = take<double>(scratch, plan.node_count);
  m.span_offset = take<double>(scratch, plan.span_count);
  Scratch task;
  take_forward_scratch(task, plan, vector_lanes);
  m.scratch_bytes = task.used;
  const std::int64_t blocks = (shape.rows + block_rows - 1) / block_rows;
  const std::int64_t affordable = max_scratch_bytes / static_cast<std::int64_t>(task.used);
  m.tasks = blocks < max_tasks ? blocks : max_tasks;
  if (m.tasks > affordable) m.tasks = affordable > 1 ? affordable : 1;
  m.scratch = scratch.base + scratch.used;
  m.bytes = scratch.used + static_cast<std::size_t>(m.tasks) * task.used;
  return m;
}

struct Forward {
  const ElboDecompositionForward& args;
  const BlockPlan& plan;
  const ForwardMemory& memory;

  std::int64_t own_column(std::int64_t row) const { return args.own != nullptr ? args.own[row] : row; }
};

}  // namespace
}  // namespace cuelbo::kernels::CUELBO_ISA
