// The one piece of metadata that changes what a picture shows: its orientation.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "engine/io/image.hpp"

namespace cuelbo {

// The orientation, 1 to 8, in an EXIF block: a TIFF header and its first directory, with or without "Exif\0\0" in
// front. 1, upright, if its value is none of these; none if the block is damaged or has no such field.
std::optional<int> exif_orientation(std::span<const std::byte> block);

// The same from XMP, `tiff:Orientation="6"` or `<tiff:Orientation>6<`, as Pillow reads it where EXIF does not say.
std::optional<int> xmp_orientation(std::string_view xmp);

// The picture as a viewer shows one that is stored in that orientation; 5 to 8 swap height and width.
Image upright(Image image, int orientation);

}  // namespace cuelbo
