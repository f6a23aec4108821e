// Images that lie in memory as one array.
#pragma once

#include <string>
#include <vector>

#include "engine/io/array.hpp"
#include "models/data/dataset.hpp"

namespace cuelbo {

class ArrayDataset final : public Dataset {
 public:
  // images: (n, H, W) or (n, H, W, C); u8 (0…255, or 0 and 1 only: a mask), bool, or floats in [0, 1].
  // factor_values: (n, K) integers from 0, or an array without elements; their names in factor_names.
  // The last `test_size` items are the data set's own test split.
  // Errors: a wrong shape or dtype, a float outside [0, 1] or NaN, a negative factor; they name the item.
  ArrayDataset(std::string name, Array images, const Array& factor_values = {},
               std::vector<std::string> factor_names = {}, std::int64_t test_size = 0);
  void gather(std::span<const std::int64_t> items, float* images) const override;
  void gather_factors(std::span<const std::int64_t> items, std::int64_t* indices) const override;

 private:
  struct Checked;
  explicit ArrayDataset(Checked checked);

  Array images_;                             // u8 or f32
  float unit_ = 255;                         // what u8 is divided by
  std::vector<std::int32_t> factor_values_;  // (n, K)
};

}  // namespace cuelbo
