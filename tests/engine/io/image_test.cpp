#include "engine/io/image.hpp"

#include <cmath>
#include <functional>
#include <sstream>

#include <gtest/gtest.h>
#include <zlib.h>

#include "engine/io/atomic_file.hpp"
#include "engine/io/exif.hpp"
#include "engine/io/input_file.hpp"
#include "engine/io/npz.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/png_files.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/test_data.hpp"

namespace cuelbo {
namespace {

using test::fails_with;
using test::fixture;

// The pictures of make_fixtures.py.
Image expected_png(std::int64_t channels) {
  Image image{6, 9, channels, {}};
  for (int i = 0; i < 6; ++i)
    for (int j = 0; j < 9; ++j)
      for (int c = 0; c < channels; ++c)
        image.pixels.push_back(static_cast<std::uint8_t>(c == 0   ? 16 * i + j
                                                         : c == 1 ? 255 - 16 * i - j
                                                                  : 128));
  return image;
}

TEST(Png, ReadsWhatPillowWrites) {
  EXPECT_EQ(read_image(fixture("grey.png")), expected_png(1));
  EXPECT_EQ(read_image(fixture("grey16.png")), expected_png(1));
  EXPECT_EQ(read_image(fixture("rgb.png")), expected_png(3));
  EXPECT_EQ(read_image(fixture("palette.png")), expected_png(3));
}

TEST(Png, ReadsSingleBits) {
  const Image bits = read_image(fixture("bits.png"));
  ASSERT_EQ(bits.channels, 1);
  for (std::size_t i = 0; i < bits.pixels.size(); ++i) EXPECT_EQ(bits.pixels[i], i % 9 % 2 * 255);
}

// pictures.npz holds every colour type and depth of PNG, interlaced or not, with and without tRNS, colour chunks that
// must not count, JPEG of several kinds, and every orientation of EXIF, with the pixels that Pillow sees.
TEST(Image, EveryPictureIsWhatPillowSees) {
  const NpzReader archive(fixture("pictures.npz"));
  const auto bytes_of = [&](const char* name) { return archive.read(name).data; };
  const auto names = bytes_of("names"), files = bytes_of("files"), pixels = bytes_of("pixels");
  const auto sizes = archive.read("file_sizes").as_i64(), shapes = archive.read("shapes").as_i64();
  std::istringstream lines(std::string(reinterpret_cast<const char*>(names.data()), names.size()));
  std::size_t file = 0, pixel = 0, count = 0;
  for (std::string name; std::getline(lines, name); ++count) {
    SCOPED_TRACE(name);
    const auto size = static_cast<std::size_t>(sizes[count]);
    const Image image = decode_image(std::span(files).subspan(file, size));
    file += size;
    ASSERT_EQ((std::vector{image.height, image.width, image.channels}),
              (std::vector<std::int64_t>(&shapes[3 * count], &shapes[3 * count] + 3)));
    // Versions of libjpeg round differently when they raise the resolution of colours.
    const int tolerance = name.ends_with(".jpg") ? 2 : 0;
    for (const std::uint8_t value : image.pixels)
      ASSERT_NEAR(value, std::to_integer<int>(pixels[pixel++]), tolerance);
  }
  EXPECT_EQ(count, 81U);
  EXPECT_EQ(file, files.size());
  EXPECT_EQ(pixel, pixels.size());
}

// A grey PNG of 2x3 pixels 0 to 5 with these chunks, type and content.
Image with_chunks(const std::vector<std::pair<std::string, std::string>>& chunks) {
  std::string all;
  for (const auto& [type, content] : chunks) all += test::png_chunk(type, content);
  return decode_image(test::png_with({2, 3, 1, {0, 1, 2, 3, 4, 5}}, all));
}

std::string exif_block(int orientation) {
  std::string block{"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", 26};
  block[19] = static_cast<char>(orientation);
  return block;
}

// With an eXIf chunk; `damage` changes its block.
Image with_exif(const std::function<void(std::string&)>& damage) {
  std::string block = exif_block(6);
  damage(block);
  return with_chunks({{"eXIf", block}});
}

std::string deflated(const std::string& text) {
  std::string bytes(compressBound(text.size()), '\0');
  uLongf size = bytes.size();
  EXPECT_EQ(compress(reinterpret_cast<Bytef*>(bytes.data()), &size,
                     reinterpret_cast<const Bytef*>(text.data()), text.size()),
            Z_OK);
  bytes.resize(size);
  return bytes;
}

// ImageMagick keeps EXIF as text, and XMP counts where EXIF does not say: as Pillow reads them.
TEST(Exif, OrientationFromTextAndXmp) {
  const Image turned{3, 2, 1, {3, 0, 4, 1, 5, 2}}, stored{2, 3, 1, {0, 1, 2, 3, 4, 5}};
  using namespace std::string_literals;
  std::string hex = "\nexif\n      32\n";
  for (const char c : "Exif\0\0"s + exif_block(6))
    hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  hex.insert(40, "\n");
  const std::string raw = "Raw profile type exif\0"s, xmp = "XML:com.adobe.xmp\0"s,
                    six = "<rdf:Description tiff:Orientation=\"6\"/>",
                    element = "<tiff:Orientation>6</tiff:Orientation>";
  EXPECT_EQ(with_chunks({{"tEXt", raw + hex + "\n"}}), turned);
  EXPECT_EQ(with_chunks({{"zTXt", raw + "\0"s + deflated(hex)}}), turned);
  EXPECT_EQ(with_chunks({{"iTXt", xmp + "\0\0\0\0"s + six}}), turned);
  EXPECT_EQ(with_chunks({{"iTXt", xmp + "\1\0en\0key\0"s + deflated(element)}}), turned);
  EXPECT_EQ(with_chunks({{"iTXt", xmp + "\0\0\0\0"s + six}, {"eXIf", exif_block(1)}}), stored);
  EXPECT_EQ(with_chunks({{"tEXt", raw + hex}, {"eXIf", exif_block(1)}}), stored);
  for (const std::pair<std::string, std::string>& harmless : {std::pair{"tEXt"s, raw + "\nexif\n32\nxyz"},
                                                              {"tEXt", "Comment\0"s + six},
                                                              {"tEXt", raw},
                                                              {"zTXt", raw + "\0"s + hex},
                                                              {"zTXt", raw},
                                                              {"iTXt", xmp + "\0\0"s + six},
                                                              {"iTXt", xmp + "\0\0\0\0tiff:Orientation=\""s},
                                                              {"iTXt", xmp + "\0\0\0\0tiff:Orientation>9"s}})
    EXPECT_EQ(with_chunks({harmless}), stored) << harmless.second;
  // The same in APP1 of a JPEG, behind SOI.
  auto jpeg = read_file(fixture("grey.jpg"));
  const std::string app1 = "http://ns.adobe.com/xap/1.0/\0"s + six;
  const std::string marker = "\xff\xe1\0"s + static_cast<char>(app1.size() + 2) + app1;
  const auto bytes = std::as_bytes(std::span(marker));
  const Image upright_one = upright(decode_image(jpeg), 6);
  jpeg.insert(jpeg.begin() + 2, bytes.begin(), bytes.end());
  EXPECT_EQ(decode_image(jpeg), upright_one);
}

TEST(Exif, WhatIsDamagedIsIgnored) {
  const Image turned{3, 2, 1, {3, 0, 4, 1, 5, 2}}, stored{2, 3, 1, {0, 1, 2, 3, 4, 5}};
  EXPECT_EQ(with_exif([](std::string&) {}), turned);
  for (std::size_t size = 0; size < 22; ++size)
    EXPECT_EQ(with_exif([&](std::string& block) { block.resize(size); }), stored) << size;
  const auto with_byte = [](std::size_t at, int value) {
    return with_exif([&](std::string& block) { block[at] = static_cast<char>(value); });
  };
  EXPECT_EQ(with_byte(0, 'X'), stored);
  EXPECT_EQ(with_byte(3, 43), stored);
  EXPECT_EQ(with_byte(4, 0xff), stored);  // a directory beyond the end
  EXPECT_EQ(with_byte(7, 25), stored);    // one that the end cuts
  EXPECT_EQ(with_byte(8, 0xff), turned);  // more entries than there are: the first one still counts
  EXPECT_EQ(with_byte(13, 2), stored);    // a text
  EXPECT_EQ(with_byte(17, 2), stored);    // two values
  EXPECT_EQ(with_byte(19, 0), stored);
  EXPECT_EQ(with_byte(19, 9), stored);
  EXPECT_EQ(with_byte(18, 1), stored);  // 262
}

TEST(Exif, EveryOrientationHasItsInverse) {
  const Image image = expected_png(3);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const int inverse = orientation == 6 ? 8 : orientation == 8 ? 6 : orientation;
    EXPECT_EQ(upright(upright(image, orientation), inverse), image) << orientation;
  }
}

TEST(Png, LaysTransparencyOverBlack) {
  const Image image = read_image(fixture("rgba.png"));
  Image expected = expected_png(3);
  for (std::size_t i = 0; i < expected.pixels.size(); ++i)
    if (i / 3 % 9 < 4) expected.pixels[i] = 0;
  EXPECT_EQ(image, expected);
}

TEST(Png, RoundTripsThroughMemoryAndFile) {
  const test::TemporaryDirectory directory;
  for (const std::int64_t channels : {1, 3}) {
    const Image image = expected_png(channels);
    EXPECT_EQ(decode_image(encode_png(image)), image);
    write_png(directory / "a.png", image);
    EXPECT_EQ(read_image(directory / "a.png"), image);
  }
  const Image dot{1, 1, 1, {7}};
  EXPECT_EQ(decode_image(encode_png(dot)), dot);
}

TEST(Png, RefusesToWriteNonsense) {
  EXPECT_TRUE(
      fails_with([] { encode_png({2, 2, 1, {1, 2, 3}}); }, "3 bytes do not make a picture of 2x2 pixels"));
  EXPECT_TRUE(fails_with([] { encode_png({1, 1, 2, {1, 2}}); }, "of 2 channels"));
  EXPECT_TRUE(fails_with([] { encode_png({0, 1, 1, {}}); }, "0×1 pixels"));
}

TEST(Jpeg, ReadsWhatPillowWrites) {
  for (const auto& [name, channels] : {std::pair{"grey.jpg", 1}, {"rgb.jpg", 3}, {"progressive.jpg", 3}}) {
    const Image image = read_image(fixture(name));
    ASSERT_EQ(image.height, 24);
    ASSERT_EQ(image.width, 40);
    ASSERT_EQ(image.channels, channels);
    ASSERT_EQ(image.pixels.size(), static_cast<std::size_t>(24 * 40 * channels));
    for (int i = 0; i < 24; ++i)
      for (int j = 0; j < 40; ++j)
        for (int c = 0; c < channels; ++c) {
          const int smooth = 64 + 4 * i + 2 * j, expected = c == 0 ? smooth : c == 1 ? 255 - smooth : 128;
          ASSERT_NEAR(image.pixels[static_cast<std::size_t>((i * 40 + j) * channels + c)], expected, 5)
              << name;
        }
  }
}

TEST(Jpeg, RefusesCmyk) {
  EXPECT_TRUE(fails_with([] { read_image(fixture("cmyk.jpg")); }, "CMYK"));
}

TEST(Image, IsToldByContent) {
  const test::TemporaryDirectory directory;
  write_file(directory / "a.jpg", read_file(fixture("grey.png")));
  EXPECT_EQ(read_image(directory / "a.jpg"), expected_png(1));
  write_file(directory / "text.png", "text");
  EXPECT_TRUE(fails_with([&] { read_image(directory / "text.png"); }, "text.png': is neither PNG nor JPEG"));
}

TEST(Image, AFalseSizeIsRefused) {
  auto png = read_file(fixture("grey.png"));
  for (std::size_t i = 16; i < 24; ++i)
    png[i] = std::byte{0x7f};  // width and height; the checksum of IHDR is wrong now, too
  EXPECT_TRUE(fails_with([&] { decode_image(png); }, "PNG"));

  auto jpeg = read_file(fixture("rgb.jpg"));
  const auto with_sides_of = [&](std::byte byte) {
    for (std::size_t i = 0; i + 9 < jpeg.size(); ++i)
      if (jpeg[i] == std::byte{0xff} && jpeg[i + 1] == std::byte{0xc0})
        for (std::size_t k = 5; k < 9; ++k) jpeg[i + k] = byte;
    decode_image(jpeg);
  };
  EXPECT_TRUE(fails_with([&] { with_sides_of(std::byte{0xfe}); }, "a picture of 65278×65278 pixels"));
  EXPECT_TRUE(fails_with([&] { with_sides_of(std::byte{0x3f}); }, "declares 16191x16191 pixels, which"));
}

}  // namespace
}  // namespace cuelbo
