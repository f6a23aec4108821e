// The IDX format of MNIST: big-endian header and elements; plain or gzip, told apart by content.
#pragma once

#include <filesystem>

#include "engine/io/array.hpp"

namespace cuelbo {

// Images (n, H, W) or (n, H, W, C) of the file's type. Errors: wrong magic, truncated, damaged gzip, bytes left over;
// "'path': …".
Array read_idx_images(const std::filesystem::path& path);

// Integer labels (n), also from (n, 1) or the first column of QMNIST's int32 table (n, 8). Error: another table, such
// as one-hot labels.
Array read_idx_labels(const std::filesystem::path& path);

}  // namespace cuelbo
