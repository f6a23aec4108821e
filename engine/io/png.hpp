// PNG files in memory.
#pragma once

#include <cstddef>
#include <span>

#include "engine/io/image.hpp"

namespace cuelbo {

// The stored samples, whatever the colour space: gAMA, sRGB, cHRM and iCCP are ignored. Palettes become RGB;
// 1, 2 and 4 bits are spread over 0…255, of 16 bits the upper 8 count; alpha α, of a channel or of tRNS, makes
// a sample v the nearest integer to v α / 255, which is the picture over black. The orientation in eXIf is
// applied.
Image decode_png(std::span<const std::byte> file);

// Of a file that decode_png reads.
int png_bit_depth(std::span<const std::byte> file);
bool png_is_animated(
    std::span<const std::byte> file);  // APNG; decode_png gives the picture that other readers show

}  // namespace cuelbo
