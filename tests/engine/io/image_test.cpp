#include "engine/io/image.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/io/atomic_file.hpp"
#include "engine/io/input_file.hpp"
#include "tests/support/error_checks.hpp"
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
  EXPECT_TRUE(fails_with([] { encode_png({2, 2, 1, {1, 2, 3}}); }, "3 bytes are no picture of 2x2 pixels"));
  EXPECT_TRUE(fails_with([] { encode_png({1, 1, 2, {1, 2}}); }, "of 2 channels"));
  EXPECT_TRUE(fails_with([] { encode_png({0, 1, 1, {}}); }, "1x0 pixels"));
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
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i)
    if (jpeg[i] == std::byte{0xff} && jpeg[i + 1] == std::byte{0xc0})
      for (std::size_t k = 5; k < 9; ++k) jpeg[i + k] = std::byte{0xfe};
  EXPECT_TRUE(fails_with([&] { decode_image(jpeg); }, "a picture of 65278x65278 pixels"));
}

}  // namespace
}  // namespace cuelbo
