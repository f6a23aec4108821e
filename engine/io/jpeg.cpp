#include "engine/io/jpeg.hpp"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include <jerror.h>  // after jpeglib.h
#include <jpeglib.h>

#include "engine/error.hpp"
#include "engine/io/exif.hpp"

namespace cuelbo {
namespace {

// libjpeg reports errors by a call that must not return; the jump goes back to decode(), past C frames only.
class JpegDecoder {
 public:
  explicit JpegDecoder(std::span<const std::byte> file) : file_(file) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    progress_.progress_monitor = [](j_common_ptr info) {
      if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > max_scans)
        self(info).jump("it has too many scans");
    };
    errors_.error_exit = [](j_common_ptr info) { self(info).jump(info); };
    errors_.emit_message = [](j_common_ptr info, int level) {
      // libjpeg would fill the missing part with grey.
      constexpr std::array damage{JWRN_JPEG_EOF, JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE, JWRN_MUST_RESYNC};
      if (level < 0 && std::ranges::count(damage, info->err->msg_code) > 0) self(info).jump(info);
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
    // A Huffman-coded block of 64 samples takes a bit at least; libjpeg would allocate what a false size asks for.
    const std::uint64_t samples = std::uint64_t{info_.image_height} * info_.image_width;
    if (!info_.arith_code && samples / (64 * 8) > file_.size())
      fail("declares {}x{} pixels, which {} bytes cannot hold", info_.image_width, info_.image_height,
           file_.size());
    const bool color = info_.num_components == 3;
    info_.out_color_space = color ? JCS_RGB : JCS_GRAYSCALE;
    Image image{info_.image_height, info_.image_width, color ? 3 : 1, {}};
    const std::optional<int> exif = exif_orientation(marker("Exif", 6));
    const auto xmp = marker("http://ns.adobe.com/xap/1.0/", 29);
    const int orientation =
        exif ? *exif : xmp_orientation({reinterpret_cast<const char*>(xmp.data()), xmp.size()}).value_or(1);
    if (!read_pixels(image)) fail("damaged JPEG: {}", message_.data());
    return upright(std::move(image), orientation);
  }

 private:
  static constexpr int max_scans = 500;  // of a progressive file; encoders write about ten
  static constexpr int app1 = JPEG_APP0 + 1;

  static JpegDecoder& self(j_common_ptr info) { return *static_cast<JpegDecoder*>(info->client_data); }

  [[noreturn]] void jump(j_common_ptr info) {
    info->err->format_message(info, message_.data());
    std::longjmp(back_, 1);
  }
  [[noreturn]] void jump(const char* message) {
    std::strncpy(message_.data(), message, message_.size() - 1);
    std::longjmp(back_, 1);
  }

  // The two functions below hold no object with a destructor: a jump may leave them at any call.
  bool read_header() {
    if (setjmp(back_) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.client_data = this;
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(file_.data()), file_.size());
    jpeg_save_markers(&info_, app1, 0xffff);
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  // The first APP1 whose name, with the zeros that fill it up to `length`, is that; from its start.
  std::span<const std::byte> marker(std::string_view name, std::size_t length) const {
    std::string prefix(name);
    prefix.resize(length);
    for (jpeg_saved_marker_ptr marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      const auto block = std::as_bytes(std::span(marker->data, marker->data_length));
      if (marker->marker == app1 && block.size() >= length &&
          std::memcmp(block.data(), prefix.data(), length) == 0)
        return block;
    }
    return {};
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
  jpeg_progress_mgr progress_ = {};
  std::jmp_buf back_ = {};
  std::array<char, JMSG_LENGTH_MAX> message_ = {};
};

}  // namespace

Image decode_jpeg(std::span<const std::byte> file) { return JpegDecoder(file).decode(); }

bool jpeg_lists_further_pictures(std::span<const std::byte> file) {
  constexpr std::byte prefix{0xff}, start_of_scan{0xda}, app2{0xe2};
  constexpr std::string_view name("MPF\0", 4);
  for (std::size_t at = 2; at + 4 <= file.size() && file[at] == prefix;) {
    if (file[at + 1] == prefix) {  // any number of them may stand before a marker
      ++at;
      continue;
    }
    const std::size_t length =
        256 * std::to_integer<std::size_t>(file[at + 2]) + std::to_integer<std::size_t>(file[at + 3]);
    if (file[at + 1] == start_of_scan || length < 2 || at + 2 + length > file.size()) return false;
    const auto segment = file.subspan(at + 4, length - 2);
    if (file[at + 1] == app2 && segment.size() >= name.size() &&
        std::memcmp(segment.data(), name.data(), name.size()) == 0)
      return true;
    at += 2 + length;
  }
  return false;
}

}  // namespace cuelbo
