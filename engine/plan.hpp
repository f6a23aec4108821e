// Lays tensors with known lifetimes out in one arena.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cuelbo {

// A piece of memory that is needed from step `first` to step `last`, both included.
struct Lifetime {
  std::int64_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct ArenaPlan {
  std::vector<std::int64_t> offsets;  // one a lifetime, multiples of `alignment`
  std::int64_t bytes = 0;
};

// Greedy by size (Pisarchyk & Lee 2020, arXiv 2001.03288): largest first, each at the lowest offset that no overlapping
// lifetime occupies. Deterministic.
ArenaPlan plan_arena(std::span<const Lifetime> lifetimes, std::int64_t alignment);

}  // namespace cuelbo
