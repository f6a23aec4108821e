#include "engine/io/exif.hpp"

#include <cstring>
#include <string_view>

namespace cuelbo {
namespace {

constexpr std::string_view prefix{"Exif\0\0", 6};

// Unsigned numbers of a TIFF block in its byte order. Reading past the end yields 0, which is not a valid value of any
// field we need.
class TiffBlock {
 public:
  explicit TiffBlock(std::span<const std::byte> bytes) : bytes_(bytes) {
    little_ = number(0, 2) == 0x4949;  // the same in both orders
  }

  std::uint32_t number(std::size_t offset, std::size_t width) const {
    if (offset > bytes_.size() || bytes_.size() - offset < width) return 0;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < width; ++i)
      value = value << 8 | std::to_integer<std::uint32_t>(bytes_[offset + (little_ ? width - 1 - i : i)]);
    return value;
  }

  bool is_tiff() const { return (little_ || number(0, 2) == 0x4d4d) && number(2, 2) == 42; }

 private:
  std::span<const std::byte> bytes_;
  bool little_ = false;
};

}  // namespace

std::optional<int> exif_orientation(std::span<const std::byte> block) {
  if (block.size() >= prefix.size() && std::memcmp(block.data(), prefix.data(), prefix.size()) == 0)
    block = block.subspan(prefix.size());
  const TiffBlock tiff(block);
  if (!tiff.is_tiff()) return std::nullopt;
  constexpr std::uint32_t orientation_tag = 0x112;
  constexpr std::size_t entry_bytes = 12;
  enum : std::uint32_t { type_short = 3, type_long = 4 };
  const std::size_t directory = tiff.number(4, 4);
  const std::size_t entries = tiff.number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * entry_bytes;
    if (entry + entry_bytes > block.size()) return std::nullopt;
    if (tiff.number(entry, 2) != orientation_tag) continue;
    const std::uint32_t type = tiff.number(entry + 2, 2), count = tiff.number(entry + 4, 4);
    const std::size_t width = type == type_short ? 2 : type == type_long ? 4 : 0;
    const std::uint32_t value = tiff.number(entry + 8, width);
    return count == 1 && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return std::nullopt;
}

std::optional<int> xmp_orientation(std::string_view xmp) {
  constexpr std::string_view tag = "tiff:Orientation";
  for (std::size_t at = xmp.find(tag); at != std::string_view::npos; at = xmp.find(tag, at + 1)) {
    std::string_view value = xmp.substr(at + tag.size());
    if (!value.starts_with("=\"") && !value.starts_with('>')) continue;
    value.remove_prefix(value[0] == '>' ? 1 : 2);
    if (value.empty() || value[0] < '0' || value[0] > '9') continue;
    return value[0] >= '1' && value[0] <= '8' ? value[0] - '0' : 1;
  }
  return std::nullopt;
}

Image upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transposed = orientation >= 5;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  Image result = image;
  if (transposed) std::swap(result.height, result.width);
  const auto channels = static_cast<std::size_t>(image.channels);
  std::uint8_t* to = result.pixels.data();
  for (std::int64_t y = 0; y < result.height; ++y) {
    for (std::int64_t x = 0; x < result.width; ++x, to += channels) {
      std::int64_t row = transposed ? x : y, column = transposed ? y : x;
      if (from_bottom) row = image.height - 1 - row;
      if (from_right) column = image.width - 1 - column;
      std::memcpy(to, &image.pixels[static_cast<std::size_t>(row * image.width + column) * channels],
                  channels);
    }
  }
  return result;
}

}  // namespace cuelbo
