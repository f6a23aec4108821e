// Everything in a data set.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "models/data/dataset.hpp"
#include "tests/support/small_dataset.hpp"

namespace cuelbo::test {

inline std::vector<float> all_images(const Dataset& dataset) {
  std::vector<float> images(static_cast<std::size_t>(dataset.size() * dataset.item_size()));
  dataset.gather(all_items(dataset.size()), images.data());
  return images;
}

inline std::vector<std::int64_t> all_factors(const Dataset& dataset) {
  std::vector<std::int64_t> factors(static_cast<std::size_t>(dataset.size()) * dataset.factors().size());
  dataset.gather_factors(all_items(dataset.size()), factors.data());
  return factors;
}

inline bool has_note(const Dataset& dataset, std::string_view text) {
  return std::ranges::any_of(dataset.info().notes,
                             [&](const std::string& note) { return note.find(text) != std::string::npos; });
}

}  // namespace cuelbo::test
