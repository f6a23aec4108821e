// Images with, perhaps, the factors they were made from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/array.hpp"

namespace cuelbo {

// A discrete property of an item: an index into `values`.
struct Factor {
  std::string name;
  std::vector<double> values;
  std::vector<std::string> labels;  // names of the values, or none

  std::int64_t size() const { return static_cast<std::int64_t>(values.size()); }
};

// How grey values become zeros and ones.
enum class Binarize {
  none,
  threshold,  // 1 from 0.5 on
  // Bernoulli draws of the grey values (Salakhutdinov & Murray 2008): training draws again in every epoch, every
  // other reader sees the draw of epoch 0
  dynamic,
};

struct DatasetInfo {
  std::string name;
  std::int64_t size = 0, height = 0, width = 0, channels = 0;
  std::vector<Factor> factors;
  std::int64_t test_size = 0;      // the last items, if the data set comes with a test split of its own
  std::vector<std::string> notes;  // what the reader chose, ignored or converted, one line of output each

  // The pixels as stored. Rendered ones have no scale.
  Dtype stored = Dtype::boolean;
  std::optional<double> scale = std::nullopt;  // the stored value that became 1
  float lowest = 0, highest = 1;               // of the pixels, before binarization
  bool transposed = false;
  Binarize binarize = Binarize::none;
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;

  const DatasetInfo& info() const { return info_; }
  const std::string& name() const { return info_.name; }
  std::int64_t size() const { return info_.size; }
  std::int64_t height() const { return info_.height; }
  std::int64_t width() const { return info_.width; }
  std::int64_t channels() const { return info_.channels; }
  std::int64_t item_size() const { return info_.height * info_.width * info_.channels; }
  const std::vector<Factor>& factors() const { return info_.factors; }

  void set_transposed() { info_.transposed = true; }
  void add_notes(std::vector<std::string> notes) {
    for (std::string& note : notes) info_.notes.push_back(std::move(note));
  }
  void name_values(std::size_t factor, std::vector<std::string> labels) {
    info_.factors.at(factor).labels = std::move(labels);
  }
  void set_values(std::size_t factor, std::vector<double> values) {
    info_.factors.at(factor).values = std::move(values);
  }

  // Images (n, H, W, C). Items are in [0, size()). None of these functions allocates; all may run on several
  // threads.
  virtual void gather(std::span<const std::int64_t> items, float* images) const = 0;

  // For training: as gather(), but the data set makes new random draws in every epoch.
  virtual void gather_epoch(std::span<const std::int64_t> items, float* images,
                            [[maybe_unused]] std::uint32_t epoch) const {
    gather(items, images);
  }

  // Factor indices (n, factors).
  virtual void gather_factors(std::span<const std::int64_t> items, std::int64_t* indices) const = 0;

  // CRC-32 of the stored pixels and factors, before binarization: equal data sets have equal ones. Takes as long as
  // reading them, about 1 GB/s.
  virtual std::uint32_t checksum() const = 0;

 protected:
  explicit Dataset(DatasetInfo info) : info_(std::move(info)) {}

 private:
  DatasetInfo info_;
};

// Extends the CRC-32 of what came before, 0 at first.
std::uint32_t extend_checksum(std::uint32_t checksum, std::span<const std::byte> bytes);

// Some items of another data set, by ascending index.
class SubsetDataset final : public Dataset {
 public:
  SubsetDataset(std::shared_ptr<const Dataset> base, std::vector<std::int64_t> items);
  void gather(std::span<const std::int64_t> items, float* images) const override;
  void gather_epoch(std::span<const std::int64_t> items, float* images, std::uint32_t epoch) const override;
  void gather_factors(std::span<const std::int64_t> items, std::int64_t* indices) const override;
  std::uint32_t checksum() const override;

 private:
  std::shared_ptr<const Dataset> base_;
  std::vector<std::int64_t> items_;
};

}  // namespace cuelbo
