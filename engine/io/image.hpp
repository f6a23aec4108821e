// PNG and JPEG pictures as bytes (H, W, C), C = 1 (grey) or 3 (RGB), told apart by content, not by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace cuelbo {

struct Image {
  std::int64_t height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;  // (height, width, channels)

  friend bool operator==(const Image&, const Image&) = default;
};

inline constexpr std::int64_t max_image_side = 16384;

// As described in engine/io/png.hpp and jpeg.hpp: stored samples without colour management, transparency over black,
// upright according to EXIF. Errors: neither format, truncated or damaged, a side above max_image_side, CMYK;
// read_image puts the path in front.
Image read_image(const std::filesystem::path& path);  // also of a pipe or standard input, "-"

// A picture and what reading it as bytes leaves out.
struct ReducedImage {
  Image image;
  bool from_16_bits = false;    // of which the upper 8 are kept
  bool is_first_frame = false;  // of an animated PNG
  bool has_further = false;     // a JPEG that lists pictures behind the first one: a Multi-Picture Object
};
ReducedImage read_reduced_image(const std::filesystem::path& path);

Image decode_image(std::span<const std::byte> file);

// Error if a side is below 1 or above max_image_side.
void check_sides(std::int64_t height, std::int64_t width);

std::vector<std::byte> encode_png(const Image& image);
void write_png(const std::filesystem::path& path, const Image& image);

}  // namespace cuelbo
