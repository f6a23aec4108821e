// The workspace of the backward pass.
#pragma once

#include <math.h>

#include "kernels/elbo_decomposition/block_plan.hpp"
#include "kernels/elbo_decomposition/column_tables.hpp"
#include "kernels/elbo_decomposition/pair_tile.hpp"
#include "kernels/elbo_decomposition/scratch.hpp"

namespace cuelbo::kernels::CUELBO_ISA {
namespace {

constexpr std::int64_t max_row_slices = 16, max_copies = 8;
constexpr std::int64_t slice_bytes = 256 << 10;  // of a column slice's tables and sums: stay in the L2 cache
constexpr double log2_e = 1.44269504088896340736;

// One task's memory. "Gradient" is that of the loss with respect to a log-density of a pair, without the pair's weight.
struct BackwardScratch {
  float* z;        // (dims, block_rows)
  float* weights;  // (block_rows, tile)
  float* density;  // (slots, row_group, tile), then gradients of those that are not dimensions
  float* logs;     // (slots, row_group, tile): log-densities
  float *factor,
      *level;            // (nodes, block_rows): gradient = factor · density / 2^level; level: log₂ of the sum
  float* scaled_factor;  // (nodes, block_rows): factor / 2^level
  float *span_factor, *span_level;  // (spans, block_rows), for the Gaussian block
  float* mixture_level;             // (block_rows, spans), for the mixtures
  float* class_factor;              // (block_rows, class sums), relative to mixture_level
  float* span_logs;                 // (spans, block_rows, tile)
  float* span_gradient;             // (spans, block_rows, tile)
  float* mixture_density;           // (block_rows, tile)
  float* mixture_weights;           // (block_rows, tile): weight · density
  float* mixture_gradient;          // (block_rows, tile)
  float* class_product;             // (tile)
  float* class_gradient;            // (tile)
  float* dz;                        // (dims, block_rows, lanes)
  float* dz_sum;                    // (dims, block_rows)
  std::int32_t* unsafe;             // (nodes, block_rows): nonzero if plain densities will not do
  bool* online;                     // (nodes)
  bool uniform;                     // all pairs of the tile have the same weight
  float *column_sums, *class_sums;  // the copy that this task adds to
};

struct BackwardMemory {
  ColumnTables tables;
  double *node_offset, *span_offset;  // to base 2
  float* column_sums;  // (copies, tiles, dims, 2, tile): −Σ gradient · t, Σ gradient · (t² − 1 / (2 ln2))
  float* class_sums;   // (copies, tiles, Σ classes, tile)
  std::int64_t column_slices, copies, row_slices;
  std::uintptr_t scratch;
  std::size_t scratch_bytes;  // of one task
  std::size_t bytes;
};

inline BackwardScratch take_backward_scratch(Scratch& scratch, const BlockPlan& plan,
                                             int vector_lanes = lanes) {
  const std::int64_t nodes = plan.node_count, spans = plan.span_count, slots = plan.slots;
  BackwardScratch s{};
  s.z = take<float>(scratch, plan.dims * block_rows);
  s.weights = take<float>(scratch, block_rows * tile);
  s.density = take<float>(scratch, slots * group_tile);
  s.logs = take<float>(scratch, slots * group_tile);
  s.factor = take<float>(scratch, padded(block_rows * nodes));
  s.level = take<float>(scratch, padded(block_rows * nodes));
  s.scaled_factor = take<float>(scratch, padded(block_rows * nodes));
  s.span_factor = take<float>(scratch, block_rows * spans);
  s.span_level = take<float>(scratch, block_rows * spans);
  s.mixture_level = take<float>(scratch, block_rows * spans);
  s.class_factor = take<float>(scratch, block_rows * plan.class_sums);
  s.span_logs = take<float>(scratch, spans * block_rows * tile);
  s.span_gradient = take<float>(scratch, spans * block_rows * tile);
  s.mixture_density = take<float>(scratch, block_rows * tile);
  s.mixture_weights = take<float>(scratch, block_rows * tile);
  s.mixture_gradient = take<float>(scratch, block_rows * tile);
  s.class_product = take<float>(scratch, tile);
  s.class_gradient = take<float>(scratch, tile);
  s.dz = take<float>(scratch, padded(block_rows * plan.dims) * vector_lanes);
  s.dz_sum = take<float>(scratch, padded(block_rows * plan.dims));
  s.unsafe = take<std::int32_t>(scratch, padded(block_rows * nodes));
  s.online = take<bool>(scratch, nodes);
  return s;
}

// The largest that exceeds neither n nor `most`, but at least 1: tasks that come in powers of two share out evenly.
inline std::int64_t power_of_two(std::int64_t n, std::int64_t most) {
  std::int64_t power = 1;
  while (2 * power <= n && 2 * power <= most) power *= 2;
  return power;
}

inline BackwardMemory take_backward_memory(const ElboDecompositionShape& shape, const BlockPlan& plan,
                                           void* base, int vector_lanes = lanes) {
  Scratch scratch{reinterpret_cast<std::uintptr_t>(base)};
  take<std::uint8_t>(scratch, static_cast<std::int64_t>(block_plan_bytes(shape)));  // the plan itself
  BackwardMemory m;
  m.tables = take_column_tables(scratch, shape, plan.class_columns);
  m.node_offset = take<double>(scratch, plan.node_count);
  m.span_offset = take<double>(scratch, plan.span_count);
  const std::int64_t tiles = m.tables.tiles, columns = tiles * tile;
  const std::int64_t bytes = columns * (5 * plan.dims + 2 * plan.class_columns) * std::int64_t{sizeof(float)};
  const std::int64_t most = power_of_two(shape.rows / 32, max_row_slices);
  m.column_slices = power_of_two(bytes / slice_bytes, tiles < most ? tiles : most);
  m.copies = power_of_two(most / m.column_slices, max_copies);
  m.row_slices = m.copies * m.column_slices;
  m.column_sums = take<float>(scratch, m.copies * tiles * plan.dims * 2 * tile);
  m.class_sums = take<float>(scratch, m.copies * tiles * plan.class_columns * tile);
  Scratch task;
  take_backward_scratch(task, plan, vector_lanes);
  m.scratch_bytes = task.used;
  m.scratch = scratch.base + scratch.used;
  m.bytes = scratch.used + static_cast<std::size_t>(m.row_slices) * task.used;
  return m;
}

struct Backward {
  const ElboDecompositionBackward& args;
  const BlockPlan& plan;
  const BackwardMemory& memory;
  float largest_exponent;  // log₂ of how far a density can exceed its mixture: 1 / least weight

  std::int64_t own_column(std::int64_t row) const { return args.own != nullptr ? args.own[row] : row; }
};

inline float largest_exponent(const ElboDecompositionShape& s) {
  const double weights[] = {s.own_weight, s.next_weight, s.other_weight};
  double least = 1;
  for (const double w : weights) least = w > 0 && w < least ? w : least;
  return static_cast<float>(::fmin(-::log2(least), 115));
}

// log₂ of a density relative to 2^level. Where |log q̂| is so large that rounding it leaves nothing of the difference, the
// bound keeps the density finite.
CUELBO_INLINE vfloat relative_log(vfloat e, vfloat level, float bound) {
  return vmin(broadcast(bound), e - level);
}

}  // namespace
}  // namespace cuelbo::kernels::CUELBO_ISA
