#include "kernels/elbo_decomposition/block_plan.hpp"

#include <algorithm>
#include <memory>
#include <vector>

namespace cuelbo::kernels {
namespace {

std::int32_t size(IndexRange r) { return r.end - r.begin; }
bool equal(IndexRange a, IndexRange b) { return a.begin == b.begin && a.end == b.end; }
bool contains(IndexRange outer, IndexRange inner) {
  return outer.begin <= inner.begin && inner.end <= outer.end;
}
bool smaller(IndexRange a, IndexRange b) {
  return size(a) != size(b) ? size(a) < size(b) : a.begin < b.begin;
}

// Lays arrays out one behind the other; with a null base it only counts.
class Layout {
 public:
  explicit Layout(void* base) : base_(static_cast<char*>(base)) {}
  template <class T>
  T* take(std::int64_t n) {
    char* const p = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (static_cast<std::size_t>(n) * sizeof(T) + 7) / 8 * 8;
    T* const first = reinterpret_cast<T*>(p);
    if (first != nullptr) std::uninitialized_value_construct_n(first, n);
    return first;
  }
  std::size_t used() const { return used_; }

 private:
  char* base_;
  std::size_t used_ = 0;
};

BlockPlan lay_out(const ElboDecompositionShape& s, Layout& layout) {
  const std::int64_t blocks = s.block_count;
  std::int64_t edges = s.dims;  // each child covers at least one dimension of its parent
  for (std::int32_t i = 0; i < s.block_count; ++i) edges += s.blocks[i].dim_end - s.blocks[i].dim_begin;
  BlockPlan plan;
  plan.nodes = layout.take<PlanNode>(s.dims + blocks);
  plan.segments = layout.take<PlanSegment>(s.dims);
  plan.spans = layout.take<PlanSpan>(blocks);
  plan.mixtures = layout.take<PlanMixture>(blocks);
  plan.children = layout.take<std::int32_t>(edges);
  plan.parents = layout.take<std::int32_t>(2 * edges);
  plan.terms = layout.take<SpanTerm>(edges);
  plan.span_children = layout.take<std::int32_t>(edges);
  plan.block_home = layout.take<std::int32_t>(blocks);
  plan.group_classes = layout.take<std::int32_t>(s.group_count);
  plan.group_column = layout.take<std::int32_t>(s.group_count);
  return plan;
}

class Builder {
 public:
  Builder(const ElboDecompositionShape& shape, BlockPlan& plan) : shape_(shape), plan_(plan) {}

  void build() {
    plan_.dims = static_cast<std::int32_t>(shape_.dims);
    plan_.block_count = shape_.block_count;
    plan_.class_columns = class_column_count(shape_);
    plan_.class_sums = saved_columns(shape_);
    for (std::int32_t c = 0; c < shape_.group_count; ++c) {
      plan_.group_classes[c] = shape_.classes[c];
      plan_.group_column[c] = static_cast<std::int32_t>(first_class_column(shape_, c));
    }
    cut_segments();
    collect_blocks();
    sort_nodes();
    std::sort(plan_.spans, plan_.spans + plan_.span_count,
              [](const PlanSpan& a, const PlanSpan& b) { return smaller(a.dims, b.dims); });
    place_blocks();
    connect();
  }

 private:
  static bool gaussian(const DensityBlock& v) { return v.group_begin == v.group_end; }
  static IndexRange dims_of(const DensityBlock& v) { return {v.dim_begin, v.dim_end}; }

  // Ends each segment where it cuts the fewest blocks, as late as possible.
  void cut_segments() {
    for (std::int32_t begin = 0; begin < plan_.dims;) {
      const std::int32_t limit = std::min(begin + segment_dims, plan_.dims);
      std::int32_t best = limit, fewest = INT32_MAX;
      for (std::int32_t end = limit; end > begin; --end) {
        std::int32_t cuts = 0;
        for (std::int32_t i = 0; i < shape_.block_count; ++i) {
          const DensityBlock& v = shape_.blocks[i];
          cuts += gaussian(v) && v.dim_begin < end && end < v.dim_end;
        }
        if (cuts < fewest) {
          fewest = cuts;
          best = end;
        }
      }
      plan_.segments[plan_.segment_count++].dims = {begin, best};
      begin = best;
    }
  }

  std::int32_t segment_of(IndexRange dims) const {  // -1: in none
    for (std::int32_t i = 0; i < plan_.segment_count; ++i)
      if (contains(plan_.segments[i].dims, dims)) return i;
    return -1;
  }

  void collect_blocks() {
    plan_.node_count = plan_.dims;
    for (std::int32_t d = 0; d < plan_.dims; ++d) plan_.nodes[d].dims = {d, d + 1};
    for (std::int32_t i = 0; i < shape_.block_count; ++i) {
      const DensityBlock& v = shape_.blocks[i];
      if (gaussian(v) && segment_of(dims_of(v)) >= 0) {
        if (find_node(dims_of(v)) < 0) plan_.nodes[plan_.node_count++].dims = dims_of(v);
      } else if (find_span(dims_of(v)) < 0) {
        plan_.spans[plan_.span_count++].dims = dims_of(v);
      }
    }
  }

  std::int32_t find_node(IndexRange dims) const {
    if (size(dims) == 1) return dims.begin;
    for (std::int32_t n = plan_.dims; n < plan_.node_count; ++n)
      if (equal(plan_.nodes[n].dims, dims)) return n;
    return -1;
  }

  std::int32_t find_span(IndexRange dims) const {
    for (std::int32_t i = 0; i < plan_.span_count; ++i)
      if (equal(plan_.spans[i].dims, dims) || (size(dims) == 0 && size(plan_.spans[i].dims) == 0)) return i;
    return -1;
  }

  void sort_nodes() {
    std::sort(plan_.nodes + plan_.dims, plan_.nodes + plan_.node_count,
              [this](const PlanNode& a, const PlanNode& b) {
                const std::int32_t segment_a = segment_of(a.dims), segment_b = segment_of(b.dims);
                return segment_a != segment_b ? segment_a < segment_b : smaller(a.dims, b.dims);
              });
    std::int32_t next = plan_.dims;
    for (std::int32_t i = 0; i < plan_.segment_count; ++i) {
      PlanSegment& segment = plan_.segments[i];
      for (std::int32_t d = segment.dims.begin; d < segment.dims.end; ++d)
        plan_.nodes[d].slot = d - segment.dims.begin;
      segment.nodes.begin = next;
      std::int32_t slot = size(segment.dims);
      while (next < plan_.node_count && contains(segment.dims, plan_.nodes[next].dims))
        plan_.nodes[next++].slot = slot++;
      segment.nodes.end = next;
      plan_.slots = std::max(plan_.slots, slot);
    }
  }

  void place_blocks() {
    std::int64_t saved_column = 0;
    for (std::int32_t i = 0; i < shape_.block_count; ++i) {
      const DensityBlock& v = shape_.blocks[i];
      const std::int32_t node = gaussian(v) ? find_node_in_segment(dims_of(v)) : -1;
      if (!gaussian(v)) {
        PlanMixture& mixture = plan_.mixtures[plan_.mixture_count++];
        mixture.block = i;
        mixture.span = find_span(dims_of(v));
        mixture.groups = {v.group_begin, v.group_end};
        mixture.classes = static_cast<std::int32_t>(block_classes(shape_, v));
        mixture.saved_column = saved_column;
        saved_column += mixture.classes;
        plan_.block_home[i] = BlockPlan::mixture_block;
      } else if (node >= 0) {
        plan_.block_home[i] = node;
        if (plan_.nodes[node].block < 0) plan_.nodes[node].block = i;
      } else {
        const std::int32_t span = find_span(dims_of(v));
        plan_.block_home[i] = ~span;
        if (plan_.spans[span].block < 0) plan_.spans[span].block = i;
      }
    }
    std::sort(plan_.mixtures, plan_.mixtures + plan_.mixture_count,
              [](const PlanMixture& a, const PlanMixture& b) {
                return a.span != b.span ? a.span < b.span : a.block < b.block;
              });
    for (std::int32_t i = 0, next = 0; i < plan_.span_count; ++i) {
      plan_.spans[i].mixtures.begin = next;
      while (next < plan_.mixture_count && plan_.mixtures[next].span == i) ++next;
      plan_.spans[i].mixtures.end = next;
    }
  }

  std::int32_t find_node_in_segment(IndexRange dims) const {
    return segment_of(dims) >= 0 ? find_node(dims) : -1;
  }

  // The longest node that begins at dimension `begin`, is part of `whole` and comes before node `limit`.
  std::int32_t longest_node(std::int32_t begin, IndexRange whole, std::int32_t limit) const {
    std::int32_t best = begin;
    for (std::int32_t n = plan_.dims; n < limit; ++n) {
      const IndexRange dims = plan_.nodes[n].dims;
      if (dims.begin == begin && dims.end <= whole.end && size(dims) > size(plan_.nodes[best].dims)) best = n;
    }
    return best;
  }

  std::int32_t longest_span(std::int32_t begin, IndexRange whole, std::int32_t limit) const {  // -1: none
    std::int32_t best = -1;
    for (std::int32_t i = 0; i < limit; ++i) {
      const IndexRange dims = plan_.spans[i].dims;
      if (size(dims) > 0 && dims.begin == begin && dims.end <= whole.end) best = i;
    }
    return best;
  }

  // Makes up each node and span from the largest smaller ones.
  void connect() {
    for (std::int32_t d = 0; d < plan_.dims; ++d) plan_.nodes[d].product = plan_.nodes[d].block >= 0;
    std::int32_t edges = 0;
    for (std::int32_t n = plan_.dims; n < plan_.node_count; ++n) {
      PlanNode& node = plan_.nodes[n];
      node.children.begin = edges;
      node.product = true;
      for (std::int32_t d = node.dims.begin; d < node.dims.end;) {
        const std::int32_t child = longest_node(d, node.dims, n);
        node.product = node.product && plan_.nodes[child].product;
        plan_.children[edges++] = plan_.nodes[child].slot;
        d = plan_.nodes[child].dims.end;
      }
      node.children.end = edges;
    }
    connect_spans();
    list_parents();
  }

  void connect_spans() {
    std::int32_t terms = 0, span_edges = 0;
    for (std::int32_t i = 0; i < plan_.span_count; ++i) {
      PlanSpan& span = plan_.spans[i];
      span.children.begin = span_edges;
      walk(i, [&](std::int32_t child, std::int32_t) {
        if (child >= 0) plan_.span_children[span_edges++] = child;
      });
      span.children.end = span_edges;
    }
    for (std::int32_t g = 0; g < plan_.segment_count; ++g) {
      PlanSegment& segment = plan_.segments[g];
      segment.terms.begin = terms;
      for (std::int32_t i = 0; i < plan_.span_count; ++i) {
        walk(i, [&](std::int32_t child, std::int32_t node) {
          if (child < 0 && contains(segment.dims, plan_.nodes[node].dims))
            plan_.terms[terms++] = {i, plan_.nodes[node].slot};
        });
      }
      segment.terms.end = terms;
      segment.whole = only_span(segment);
    }
  }

  std::int32_t only_span(const PlanSegment& segment) const {  // -1: none, or not of all dimensions
    std::int32_t dims = 0;
    for (std::int32_t t = segment.terms.begin; t < segment.terms.end; ++t) {
      if (plan_.terms[t].span != plan_.terms[segment.terms.begin].span) return -1;
      dims += size(plan_.nodes[node_at(segment, plan_.terms[t].slot)].dims);
    }
    return dims == size(segment.dims) ? plan_.terms[segment.terms.begin].span : -1;
  }

  // Calls part(child span, 0) or part(-1, node) for the parts of a span from left to right.
  template <class F>
  void walk(std::int32_t span, F&& part) const {
    const IndexRange whole = plan_.spans[span].dims;
    for (std::int32_t d = whole.begin; d < whole.end;) {
      const std::int32_t node = longest_node(d, whole, plan_.node_count),
                         child = longest_span(d, whole, span);
      if (child >= 0 && size(plan_.spans[child].dims) > size(plan_.nodes[node].dims)) {
        part(child, 0);
        d = plan_.spans[child].dims.end;
      } else {
        part(-1, node);
        d = plan_.nodes[node].dims.end;
      }
    }
  }

  void list_parents() {
    std::int32_t edges = 0;
    for (std::int32_t g = 0; g < plan_.segment_count; ++g) {
      const PlanSegment& segment = plan_.segments[g];
      const auto list = [&](PlanNode& node) {
        node.parents.begin = edges;
        for (std::int32_t t = segment.terms.begin; t < segment.terms.end; ++t)
          if (plan_.terms[t].slot == node.slot) plan_.parents[edges++] = ~plan_.terms[t].span;
        for (std::int32_t n = segment.nodes.begin; n < segment.nodes.end; ++n) {
          const IndexRange children = plan_.nodes[n].children;
          for (std::int32_t c = children.begin; c < children.end; ++c)
            if (plan_.children[c] == node.slot) plan_.parents[edges++] = plan_.nodes[n].slot;
        }
        node.parents.end = edges;
      };
      for (std::int32_t d = segment.dims.begin; d < segment.dims.end; ++d) list(plan_.nodes[d]);
      for (std::int32_t n = segment.nodes.begin; n < segment.nodes.end; ++n) list(plan_.nodes[n]);
    }
  }

  const ElboDecompositionShape& shape_;
  BlockPlan& plan_;
};

}  // namespace

std::size_t block_plan_bytes(const ElboDecompositionShape& shape) {
  Layout layout(nullptr);
  lay_out(shape, layout);
  return layout.used();
}

BlockPlan build_block_plan(const ElboDecompositionShape& shape, void* memory) {
  Layout layout(memory);
  BlockPlan plan = lay_out(shape, layout);
  Builder(shape, plan).build();
  return plan;
}

BlockPlan measure_block_plan(const ElboDecompositionShape& shape) {
  std::vector<std::uint64_t> memory(block_plan_bytes(shape) / sizeof(std::uint64_t) + 1);
  return build_block_plan(shape, memory.data());  // its pointers dangle
}

}  // namespace cuelbo::kernels
