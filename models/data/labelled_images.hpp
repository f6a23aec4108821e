// Passed from the readers of files to the data set: images with the labels and factors found beside them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/io/array.hpp"
#include "models/data/dataset.hpp"
#include "models/data/image_files.hpp"

namespace cuelbo {

struct LabelledImages {
  std::string name;
  Array images;   // (n, H, W) or (n, H, W, C)
  Array factors;  // (n, K) or (n), or without shape and elements: none
  std::vector<std::string> factor_names;
  std::vector<std::vector<std::string>>
      labels;  // of each factor, or of the first few: names of its values, or none
  std::vector<std::vector<double>> values;  // the same: numbers that its values stand for, or none
  bool is_as_seen = false;  // the images are as a model sees them: scaled, upright, (n, H, W, C)
  std::int64_t test_size = 0;
  std::vector<std::string> notes;  // DatasetInfo::notes
};

// As double, of any type.
std::vector<double> as_numbers(const Array& array);

// Puts `test` behind `train` as its test split. Errors: another size or type, factors in one of them only.
void add_test_split(LabelledImages& train, const LabelledImages& test);

// Errors: those of ArrayDataset.
std::unique_ptr<Dataset> make_dataset(LabelledImages found, const FileOptions& options);

}  // namespace cuelbo
