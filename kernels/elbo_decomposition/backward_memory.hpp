// The workspace of the backward pass.
#pragma once

#include "kernels/elbo_decomposition/block_plan.hpp"
#include "kernels/elbo_decomposition/column_tables.hpp"
#include "kernels/elbo_decomposition/pair_tile.hpp"
#include "kernels/elbo_decomposition/scratch.hpp"

namespace cuelbo::kernels::CUELBO_ISA {
namespace {

constexpr std::int64_t max_slices = 16;
constexpr double log2_e = 1.44269504088896340736;

// One task's memory. "Gradient" is that of the loss with respect to a log-density of a pair, without the pair's weight.
struct BackwardScratch {
  float* density;              // (row_group, slots, tile)
  float* logs;                 // (row_group, slots, tile): log-densities, then gradients
  float* special_weights;      // (block_rows, tile)
  float *factor, *level;       // (block_rows, nodes): gradient = factor · density / 2^level; level: log₂ of the sum
  float* scaled_factor;        // (block_rows, nodes): factor / 2^level
  float *span_factor, *span_level;  // (block_rows, spans), for the Gaussian block
  float* mixture_level;        // (block_rows, spans), for the mixtures
  float* class_factor;         // (block_rows, class sums), relative to mixture_level
  float* span_logs;            // (spans, block_rows, tile)
  float* span_gradient;        // (spans, block_rows, tile)
  float* mixture_density;      // (block_rows, tile)
  float* mixture_gradient;     // (block_rows, tile)
  float* class_product;        // (tile)
  float* class_gradient;       // (tile)
  float* dz;                   // (block_rows, dims, lanes)
  bool* online;                // (nodes)
};

struct BackwardMemory {
  ColumnTables tables;
  Weights* weights;
  float* no_weights;         // (tile): zeros
  double *node_offset, *span_offset;  // to base 2
  float* column_sums;        // (tiles, dims, 2, tile): Σ gradient · t, Σ gradient · (ln2 · t² − ½)
  float* class_sums;         // (tiles, Σ classes, tile)
  std::int64_t slices;
  std::uintptr_t scratch;
  std::size_t scratch_bytes;  // of one task
  std::size_t bytes;
};

inline BackwardScratch take_backward_scratch(Scratch& scratch, const BlockPlan& plan) {
  const std::int64_t nodes = plan.node_count, spans = plan.span_count, slots = plan.slots;
  BackwardScratch s;
  s.density = take<float>(scratch, row_group * slots * tile);
  s.logs = take<float>(scratch, row_group * slots * tile);
  s.special_weights = take<float>(scratch, block_rows * tile);
  s.factor = take<float>(scratch, block_rows * nodes);
  s.level = take<float>(scratch, block_rows * nodes);
  s.scaled_factor = take<float>(scratch, block_rows * nodes);
  s.span_factor = take<float>(scratch, block_rows * spans);
  s.span_level = take<float>(scratch, block_rows * spans);
  s.mixture_level = take<float>(scratch, block_rows * spans);
  s.class_factor = take<float>(scratch, block_rows * plan.class_sums);
  s.span_logs = take<float>(scratch, spans * block_rows * tile);
  s.span_gradient = take<float>(scratch, spans * block_rows * tile);
  s.mixture_density = take<float>(scratch, block_rows * tile);
  s.mixture_gradient = take<float>(scratch, block_rows * tile);
  s.class_product = take<float>(scratch, tile);
  s.class_gradient = take<float>(scratch, tile);
  s.dz = take<float>(scratch, block_rows * plan.dims * lanes);
  s.online = take<bool>(scratch, nodes);
  return s;
}

inline BackwardMemory take_backward_memory(const ElboDecompositionShape& shape, const BlockPlan& plan, void* base) {
  Scratch scratch{reinterpret_cast<std::uintptr_t>(base)};
  take<std::uint8_t>(scratch, static_cast<std::int64_t>(block_plan_bytes(shape)));  // the plan itself
  BackwardMemory m;
  m.tables = take_column_tables(scratch, shape, plan.class_columns);
  m.weights = take<Weights>(scratch, 1);
  m.no_weights = take<float>(scratch, tile);
  m.node_offset = take<double>(scratch, plan.node_count);
  m.span_offset = take<double>(scratch, plan.span_count);
  m.column_sums = take<float>(scratch, m.tables.tiles * plan.dims * 2 * tile);
  m.class_sums = take<float>(scratch, m.tables.tiles * plan.class_columns * tile);
  const std::int64_t most = shape.rows / (4 * block_rows);
  m.slices = most < m.tables.tiles ? most : m.tables.tiles;
  m.slices = m.slices < 1 ? 1 : m.slices > max_slices ? max_slices : m.slices;
  Scratch task;
  take_backward_scratch(task, plan);
  m.scratch_bytes = task.used;
  m.scratch = scratch.base + scratch.used;
  m.bytes = scratch.used + static_cast<std::size_t>(m.slices) * task.used;
  return m;
}

struct Backward {
  const ElboDecompositionBackward& args;
  const BlockPlan& plan;
  const BackwardMemory& memory;

  std::int64_t own_column(std::int64_t row) const { return args.own != nullptr ? args.own[row] : row; }
};

}  // namespace
}  // namespace cuelbo::kernels::CUELBO_ISA
