// A data set as a file of numpy's.
#pragma once

#include <filesystem>

#include "models/data/dataset.hpp"

namespace cuelbo {

// `images` u8 (n, H, W), or (n, H, W, C) with C > 1, 0…255, and, if there are factors, `factors` i64 (n, K):
// what load_npy reads. Images are made while they are written.
void write_npz(const std::filesystem::path& path, const Dataset& dataset);

}  // namespace cuelbo
