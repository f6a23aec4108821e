// Opens the data set of a config's [data] section.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "models/data/binarize.hpp"
#include "models/data/dataset.hpp"
#include "models/data/pixels.hpp"
#include "models/data/split.hpp"

namespace cuelbo {

struct DataConfig {
  std::string name = "dsprites";  // dsprites | mnist | fashion-mnist | idx | npy | images
  std::string path;               // a file or folder; dsprites needs none, fashion-mnist has a default
  std::string array;              // which array of an .npz or which set of IDX files; empty: the only one
  bool transpose = false;         // swap height and width
  std::string where;              // a selection by factors (models/data/where.hpp)
  double validation_fraction = 0.05;
  double test_fraction = 0.05;
  Binarize binarize = Binarize::none;
  std::optional<double> scale = std::nullopt;      // as PixelOptions
  Layout layout = Layout::automatic;               // of npy and idx
  std::string scale_of = "any";                    // or the name of PixelOptions::scale_of
  std::optional<ImageShape> shape = std::nullopt;  // not a key: that the model takes
};

// The images exactly as a model sees them: scaled, selected, binarized. The run's `seed` fixes random draws.
// UsageError: an unknown name, a missing or superfluous path, a bad `where`. Error: the content of the files.
std::shared_ptr<const Dataset> open_dataset(const DataConfig& config, std::uint64_t seed = 1);

// The data.name for a path: a data set that needs no path, or the format of a file or folder. `config.path`
// becomes the path, unless it is a name.
DataConfig data_at(const std::string& name_or_path);

inline Split make_split(const Dataset& dataset, const DataConfig& config, std::uint64_t seed) {
  return make_split(dataset, config.validation_fraction, config.test_fraction, seed);
}

}  // namespace cuelbo
