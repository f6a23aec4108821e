#include "engine/io/image.hpp"

#include <array>
#include <csetjmp>
#include <cstdio>

#include <jerror.h>  // after jpeglib.h
#include <jpeglib.h>
#include <png.h>

#include "engine/error.hpp"
#include "engine/io/array.hpp"
#include "engine/io/atomic_file.hpp"
#include "engine/io/input_file.hpp"

namespace cuelbo {
namespace {

void check_sides(std::int64_t height, std::int64_t width) {
  if (height < 1 || width < 1 || height > max_image_side || width > max_image_side)
    fail("a picture of {}x{} pixels; each side may have 1 to {}", width, height, max_image_side);
}

struct PngImage : png_image {
  PngImage() : png_image{} { version = PNG_IMAGE_VERSION; }
  ~PngImage() { png_image_free(this); }
  PngImage(const PngImage&) = delete;
  PngImage& operator=(const PngImage&) = delete;
};

// Bytes of the filtered rows that the PNG's data unpack to; IHDR stands first, at a fixed place.
std::uint64_t png_raw_bytes(std::span<const std::byte> file, const png_image& png) {
  constexpr std::array<std::uint64_t, 7> samples{1, 0, 3, 1, 2, 0, 4};  // of a pixel, by colour type
  const auto depth = static_cast<std::uint64_t>(file[24]);
  return png.height * ((png.width * depth * samples.at(static_cast<std::size_t>(file[25])) + 7) / 8);
}

Image decode_png(std::span<const std::byte> file) {
  PngImage png;
  if (png_image_begin_read_from_memory(&png, file.data(), file.size()) == 0)
    fail("damaged PNG: {}", png.message);
  check_sides(png.height, png.width);
  check_deflate_ratio(png_raw_bytes(file, png), file.size());
  const bool color = (png.format & PNG_FORMAT_FLAG_COLOR) != 0;
  Image image{png.height, png.width, color ? 3 : 1, {}};
  image.pixels.resize(static_cast<std::size_t>(image.height * image.width * image.channels));
  png.format = color ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // else 16 bits would be taken for linear light
  const png_color black = {0, 0, 0};
  if (png_image_finish_read(&png, &black, image.pixels.data(), 0, nullptr) == 0)
    fail("damaged PNG: {}", png.message);
  return image;
}

// libjpeg reports errors by a call that must not return; the jump goes back to decode(), past C frames only.
class JpegDecoder {
 public:
  explicit JpegDecoder(std::span<const std::byte> file) : file_(file) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = [](j_common_ptr info) { self(info).jump(info); };
    errors_.emit_message = [](j_common_ptr info, int level) {
      // libjpeg would fill what is missing with grey.
      const int code = info->err->msg_code;
      if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE))
        self(info).jump(info);
    };
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  Image decode() {
    if (!read_header()) fail("damaged JPEG: {}", message_.data());
    check_sides(info_.image_height, info_.image_width);
    if (info_.num_components != 1 && info_.num_components != 3)
      fail("a JPEG of {} components (CMYK?); grey and RGB are read", info_.num_components);
    const bool color = info_.num_components == 3;
    info_.out_color_space = color ? JCS_RGB : JCS_GRAYSCALE;
    Image image{info_.image_height, info_.image_width, color ? 3 : 1, {}};
    if (!read_pixels(image)) fail("damaged JPEG: {}", message_.data());
    return image;
  }

 private:
  static JpegDecoder& self(j_common_ptr info) { return *static_cast<JpegDecoder*>(info->client_data); }

  [[noreturn]] void jump(j_common_ptr info) {
    info->err->format_message(info, message_.data());
    std::longjmp(back_, 1);
  }

  // The two functions below hold no object with a destructor: a jump may leave them at any call.
  bool read_header() {
    if (setjmp(back_) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.client_data = this;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(file_.data()), file_.size());
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  bool read_pixels(Image& image) {
    if (setjmp(back_) != 0) return false;
    jpeg_start_decompress(&info_);
    const auto row_bytes = static_cast<std::size_t>(image.width * image.channels);
    image.pixels.reserve(row_bytes * info_.output_height);
    while (info_.output_scanline < info_.output_height) {
      image.pixels.resize(row_bytes * (info_.output_scanline + 1));  // a false height costs no memory
      JSAMPROW row = image.pixels.data() + row_bytes * info_.output_scanline;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  std::span<const std::byte> file_;
  jpeg_decompress_struct info_ = {};
  jpeg_error_mgr errors_ = {};
  std::jmp_buf back_ = {};
  std::array<char, JMSG_LENGTH_MAX> message_ = {};
};

bool starts_with(std::span<const std::byte> file, std::string_view magic) {
  return file.size() >= magic.size() && std::memcmp(file.data(), magic.data(), magic.size()) == 0;
}

}  // namespace

Image decode_image(std::span<const std::byte> file) {
  if (starts_with(file, "\x89PNG\r\n\x1a\n")) return decode_png(file);
  if (starts_with(file, "\xff\xd8\xff")) return JpegDecoder(file).decode();
  fail("is neither PNG nor JPEG");
}

Image read_image(const std::filesystem::path& path) {
  return in_context(fmt::format("'{}'", path.string()), [&] { return decode_image(read_file(path)); });
}

std::vector<std::byte> encode_png(const Image& image) {
  check_sides(image.height, image.width);
  if ((image.channels != 1 && image.channels != 3) ||
      static_cast<std::int64_t>(image.pixels.size()) != image.height * image.width * image.channels)
    fail("{} bytes are no picture of {}x{} pixels of {} channels", image.pixels.size(), image.width,
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

void write_png(const std::filesystem::path& path, const Image& image) { write_file(path, encode_png(image)); }

}  // namespace cuelbo
