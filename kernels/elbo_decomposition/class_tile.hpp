// Classes of the product of several discrete groups: index k counts the last group's class fastest.
#pragma once

#include "kernels/elbo_decomposition/block_plan.hpp"
#include "kernels/elbo_decomposition/column_tables.hpp"
#include "kernels/runtime/simd.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

// Calls f(group, column of its class in the probability tables) for each group, the last one first.
template <class F>
CUELBO_INLINE void for_each_class(const BlockPlan& plan, IndexRange groups, std::int32_t k, F&& f) {
  for (std::int32_t c = groups.end - 1; c >= groups.begin; --c) {
    f(c, plan.group_column[c] + k % plan.group_classes[c]);
    k /= plan.group_classes[c];
  }
}

// Π over the groups of one row's probabilities, without one group's.
CUELBO_INLINE double class_probability(const BlockPlan& plan, IndexRange groups, std::int32_t k,
                                       const float* row, std::int32_t without = -1) {
  double product = 1;
  for_each_class(plan, groups, k, [&](std::int32_t c, std::int32_t column) {
    if (c != without) product *= static_cast<double>(row[column]);
  });
  return product;
}

// The same for a tile of columns; `table` is (Σ classes, tile). The result may lie in the table or in `buffer`.
CUELBO_INLINE const float* class_tile(const BlockPlan& plan, IndexRange groups, std::int32_t k,
                                      const float* table, float* buffer, std::int32_t without = -1) {
  const float* product = nullptr;
  for_each_class(plan, groups, k, [&](std::int32_t c, std::int32_t column) {
    if (c == without) return;
    const float* const factor = table + column * tile;
    if (product == nullptr) {
      product = factor;
      return;
    }
    for (std::int64_t j = 0; j < tile; j += lanes) store(buffer + j, load(product + j) * load(factor + j));
    product = buffer;
  });
  return product;
}

}  // namespace cuelbo::kernels::CUELBO_ISA
