#include "engine/io/image.hpp"

#include <cstring>
#include <string_view>

#include "engine/error.hpp"
#include "engine/io/atomic_file.hpp"
#include "engine/io/input_file.hpp"
#include "engine/io/jpeg.hpp"
#include "engine/io/png.hpp"

namespace cuelbo {
namespace {

bool starts_with(std::span<const std::byte> file, std::string_view magic) {
  return file.size() >= magic.size() && std::memcmp(file.data(), magic.data(), magic.size()) == 0;
}

bool is_png(std::span<const std::byte> file) { return starts_with(file, "\x89PNG\r\n\x1a\n"); }
bool is_jpeg(std::span<const std::byte> file) { return starts_with(file, "\xff\xd8\xff"); }

// Error for other formats; the first bytes suffice.
void check_format(std::span<const std::byte> start) {
  if (is_png(start) || is_jpeg(start)) return;
  if (start.empty()) fail("is neither PNG nor JPEG: it is empty");
  const auto is = [&](std::string_view magic, std::size_t at = 0) {
    return start.size() >= at && starts_with(start.subspan(at), magic);
  };
  const std::string_view kind = is("GIF8")                    ? "GIF"
                                : is("BM")                    ? "BMP"
                                : is("II*") || is("MM")       ? "TIFF"
                                : is("RIFF") && is("WEBP", 8) ? "WebP"
                                : is("ftyp", 4)               ? "HEIC or AVIF"
                                                              : "";
  if (!kind.empty()) fail("is neither PNG nor JPEG but {}; convert it", kind);
  fail("is neither PNG nor JPEG");
}

}  // namespace

void check_sides(std::int64_t height, std::int64_t width) {
  if (height < 1 || width < 1 || height > max_image_side || width > max_image_side)
    fail("a picture of {}×{} pixels (height × width); each side may have 1 to {}", height, width,
         max_image_side);
}

Image decode_image(std::span<const std::byte> file) {
  check_format(file);
  return is_png(file) ? decode_png(file) : decode_jpeg(file);
}

ReducedImage read_reduced_image(const std::filesystem::path& path) {
  return in_context(input_name(path), [&]() -> ReducedImage {
    InputFile file(path, Pipes::accepted);
    check_format(file.peek(12));  // before an endless pipe is read
    const std::vector<std::byte> bytes = file.read_all();
    return {.image = decode_image(bytes),
            .from_16_bits = is_png(bytes) && png_bit_depth(bytes) == 16,
            .is_first_frame = is_png(bytes) && png_is_animated(bytes),
            .has_further = is_jpeg(bytes) && jpeg_lists_further_pictures(bytes)};
  });
}

Image read_image(const std::filesystem::path& path) { return read_reduced_image(path).image; }

void write_png(const std::filesystem::path& path, const Image& image) { write_file(path, encode_png(image)); }

}  // namespace cuelbo
