#include "engine/plan.hpp"

#include <algorithm>
#include <numeric>

namespace cuelbo {

ArenaPlan plan_arena(std::span<const Lifetime> lifetimes, std::int64_t alignment) {
  const auto round_up = [alignment](std::int64_t n) { return (n + alignment - 1) / alignment * alignment; };

  std::vector<std::size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });

  ArenaPlan plan{.offsets = std::vector<std::int64_t>(lifetimes.size(), 0)};
  std::vector<std::size_t> placed;  // by ascending offset
  placed.reserve(lifetimes.size());
  for (const std::size_t item : order) {
    const Lifetime& life = lifetimes[item];
    std::int64_t offset = 0;
    for (const std::size_t other : placed) {
      const bool overlaps = lifetimes[other].first <= life.last && life.first <= lifetimes[other].last;
      if (!overlaps) continue;
      if (offset + life.bytes <= plan.offsets[other]) break;  // fits into the gap before it
      offset = std::max(offset, round_up(plan.offsets[other] + lifetimes[other].bytes));
    }
    plan.offsets[item] = offset;
    plan.bytes = std::max(plan.bytes, round_up(offset + life.bytes));
    const auto position =
        std::upper_bound(placed.begin(), placed.end(), offset,
                         [&](std::int64_t o, std::size_t p) { return o < plan.offsets[p]; });
    placed.insert(position, item);
  }
  return plan;
}

}  // namespace cuelbo
