#include "engine/io/png.hpp"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include <png.h>
#include <zlib.h>

#include "engine/error.hpp"
#include "engine/io/exif.hpp"
#include "engine/io/input_file.hpp"

namespace cuelbo {
namespace {

std::uint32_t big_endian(std::span<const std::byte, 4> bytes) {
  std::uint32_t value = 0;
  for (const std::byte byte : bytes) value = value << 8 | std::to_integer<std::uint32_t>(byte);
  return value;
}

std::string inflated(std::string_view compressed) {
  constexpr uLongf most = 4 << 20;  // of EXIF and XMP
  std::string text(most, '\0');
  uLongf size = most;
  const bool whole = uncompress(reinterpret_cast<Bytef*>(text.data()), &size,
                                reinterpret_cast<const Bytef*>(compressed.data()),
                                static_cast<uLong>(compressed.size())) == Z_OK;
  text.resize(whole ? size : 0);
  return text;
}

// The text of a tEXt, zTXt or iTXt chunk with that keyword; none if it has another or is damaged.
std::optional<std::string> text_of(std::string_view type, std::string_view chunk, std::string_view keyword) {
  if (!chunk.starts_with(keyword) || chunk.size() <= keyword.size() + 2 || chunk[keyword.size()] != '\0')
    return std::nullopt;
  chunk.remove_prefix(keyword.size() + 1);
  if (type == "tEXt") return std::string(chunk);
  if (type == "zTXt") return inflated(chunk.substr(1));
  const bool compressed = chunk[0] != '\0';
  for (std::size_t start = 2, field = 0; field < 2; ++field) {  // language and translated keyword
    const std::size_t end = chunk.find('\0', start);
    if (end == std::string_view::npos) return std::nullopt;
    chunk.remove_prefix(end + 1);
    start = 0;
  }
  return compressed ? inflated(chunk) : std::string(chunk);
}

// ImageMagick's form of a block of bytes: an empty line, its name, its length, lines of hexadecimal digits.
std::string raw_profile(std::string_view text) {
  std::string bytes;
  int lines = 0, high = -1;
  for (const char c : text) {
    if (c == '\n') ++lines;
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (lines < 3 || digit < 0) continue;
    if (high >= 0) bytes += static_cast<char>(high << 4 | digit);
    high = high < 0 ? digit : -1;
  }
  return bytes;
}

// From EXIF, in eXIf or in a text of ImageMagick, else from XMP, as Pillow does. libpng drops eXIf for more reasons
// than we would. Chunks with a wrong checksum are passed over.
int orientation_of(std::span<const std::byte> file) {
  constexpr std::size_t signature = 8, frame = 12;  // length, type, checksum
  std::string exif, profile, xmp;
  file = file.subspan(signature);
  while (file.size() >= frame) {
    const std::size_t length = big_endian(file.first<4>());
    if (file.size() - frame < length) break;
    const std::string_view type(reinterpret_cast<const char*>(&file[4]), 4),
        chunk(reinterpret_cast<const char*>(&file[4]) + 4, length);
    const bool text = type == "tEXt" || type == "zTXt" || type == "iTXt";
    if ((text || type == "eXIf") &&
        crc32(0, reinterpret_cast<const Bytef*>(&file[4]), static_cast<uInt>(4 + length)) ==
            big_endian(file.subspan(8 + length).first<4>())) {
      if (!text) exif = chunk;
      if (const auto found = text ? text_of(type, chunk, "Raw profile type exif") : std::nullopt)
        profile = raw_profile(*found);
      if (const auto found = text ? text_of(type, chunk, "XML:com.adobe.xmp") : std::nullopt) xmp = *found;
    }
    file = file.subspan(frame + length);
  }
  const auto found = exif_orientation(std::as_bytes(std::span(exif.empty() ? profile : exif)));
  return found ? *found : xmp_orientation(xmp).value_or(1);
}

// libpng reports errors by a call that must not return; the jump goes back to decode(), past C frames only.
class PngDecoder {
 public:
  explicit PngDecoder(std::span<const std::byte> file) : file_(file) {}
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  Image decode() {
    if (!read_header()) fail("damaged PNG: {}", message_.data());
    const std::uint32_t height = png_get_image_height(png_, info_), width = png_get_image_width(png_, info_);
    check_sides(height, width);
    const std::uint64_t pixel_bits =
        std::uint64_t{png_get_channels(png_, info_)} * png_get_bit_depth(png_, info_);
    check_deflate_ratio(height * ((width * pixel_bits + 7) / 8), file_.size());
    if (!choose_samples()) fail("damaged PNG: {}", message_.data());

    const std::size_t channels = png_get_channels(png_, info_), row_bytes = png_get_rowbytes(png_, info_);
    if (row_bytes != width * channels) fail("damaged PNG: rows of {} bytes", row_bytes);
    std::vector<std::uint8_t> samples(height * row_bytes);
    std::vector<std::uint8_t*> rows(height);
    for (std::size_t y = 0; y < height; ++y) rows[y] = &samples[y * row_bytes];
    if (!read_rows(rows.data())) fail("damaged PNG: {}", message_.data());
    if (!read_end() && !truncated_) fail("damaged PNG: {}", message_.data());
    return upright(over_black({height, width, static_cast<std::int64_t>(channels), std::move(samples)}),
                   orientation_of(file_));
  }

 private:
  static PngDecoder& self(png_structp png) { return *static_cast<PngDecoder*>(png_get_error_ptr(png)); }

  [[noreturn]] void jump(const char* message) {
    const std::size_t length = std::min(std::strlen(message), message_.size() - 1);
    std::memcpy(message_.data(), message, length);
    message_[length] = '\0';
    std::longjmp(back_, 1);
  }

  static void give(png_structp png, png_bytep to, std::size_t count) {
    PngDecoder& decoder = self(png);
    if (decoder.file_.size() - decoder.position_ < count) {
      decoder.truncated_ = true;
      decoder.jump("truncated");
    }
    std::memcpy(to, decoder.file_.data() + decoder.position_, count);
    decoder.position_ += count;
  }

  // The functions with setjmp hold no object with a destructor: a jump may leave them at any call.
  bool read_header() {
    if (setjmp(back_) != 0) return false;
    png_ = png_create_read_struct(
        PNG_LIBPNG_VER_STRING, this,
        [](png_structp png, png_const_charp message) { self(png).jump(message); },
        [](png_structp, png_const_charp) {});
    if (png_ == nullptr) jump("out of memory");
    info_ = png_create_info_struct(png_);
    if (info_ == nullptr) jump("out of memory");
    png_set_read_fn(png_, this, give);
    // tRNS is the only ancillary chunk that changes the samples; a damaged colour profile is not worth an error.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_set_benign_errors(png_, 1);
    png_set_chunk_malloc_max(png_, std::max<png_alloc_size_t>(file_.size(), 1 << 16));
    png_read_info(png_, info_);
    return true;
  }

  // 8 bits of grey or RGB, with alpha if the file has any.
  bool choose_samples() {
    if (setjmp(back_) != 0) return false;
    png_set_expand(png_);
    png_set_strip_16(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  bool read_rows(png_bytepp rows) {
    if (setjmp(back_) != 0) return false;
    png_read_image(png_, rows);
    return true;
  }

  // Up to IEND, with the checksum of the last data.
  bool read_end() {
    if (setjmp(back_) != 0) return false;
    png_read_end(png_, info_);
    return true;
  }

  static Image over_black(Image image) {
    if (image.channels == 1 || image.channels == 3) return image;
    const auto channels = static_cast<std::size_t>(image.channels), kept = channels - 1;
    std::uint8_t* to = image.pixels.data();
    for (const std::uint8_t* from = to; from < image.pixels.data() + image.pixels.size(); from += channels) {
      const unsigned alpha = from[kept];
      for (std::size_t c = 0; c < kept; ++c) *to++ = static_cast<std::uint8_t>((from[c] * alpha + 127) / 255);
    }
    image.channels = static_cast<std::int64_t>(kept);
    image.pixels.resize(static_cast<std::size_t>(image.height * image.width * image.channels));
    return image;
  }

  std::span<const std::byte> file_;
  std::size_t position_ = 0;
  bool truncated_ = false;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf back_ = {};
  std::array<char, 128> message_ = {};
};

struct PngImage : png_image {
  PngImage() : png_image{} { version = PNG_IMAGE_VERSION; }
  ~PngImage() { png_image_free(this); }
  PngImage(const PngImage&) = delete;
  PngImage& operator=(const PngImage&) = delete;
};

}  // namespace

Image decode_png(std::span<const std::byte> file) { return PngDecoder(file).decode(); }

// The header chunk comes first: signature (8), length (4), "IHDR" (4), width (4), height (4), bit depth (1).
int png_bit_depth(std::span<const std::byte> file) {
  return file.size() > 24 ? static_cast<int>(file[24]) : 0;
}

// The chunk acTL stands in front of the first IDAT.
bool png_is_animated(std::span<const std::byte> file) {
  for (std::size_t at = 8; at + 8 <= file.size();) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<std::size_t>(file[at + i]);
    const std::string_view type(reinterpret_cast<const char*>(&file[at + 4]), 4);
    if (type == "acTL" || type == "IDAT") return type == "acTL";
    at += 12 + length;
  }
  return false;
}

std::vector<std::byte> encode_png(const Image& image) {
  check_sides(image.height, image.width);
  if ((image.channels != 1 && image.channels != 3) ||
      static_cast<std::int64_t>(image.pixels.size()) != image.height * image.width * image.channels)
    fail("{} bytes do not make a picture of {}x{} pixels of {} channels", image.pixels.size(), image.width,
         image.height, image.channels);
  PngImage png;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = image.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::vector<std::byte> file(bytes);
  if (png_image_write_to_memory(&png, file.data(), &bytes, 0, image.pixels.data(), 0, nullptr) == 0)
    fail("cannot encode a PNG: {}", png.message);
  file.resize(bytes);
  return file;
}

}  // namespace cuelbo
