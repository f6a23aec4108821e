// --args: the arguments of a user's kernel.
#include "tools/lab/source/arguments.hpp"

#include <cstring>
#include <limits>
#include <type_traits>

#include <gmock/gmock.h>
#include <unistd.h>

#include "engine/error.hpp"
#include "tools/lab/source/parameters.hpp"

namespace cuelbo::lab {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const std::string& text) {
  try {
    parse_source_arguments(text);
    return "no error";
  } catch (const UsageError& error) {
    return error.what();
  }
}

TEST(SourceArguments, AreArraysAndScalars) {
  const auto a =
      parse_source_arguments("f32[1024] out; f32x4[8]=random; u32[4]=zeros out ; i32=1024; f32=-0.5");
  ASSERT_EQ(a.size(), 5U);
  EXPECT_TRUE(a[0].array);
  EXPECT_EQ(a[0].type, "float");
  EXPECT_EQ(a[0].buffer.role, Role::output);
  EXPECT_THAT(a[0].buffer.dims, ElementsAre(1024));
  EXPECT_EQ(a[1].type, "float4");
  EXPECT_EQ(a[1].buffer.role, Role::input);
  EXPECT_THAT(a[1].buffer.dims, ElementsAre(32));
  EXPECT_EQ(a[2].buffer.role, Role::updated);
  EXPECT_EQ(a[2].buffer.fill.kind, Fill::Kind::constant);
  EXPECT_EQ(a[2].buffer.fill.scale, 0);
  EXPECT_FALSE(a[3].array);
  EXPECT_EQ(a[3].value, "static_cast<int>(1024LL)");
  EXPECT_EQ(a[4].type, "float");
  EXPECT_EQ(a[4].value, "-0.5F");
  EXPECT_TRUE(parse_source_arguments("").empty());
  EXPECT_TRUE(parse_source_arguments(" ").empty());
}

// By the type of the value and that of the parameter.
TEST(SourceArguments, AParameterHoldsItsOwnValuesOnly) {
  const auto given = []<class Value>(Value value, auto parameter) {
    return holds<decltype(parameter)>(static_cast<long double>(value));
  };
  constexpr auto i64 = [](long long value) { return value; };
  constexpr auto u64 = [](unsigned long long value) { return value; };
  const struct {
    bool holds, expected;
  } pairs[] = {
      {given(i64(2147483647), int{}), true},
      {given(i64(2147483648), int{}), false},
      {given(i64(4294967295), int{}), false},
      {given(i64(-2147483648), int{}), true},
      {given(i64(-2147483649), int{}), false},
      {given(i64(4294967295), 0U), true},
      {given(i64(4294967296), 0U), false},
      {given(i64(-1), 0U), false},
      {given(i64(-1), 0UL), false},
      {given(i64(-1), 0ULL), false},
      {given(u64(~0ULL), 0L), false},
      {given(u64(~0ULL), 0UL), true},
      {given(u64(1ULL << 63), 0LL), false},
      {given(i64(std::numeric_limits<long long>::min()), 0L), true},
      {given(127, char{}), true},
      {given(200, char{}), std::is_unsigned_v<char>},
      {given(200, static_cast<signed char>(0)), false},
      {given(-128, static_cast<signed char>(0)), true},
      {given(255, static_cast<unsigned char>(0)), true},
      {given(256, static_cast<unsigned char>(0)), false},
      {given(40000, short{}), false},
      {given(40000, static_cast<unsigned short>(0)), true},
      {given(3000000000U, int{}), false},
      {given(true, int{}), true},
      {given(0, bool{}), true},
      {given(1, bool{}), true},
      {given(2, bool{}), true},
      {given(16777216, float{}), true},
      {given(16777217, float{}), false},
      {given(i64((1LL << 53) + 1), double{}), false},
      {given(u64(~0ULL), float{}), false},
      {given(0.1, float{}), false},
      {given(0.1F, double{}), true},
      {given(0.5, float{}), true},
      {given(1e300, float{}), false},
      {given(1e-300, float{}), false},
      {given(3.0F, int{}), true},
      {given(3.5F, int{}), false},
      {given(3000000000.0, int{}), false},
      {given(18446744073709551616.0, 0ULL), false},
      {given(-1.0, 0U), false},
  };
  for (std::size_t i = 0; i < std::size(pairs); ++i) EXPECT_EQ(pairs[i].holds, pairs[i].expected) << i;
}

TEST(SourceArguments, SayWhatIsWrong) {
  EXPECT_THAT(refusal("f33[2]"), HasSubstr("'f33' is not a type"));
  EXPECT_THAT(refusal("f32[2"), HasSubstr("--args: 'f32[2': this is not understood"));
  EXPECT_THAT(refusal("f32[0]"), HasSubstr("at least 1"));
  EXPECT_THAT(refusal("f32[1.5]"), HasSubstr("1.5 is not a whole number"));
  EXPECT_THAT(refusal("f32[n]"), HasSubstr("'n' is not a number"));
  EXPECT_THAT(refusal("f32[2]=rnadom"), HasSubstr("'rnadom' is not a number"));
  EXPECT_THAT(refusal("f32"), HasSubstr("is not understood"));
  EXPECT_THAT(refusal("i32=0.5"), HasSubstr("0.5 is not a whole number"));
  EXPECT_THAT(refusal("f32x4=1"), HasSubstr("is not understood"));
  EXPECT_THAT(refusal("f32=nan"), HasSubstr("'nan' is not a number"));
  for (const std::string text : {"i32=1;", "; i32=1", "i32=1; ; i32=2", ";"})
    EXPECT_THAT(refusal(text), HasSubstr("--args: '': an argument is missing")) << text;
}

// The extreme values of every type are accepted unchanged; values beyond them are refused, in arrays and scalars alike.
TEST(SourceArguments, AreNeverNarrowed) {
  const struct {
    const char *type, *least, *most, *below, *above;
  } ranges[] = {
      {"u8", "0", "255", "-1", "256"},
      {"i8", "-128", "127", "-129", "128"},
      {"u16", "0", "65535", "-1", "65536"},
      {"i16", "-32768", "32767", "-32769", "32768"},
      {"u32", "0", "4294967295", "-1", "4294967296"},
      {"i32", "-2147483648", "2147483647", "-2147483649", "2147483648"},
      {"u64", "0", "18446744073709551615", "-1", "18446744073709551616"},
      {"i64", "-9223372036854775808", "9223372036854775807", "-9223372036854775809", "9223372036854775808"},
      {"f32", "-3.4028234e38", "3.4028234e38", "-3.5e38", "1e39"},
      {"f64", "-1.7976931348623157e308", "1.7976931348623157e308", "-1e309", "1e999"},
  };
  for (const auto& range : ranges) {
    for (const std::string form : {"=", "[4]="}) {
      const std::string argument = range.type + form;
      EXPECT_EQ(refusal(argument + range.least), "no error") << argument << range.least;
      EXPECT_EQ(refusal(argument + range.most), "no error") << argument << range.most;
      for (const std::string value : {range.below, range.above})
        EXPECT_THAT(refusal(argument + value), HasSubstr("--args: '" + argument + value + "': " + value +
                                                         " is outside the range of " + range.type))
            << argument << value;
    }
  }
  EXPECT_THAT(refusal("u8=300"), HasSubstr("300 is outside the range of u8, 0 to 255"));
  EXPECT_THAT(refusal("i32[4]=0.5"),
              HasSubstr("0.5 is not a whole number; i32 holds -2147483648 to 2147483647"));
  EXPECT_THAT(refusal("u8=1e3"), HasSubstr("1e3 is outside the range of u8"));
  EXPECT_THAT(refusal("i32=1e999"), HasSubstr("1e999 is outside the range of i32"));
  EXPECT_THAT(refusal("u64=1e300"), HasSubstr("1e300 is outside the range of u64"));
  EXPECT_THAT(refusal("i64=9.1e15"), HasSubstr("write all of its digits"));
  EXPECT_THAT(refusal("f32=1e-60"), HasSubstr("1e-60 would become 0 in f32"));
  for (const std::string text :
       {"", "1x", "0x", "0xg", "--1", "+1", "1 2", "1,5", "0b1", "inf", "-inf", "NAN", "1e"})
    for (const std::string type : {"i32=", "f32=", "u64[2]=", "f64[2]="})
      EXPECT_THAT(refusal(type + text),
                  AnyOf(HasSubstr("is not a number"), HasSubstr("is outside the range")))
          << type << text;
}

TEST(SourceArguments, HoldTheNumbersAsWritten) {
  const auto value = [](const std::string& text) { return parse_source_arguments(text).front().value; };
  EXPECT_EQ(value("i32=010"), "static_cast<int>(10LL)");
  EXPECT_EQ(value("i32=1e6"), "static_cast<int>(1000000LL)");
  EXPECT_EQ(value("u32=0xFFffFFff"), "static_cast<unsigned>(4294967295ULL)");
  EXPECT_EQ(value("i32=-2147483648"), "static_cast<int>(-2147483647LL - 1)");
  EXPECT_EQ(value("i64=9007199254740993"), "static_cast<long long>(9007199254740993LL)");
  EXPECT_EQ(value("f32=16777217"), "16777216.0F");
  EXPECT_EQ(value("f32=0x10"), "16.0F");
  EXPECT_EQ(value("f64=-0x1.8p3"), "-12.0");
  EXPECT_EQ(value("f64=0.1"), "0.1");
  const auto element = parse_source_arguments("i64[2]=9007199254740993").front().element;
  std::int64_t held = 0;
  ASSERT_EQ(element.size(), sizeof held);
  std::memcpy(&held, element.data(), sizeof held);
  EXPECT_EQ(held, 9007199254740993);
}

TEST(SourceArguments, HaveCountsThatFit) {
  EXPECT_EQ(parse_source_arguments("f32[1e3]").front().buffer.count(), 1000);
  EXPECT_THAT(refusal("f32[-1]"), HasSubstr("-1 elements; there must be at least 1"));
  EXPECT_THAT(refusal("f32[99999999999999999999]"), HasSubstr("is outside the range of a count"));
  EXPECT_THAT(refusal("f64x4[4611686018427387904]"), HasSubstr("--args: 'f64x4[4611686018427387904]'"));
  EXPECT_THAT(refusal("f32[1000000000000000]"), HasSubstr("GiB of memory"));
  // Four copies of each fit, those of the two together do not, nor do doubles that are drawn.
  const std::string part = std::to_string(sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGE_SIZE) / 20 * 3);
  EXPECT_EQ(refusal("u8[" + part + "] out"), "no error");
  EXPECT_THAT(refusal("u8[" + part + "] out; u8[" + part + "] out"), HasSubstr("GiB of memory"));
  EXPECT_THAT(refusal("f32[" + part + "] out"), HasSubstr("GiB of memory"));
  EXPECT_THAT(refusal("u8[" + part + "]"), HasSubstr("GiB of memory"));
  EXPECT_EQ(refusal("u8[256]=index"), "no error");
  EXPECT_THAT(refusal("u8[257]=index"), HasSubstr("the last index, 256, is more than u8 can hold"));
  EXPECT_THAT(refusal("i8[1000]=index"), HasSubstr("up to 127"));
  EXPECT_THAT(refusal("f32[16777218]=index"), HasSubstr("up to 16777216"));
}

}  // namespace
}  // namespace cuelbo::lab
