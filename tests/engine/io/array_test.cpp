#include "engine/io/array.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tests/support/comparison.hpp"
#include "tests/support/error_checks.hpp"

namespace cuelbo {
namespace {

using test::all_close;
using test::fails_with;

template <class T>
Array one(T value) {
  return make_array<T>({1}, std::vector<T>{value});
}

TEST(Array, ConvertsEveryTypeToFloat) {
  EXPECT_EQ(one<std::uint8_t>(255).as_f32()[0], 255.0F);
  EXPECT_EQ(one<std::int8_t>(-128).as_f32()[0], -128.0F);
  EXPECT_EQ(one<std::uint16_t>(65535).as_f32()[0], 65535.0F);
  EXPECT_EQ(one<std::int16_t>(-32768).as_f32()[0], -32768.0F);
  EXPECT_EQ(one<std::uint32_t>(4294967295U).as_f32()[0], 4294967296.0F);
  EXPECT_EQ(one<std::int32_t>(-7).as_f32()[0], -7.0F);
  EXPECT_EQ(one<std::uint64_t>(1ULL << 40).as_f32()[0], 0x1p40F);
  EXPECT_EQ(one<std::int64_t>(-(1LL << 40)).as_f32()[0], -0x1p40F);
  EXPECT_EQ(one<float>(0.1F).as_f32()[0], 0.1F);
  EXPECT_EQ(one<double>(0.1).as_f32()[0], 0.1F);
  Array truth = one<std::uint8_t>(2);
  truth.dtype = Dtype::boolean;
  EXPECT_EQ(truth.as_f32()[0], 1.0F);
  EXPECT_EQ(truth.as_i64()[0], 1);
}

TEST(Array, ConvertsHalves) {
  Array half = make_array<std::uint16_t>(
      {9},
      std::vector<std::uint16_t>{0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00, 0xfc00, 0x3555});
  half.dtype = Dtype::f16;
  const float inf = std::numeric_limits<float>::infinity();
  const auto values = half.as_f32();
  EXPECT_TRUE(
      all_close(values, std::vector<float>{1, -2, 65504, 0x1p-14F, 0x1p-24F, 0, inf, -inf, 0.33325195F}, {}));
  EXPECT_TRUE(std::signbit(values[5]));

  Array bfloat = make_array<std::uint16_t>({3}, std::vector<std::uint16_t>{0x3f80, 0xc040, 0x7f80});
  bfloat.dtype = Dtype::bf16;
  EXPECT_TRUE(all_close(bfloat.as_f32(), std::vector<float>{1, -3, inf}, {}));
  Array nan = one<std::uint16_t>(0x7e00);
  nan.dtype = Dtype::f16;
  EXPECT_TRUE(std::isnan(nan.as_f32()[0]));
}

TEST(Array, AccessIsChecked) {
  Array array = one<float>(1);
  EXPECT_EQ(array.as<float>()[0], 1.0F);
  EXPECT_TRUE(fails_with([&] { array.as<double>(); }, "array is float32, float64 is needed"));
  EXPECT_TRUE(fails_with([&] { array.as_i64(); }, "array is float32, integers are needed"));
  EXPECT_TRUE(fails_with([] { one<std::uint64_t>(1ULL << 63).as_i64(); }, "does not fit"));
  EXPECT_TRUE(fails_with([] { make_array<float>({2, 2}, std::vector<float>(3)); }, "3 values do not fill"));
}

TEST(ElementCount, RefusesWhatCannotBe) {
  EXPECT_EQ(element_count(std::vector<std::int64_t>{}, Dtype::f32), 1);
  EXPECT_EQ(element_count(std::vector<std::int64_t>{3, 4}, Dtype::f32), 12);
  EXPECT_EQ(element_count(std::vector<std::int64_t>{1LL << 40, 0, 1LL << 20}, Dtype::f32), 0);
  EXPECT_TRUE(fails_with([] { element_count(std::vector<std::int64_t>{3, -4}, Dtype::f32); }, "(3, -4)"));
  EXPECT_TRUE(
      fails_with([] { element_count(std::vector<std::int64_t>{1LL << 61}, Dtype::f32); }, "too large"));
  EXPECT_TRUE(fails_with([] { element_count(std::vector<std::int64_t>{1LL << 40, 1LL << 40}, Dtype::u8); },
                         "too large"));
  // Zero does not hide an overflow of the other dimensions.
  EXPECT_TRUE(fails_with([] { element_count(std::vector<std::int64_t>{0, 1LL << 40, 1LL << 40}, Dtype::u8); },
                         "too large"));
  EXPECT_TRUE(fails_with([] { check_fits_in_memory(1ULL << 60); }, "GiB of memory"));
  EXPECT_NO_THROW(check_fits_in_memory(1 << 20));
}

TEST(Array, ShapesAreWrittenAsPythonDoes) {
  EXPECT_EQ(shape_text(std::vector<std::int64_t>{}), "()");
  EXPECT_EQ(shape_text(std::vector<std::int64_t>{3}), "(3,)");
  EXPECT_EQ(shape_text(std::vector<std::int64_t>{3, 4}), "(3, 4)");
}

}  // namespace
}  // namespace cuelbo
