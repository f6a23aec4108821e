// A data set of which every value tells where it is from.
#pragma once

#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

#include "models/data/array_dataset.hpp"

namespace cuelbo::test {

// Images 2×3: pixel p of item n is (n + p / 8) / (items + 1). Factors: n mod 2 and n mod 3.
inline std::shared_ptr<const Dataset> small_dataset(std::int64_t items, std::int64_t test_size = 0) {
  std::vector<float> pixels;
  std::vector<std::int64_t> factors;
  for (std::int64_t n = 0; n < items; ++n) {
    for (int p = 0; p < 6; ++p)
      pixels.push_back((static_cast<float>(n) + static_cast<float>(p) / 8) / static_cast<float>(items + 1));
    factors.insert(factors.end(), {n % 2, n % 3});
  }
  return std::make_shared<ArrayDataset>("small", make_array({items, 2, 3}, pixels),
                                        make_array({items, 2}, factors),
                                        std::vector<std::string>{"parity", "third"}, test_size);
}

inline std::vector<std::int64_t> all_items(std::int64_t count) {
  std::vector<std::int64_t> items(static_cast<std::size_t>(count));
  std::iota(items.begin(), items.end(), std::int64_t{0});
  return items;
}

}  // namespace cuelbo::test
