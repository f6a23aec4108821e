// The backward pass of a block of rows with a range of column tiles.
#pragma once

#include "kernels/elbo_decomposition/backward_memory.hpp"
#include "kernels/elbo_decomposition/backward_mixtures.hpp"

namespace cuelbo::kernels::CUELBO_ISA {
namespace {

// A node is online if its densities are computed relative to its sum. The others have plain products of densities, which
// is safe if log₂ of the sum is not below least_level: what is lost below 2⁻¹²⁶ is then less than 2⁻²⁶ of the sum.
constexpr float least_level = -100, largest_factor = 1e37F;

inline void prepare_factors(const Backward& b, std::int64_t first_row, std::int32_t rows,
                            BackwardScratch& s) {
  const BlockPlan& plan = b.plan;
  for (std::int32_t i = 0; i < plan.node_count * block_rows; ++i) s.factor[i] = s.level[i] = 0;
  for (std::int32_t i = 0; i < plan.span_count * block_rows; ++i) s.span_factor[i] = 0;
  for (std::int32_t v = 0; v < plan.block_count; ++v) {
    const std::int32_t home = plan.block_home[v];
    if (home == BlockPlan::mixture_block) continue;
    float* const factor = home >= 0 ? s.factor + home * block_rows : s.span_factor + ~home * block_rows;
    float* const level = home >= 0 ? s.level + home * block_rows : s.span_level + ~home * block_rows;
    const double offset = home >= 0 ? b.memory.node_offset[home] : b.memory.span_offset[~home];
    for (std::int32_t r = 0; r < block_rows; ++r) {
      const std::int64_t i = (first_row + (r < rows ? r : rows - 1)) * plan.block_count + v;
      factor[r] += b.args.dlog_q[i];
      level[r] = static_cast<float>(static_cast<double>(b.args.log_q[i]) * log2_e - offset);
    }
  }
}

inline void choose_paths(const BlockPlan& plan, BackwardScratch& s) {
  typedef vint any_vint __attribute__((may_alias));
  for (std::int32_t i = 0; i < plan.node_count * block_rows; i += lanes) {
    const vfloat level = load(s.level + i),
                 scaled = load(s.factor + i) * exp2(vmin(broadcast(127.0F), -level));
    store(s.scaled_factor + i, scaled);
    *reinterpret_cast<any_vint*>(s.unsafe + i) = ~((level >= least_level) & (abs(scaled) <= largest_factor));
  }
  for (std::int32_t n = 0; n < plan.node_count; ++n) {
    std::int32_t unsafe = 0;
    for (std::int32_t i = n * block_rows; i < (n + 1) * block_rows; ++i) unsafe |= s.unsafe[i];
    s.online[n] = !plan.nodes[n].product || unsafe != 0;
  }
  mark_parents_online(plan, s.online);
}

// Log-densities of a segment's nodes.
inline void logs_of_segment(const Backward& b, std::int64_t q, const PlanSegment& segment, std::int32_t first,
                            BackwardScratch& s) {
  const BlockPlan& plan = b.plan;
  for (std::int32_t d = segment.dims.begin; d < segment.dims.end; ++d) {
    log_densities(component(b.memory.tables, q, d), s.z + d * block_rows + first,
                  s.logs + (d - segment.dims.begin) * group_tile);
  }
  for (std::int32_t n = segment.nodes.begin; n < segment.nodes.end; ++n) {
    const PlanNode& node = plan.nodes[n];
    combine_group(s.logs, plan.children + node.children.begin, node.children.end - node.children.begin,
                  s.logs + node.slot * group_tile, add);
  }
}

// Densities from log-densities, (row_group, tile), relative to 2^level if `online`.
template <bool online>
[[gnu::noinline]] void exp2_group(const float* logs, const float* level, float bound, float* density) {
  for (int r = 0; r < row_group; ++r) {
    const float* const from = logs + r * tile;
    float* const to = density + r * tile;
    const vfloat l = broadcast(level[r]);
    exp2_tile(
        [=](std::int64_t j) { return online ? relative_log(load(from + j), l, bound) : load(from + j); },
        [=](std::int64_t j, vfloat p) { store(to + j, p); });
  }
}

inline void densities_of_segment(const Backward& b, std::int64_t q, const PlanSegment& segment,
                                 std::int32_t first, BackwardScratch& s) {
  const BlockPlan& plan = b.plan;
  const float bound = b.largest_exponent;
  bool needs_logs = false;
  for (std::int32_t n = segment.nodes.begin; n < segment.nodes.end; ++n) needs_logs |= s.online[n];
  if (needs_logs) logs_of_segment(b, q, segment, first, s);
  for (std::int32_t d = segment.dims.begin; d < segment.dims.end; ++d) {
    if (plan.nodes[d].block < 0) continue;
    float* const density = s.density + plan.nodes[d].slot * group_tile;
    const float* const level = s.level + d * block_rows + first;
    log_densities(component(b.memory.tables, q, d), s.z + d * block_rows + first, density);
    if (s.online[d]) {
      exp2_group<true>(density, level, bound, density);
    } else {
      exp2_group<false>(density, level, bound, density);
    }
  }
  for (std::int32_t n = segment.nodes.begin; n < segment.nodes.end; ++n) {
    const PlanNode& node = plan.nodes[n];
    float* const density = s.density + node.slot * group_tile;
    if (s.online[n]) {
      exp2_group<true>(s.logs + node.slot * group_tile, s.level + n * block_rows + first, bound, density);
    } else {
      combine_group(s.density, plan.children + node.children.begin, node.children.end - node.children.begin,
                    density, multiply);
    }
  }
}

inline const float* factors(const BackwardScratch& s, std::int32_t n, std::int32_t first) {
  return (s.online[n] ? s.factor : s.scaled_factor) + n * block_rows + first;
}

// The gradient that a node's parents hand down, (row_group, tile), or null; several are added up in `buffer`.
inline const float* parent_gradient(const BlockPlan& plan, const PlanNode& node, std::int32_t first,
                                    const BackwardScratch& s, float* buffer) {
  const float* sum = nullptr;
  for (std::int32_t i = node.parents.begin; i < node.parents.end; ++i) {
    const std::int32_t parent = plan.parents[i];
    const float* const gradient = parent >= 0 ? s.density + parent * group_tile
                                              : s.span_gradient + (~parent * block_rows + first) * tile;
    if (sum == nullptr) {
      sum = gradient;
    } else {
      for (std::int64_t j = 0; j < group_tile; j += lanes)
        store(buffer + j, load(sum + j) + load(gradient + j));
      sum = buffer;
    }
  }
  return sum;
}

struct LeafTile {  // one dimension, for a group of rows
  Component columns;
  const float *z, *factor;  // (row_group)
  const float* density;     // (row_group, tile)
  const float* parent;      // (row_group, tile)
  const float* w;           // (row_group, tile), null if all pairs have the same weight
  float weight;             // that weight
  float* sums;              // (2, tile)
  float* dz;                // (row_group, lanes)
};

// Adds one dimension's gradients to dz and to the sums of its columns. Rows go in pairs, so that sums are short chains.
template <bool has_density, bool has_parent, bool weighted>
[[gnu::noinline]] void leaf_gradients(const LeafTile x) {
  const vfloat weight = broadcast(weighted ? 1.0F : x.weight);
  vfloat z[row_group], k[row_group], dz[row_group] = {};
  for (int r = 0; r < row_group; ++r) {
    z[r] = broadcast(x.z[r]);
    k[r] = broadcast(x.factor[r]);
  }
#pragma GCC unroll 1
  for (std::int64_t j = 0; j < tile; j += lanes) {
    const vfloat mean = load(x.columns.mean + j), a = load(x.columns.a + j);
    vfloat shift[2], spread[2], total[2];
    for (int pair = 0; pair < 2; ++pair) {
      vfloat g[2] = {}, t[2], gt[2];
      for (int i = 0; i < 2; ++i) {
        const int r = 2 * pair + i;
        if (has_parent) g[i] = load(x.parent + r * tile + j);
        if (has_density) {
          const vfloat p = load(x.density + r * tile + j);
          g[i] = has_parent ? fma(k[r], p, g[i]) : k[r] * p;
        }
        if (weighted) g[i] *= load(x.w + r * tile + j);
        t[i] = (mean - z[r]) * a;
        gt[i] = g[i] * t[i];
        dz[r] = fma(gt[i], a, dz[r]);
      }
      total[pair] = g[0] + g[1];
      shift[pair] = gt[0] + gt[1];
      spread[pair] = fma(gt[0], t[0], gt[1] * t[1]);
    }
    constexpr float half = 0.72134752044448170F;  // 1 / (2 ln2)
    const vfloat moment = fma(total[0] + total[1], broadcast(-half), spread[0] + spread[1]);
    store(x.sums + j, fma(shift[0] + shift[1], weight, load(x.sums + j)));
    store(x.sums + tile + j, fma(moment, weight, load(x.sums + tile + j)));
  }
  for (int r = 0; r < row_group; ++r) store(x.dz + r * lanes, fma(dz[r], weight, load(x.dz + r * lanes)));
}

template <bool has_density, bool has_parent>
CUELBO_INLINE void leaf_gradients(const LeafTile& x) {
  if (x.w != nullptr) {
    leaf_gradients<has_density, has_parent, true>(x);
  } else {
    leaf_gradients<has_density, has_parent, false>(x);
  }
}

// Gradients of a node, (row_group, tile), in place of its densities.
template <bool has_parent>
CUELBO_INLINE void node_gradients(const float* parent, const float* factor, float* density) {
  for (int r = 0; r < row_group; ++r) {
    const vfloat k = broadcast(factor[r]);
#pragma GCC unroll 4
    for (std::int64_t i = r * tile; i < (r + 1) * tile; i += lanes) {
      const vfloat p = load(density + i);
      store(density + i, has_parent ? fma(k, p, load(parent + i)) : k * p);
    }
  }
}

inline void gradients_of_segment(const Backward& b, std::int64_t q, const PlanSegment& segment,
                                 std::int32_t first, BackwardScratch& s) {
  const BlockPlan& plan = b.plan;
  alignas(64) float buffer[group_tile];
  for (std::int32_t n = segment.nodes.end - 1; n >= segment.nodes.begin; --n) {
    const PlanNode& node = plan.nodes[n];
    const float* const parent = parent_gradient(plan, node, first, s, buffer);
    float* const density = s.density + node.slot * group_tile;
    if (parent != nullptr) {
      node_gradients<true>(parent, factors(s, n, first), density);
    } else {
      node_gradients<false>(parent, factors(s, n, first), density);
    }
  }
  for (std::int32_t d = segment.dims.begin; d < segment.dims.end; ++d) {
    const PlanNode& node = plan.nodes[d];
    const LeafTile x = {.columns = component(b.memory.tables, q, d),
                        .z = s.z + d * block_rows + first,
                        .factor = factors(s, d, first),
                        .density = s.density + node.slot * group_tile,
                        .parent = parent_gradient(plan, node, first, s, buffer),
                        .w = s.uniform ? nullptr : s.weights + first * tile,
                        .weight = s.weights[0],
                        .sums = s.column_sums + (q * plan.dims + d) * 2 * tile,
                        .dz = s.dz + (d * block_rows + first) * lanes};
    if (x.parent != nullptr && node.block >= 0) {
      leaf_gradients<true, true>(x);
    } else if (x.parent != nullptr) {
      leaf_gradients<false, true>(x);
    } else if (node.block >= 0) {
      leaf_gradients<true, false>(x);
    }
  }
}

// The blocks that reach over several segments, from their log-densities in all segments down to their gradients.
inline void spans_of_tile(const Backward& b, std::int64_t q, std::int32_t rows, BackwardScratch& s) {
  const BlockPlan& plan = b.plan;
  const float bound = b.largest_exponent;
  const auto for_children = [&](const PlanSpan& span, auto&& f) {
    for (std::int32_t c = span.children.begin; c < span.children.end; ++c)
      for (std::int32_t first = 0; first < rows; first += row_group)
        f((plan.span_children[c] * block_rows + first) * tile, first * tile);
  };
  for (std::int32_t i = 0; i < plan.span_count; ++i) {
    float* const logs = s.span_logs + i * block_rows * tile;
    for_children(plan.spans[i],
                 [&](std::int64_t child, std::int64_t own) { add_group(logs + own, s.span_logs + child); });
  }
  for (std::int32_t i = plan.span_count - 1; i >= 0; --i) {
    const PlanSpan& span = plan.spans[i];
    float* const gradient = s.span_gradient + i * block_rows * tile;
    for (std::int32_t r = 0; r < rows && span.block >= 0; ++r) {
      const float* const logs = s.span_logs + (i * block_rows + r) * tile;
      const vfloat level = broadcast(s.span_level[i * block_rows + r]);
      const vfloat k = broadcast(s.span_factor[i * block_rows + r]);
      float* const out = gradient + r * tile;
      exp2_tile([=](std::int64_t j) { return relative_log(load(logs + j), level, bound); },
                [=](std::int64_t j, vfloat p) { store(out + j, fma(k, p, load(out + j))); });
    }
    if (span.mixtures.begin < span.mixtures.end) mixtures_of_span(b, q, i, rows, s);
    for_children(span, [&](std::int64_t child, std::int64_t own) {
      add_group(s.span_gradient + child, gradient + own);
    });
  }
}

inline void backward_tile(const Backward& b, std::int64_t q, std::int32_t rows, BackwardScratch& s) {
  const BlockPlan& plan = b.plan;
  if (plan.span_count > 0) {
    for (std::int64_t i = 0; i < plan.span_count * block_rows * tile; ++i)
      s.span_logs[i] = s.span_gradient[i] = 0;
    for (std::int32_t g = 0; g < plan.segment_count; ++g) {
      for (std::int32_t first = 0; first < rows; first += row_group)
        add_span_terms(plan, plan.segments[g], b.memory.tables, q, s.z, first, s.span_logs);
    }
    spans_of_tile(b, q, rows, s);
  }
  for (std::int32_t g = 0; g < plan.segment_count; ++g) {
    for (std::int32_t first = 0; first < rows; first += row_group) {
      densities_of_segment(b, q, plan.segments[g], first, s);
      gradients_of_segment(b, q, plan.segments[g], first, s);
    }
  }
}

// All tiles of [first_tile, last_tile). dz is set if `set_dz`, else added to.
inline void backward_rows(const Backward& b, std::int64_t first_tile, std::int64_t last_tile,
                          std::int64_t first_row, std::int32_t rows, bool set_dz, BackwardScratch& s) {
  constexpr float two_ln2 = 1.38629436111989061884F;
  const BlockPlan& plan = b.plan;
  copy_rows(b.args.z + first_row * plan.dims, plan.dims, rows, s.z);
  prepare_factors(b, first_row, rows, s);
  choose_paths(plan, s);
  for (std::int32_t r = 0; r < rows; ++r) prepare_mixtures(b, first_row + r, r, s);
  for (std::int64_t i = 0; i < block_rows * plan.dims * lanes; ++i) s.dz[i] = 0;
  const Weights weights = weights_of(b.args.shape);
  for (std::int32_t r = rows; r < block_rows; ++r) fill_tile(s.weights + r * tile, 0);
  for (std::int64_t q = first_tile; q < last_tile; ++q) {
    s.uniform = rows == block_rows && (q + 1) * tile <= b.memory.tables.columns;
    for (std::int32_t r = 0; r < rows; ++r) {
      const bool same = tile_weights(weights, b.own_column(first_row + r), q, s.weights + r * tile);
      s.uniform = s.uniform && same;
    }
    backward_tile(b, q, rows, s);
  }
  sum_lanes(s.dz, plan.dims * block_rows, s.dz_sum);
  for (std::int32_t r = 0; r < rows; ++r) {
    float* const dz = b.args.dz + (first_row + r) * plan.dims;
    for (std::int64_t d = 0; d < plan.dims; ++d) {
      const float sum = two_ln2 * s.dz_sum[d * block_rows + r];
      dz[d] = set_dz ? sum : dz[d] + sum;
    }
  }
}

}  // namespace
}  // namespace cuelbo::kernels::CUELBO_ISA
