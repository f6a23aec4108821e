// The meaning of stored numbers: the order of the axes and the scale.
#include "models/data/pixels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tests/support/error_checks.hpp"

namespace cuelbo {
namespace {

using test::fails_with;
using Shape = std::vector<std::int64_t>;

Pixels pixels_of(const Shape& shape, const PixelOptions& options = {}) {
  return make_pixels(make_array(Dtype::u8, shape), options);
}

std::vector<float> values(const Pixels& pixels) {
  std::vector<float> result;
  if (pixels.images.dtype == Dtype::f32) {
    const auto floats = pixels.images.as<float>();
    result.assign(floats.begin(), floats.end());
  } else {
    for (const std::uint8_t x : pixels.images.as<std::uint8_t>())
      result.push_back(static_cast<float>(x) / pixels.divisor);
  }
  return result;
}

template <class T>
Array row(const std::vector<T>& elements) {
  return make_array(Shape{1, 1, static_cast<std::int64_t>(elements.size())}, elements);
}

TEST(Layout, AShapeThatLooksLikeAnotherOrderIsRefusedWithTheFix) {
  const auto refused = [](const Shape& shape, const std::string& line) {
    return fails_with([&] { pixels_of(shape); }, line);
  };
  EXPECT_TRUE(
      refused({60, 3, 16, 16},
              "images have shape (60, 3, 16, 16), which looks like (n, C, H, W): save "
              "images.transpose(0, 2, 3, 1) or set data.layout = \"nchw\", or set data.layout = \"nhwc\""));
  const std::vector<Shape> channels_first{
      {60, 1, 28, 28}, {60, 3, 28, 20}, {60, 4, 28, 20}, {60, 13, 64, 64}, {100, 2, 20, 30}, {100, 2, 30, 20},
      {100, 5, 8, 6},  {1, 3, 64, 48},  {1, 7, 64, 48},  {60, 64, 16, 16}, {60, 3, 4, 4},    {60, 1, 3, 3},
      {60, 1, 2, 2},   {60, 1, 28, 5},  {60, 3, 1, 16},  {60, 3, 3000, 5}};
  for (const Shape& shape : channels_first)
    EXPECT_TRUE(refused(shape, "looks like (n, C, H, W): save images.transpose(0, 2, 3, 1)"))
        << shape_text(shape);
  const std::vector<Shape> items_last{{32, 32, 3, 500}, {28, 28, 1, 500}, {48, 32, 3, 500},
                                      {32, 32, 3, 3},   {28, 28, 1, 1},   {32, 32, 4, 2}};
  for (const Shape& shape : items_last)
    EXPECT_TRUE(refused(shape, "looks like (H, W, C, n): save numpy.moveaxis(images, 3, 0)"))
        << shape_text(shape);
  for (const Shape& shape : {Shape{28, 28, 6000}, {28, 28, 100}, {28, 28, 29}, {28, 28, 10}, {5, 5, 6}})
    EXPECT_TRUE(refused(shape, "looks like (H, W, n): save numpy.moveaxis(images, 2, 0)"))
        << shape_text(shape);
  for (const Shape& shape : {Shape{64, 64, 3}, {64, 48, 3}, {48, 64, 4}, {28, 28, 1}, {28, 28, 2}})
    EXPECT_TRUE(refused(shape, "looks like one image (H, W, C): save images[numpy.newaxis]"))
        << shape_text(shape);
  EXPECT_TRUE(refused({60, 784}, "(n, H, W) or (n, H, W, C) is needed: save images.reshape(-1, 28, 28)"));
}

TEST(Layout, WhatIsInOrderIsTaken) {
  for (const Shape& shape : {Shape{60, 16, 16, 3},
                             {60, 16, 16, 1},
                             {60, 16, 16, 4},
                             {60, 20, 30, 2},
                             {60, 3, 16, 3},    // three rows of RGB
                             {60, 1, 100, 2},   // series of complex numbers
                             {60, 128, 1, 16},  // series of many channels
                             {60, 16, 16, 13},
                             {60, 25, 20, 30},  // more channels than rows
                             {60, 4, 4, 64},    // features
                             {60, 7, 7, 512},
                             {60, 1, 1, 256},
                             {3, 64, 64, 3},
                             {1, 64, 48, 3},
                             {64, 48, 3, 3},
                             {4, 4, 3, 3},
                             {60, 1, 1, 3},
                             {60, 1, 1, 1},
                             {1, 1, 1, 1}})
    EXPECT_EQ(pixels_of(shape).images.shape, shape);
  for (const Shape& shape : {Shape{60, 16, 16},
                             {3, 16, 16},
                             {1, 28, 28},
                             {60, 28, 100},
                             {28, 28, 28},
                             {100, 28, 28},
                             {60, 4, 4},
                             {64, 48, 1},  // series
                             {64, 48, 2},
                             {2, 1, 2},
                             {4, 4, 3},
                             {1, 1, 256},
                             {1, 1, 1}})
    EXPECT_EQ(pixels_of(shape).images.shape, (Shape{shape[0], shape[1], shape[2], 1}));
}

// As many rows of a signal as it is long look like one image; the model's shape decides.
TEST(Layout, ImagesOfTheModelsShapeAreInOrder) {
  EXPECT_EQ(pixels_of({28, 28, 100}, {.shape = {{28, 100, 1}}}).images.shape, (Shape{28, 28, 100, 1}));
  EXPECT_EQ(pixels_of({60, 3, 16, 16}, {.shape = {{3, 16, 16}}}).images.shape, (Shape{60, 3, 16, 16}));
  EXPECT_TRUE(fails_with([] { pixels_of({60, 3, 16, 16}, {.shape = {{16, 16, 3}}}); }, "(n, C, H, W)"));
  EXPECT_TRUE(fails_with([] { pixels_of({28, 28, 100}, {.shape = {{28, 28, 1}}}); }, "(H, W, n)"));
}

TEST(Layout, InsistingTakesEitherOrder) {
  EXPECT_EQ(pixels_of({60, 3, 16, 16}, {.layout = Layout::nhwc}).images.shape, (Shape{60, 3, 16, 16}));
  EXPECT_EQ(pixels_of({28, 28, 6000}, {.layout = Layout::nhwc}).images.shape, (Shape{28, 28, 6000, 1}));
  EXPECT_EQ(pixels_of({60, 16, 16}, {.layout = Layout::nchw}).images.shape, (Shape{60, 16, 16, 1}));
  // (1, 3, 1, 2): channel c has the pixels 10c and 10c + 1.
  const Pixels pixels = make_pixels(make_array({1, 3, 1, 2}, std::vector<std::uint8_t>{0, 1, 10, 11, 20, 21}),
                                    {.layout = Layout::nchw});
  EXPECT_EQ(pixels.images.shape, (Shape{1, 1, 2, 3}));
  EXPECT_EQ(pixels.images, make_array({1, 1, 2, 3}, std::vector<std::uint8_t>{0, 10, 20, 1, 11, 21}));
  EXPECT_EQ(values(make_pixels(make_array({1, 2, 1, 2}, std::vector<double>{0, .25, .5, 1}),
                               {.layout = Layout::nchw})),
            (std::vector<float>{0, .5F, .25F, 1}));
}

TEST(Scale, FollowsFromTheTypeUnlessItIsStated) {
  const Pixels grey = make_pixels(row<std::uint8_t>({0, 51, 255}), {});
  EXPECT_EQ(grey.scale, 255);
  EXPECT_EQ(values(grey), (std::vector<float>{0, 0.2F, 1}));
  EXPECT_EQ(grey.lowest, 0);
  EXPECT_EQ(grey.highest, 1);
  const Pixels mask = make_pixels(row<std::uint8_t>({0, 1, 1}), {});
  EXPECT_EQ(mask.scale, 1);
  EXPECT_EQ(values(mask), (std::vector<float>{0, 1, 1}));
  const Pixels dark = make_pixels(row<std::uint8_t>({0, 1, 1}), {.scale = 255});
  EXPECT_EQ(dark.scale, 255);
  EXPECT_EQ(values(dark), (std::vector<float>{0, 1 / 255.0F, 1 / 255.0F}));
  EXPECT_EQ(dark.highest, 1 / 255.0F);
  EXPECT_EQ(values(make_pixels(row<std::uint8_t>({0, 64, 128}), {.scale = 128})),
            (std::vector<float>{0, .5F, 1}));
}

TEST(Scale, AnyByteOfABoolThatIsNotZeroIsOne) {
  Array array = row<std::uint8_t>({0, 1, 2, 255});
  array.dtype = Dtype::boolean;
  for (const PixelOptions& options : {PixelOptions{}, PixelOptions{.scale = 255}}) {
    const Pixels pixels = make_pixels(array, options);
    EXPECT_EQ(values(pixels), (std::vector<float>{0, 1, 1, 1}));
    EXPECT_EQ(pixels.scale, 1);
    EXPECT_EQ(pixels.stored, Dtype::boolean);
  }
}

TEST(Scale, OtherIntegersNeedOne) {
  const auto check = [](const Array& array, const char* name, const std::vector<float>& halved) {
    EXPECT_TRUE(fails_with([&] { make_pixels(array, {}); }, "set data.scale, the value that becomes 1"));
    EXPECT_TRUE(fails_with([&] { make_pixels(array, {}); }, std::string("images are ") + name));
    const Pixels pixels = make_pixels(array, {.scale = 2});
    EXPECT_EQ(values(pixels), halved) << name;
    EXPECT_EQ(pixels.lowest, std::ranges::min(halved)) << name;
    EXPECT_EQ(pixels.highest, std::ranges::max(halved)) << name;
  };
  check(row<std::int8_t>({-128, 0, 127}), "int8", {-64, 0, 63.5F});
  check(row<std::uint16_t>({0, 3, 65535}), "uint16", {0, 1.5F, 32767.5F});
  check(row<std::int16_t>({-32768, 0, 3}), "int16", {-16384, 0, 1.5F});
  check(row<std::uint32_t>({0, 3, 4'000'000'000}), "uint32", {0, 1.5F, 2e9F});
  check(row<std::int32_t>({-3, 0, 2'000'000'000}), "int32", {-1.5F, 0, 1e9F});
  check(row<std::uint64_t>({0, 3, 1ULL << 63}), "uint64", {0, 1.5F, 4611686018427387904.0F});
  check(row<std::int64_t>({-3, 0, 1LL << 62}), "int64", {-1.5F, 0, 2305843009213693952.0F});
}

TEST(Scale, FloatsAreInRangeOrTheScaleIsStated) {
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(make_pixels(row<float>({0, .25F, 1}), {}).scale, 1);
  EXPECT_EQ(values(make_pixels(row<float>({-1e-7F, .25F, 1.0000001F}), {})),
            (std::vector<float>{0, .25F, 1}));
  EXPECT_EQ(values(make_pixels(row<float>({1.0000001F, 2}), {.scale = 1}))[0],
            1.0000001F);  // no rounding of 1
  for (const float bad : {-0.01F, 1.01F, 255.0F, inf, -inf, std::nanf("")})
    EXPECT_TRUE(fails_with([&] { make_pixels(row<float>({0, bad}), {}); },
                           "floats must be in [0, 1], or data.scale"));
  const Pixels signed_floats = make_pixels(row<float>({-1, .5F, 3}), {.scale = 1});
  EXPECT_EQ(values(signed_floats), (std::vector<float>{-1, .5F, 3}));
  EXPECT_EQ(signed_floats.lowest, -1);
  EXPECT_EQ(signed_floats.highest, 3);
  for (const float bad : {inf, -inf, std::nanf("")})
    EXPECT_TRUE(
        fails_with([&] { make_pixels(row<float>({0, bad}), {.scale = 1}); }, "pixels must be finite"));
  EXPECT_TRUE(fails_with([&] { make_pixels(row<double>({0, 1e300}), {.scale = 1}); }, "image 0 holds inf"));
}

// Grey values give the same pixels to the bit, whatever type they are stored as.
TEST(Scale, EveryTypeGivesTheSamePixels) {
  std::vector<std::uint8_t> bytes;
  for (int v = 0; v < 256; ++v) bytes.push_back(static_cast<std::uint8_t>(v));
  const std::vector<float> expected = values(make_pixels(row(bytes), {}));
  const auto as = [&]<class T>(T) {
    return values(make_pixels(row(std::vector<T>(bytes.begin(), bytes.end())), {.scale = 255}));
  };
  EXPECT_EQ(as(std::uint16_t{}), expected);
  EXPECT_EQ(as(std::int32_t{}), expected);
  EXPECT_EQ(as(std::int64_t{}), expected);
  EXPECT_EQ(as(float{}), expected);
  EXPECT_EQ(as(double{}), expected);
}

}  // namespace
}  // namespace cuelbo
