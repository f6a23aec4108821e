// A data set as a file of numpy's.
#pragma once

#include <filesystem>

#include "models/data/dataset.hpp"

namespace cuelbo {

// The images as a model sees them: `images` (n, H, W), or (n, H, W, C) with C > 1, bool if all are 0 and 1, u8 0…255
// where that is exact, else f32. `test_size` (1) if the last ones are the data set's own test split. If there are
// factors, `factors` i64 (n, K) with `factor_names` (K), and `<factor>_labels` where values have names. load_npy reads
// the same pixels, factors and split back. Images are made while they are written.
void write_npz(const std::filesystem::path& path, const Dataset& dataset);

}  // namespace cuelbo
