// Grey values as zeros and ones.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "models/data/dataset.hpp"

namespace cuelbo {

// "none", "threshold", "dynamic". UsageError for anything else.
Binarize parse_binarize(std::string_view name);
std::string to_string(Binarize how);

// In place, images (items, item_size) in [0, 1]. A draw depends on the seed, the epoch, the item and the
// pixel alone.
void binarize(std::span<const std::int64_t> items, float* images, std::int64_t item_size, Binarize how,
              std::uint64_t seed, std::uint32_t epoch);

// Another data set's images as zeros and ones.
class BinarizedDataset final : public Dataset {
 public:
  BinarizedDataset(std::shared_ptr<const Dataset> base, Binarize how, std::uint64_t seed);
  void gather(std::span<const std::int64_t> items, float* images) const override;
  void gather_epoch(std::span<const std::int64_t> items, float* images, std::uint32_t epoch) const override;
  void gather_factors(std::span<const std::int64_t> items, std::int64_t* indices) const override;
  std::uint32_t checksum() const override { return base_->checksum(); }

 private:
  std::shared_ptr<const Dataset> base_;
  Binarize how_;
  std::uint64_t seed_;
};

}  // namespace cuelbo
