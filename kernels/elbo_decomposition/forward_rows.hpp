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

// One row's densities of a tile, summed with the columns' weights; these are all the same if not `weighted`.
template <bool weighted>
struct WeightedSum {
  const float* w;
  vfloat total{};

  void add(std::int64_t j, vfloat p) { total = weighted ? fma(p, load(w + j), total) : total + p; }
  void add_to(float* sum) const {
    store(sum, weighted ? load(sum) + total : fma(total, broadcast(w[0]), load(sum)));
  }
};

CUELBO_INLINE void accumulate(const float* density, const float* w, float* sum) {
  WeightedSum<true> total{w};
  for (std::int64_t j = 0; j < tile; j += lanes) total.add(j, load(density + j));
  total.add_to(sum);
}

// The same from log-densities, each lane with its own running maximum.
CUELBO_INLINE void accumulate_online(const float* logs, const float* w, float* maximum, float* sum) {
  const vfloat before = load(maximum);
  vfloat most = before;
  for (std::int64_t j = 0; j < tile; j += lanes) most = vmax(load(logs + j), most);
  vfloat total{};
  exp2_tile([=](std::int64_t j) { return load(logs + j) - most; },
            [=, &total](std::int64_t j, vfloat p) { total = fma(p, load(w + j), total); });
  store(sum, fma(load(sum), exp2(before - most), total));
  store(maximum, most);
}

// log₂ of each row's density in its own column, for all nodes; without such a column `lowest` or less.
inline void own_densities(const Forward& f, std::int64_t first_row, std::int32_t rows, ForwardScratch& s) {
  const BlockPlan& plan = f.plan;
  const ColumnTables& tables = f.memory.tables;
  for (std::int32_t r = 0; r < block_rows; ++r) {
    const std::int64_t own = f.own_column(first_row + (r < rows ? r : rows - 1));
    const bool known = own >= 0 && own < tables.columns;
    for (std::int32_t d = 0; d < plan.dims; ++d) {
      const std::int64_t at = d * block_rows + r;
      s.own_exponent[at] = lowest;
      if (!known) continue;
      const Component x = component(tables, own / tile, d);
      const float t = (s.z[at] - x.mean[own % tile]) * x.a[own % tile];
      s.own_exponent[at] = x.c[own % tile] - t * t;
    }
  }
  for (std::int32_t n = plan.dims; n < plan.node_count; ++n) {
    float sum[block_rows] = {};
    for (std::int32_t d = plan.nodes[n].dims.begin; d < plan.nodes[n].dims.end; ++d)
      for (std::int32_t r = 0; r < block_rows; ++r) sum[r] += s.own_exponent[d * block_rows + r];
    for (std::int32_t r = 0; r < block_rows; ++r) s.own_exponent[n * block_rows + r] = sum[r];
  }
}

// Decides for each node whether it can do without a running maximum.
inline void choose_paths(const Forward& f, std::int64_t first_row, std::int32_t rows, ForwardScratch& s) {
  const BlockPlan& plan = f.plan;
  own_densities(f, first_row, rows, s);
  for (std::int32_t n = 0; n < plan.node_count; ++n) {
    bool safe = plan.nodes[n].product;
    for (std::int32_t r = 0; r < block_rows; ++r)
      safe &= s.own_exponent[n * block_rows + r] + f.memory.own_exponent >= least_own_exponent;
    s.online[n] = !safe;
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

// Densities of one dimension from log-densities, (row_group, tile); their sums are added to `sum`, (row_group, lanes).
template <bool weighted>
[[gnu::noinline]] void leaf(const float* logs, const float* w, float* density, float* sum) {
  for (int r = 0; r < row_group; ++r) {
    WeightedSum<weighted> total{w + r * tile};
    exp2_tile([=](std::int64_t j) { return load(logs + r * tile + j); },
              [=, &total](std::int64_t j, vfloat p) {
                store(density + r * tile + j, p);
                total.add(j, p);
              });
    total.add_to(sum + r * lanes);
  }
}

template <bool weighted>
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
    const std::int64_t slot = plan.nodes[d].slot * group_tile;
    float* const density = s.density + slot;
    float* const logs = needs_logs ? s.logs + slot : density;
    const Component x = component(f.memory.tables, q, d);
    const float* const z = s.z + d * block_rows + first;
    if (segment.whole >= 0) {
      log_densities<true>(x, z, logs, s.span_logs + (segment.whole * block_rows + first) * tile);
    } else {
      log_densities(x, z, logs);
    }
    if (s.online[d]) {
      if (plan.nodes[d].block >= 0) all_online(d);
      continue;
    }
    leaf<weighted>(logs, w, density, s.sum + (d * block_rows + first) * lanes);
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
    for (int r = 0; r < row_group; ++r) {
      float* const out = density + r * tile;
      WeightedSum<weighted> sum{w + r * tile};
      combine_children(s.density + r * tile, tile, children, count, multiply,
                       [=, &sum](std::int64_t j, vfloat x) {
                         store(out + j, x);
                         sum.add(j, x);
                       });
      sum.add_to(s.sum + (n * block_rows + first + r) * lanes);
    }
  }
  if (segment.whole < 0) add_span_terms(plan, segment, f.memory.tables, q, s.z, first, s.span_logs);
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
    exp2_tile([=](std::int64_t j) { return load(logs + j) - scale; },
              [=, &s](std::int64_t j, vfloat p) { store(weights + j, p * load(s.weights + r * tile + j)); });
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
  for (std::int32_t n = 0; n < plan.node_count; ++n)
    if (s.online[n]) fill(s.maximum + n * block_rows * lanes, block_rows * lanes, lowest);
  fill(s.span_sum, block_rows * plan.span_count * lanes, 0);
  fill(s.span_maximum, block_rows * plan.span_count * lanes, lowest);
  fill(s.mixture_scale, rows * plan.span_count, lowest);
  fill(s.class_sum, rows * plan.class_sums * lanes, 0);
  const Weights weights = weights_of(f.args.shape);
  for (std::int64_t q = 0; q < f.memory.tables.tiles; ++q) {
    bool uniform = true;
    for (std::int32_t r = 0; r < block_rows; ++r) {
      const std::int64_t own = f.own_column(first_row + (r < rows ? r : 0));
      uniform &= tile_weights(weights, own, q, s.weights + r * tile);
    }
    fill(s.span_logs, plan.span_count * block_rows * tile, 0);
    for (std::int32_t g = 0; g < plan.segment_count; ++g) {
      for (std::int32_t first = 0; first < rows; first += row_group) {
        if (uniform) {
          pairs_of_segment<false>(f, q, g, first, s);
        } else {
          pairs_of_segment<true>(f, q, g, first, s);
        }
      }
    }
    pairs_of_spans(f, q, rows, s);
  }
  finish_rows(f, first_row, rows, s);
}

}  // namespace
}  // namespace cuelbo::kernels::CUELBO_ISA
