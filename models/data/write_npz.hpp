// A data set as a file of numpy's.
#pragma once

#include <filesystem>

#include <string_view>

#include "engine/io/npz.hpp"
#include "models/data/dataset.hpp"

namespace cuelbo {

// The images as a model sees them: `images` (n, H, W), or (n, H, W, C) with C > 1, bool if all are 0 and 1, u8 0…255
// where that is exact, else f32, and `cuelbo_pixels`, which says so. `test_size` (1) if the last ones are the data set's own
// test split. If there are factors, `factors` i64 (n, K) with `factor_names` (K), `<factor>_labels` where values have
// names, and `<factor>_values` where they are not 0, 1, 2, … load_npy reads the same pixels, factors and split back,
// whatever the options. Images are made while they are written.
void write_npz(const std::filesystem::path& path, const Dataset& dataset);

// An array of text says that the images beside it are as a model sees them.
inline constexpr std::string_view pixels_array = "cuelbo_pixels", pixels_as_seen = "as a model sees them";
void mark_as_seen(NpzWriter& writer);

}  // namespace cuelbo
