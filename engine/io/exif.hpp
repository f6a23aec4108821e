// The one field of EXIF that changes what a picture shows: its orientation.
#pragma once

#include <cstddef>
#include <span>

#include "engine/io/image.hpp"

namespace cuelbo {

// The orientation, 1 to 8, in an EXIF block: a TIFF header and its first directory, with or without
// "Exif\0\0" in front. 1, upright, if the block is damaged or does not say.
int exif_orientation(std::span<const std::byte> block);

// The picture as a viewer shows one that is stored in that orientation; 5 to 8 swap height and width.
Image upright(Image image, int orientation);

}  // namespace cuelbo
