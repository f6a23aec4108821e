// Images in memory, as one array.
#pragma once

#include <string>
#include <vector>

#include "engine/io/array.hpp"
#include "models/data/dataset.hpp"
#include "models/data/pixels.hpp"

namespace cuelbo {

inline constexpr std::int64_t max_factor_size = 1 << 20;  // values of a factor

class ArrayDataset final : public Dataset {
 public:
  // images: (n, H, W) or (n, H, W, C); how they become pixels is in models/data/pixels.hpp.
  // factor_values: (n, K) integers from 0, or an array without elements; their names in factor_names.
  // The last `test_size` items are the data set's own test split.
  // Errors: a wrong shape or dtype, a pixel out of range, a negative factor; they name the item.
  ArrayDataset(std::string name, Array images, const Array& factor_values = {},
               std::vector<std::string> factor_names = {}, std::int64_t test_size = 0,
               const PixelOptions& pixels = {});
  void gather(std::span<const std::int64_t> items, float* images) const override;
  void gather_factors(std::span<const std::int64_t> items, std::int64_t* indices) const override;
  std::uint32_t checksum() const override;

 private:
  struct Checked;
  explicit ArrayDataset(Checked checked);

  Array images_;                             // u8 or f32
  float divisor_ = 1;                        // of u8
  std::vector<std::int32_t> factor_values_;  // (n, K)
};

}  // namespace cuelbo
