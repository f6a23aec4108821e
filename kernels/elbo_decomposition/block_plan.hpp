// The order in which the blocks of one shape are computed; the same for all instruction sets and both passes.
//
// The dimensions are cut into segments of at most segment_dims, so that what one segment needs stays in the L1 cache.
// A Gaussian block inside one segment is a node: its density is the product of its children's. A block that reaches over
// several segments, or that has discrete groups, is a span: its log-densities are summed into a tile of its own, segment
// by segment.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/elbo_decomposition/elbo_decomposition.hpp"

namespace cuelbo::kernels {

inline constexpr std::int32_t segment_dims = 12;

struct IndexRange {
  std::int32_t begin = 0, end = 0;
};

// Node d < dims is dimension d. The others have at least two dimensions and are sorted by segment, then by size.
struct PlanNode {
  IndexRange dims;
  std::int32_t block = -1;  // the first Gaussian block with these dimensions; -1: none
  std::int32_t slot = 0;    // index among the dimensions and nodes of its segment
  bool product = false;  // its density can be had without an exponential of its own: all children have theirs
  IndexRange children;   // in BlockPlan::children
  IndexRange parents;    // in BlockPlan::parents
};

struct PlanSegment {
  IndexRange dims, nodes;   // nodes: those that are not single dimensions
  IndexRange terms;         // in BlockPlan::terms
  std::int32_t whole = -1;  // the span that takes all of its dimensions, if no other takes any
};

[[gnu::always_inline]] static inline std::int32_t node_at(const PlanSegment& s, std::int32_t slot) {
  const std::int32_t dims = s.dims.end - s.dims.begin;
  return slot < dims ? s.dims.begin + slot : s.nodes.begin + slot - dims;
}

// A term that a segment adds to a span.
struct SpanTerm {
  std::int32_t span, slot;
};

struct PlanSpan {
  IndexRange dims;          // empty: discrete groups alone
  std::int32_t block = -1;  // the first Gaussian block with these dimensions; -1: none
  IndexRange children;      // spans that are part of this one, in BlockPlan::span_children
  IndexRange mixtures;      // in BlockPlan::mixtures
};

// A block with discrete groups.
struct PlanMixture {
  std::int32_t block = 0, span = 0;
  IndexRange groups;
  std::int32_t classes = 0;       // the product of the groups'
  std::int64_t saved_column = 0;  // in log_class_sums
};

struct BlockPlan {
  std::int32_t dims = 0, node_count = 0, segment_count = 0, span_count = 0, mixture_count = 0,
               block_count = 0;
  std::int32_t slots = 0;                          // most in any segment
  std::int64_t class_columns = 0, class_sums = 0;  // widths of the probability tables and of log_class_sums
  PlanNode* nodes = nullptr;
  PlanSegment* segments = nullptr;
  PlanSpan* spans = nullptr;         // smallest first
  PlanMixture* mixtures = nullptr;   // sorted by span
  std::int32_t* children = nullptr;  // slots
  std::int32_t* parents = nullptr;   // slots, or ~span
  SpanTerm* terms = nullptr;
  std::int32_t* span_children = nullptr;
  std::int32_t* block_home = nullptr;  // (block_count): a Gaussian block's node, or ~span; else mixture_block
  std::int32_t* group_classes = nullptr;  // (group_count): classes
  std::int32_t* group_column = nullptr;   // (group_count): first column in the probability tables

  static constexpr std::int32_t mixture_block = INT32_MIN;
};

// The counts alone, for those who plan memory; unlike build_block_plan it allocates.
BlockPlan measure_block_plan(const ElboDecompositionShape& shape);

// Bytes that build_block_plan needs at `memory`, which is aligned to 8.
std::size_t block_plan_bytes(const ElboDecompositionShape& shape);
BlockPlan build_block_plan(const ElboDecompositionShape& shape, void* memory);

}  // namespace cuelbo::kernels
