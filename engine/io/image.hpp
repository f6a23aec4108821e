// PNG and JPEG pictures as bytes (H, W, C), C = 1 (grey) or 3 (RGB), told apart by content, not by name.
#pragma once

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

// Palettes become RGB, 16 bits become 8, transparency is laid over black. Errors: neither format, truncated
// or damaged, a side above max_image_side, CMYK; read_image puts the path in front.
Image read_image(const std::filesystem::path& path);
Image decode_image(std::span<const std::byte> file);

std::vector<std::byte> encode_png(const Image& image);
void write_png(const std::filesystem::path& path, const Image& image);

}  // namespace cuelbo
