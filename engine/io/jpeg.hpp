// JPEG files in memory.
#pragma once

#include <cstddef>
#include <span>

#include "engine/io/image.hpp"

namespace cuelbo {

// Grey or RGB, with the orientation in EXIF applied. Errors: CMYK, damaged, truncated.
Image decode_jpeg(std::span<const std::byte> file);

// Whether the header lists further pictures behind the first one: a Multi-Picture Object, as phones write them.
bool jpeg_lists_further_pictures(std::span<const std::byte> file);

}  // namespace cuelbo
