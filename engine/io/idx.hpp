// The IDX format of MNIST: big-endian header, unsigned bytes; plain or gzip, told apart by content.
#pragma once

#include <filesystem>

#include "engine/io/array.hpp"

namespace cuelbo {

// u8 images (n, H, W). Errors: wrong magic, truncated, damaged gzip, bytes left over; "'path': …".
Array read_idx_images(const std::filesystem::path& path);

// u8 labels (n).
Array read_idx_labels(const std::filesystem::path& path);

}  // namespace cuelbo
