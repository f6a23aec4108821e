// Grey values as zeros and ones.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace cuelbo {

enum class Binarize {
  none,
  threshold,  // 1 from 0.5 on
  dynamic,    // Bernoulli draws of the grey values, new in every epoch (Salakhutdinov & Murray 2008)
};

// "none", "threshold", "dynamic". UsageError for anything else.
Binarize parse_binarize(std::string_view name);

// In place, images (items, item_size) in [0, 1]. A draw depends on the seed, the epoch, the item and the
// pixel alone.
void binarize(std::span<const std::int64_t> items, float* images, std::int64_t item_size, Binarize how,
              std::uint64_t seed, std::uint32_t epoch);

}  // namespace cuelbo
