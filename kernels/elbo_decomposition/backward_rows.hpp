// The backward pass of a block of rows with a range of column tiles.
#pragma once

#include "kernels/elbo_decomposition/backward_memory.hpp"
#include "kernels/elbo_decomposition/backward_mixtures.hpp"

namespace cuelbo::kernels::CUELBO_ISA {
namespace {

// A node is online if its densities are computed relative to its sum. The others have plain products of densities, which
// is safe if log₂ of the sum is not below least_level: what is lost below 2⁻¹²⁶ is then less than 2⁻²⁶ of the sum.
constexpr float least_level = -100, largest_factor = 1e37F;

inline void prepare_row(const Backward& b, std::int64_t row, std::int32_t r, BackwardScratch& s) {
  const BlockPlan& plan = b.plan;
  const float* const log_q = b.args.log_q + row * plan.block_count;
  const float* const dlog_q = b.args.dlog_q + row * plan.block_count;
  const std::int64_t nodes = plan.node_count, spans = plan.span_count;
  float *const factor = s.factor + r * nodes, *const level = s.level + r * nodes;
  for (std::int64_t n = 0; n < nodes; ++n) factor[n] = level[n] = 0;
  for (std::int64_t i = 0; i < spans; ++i) s.span_factor[r * spans + i] = s.span_level[r * spans + i] = 0;
  for (std::int32_t v = 0; v < plan.block_count; ++v) {
    const std::int32_t home = plan.block_home[v];
    if (home == BlockPlan::mixture_block) continue;
    const double log2_q = static_cast<double>(log_q[v]) * log2_e;
    if (home >= 0) {
      factor[home] += dlog_q[v];
      level[home] = static_cast<float>(log2_q - b.memory.node_offset[home]);
    } else {
      s.span_factor[r * spans + ~home] += dlog_q[v];
      s.span_level[r * spans + ~home] = static_cast<float>(log2_q - b.memory.span_offset[~home]);
    }
  }
  for (std::int64_t n = 0; n < nodes; n += lanes) {
    const int count = static_cast<int>(nodes - n < lanes ? nodes - n : lanes);
    const vfloat scaled = load_partial(factor + n, count) * exp2(-load_partial(level + n, count));
    store_partial(s.scaled_factor + r * nodes + n, scaled, count);
  }
}

inline void choose_paths(const BlockPlan& plan, std::int32_t rows, BackwardScratch& s) {
  for (std::int32_t n = 0; n < plan.node_count; ++n) {
    bool online = !plan.nodes[n].product;
    for (std::int32_t r = 0; r < rows; ++r) {
      const float scaled = s.scaled_factor[r * plan.node_count + n];
      online |= !(s.level[r * plan.node_count + n] >= least_level);
      online |= !(scaled >= -largest_factor && scaled <= largest_factor);
    }
    s.online[n] = online;
  }
  for (std::int32_t g = 0; g < plan.segment_count; ++g) {
    const PlanSegment& segment = plan.segments[g];
    for (std::int32_t n = segment.nodes.begin; n < segment.nodes.end; ++n) {
      for (std::int32_t c = plan.nodes[n].children.begin; c < plan.nodes[n].children.end; ++c)
        s.online[n] |= s.online[node_at(segment, plan.children[c])];
    }
  }
}

inline const float* factors(const BackwardScratch& s, std::int32_t n) {
  return s.online[n] ? s.factor + n : s.scaled_factor + n;
}

// Log-densities of a segment's nodes.
inline void logs_of_segment(const Backward& b, std::int64_t q, const PlanSegment& segment, const RowGroup& rows,
                            BackwardScratch& s) {
  const BlockPlan& plan = b.plan;
  const std::int64_t stride = plan.slots * tile;
  for (std::int32_t d = segment.dims.begin; d < segment.dims.end; ++d)
    log_densities(component(b.memory.tables, q, d), d, rows, s.logs + (d - segment.dims.begin) * tile, stride);
  for (std::int32_t n = segment.nodes.begin; n < segment.nodes.end; ++n) {
    const PlanNode& node = plan.nodes[n];
    for (int r = 0; r < row_group; ++r) {
      float* const logs = s.logs + r * stride;
      float* const out = logs + node.slot * tile;
      combine_children(logs, plan.children + node.children.begin, node.children.end - node.children.begin,
                       [](vfloat x, vfloat y) { return x + y; }, [=](std::int64_t j, vfloat x) { store(out + j, x); });
    }
  }
}

CUELBO_INLINE void relative_densities(const float* logs, float level, float* density) {
  for (std::int64_t j = 0; j < tile; j += lanes) store(density + j, exp2(load(logs + j) - level));
}

inline void densities_of_segment(const Backward& b, std::int64_t q, const PlanSegment& segment, const RowGroup& rows,
                                 std::int32_t first, BackwardScratch& s) {
  const BlockPlan& plan = b.plan;
  const std::int64_t stride = plan.slots * tile;
  bool needs_logs = false;
  for (std::int32_t n = segment.nodes.begin; n < segment.nodes.end; ++n) needs_logs |= s.online[n];
  if (needs_logs) logs_of_segment(b, q, segment, rows, s);
  for (std::int32_t d = segment.dims.begin; d < segment.dims.end; ++d) {
    if (plan.nodes[d].block < 0) continue;
    const Component x = component(b.memory.tables, q, d);
    float* const density = s.density + (d - segment.dims.begin) * tile;
    vfloat z[row_group], level[row_group];
    for (int r = 0; r < row_group; ++r) {
      z[r] = broadcast(rows.z[r][d]);
      level[r] = broadcast(s.online[d] ? s.level[(first + r) * plan.node_count + d] : 0.0F);
    }
    for (std::int64_t j = 0; j < tile; j += lanes) {
      for (int r = 0; r < row_group; ++r)
        store(density + r * stride + j, exp2(log_density(x, standardised(x, z[r], j), j) - level[r]));
    }
  }
  for (std::int32_t n = segment.nodes.begin; n < segment.nodes.end; ++n) {
    const PlanNode& node = plan.nodes[n];
    for (int r = 0; r < row_group; ++r) {
      const float* const children = s.density + r * stride;
      float* const density = s.density + r * stride + node.slot * tile;
      if (s.online[n]) {
        relative_densities(s.logs + r * stride + node.slot * tile, s.level[(first + r) * plan.node_count + n], density);
      } else {
        combine_children(children, plan.children + node.children.begin, node.children.end - node.children.begin,
                         [](vfloat x, vfloat y) { return x * y; },
                         [=](std::int64_t j, vfloat x) { store(density + j, x); });
      }
    }
  }
}

// The gradient that a node's parents hand down, or null; several are added up in `buffer`.
inline const float* parent_gradient(const BlockPlan& plan, const PlanNode& node, std::int32_t row_in_block,
                                    std::int32_t row_in_group, const BackwardScratch& s, float* buffer) {
  const float* sum = nullptr;
  for (std::int32_t i = node.parents.begin; i < node.parents.end; ++i) {
    const std::int32_t parent = plan.parents[i];
    const float* const gradient = parent >= 0 ? s.logs + (row_in_group * plan.slots + parent) * tile
                                              : s.span_gradient + (~parent * block_rows + row_in_block) * tile;
    if (sum == nullptr) {
      sum = gradient;
    } else {
      for (std::int64_t j = 0; j < tile; j += lanes) store(buffer + j, load(sum + j) + load(gradient + j));
      sum = buffer;
    }
  }
  return sum;
}

// Adds one dimension's gradients to dz and to the sums of its columns.
template <bool has_density, bool has_parent>
CUELBO_INLINE void leaf_gradients(const Component& x, const vfloat* z, const float* const* w, const float* const* parent,
                                  const float* density, std::int64_t stride, const float* factor, std::int64_t factor_stride,
                                  float* sums, float* dz, std::int64_t dz_stride) {
  constexpr float ln2 = 0.693147180559945309F;
  vfloat dz_sum[row_group], k[row_group];
  for (int r = 0; r < row_group; ++r) {
    dz_sum[r] = load(dz + r * dz_stride);
    k[r] = broadcast(has_density ? factor[r * factor_stride] : 0.0F);
  }
  for (std::int64_t j = 0; j < tile; j += lanes) {
    const vfloat mean = load(x.mean + j), a = load(x.a + j);
    vfloat shift = load(sums + j), spread{}, total{};
    for (int r = 0; r < row_group; ++r) {
      vfloat g = has_parent ? load(parent[r] + j) : vfloat{};
      if (has_density) g = fma(k[r], load(density + r * stride + j), g);
      g *= load(w[r] + j);
      const vfloat t = (z[r] - mean) * a;
      const vfloat gt = g * t;
      dz_sum[r] = fma(gt, a, dz_sum[r]);
      shift += gt;
      spread = fma(gt, t, spread);
      total += g;
    }
    store(sums + j, shift);
    store(sums + tile + j, fma(spread, broadcast(ln2), fma(total, broadcast(-0.5F), load(sums + tile + j))));
  }
  for (int r = 0; r < row_group; ++r) store(dz + r * dz_stride, dz_sum[r]);
}

inline void gradients_of_segment(const Backward& b, std::int64_t q, const PlanSegment& segment, const RowGroup& rows,
                                 std::int32_t first, BackwardScratch& s) {
  const BlockPlan& plan = b.plan;
  const std::int64_t stride = plan.slots * tile;
  alignas(64) float buffer[row_group * tile];
  for (std::int32_t n = segment.nodes.end - 1; n >= segment.nodes.begin; --n) {
    const PlanNode& node = plan.nodes[n];
    const float* const factor = factors(s, n) + first * plan.node_count;
    for (int r = 0; r < row_group; ++r) {
      const float* const parent = parent_gradient(plan, node, first + r, r, s, buffer);
      const float* const density = s.density + r * stride + node.slot * tile;
      float* const gradient = s.logs + r * stride + node.slot * tile;
      const vfloat k = broadcast(factor[r * plan.node_count]);
      for (std::int64_t j = 0; j < tile; j += lanes)
        store(gradient + j, fma(k, load(density + j), parent != nullptr ? load(parent + j) : vfloat{}));
    }
  }
  for (std::int32_t d = segment.dims.begin; d < segment.dims.end; ++d) {
    const PlanNode& node = plan.nodes[d];
    const bool has_parent = node.parents.begin < node.parents.end, has_density = node.block >= 0;
    if (!has_parent && !has_density) continue;
    const float* parent[row_group];
    vfloat z[row_group];
    for (int r = 0; r < row_group; ++r) {
      parent[r] = parent_gradient(plan, node, first + r, r, s, buffer + r * tile);
      z[r] = broadcast(rows.z[r][d]);
    }
    const Component x = component(b.memory.tables, q, d);
    const float* const density = s.density + node.slot * tile;
    const float* const factor = factors(s, d) + first * plan.node_count;
    float* const sums = b.memory.column_sums + (q * plan.dims + d) * 2 * tile;
    float* const dz = s.dz + (first * plan.dims + d) * lanes;
    const std::int64_t dz_stride = plan.dims * lanes;
    if (has_parent && has_density) {
      leaf_gradients<true, true>(x, z, rows.w, parent, density, stride, factor, plan.node_count, sums, dz, dz_stride);
    } else if (has_density) {
      leaf_gradients<true, false>(x, z, rows.w, parent, density, stride, factor, plan.node_count, sums, dz, dz_stride);
    } else {
      leaf_gradients<false, true>(x, z, rows.w, parent, density, stride, factor, plan.node_count, sums, dz, dz_stride);
    }
  }
}

// The blocks that reach over several segments, from their log-densities in all segments down to their gradients.
inline void spans_of_tile(const Backward& b, std::int64_t q, std::int32_t rows, const float* const* w,
                          BackwardScratch& s) {
  const BlockPlan& plan = b.plan;
  for (std::int32_t i = 0; i < plan.span_count; ++i) {
    const PlanSpan& span = plan.spans[i];
    for (std::int32_t c = span.children.begin; c < span.children.end; ++c) {
      for (std::int32_t r = 0; r < rows; ++r)
        add_tile(s.span_logs + (i * block_rows + r) * tile, s.span_logs + (plan.span_children[c] * block_rows + r) * tile);
    }
  }
  for (std::int32_t i = plan.span_count - 1; i >= 0; --i) {
    const PlanSpan& span = plan.spans[i];
    if (span.block >= 0) {
      for (std::int32_t r = 0; r < rows; ++r) {
        const float* const logs = s.span_logs + (i * block_rows + r) * tile;
        float* const gradient = s.span_gradient + (i * block_rows + r) * tile;
        const vfloat level = broadcast(s.span_level[r * plan.span_count + i]);
        const vfloat k = broadcast(s.span_factor[r * plan.span_count + i]);
        for (std::int64_t j = 0; j < tile; j += lanes)
          store(gradient + j, fma(k, exp2(load(logs + j) - level), load(gradient + j)));
      }
    }
    if (span.mixtures.begin < span.mixtures.end) mixtures_of_span(b, q, i, rows, w, s);
    for (std::int32_t c = span.children.begin; c < span.children.end; ++c) {
      for (std::int32_t r = 0; r < rows; ++r)
        add_tile(s.span_gradient + (plan.span_children[c] * block_rows + r) * tile,
                 s.span_gradient + (i * block_rows + r) * tile);
    }
  }
}

inline void backward_tile(const Backward& b, std::int64_t q, std::int64_t first_row, std::int32_t rows,
                          BackwardScratch& s) {
  const BlockPlan& plan = b.plan;
  const float* w[block_rows];
  for (std::int32_t r = 0; r < rows; ++r)
    w[r] = tile_weights(*b.memory.weights, b.own_column(first_row + r), q, s.special_weights + r * tile);
  const auto group = [&](std::int32_t first) {
    RowGroup g;
    for (std::int32_t i = 0; i < row_group; ++i) {
      const bool missing = first + i >= rows;
      g.z[i] = b.args.z + (first_row + (missing ? rows - 1 : first + i)) * plan.dims;
      g.w[i] = missing ? b.memory.no_weights : w[first + i];
    }
    return g;
  };
  if (plan.span_count > 0) {
    for (std::int64_t i = 0; i < plan.span_count * block_rows * tile; ++i) s.span_logs[i] = s.span_gradient[i] = 0;
    for (std::int32_t g = 0; g < plan.segment_count; ++g) {
      const PlanSegment& segment = plan.segments[g];
      if (segment.terms.begin == segment.terms.end) continue;
      for (std::int32_t first = 0; first < rows; first += row_group) {
        logs_of_segment(b, q, segment, group(first), s);
        for (std::int32_t i = segment.terms.begin; i < segment.terms.end; ++i) {
          const SpanTerm term = plan.terms[i];
          for (int r = 0; r < row_group; ++r)
            add_tile(s.span_logs + (term.span * block_rows + first + r) * tile, s.logs + (r * plan.slots + term.slot) * tile);
        }
      }
    }
    spans_of_tile(b, q, rows, w, s);
  }
  for (std::int32_t g = 0; g < plan.segment_count; ++g) {
    for (std::int32_t first = 0; first < rows; first += row_group) {
      densities_of_segment(b, q, plan.segments[g], group(first), first, s);
      gradients_of_segment(b, q, plan.segments[g], group(first), first, s);
    }
  }
}

// All tiles of [first_tile, last_tile). dz is set if `set_dz`, else added to.
inline void backward_rows(const Backward& b, std::int64_t first_tile, std::int64_t last_tile, std::int64_t first_row,
                          std::int32_t rows, bool set_dz, BackwardScratch& s) {
  constexpr float two_ln2 = 1.38629436111989061884F;
  const BlockPlan& plan = b.plan;
  for (std::int32_t r = 0; r < block_rows; ++r) prepare_row(b, first_row + (r < rows ? r : rows - 1), r, s);
  choose_paths(plan, rows, s);
  for (std::int32_t r = 0; r < rows; ++r) prepare_mixtures(b, first_row + r, r, s);
  for (std::int64_t i = 0; i < block_rows * plan.dims * lanes; ++i) s.dz[i] = 0;
  for (std::int64_t q = first_tile; q < last_tile; ++q) backward_tile(b, q, first_row, rows, s);
  for (std::int64_t i = 0; i < rows * plan.dims; ++i) {
    float& dz = b.args.dz[first_row * plan.dims + i];
    const float sum = -two_ln2 * reduce_add(load(s.dz + i * lanes));
    dz = set_dz ? sum : dz + sum;
  }
}

}  // namespace
}  // namespace cuelbo::kernels::CUELBO_ISA
