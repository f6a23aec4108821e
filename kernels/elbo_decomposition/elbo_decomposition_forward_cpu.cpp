#include <math.h>

#include "kernels/elbo_decomposition/block_plan.hpp"
#include "kernels/elbo_decomposition/class_tile.hpp"
#include "kernels/elbo_decomposition/column_tables.hpp"
#include "kernels/elbo_decomposition/pair_tile.hpp"
#include "kernels/elbo_decomposition/scratch.hpp"
#include "kernels/runtime/simd.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::kernels::CUELBO_ISA {
namespace {

constexpr std::int64_t max_tasks = 32, max_scratch_bytes = 8 << 20;
constexpr float lowest = -3.402823466e+38F, smallest_normal = 1.17549435e-38F;
constexpr double ln2 = 0.69314718055994530942;

// A node's sum may be taken over plain products of densities if in all rows of the block the own column alone gives this
// much of the largest possible sum: what is lost below 2⁻¹²⁶ is then less than 2⁻²⁶ of it. Else the maximum is tracked.
constexpr float least_own_exponent = -100;

// One task's memory. Sums have a value for each lane, and log₂ of their scale where the maximum is tracked.
struct TaskScratch {
  float *density, *log_density;    // (row_group, slots, tile)
  float* special_weights;          // (block_rows, tile)
  float *sum, *maximum;            // (block_rows, nodes, lanes)
  float *span_sum, *span_maximum;  // (block_rows, spans, lanes)
  float* span_log_density;         // (spans, block_rows, tile)
  float* mixture_weights;          // (block_rows, tile): weight · density of the span at hand
  float* mixture_scale;            // (block_rows, spans)
  float* class_sum;                // (block_rows, class sums, lanes)
  float* class_product;            // (tile)
  float *value, *scale;            // (nodes, spans or class sums, and a vector to spare)
  float* own_exponent;             // (nodes)
  bool* online;                    // (nodes)
  bool* needs_logs;                // (segments)
};

TaskScratch take_task_scratch(Scratch& scratch, const BlockPlan& plan) {
  TaskScratch s;
  const std::int64_t slots = plan.slots, nodes = plan.node_count, spans = plan.span_count;
  s.density = take<float>(scratch, row_group * slots * tile);
  s.log_density = take<float>(scratch, row_group * slots * tile);
  s.special_weights = take<float>(scratch, block_rows * tile);
  s.sum = take<float>(scratch, block_rows * nodes * lanes);
  s.maximum = take<float>(scratch, block_rows * nodes * lanes);
  s.span_sum = take<float>(scratch, block_rows * spans * lanes);
  s.span_maximum = take<float>(scratch, block_rows * spans * lanes);
  s.span_log_density = take<float>(scratch, spans * block_rows * tile);
  s.mixture_weights = take<float>(scratch, block_rows * tile);
  s.mixture_scale = take<float>(scratch, block_rows * spans);
  s.class_sum = take<float>(scratch, block_rows * plan.class_sums * lanes);
  s.class_product = take<float>(scratch, tile);
  const std::int64_t values = nodes + spans + plan.class_sums + lanes;
  s.value = take<float>(scratch, values);
  s.scale = take<float>(scratch, values);
  s.own_exponent = take<float>(scratch, nodes);
  s.online = take<bool>(scratch, nodes);
  s.needs_logs = take<bool>(scratch, plan.segment_count);
  return s;
}

struct Memory {
  ColumnTables tables;
  Weights* weights;
  double *node_offset, *span_offset;  // what a block's log-densities lack, in nats
  float own_exponent;                 // log₂ own_weight
  std::int64_t tasks;
  std::uintptr_t scratch;
  std::size_t scratch_bytes;  // of one task
  std::size_t bytes;
};

Memory take_memory(const ElboDecompositionShape& shape, const BlockPlan& plan, void* base) {
  Scratch scratch{reinterpret_cast<std::uintptr_t>(base)};
  Memory m;
  take<std::uint8_t>(scratch, static_cast<std::int64_t>(block_plan_bytes(shape)));  // the plan itself
  m.tables = take_column_tables(scratch, shape, plan.class_columns);
  m.weights = take<Weights>(scratch, 1);
  m.own_exponent = shape.own_weight > 0 ? static_cast<float>(::log2(shape.own_weight)) : lowest;
  m.node_offset = take<double>(scratch, plan.node_count);
  m.span_offset = take<double>(scratch, plan.span_count);
  Scratch task;
  take_task_scratch(task, plan);
  m.scratch_bytes = task.used;
  const std::int64_t blocks = (shape.rows + block_rows - 1) / block_rows;
  const std::int64_t affordable = max_scratch_bytes / static_cast<std::int64_t>(task.used);
  m.tasks = blocks < max_tasks ? blocks : max_tasks;
  if (m.tasks > affordable) m.tasks = affordable > 1 ? affordable : 1;
  m.scratch = scratch.base + scratch.used;
  m.bytes = scratch.used + static_cast<std::size_t>(m.tasks) * task.used;
  return m;
}

CUELBO_INLINE void add_lanes(float* p, vfloat x) { store(p, load(p) + x); }

// Densities of one dimension, slot by slot for each row; their weighted sums are added to `sum`.
template <bool keep_logs>
CUELBO_INLINE void leaf(const Component& x, std::int64_t d, const RowGroup& rows, float* density, float* logs,
                        std::int64_t slot_stride, float* sum, std::int64_t sum_stride) {
  vfloat z[row_group], total[row_group] = {};
  for (int r = 0; r < row_group; ++r) z[r] = broadcast(rows.z[r][d]);
  for (std::int64_t j = 0; j < tile; j += lanes) {
    for (int r = 0; r < row_group; ++r) {
      const vfloat e = log_density(x, standardised(x, z[r], j), j);
      const vfloat p = exp2(e);
      store(density + r * slot_stride + j, p);
      if (keep_logs) store(logs + r * slot_stride + j, e);
      total[r] = fma(p, load(rows.w[r] + j), total[r]);
    }
  }
  for (int r = 0; r < row_group; ++r) add_lanes(sum + r * sum_stride, total[r]);
}

CUELBO_INLINE void accumulate(const float* density, const float* w, float* sum) {
  vfloat total{};
  for (std::int64_t j = 0; j < tile; j += lanes) total = fma(load(density + j), load(w + j), total);
  add_lanes(sum, total);
}

// The same from log-densities, each lane with its own running maximum.
CUELBO_INLINE void accumulate_online(const float* logs, const float* w, float* maximum, float* sum) {
  const vfloat before = load(maximum);
  vfloat most = before;
  for (std::int64_t j = 0; j < tile; j += lanes) most = vmax(load(logs + j), most);
  vfloat total{};
  for (std::int64_t j = 0; j < tile; j += lanes) total = fma(exp2(load(logs + j) - most), load(w + j), total);
  store(sum, fma(load(sum), exp2(before - most), total));
  store(maximum, most);
}

struct Forward {
  const ElboDecompositionForward& args;
  const BlockPlan& plan;
  const Memory& memory;

  std::int64_t own_column(std::int64_t row) const { return args.own != nullptr ? args.own[row] : row; }
  const float* z(std::int64_t row) const { return args.z + row * plan.dims; }
};

// Decides for each node whether it can do without a running maximum.
void choose_paths(const Forward& f, std::int64_t first_row, std::int32_t rows, TaskScratch& s) {
  const BlockPlan& plan = f.plan;
  const ColumnTables& tables = f.memory.tables;
  for (std::int32_t n = 0; n < plan.node_count; ++n) s.online[n] = !plan.nodes[n].product;
  for (std::int32_t r = 0; r < rows; ++r) {
    const std::int64_t own = f.own_column(first_row + r);
    const bool known = own >= 0 && own < tables.columns;
    const float* const z = f.z(first_row + r);
    for (std::int32_t n = 0; n < plan.node_count; ++n) {
      float& exponent = s.own_exponent[n];
      if (n < plan.dims) {
        exponent = lowest;
        if (known) {
          const Component x = component(tables, own / tile, n);
          const float t = (z[n] - x.mean[own % tile]) * x.a[own % tile];
          exponent = x.c[own % tile] - t * t;
        }
      } else {
        exponent = 0;
        for (std::int32_t d = plan.nodes[n].dims.begin; d < plan.nodes[n].dims.end; ++d) exponent += s.own_exponent[d];
      }
      if (!(exponent + f.memory.own_exponent >= least_own_exponent)) s.online[n] = true;
    }
  }
  for (std::int32_t g = 0; g < plan.segment_count; ++g) {
    const PlanSegment& segment = plan.segments[g];
    bool any = segment.terms.begin < segment.terms.end;
    for (std::int32_t d = segment.dims.begin; d < segment.dims.end; ++d) any |= s.online[d];
    for (std::int32_t n = segment.nodes.begin; n < segment.nodes.end; ++n) any |= s.online[n];
    s.needs_logs[g] = any;
  }
}

void pairs_of_segment(const Forward& f, std::int64_t q, std::int32_t g, const RowGroup& rows, std::int32_t first_row,
                      TaskScratch& s) {
  const BlockPlan& plan = f.plan;
  const PlanSegment& segment = plan.segments[g];
  const std::int64_t sum_stride = plan.node_count * lanes, slot_stride = plan.slots * tile;
  float* const sum = s.sum + first_row * sum_stride;
  float* const maximum = s.maximum + first_row * sum_stride;
  const bool needs_logs = s.needs_logs[g];
  const auto all_online = [&](std::int32_t n) {
    for (int r = 0; r < row_group; ++r) {
      const std::int64_t at = r * sum_stride + n * lanes;
      accumulate_online(s.log_density + r * slot_stride + plan.nodes[n].slot * tile, rows.w[r], maximum + at, sum + at);
    }
  };
  for (std::int32_t d = segment.dims.begin; d < segment.dims.end; ++d) {
    const Component x = component(f.memory.tables, q, d);
    float* const density = s.density + (d - segment.dims.begin) * tile;
    float* const logs = s.log_density + (d - segment.dims.begin) * tile;
    if (s.online[d]) {
      log_densities(x, d, rows, logs, slot_stride);
      if (plan.nodes[d].block >= 0) all_online(d);
    } else if (needs_logs) {
      leaf<true>(x, d, rows, density, logs, slot_stride, sum + d * lanes, sum_stride);
    } else {
      leaf<false>(x, d, rows, density, logs, slot_stride, sum + d * lanes, sum_stride);
    }
  }
  for (std::int32_t n = segment.nodes.begin; n < segment.nodes.end; ++n) {
    const PlanNode& node = plan.nodes[n];
    const std::int32_t* const children = plan.children + node.children.begin;
    const std::int32_t count = node.children.end - node.children.begin;
    for (int r = 0; r < row_group; ++r) {
      const std::int64_t at = r * slot_stride + node.slot * tile;
      if (needs_logs) {
        combine_children(s.log_density + r * slot_stride, children, count, [](vfloat a, vfloat b) { return a + b; },
                         [&](std::int64_t j, vfloat x) { store(s.log_density + at + j, x); });
      }
      if (s.online[n]) continue;
      vfloat total{};
      combine_children(s.density + r * slot_stride, children, count, [](vfloat a, vfloat b) { return a * b; },
                       [&](std::int64_t j, vfloat x) {
                         store(s.density + at + j, x);
                         total = fma(x, load(rows.w[r] + j), total);
                       });
      add_lanes(sum + r * sum_stride + n * lanes, total);
    }
    if (s.online[n]) all_online(n);
  }
  for (std::int32_t i = segment.terms.begin; i < segment.terms.end; ++i) {
    const SpanTerm term = plan.terms[i];
    for (int r = 0; r < row_group; ++r) {
      add_tile(s.span_log_density + (term.span * block_rows + first_row + r) * tile,
               s.log_density + r * slot_stride + term.slot * tile);
    }
  }
}

// Turns the log-densities of a span into weighted densities relative to each row's maximum so far.
void weigh_span(const Forward& f, std::int32_t i, std::int32_t rows, const float* const* w, TaskScratch& s) {
  const BlockPlan& plan = f.plan;
  const PlanSpan& span = plan.spans[i];
  for (std::int32_t r = 0; r < rows; ++r) {
    const float* const logs = s.span_log_density + (i * block_rows + r) * tile;
    vfloat lane_max = broadcast(lowest);
    for (std::int64_t j = 0; j < tile; j += lanes) lane_max = vmax(load(logs + j), lane_max);
    float& scale = s.mixture_scale[r * plan.span_count + i];
    const float most = reduce_max(lane_max);
    if (most > scale) {
      const vfloat factor = exp2(broadcast(scale - most));
      for (std::int32_t m = span.mixtures.begin; m < span.mixtures.end; ++m) {
        const PlanMixture& mixture = plan.mixtures[m];
        float* const sums = s.class_sum + (r * plan.class_sums + mixture.saved_column) * lanes;
        for (std::int64_t k = 0; k < mixture.classes; ++k) store(sums + k * lanes, load(sums + k * lanes) * factor);
      }
      scale = most;
    }
    float* const weights = s.mixture_weights + r * tile;
    for (std::int64_t j = 0; j < tile; j += lanes)
      store(weights + j, exp2(load(logs + j) - scale) * load(w[r] + j));
  }
}

void pairs_of_mixture(const Forward& f, std::int64_t q, const PlanMixture& mixture, std::int32_t rows, TaskScratch& s) {
  const BlockPlan& plan = f.plan;
  const float* const table = f.memory.tables.classes_of(q);
  for (std::int32_t k = 0; k < mixture.classes; ++k) {
    const float* const probabilities = class_tile(plan, mixture.groups, k, table, s.class_product);
    for (std::int32_t r = 0; r < rows; ++r) {
      accumulate(s.mixture_weights + r * tile, probabilities,
                 s.class_sum + (r * plan.class_sums + mixture.saved_column + k) * lanes);
    }
  }
}

void pairs_of_spans(const Forward& f, std::int64_t q, std::int32_t rows, const float* const* w, TaskScratch& s) {
  const BlockPlan& plan = f.plan;
  for (std::int32_t i = 0; i < plan.span_count; ++i) {
    const PlanSpan& span = plan.spans[i];
    for (std::int32_t r = 0; r < rows; ++r) {
      float* const logs = s.span_log_density + (i * block_rows + r) * tile;
      for (std::int32_t c = span.children.begin; c < span.children.end; ++c)
        add_tile(logs, s.span_log_density + (plan.span_children[c] * block_rows + r) * tile);
      if (span.block >= 0) {
        const std::int64_t at = (r * plan.span_count + i) * lanes;
        accumulate_online(logs, w[r], s.span_maximum + at, s.span_sum + at);
      }
    }
    if (span.mixtures.begin == span.mixtures.end) continue;
    weigh_span(f, i, rows, w, s);
    for (std::int32_t m = span.mixtures.begin; m < span.mixtures.end; ++m)
      pairs_of_mixture(f, q, plan.mixtures[m], rows, s);
  }
}

// Adds up the lanes: value · 2^scale is the sum.
CUELBO_INLINE void fold_online(const float* sum, const float* maximum, float& value, float& scale) {
  const vfloat most = load(maximum);
  scale = reduce_max(most);
  value = reduce_add(load(sum) * exp2(most - scale));
}

CUELBO_INLINE void logs_in_place(float* p, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += lanes) store(p + i, log(load(p + i)));
}

CUELBO_INLINE float to_nats(float log_value, float scale, double offset) {
  return static_cast<float>(static_cast<double>(log_value) + static_cast<double>(scale) * ln2 + offset);
}

void finish_mixtures(const Forward& f, std::int64_t row, std::int32_t r, TaskScratch& s) {
  const BlockPlan& plan = f.plan;
  for (std::int32_t m = 0; m < plan.mixture_count; ++m) {
    const PlanMixture& mixture = plan.mixtures[m];
    const float* const sums = s.class_sum + (r * plan.class_sums + mixture.saved_column) * lanes;
    for (std::int64_t k = 0; k < mixture.classes; ++k) {
      const float sum = reduce_add(load(sums + k * lanes));
      s.value[k] = sum < smallest_normal ? smallest_normal : sum;  // only classes of no probability are that small
    }
    logs_in_place(s.value, mixture.classes);
    const float scale = s.mixture_scale[r * plan.span_count + mixture.span];
    const float* const q = f.args.row_probabilities + row * plan.class_columns;
    double expectation = 0;
    for (std::int32_t k = 0; k < mixture.classes; ++k) {
      const float log_sum = to_nats(s.value[k], scale, f.memory.span_offset[mixture.span]);
      if (f.args.log_class_sums != nullptr)
        f.args.log_class_sums[row * plan.class_sums + mixture.saved_column + k] = log_sum;
      const double probability = class_probability(plan, mixture.groups, k, q);
      if (probability != 0) expectation += probability * static_cast<double>(log_sum);
    }
    f.args.log_q[row * plan.block_count + mixture.block] = static_cast<float>(expectation);
  }
}

void finish_row(const Forward& f, std::int64_t row, std::int32_t r, TaskScratch& s) {
  const BlockPlan& plan = f.plan;
  for (std::int64_t n = 0; n < plan.node_count; ++n) {
    const std::int64_t at = (r * plan.node_count + n) * lanes;
    if (s.online[n]) {
      fold_online(s.sum + at, s.maximum + at, s.value[n], s.scale[n]);
    } else {
      s.value[n] = reduce_add(load(s.sum + at));
      s.scale[n] = 0;
    }
  }
  for (std::int64_t i = 0; i < plan.span_count; ++i) {
    const std::int64_t at = (r * plan.span_count + i) * lanes;
    fold_online(s.span_sum + at, s.span_maximum + at, s.value[plan.node_count + i], s.scale[plan.node_count + i]);
  }
  logs_in_place(s.value, plan.node_count + plan.span_count);
  float* const log_q = f.args.log_q + row * plan.block_count;
  for (std::int32_t v = 0; v < plan.block_count; ++v) {
    const std::int32_t home = plan.block_home[v];
    if (home == BlockPlan::mixture_block) continue;
    const std::int32_t i = home >= 0 ? home : plan.node_count + ~home;
    log_q[v] = to_nats(s.value[i], s.scale[i],
                       home >= 0 ? f.memory.node_offset[home] : f.memory.span_offset[~home]);
  }
  finish_mixtures(f, row, r, s);
}

void forward_rows(const Forward& f, std::int64_t first_row, std::int32_t rows, TaskScratch& s) {
  const BlockPlan& plan = f.plan;
  choose_paths(f, first_row, rows, s);
  const auto fill = [](float* p, std::int64_t n, float x) { for (std::int64_t i = 0; i < n; ++i) p[i] = x; };
  fill(s.sum, block_rows * plan.node_count * lanes, 0);
  fill(s.maximum, block_rows * plan.node_count * lanes, lowest);
  fill(s.span_sum, block_rows * plan.span_count * lanes, 0);
  fill(s.span_maximum, block_rows * plan.span_count * lanes, lowest);
  fill(s.mixture_scale, rows * plan.span_count, lowest);
  fill(s.class_sum, rows * plan.class_sums * lanes, 0);
  for (std::int64_t q = 0; q < f.memory.tables.tiles; ++q) {
    const float* w[block_rows];
    for (std::int32_t r = 0; r < rows; ++r)
      w[r] = tile_weights(*f.memory.weights, f.own_column(first_row + r), q, s.special_weights + r * tile);
    fill(s.span_log_density, plan.span_count * block_rows * tile, 0);
    for (std::int32_t g = 0; g < plan.segment_count; ++g) {
      for (std::int32_t first = 0; first < rows; first += row_group) {
        RowGroup group;
        for (std::int32_t i = 0; i < row_group; ++i) {
          const std::int32_t r = first + i < rows ? first + i : rows - 1;
          group.z[i] = f.z(first_row + r);
          group.w[i] = w[r];
        }
        pairs_of_segment(f, q, g, group, first, s);
      }
    }
    pairs_of_spans(f, q, rows, w, s);
  }
  for (std::int32_t r = 0; r < rows; ++r) finish_row(f, first_row + r, r, s);
}

}  // namespace

std::size_t elbo_decomposition_forward_workspace(const ElboDecompositionForward& args) {
  return take_memory(args.shape, measure_block_plan(args.shape), nullptr).bytes;
}

void elbo_decomposition_forward(const ElboDecompositionForward& args, Stream stream) {
  const ElboDecompositionShape& shape = args.shape;
  const BlockPlan plan = build_block_plan(shape, args.workspace);
  const Memory memory = take_memory(shape, plan, args.workspace);
  fill_column_tables(memory.tables, args, stream);
  prepare(*memory.weights, memory.tables, shape.own_weight, shape.next_weight, shape.other_weight);
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
    TaskScratch s = take_task_scratch(scratch, plan);
    for (std::int64_t i = task * blocks / memory.tasks; i < (task + 1) * blocks / memory.tasks; ++i) {
      const std::int64_t first = i * block_rows;
      const std::int64_t rows = shape.rows - first < block_rows ? shape.rows - first : block_rows;
      forward_rows(forward, first, static_cast<std::int32_t>(rows), s);
    }
    restore_subnormals(state);
  });
}

}  // namespace cuelbo::kernels::CUELBO_ISA
