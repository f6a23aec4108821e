// The forward pass of a block of rows with all columns.
#pragma once

#include "kernels/elbo_decomposition/class_tile.hpp"
#include "kernels/elbo_decomposition/forward_memory.hpp"

namespace cuelbo::kernels::CUELBO_ISA {
namespace {

// A node's sum may be taken over plain products of densities if in all rows of the block the own column alone gives this
// much of the largest possible sum: what is lost below 2⁻¹²⁶ is then less than 2⁻²⁶ of it. Else the maximum is tracked.
constexpr float least_own_exponent = -100;

CUELBO_INLINE void add_lanes(float* p, vfloat x) { store(p, load(p) + x); }

// Densities of one dimension; their weighted sums are added to `sum`, (row_group, lanes).
template <bool keep_logs>
CUELBO_INLINE void leaf(const Component& x, const float* z, const float* w, float* density, float* logs,
                        float* sum) {
  vfloat zs[row_group], total[row_group] = {};
  for (int r = 0; r < row_group; ++r) zs[r] = broadcast(z[r]);
  for (std::int64_t j = 0; j < tile; j += lanes) {
    const vfloat mean = load(x.mean + j), a = load(x.a + j), c = load(x.c + j);
    for (int r = 0; r < row_group; ++r) {
      const vfloat t = (zs[r] - mean) * a;
      const vfloat e = fma(-t, t, c);
      const vfloat p = exp2(e);
      store(density + r * tile + j, p);
      if (keep_logs) store(logs + r * tile + j, e);
      total[r] = fma(p, load(w + r * tile + j), total[r]);
    }
  }
  for (int r = 0; r < row_group; ++r) add_lanes(sum + r * lanes, total[r]);
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

// Decides for each node whether it can do without a running maximum.
inline void choose_paths(const Forward& f, std::int64_t first_row, std::int32_t rows, ForwardScratch& s) {
  const BlockPlan& plan = f.plan;
  const ColumnTables& tables = f.memory.tables;
  for (std::int32_t n = 0; n < plan.node_count; ++n) s.online[n] = !plan.nodes[n].product;
  for (std::int32_t r = 0; r < rows; ++r) {
    const std::int64_t own = f.own_column(first_row + r);
    const bool known = own >= 0 && own < tables.columns;
    for (std::int32_t n = 0; n < plan.node_count; ++n) {
      float& exponent = s.own_exponent[n];
      if (n < plan.dims) {
        exponent = lowest;
        if (known) {
          const Component x = component(tables, own / tile, n);
          const float t = (s.z[n * block_rows + r] - x.mean[own % tile]) * x.a[own % tile];
          exponent = x.c[own % tile] - t * t;
        }
      } else {
        exponent = 0;
        for (std::int32_t d = plan.nodes[n].dims.begin; d < plan.nodes[n].dims.end; ++d)
          exponent += s.own_exponent[d];
      }
      if (!(exponent + f.memory.own_exponent >= least_own_exponent)) s.online[n] = true;
    }
  }
  mark_parents_online(plan, s.online);
  for (std::int32_t g = 0; g < plan.segment_count; ++g) {
    const PlanSegment& segment = plan.segments[g];
    bool any = false;
    for (std::int32_t d = segment.dims.begin; d < segment.dims.end; ++d) any |= s.online[d];
    for (std::int32_t n = segment.nodes.begin; n < segment.nodes.end; ++n) any |= s.online[n];
    s.needs_logs[g] = any;
  }
}

inline void pairs_of_segment(const Forward& f, std::int64_t q, std::int32_t g, std::int32_t first,
                             ForwardScratch& s) {
  const BlockPlan& plan = f.plan;
  const PlanSegment& segment = plan.segments[g];
  const float* const w = s.weights + first * tile;
  const auto all_online = [&](std::int32_t n) {
    for (int r = 0; r < row_group; ++r) {
      const std::int64_t at = (n * block_rows + first + r) * lanes;
      accumulate_online(s.logs + plan.nodes[n].slot * group_tile + r * tile, w + r * tile, s.maximum + at,
                        s.sum + at);
    }
  };
  const bool needs_logs = s.needs_logs[g];
  for (std::int32_t d = segment.dims.begin; d < segment.dims.end; ++d) {
    const Component x = component(f.memory.tables, q, d);
    const float* const z = s.z + d * block_rows + first;
    float* const density = s.density + (d - segment.dims.begin) * group_tile;
    float* const logs = s.logs + (d - segment.dims.begin) * group_tile;
    float* const sum = s.sum + (d * block_rows + first) * lanes;
    if (s.online[d]) {
      log_densities(x, z, logs);
      if (plan.nodes[d].block >= 0) all_online(d);
    } else if (needs_logs) {
      leaf<true>(x, z, w, density, logs, sum);
    } else {
      leaf<false>(x, z, w, density, logs, sum);
    }
  }
  for (std::int32_t n = segment.nodes.begin; n < segment.nodes.end; ++n) {
    const PlanNode& node = plan.nodes[n];
    const std::int32_t* const children = plan.children + node.children.begin;
    const std::int32_t count = node.children.end - node.children.begin;
    if (needs_logs) combine_group(s.logs, children, count, s.logs + node.slot * group_tile, add);
    if (s.online[n]) {
      all_online(n);
      continue;
    }
    float* const density = s.density + node.slot * group_tile;
    float* const sum = s.sum + (n * block_rows + first) * lanes;
    for (int r = 0; r < row_group; ++r) {
      float* const out = density + r * tile;
      const float* const weights = w + r * tile;
      vfloat total{};
      combine_children(s.density + r * tile, children, count, multiply,
                       [=, &total](std::int64_t j, vfloat x) {
                         store(out + j, x);
                         total = fma(x, load(weights + j), total);
                       });
      add_lanes(sum + r * lanes, total);
    }
  }
  add_span_terms(plan, segment, f.memory.tables, q, s.z, first, s.span_logs);
}

// Turns the log-densities of a span into weighted densities relative to each row's maximum so far.
inline void weigh_span(const Forward& f, std::int32_t i, std::int32_t rows, ForwardScratch& s) {
  const BlockPlan& plan = f.plan;
  const PlanSpan& span = plan.spans[i];
  for (std::int32_t r = 0; r < rows; ++r) {
    float* const weights = s.mixture_weights + r * tile;
    if (span.dims.begin == span.dims.end) {  // all densities are 1
      s.mixture_scale[r * plan.span_count + i] = 0;
      copy_tile(s.weights + r * tile, weights);
      continue;
    }
    const float* const logs = s.span_logs + (i * block_rows + r) * tile;
    vfloat lane_max = broadcast(lowest);
    for (std::int64_t j = 0; j < tile; j += lanes) lane_max = vmax(load(logs + j), lane_max);
    float& scale = s.mixture_scale[r * plan.span_count + i];
    const float most = reduce_max(lane_max);
    if (most > scale) {
      const vfloat factor = exp2(broadcast(scale - most));
      for (std::int32_t m = span.mixtures.begin; m < span.mixtures.end; ++m) {
        const PlanMixture& mixture = plan.mixtures[m];
        float* const sums = s.class_sum + (r * plan.class_sums + mixture.saved_column) * lanes;
        for (std::int64_t k = 0; k < mixture.classes; ++k)
          store(sums + k * lanes, load(sums + k * lanes) * factor);
      }
      scale = most;
    }
    for (std::int64_t j = 0; j < tile; j += lanes)
      store(weights + j, exp2(load(logs + j) - scale) * load(s.weights + r * tile + j));
  }
}

inline void pairs_of_mixture(const Forward& f, std::int64_t q, const PlanMixture& mixture, std::int32_t rows,
                             ForwardScratch& s) {
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

inline void pairs_of_spans(const Forward& f, std::int64_t q, std::int32_t rows, ForwardScratch& s) {
  const BlockPlan& plan = f.plan;
  for (std::int32_t i = 0; i < plan.span_count; ++i) {
    const PlanSpan& span = plan.spans[i];
    float* const logs = s.span_logs + i * block_rows * tile;
    for (std::int32_t c = span.children.begin; c < span.children.end; ++c) {
      for (std::int32_t first = 0; first < rows; first += row_group)
        add_group(logs + first * tile, s.span_logs + (plan.span_children[c] * block_rows + first) * tile);
    }
    for (std::int32_t r = 0; r < rows && span.block >= 0; ++r) {
      const std::int64_t at = (i * block_rows + r) * lanes;
      accumulate_online(logs + r * tile, s.weights + r * tile, s.span_maximum + at, s.span_sum + at);
    }
    if (span.mixtures.begin == span.mixtures.end) continue;
    weigh_span(f, i, rows, s);
    for (std::int32_t m = span.mixtures.begin; m < span.mixtures.end; ++m)
      pairs_of_mixture(f, q, plan.mixtures[m], rows, s);
  }
}

CUELBO_INLINE void logs_in_place(float* p, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += lanes) store(p + i, log(load(p + i)));
}

// value · 2^scale are the sums of n vectors whose lanes have scales of their own.
inline void fold_online(const float* sum, const float* maximum, std::int64_t n, float* value, float* scale) {
  for (std::int64_t i = 0; i < n; ++i) {
    const vfloat most = load(maximum + i * lanes);
    scale[i] = reduce_max(most);
    value[i] = reduce_add(load(sum + i * lanes) * exp2(most - scale[i]));
  }
}

CUELBO_INLINE float to_nats(float log_value, float scale, double offset) {
  constexpr double ln2 = 0.69314718055994530942;
  return static_cast<float>(static_cast<double>(log_value) + static_cast<double>(scale) * ln2 + offset);
}

inline void finish_mixtures(const Forward& f, std::int64_t row, std::int32_t r, ForwardScratch& s) {
  constexpr float smallest_normal = 1.17549435e-38F;
  const BlockPlan& plan = f.plan;
  for (std::int32_t m = 0; m < plan.mixture_count; ++m) {
    const PlanMixture& mixture = plan.mixtures[m];
    sum_lanes(s.class_sum + (r * plan.class_sums + mixture.saved_column) * lanes, mixture.classes, s.value);
    for (std::int32_t k = 0; k < mixture.classes; ++k)  // only classes of no probability are smaller
      s.value[k] = s.value[k] < smallest_normal ? smallest_normal : s.value[k];
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

inline void finish_rows(const Forward& f, std::int64_t first_row, std::int32_t rows, ForwardScratch& s) {
  const BlockPlan& plan = f.plan;
  const std::int64_t nodes = plan.node_count * block_rows, spans = plan.span_count * block_rows;
  sum_lanes(s.sum, nodes, s.value);
  for (std::int64_t i = 0; i < nodes; ++i) s.scale[i] = 0;
  for (std::int64_t n = 0; n < plan.node_count; ++n) {
    const std::int64_t i = n * block_rows;
    if (s.online[n])
      fold_online(s.sum + i * lanes, s.maximum + i * lanes, block_rows, s.value + i, s.scale + i);
  }
  logs_in_place(s.value, nodes);
  fold_online(s.span_sum, s.span_maximum, spans, s.span_value, s.span_scale);
  logs_in_place(s.span_value, spans);
  for (std::int32_t v = 0; v < plan.block_count; ++v) {
    const std::int32_t home = plan.block_home[v];
    if (home == BlockPlan::mixture_block) continue;
    const float* const value = home >= 0 ? s.value + home * block_rows : s.span_value + ~home * block_rows;
    const float* const scale = home >= 0 ? s.scale + home * block_rows : s.span_scale + ~home * block_rows;
    const double offset = home >= 0 ? f.memory.node_offset[home] : f.memory.span_offset[~home];
    float* const out = f.args.log_q + first_row * plan.block_count + v;
    for (std::int32_t r = 0; r < rows; ++r) out[r * plan.block_count] = to_nats(value[r], scale[r], offset);
  }
  for (std::int32_t r = 0; r < rows; ++r) finish_mixtures(f, first_row + r, r, s);
}

inline void forward_rows(const Forward& f, std::int64_t first_row, std::int32_t rows, ForwardScratch& s) {
  const BlockPlan& plan = f.plan;
  copy_rows(f.args.z + first_row * plan.dims, plan.dims, rows, s.z);
  choose_paths(f, first_row, rows, s);
  const auto fill = [](float* p, std::int64_t n, float x) {
    for (std::int64_t i = 0; i < n; ++i) p[i] = x;
  };
  fill(s.sum, block_rows * plan.node_count * lanes, 0);
  fill(s.maximum, block_rows * plan.node_count * lanes, lowest);
  fill(s.span_sum, block_rows * plan.span_count * lanes, 0);
  fill(s.span_maximum, block_rows * plan.span_count * lanes, lowest);
  fill(s.mixture_scale, rows * plan.span_count, lowest);
  fill(s.class_sum, rows * plan.class_sums * lanes, 0);
  const Weights weights = weights_of(f.args.shape);
  for (std::int64_t q = 0; q < f.memory.tables.tiles; ++q) {
    for (std::int32_t r = 0; r < block_rows; ++r)
      tile_weights(weights, f.own_column(first_row + (r < rows ? r : 0)), q, s.weights + r * tile);
    fill(s.span_logs, plan.span_count * block_rows * tile, 0);
    for (std::int32_t g = 0; g < plan.segment_count; ++g)
      for (std::int32_t first = 0; first < rows; first += row_group) pairs_of_segment(f, q, g, first, s);
    pairs_of_spans(f, q, rows, s);
  }
  finish_rows(f, first_row, rows, s);
}

}  // namespace
}  // namespace cuelbo::kernels::CUELBO_ISA
