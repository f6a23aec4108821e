#include "engine/io/npy.hpp"

#include <cstring>

#include <gtest/gtest.h>

#include "engine/io/atomic_file.hpp"
#include "tests/support/comparison.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/test_data.hpp"

namespace cuelbo {
namespace {

using test::all_close;
using test::fails_with;
using test::fixture;
using Shape = std::vector<std::int64_t>;

struct Written {
  const char* name;
  Dtype dtype;
};

// The values that make_fixtures.py writes.
std::vector<float> expected_values(Dtype dtype, std::size_t count) {
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) {
    const auto x = static_cast<float>(i);
    switch (dtype) {
      case Dtype::boolean: values.push_back(static_cast<float>(i % 2)); break;
      case Dtype::i8:
      case Dtype::i16:
      case Dtype::i32:
      case Dtype::i64: values.push_back(x - 5); break;
      case Dtype::f16:
      case Dtype::f32:
      case Dtype::f64: values.push_back(x / 8 - 0.5F); break;
      default: values.push_back(x);
    }
  }
  return values;
}

constexpr Written every_dtype[] = {{"b1", Dtype::boolean}, {"u1", Dtype::u8},  {"i1", Dtype::i8},
                                   {"u2", Dtype::u16},     {"i2", Dtype::i16}, {"u4", Dtype::u32},
                                   {"i4", Dtype::i32},     {"u8", Dtype::u64}, {"i8", Dtype::i64},
                                   {"f2", Dtype::f16},     {"f4", Dtype::f32}, {"f8", Dtype::f64}};

TEST(Npy, WrittenByNumpyIsReadAndWrittenBackToTheByte) {
  const test::TemporaryDirectory directory;
  for (const Written& written : every_dtype) {
    SCOPED_TRACE(written.name);
    const auto path = fixture(std::string(written.name) + ".npy");
    const Array array = read_npy(path);
    EXPECT_EQ(array.dtype, written.dtype);
    EXPECT_EQ(array.shape, (Shape{3, 4}));
    EXPECT_TRUE(all_close(array.as_f32(), expected_values(array.dtype, 12), {}));

    write_npy(directory / "copy.npy", array);
    EXPECT_EQ(read_file(directory / "copy.npy"), read_file(path));
  }
}

TEST(Npy, ReadsEveryVersion) {
  const Array array = read_npy(fixture("f4.npy"));
  EXPECT_EQ(read_npy(fixture("version2.npy")), array);
  EXPECT_EQ(read_npy(fixture("version3.npy")), array);
}

TEST(Npy, ReadsEveryRank) {
  const Array scalar = read_npy(fixture("scalar.npy"));
  EXPECT_EQ(scalar.shape, Shape{});
  EXPECT_EQ(scalar.as<float>()[0], 2.5F);
  EXPECT_EQ(read_npy(fixture("vector.npy")).shape, Shape{5});
  const Array empty = read_npy(fixture("empty.npy"));
  EXPECT_EQ(empty.shape, (Shape{0, 3}));
  EXPECT_EQ(empty.size(), 0);
}

TEST(Npy, RoundTripsEmptyScalarAndLargeArrays) {
  const test::TemporaryDirectory directory;
  std::vector<double> many(100'003);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<double>(i) * 0.1;
  for (const Array& array : {make_array(Dtype::f32, {}), make_array(Dtype::i64, {3, 0, 2}),
                             make_array<double>({static_cast<std::int64_t>(many.size())}, many)}) {
    write_npy(directory / "a.npy", array);
    EXPECT_EQ(read_npy(directory / "a.npy"), array) << shape_text(array.shape);
  }
}

TEST(Npy, SaysHowToFixWhatItDoesNotRead) {
  EXPECT_TRUE(fails_with([] { read_npy(fixture("object.npy")); }, "pickle"));
  EXPECT_TRUE(fails_with([] { read_npy(fixture("structured.npy")); }, "structured"));
  EXPECT_TRUE(fails_with([] { read_npy(fixture("text.npy")); }, "holds text (dtype '<U5')"));
}

Array parse(const std::string& literal, const std::string& payload) {
  std::string file = "\x93NUMPY";
  file += {'\x01', '\x00', static_cast<char>(literal.size() & 0xff), static_cast<char>(literal.size() >> 8)};
  file += literal + payload;
  std::size_t position = 0;
  return read_npy(
      [&](std::span<std::byte> bytes) {
        const std::size_t count = std::min(bytes.size(), file.size() - position);
        std::memcpy(bytes.data(), file.data() + position, count);
        position += count;
        return count;
      },
      file.size());
}

Array parse(const std::string& literal, std::size_t payload) {
  return parse(literal, std::string(payload, '\0'));
}

TEST(Npy, ReadsFortranOrderAndBigEndianAsWhatTheyAre) {
  EXPECT_EQ(read_npy(fixture("fortran.npy")), read_npy(fixture("f4.npy")));
  EXPECT_EQ(read_npy(fixture("big_endian.npy")), read_npy(fixture("f4.npy")));
}

template <class T>
std::string big_endian_text(const std::vector<T>& values) {
  std::string text;
  for (const T value : values) {
    std::string bytes(sizeof(T), '\0');
    std::memcpy(bytes.data(), &value, sizeof(T));
    text.append(bytes.rbegin(), bytes.rend());
  }
  return text;
}

template <class T>
void check_big_endian(const char* descr) {
  SCOPED_TRACE(descr);
  const std::vector<T> values{T(1), T(2.5), T(77)};
  const std::string literal =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': (3,), }}", descr);
  EXPECT_EQ(parse(literal, big_endian_text(values)), make_array({3}, values));
}

TEST(Npy, ReadsBigEndianOfEveryType) {
  check_big_endian<std::uint8_t>(">u1");
  check_big_endian<std::int8_t>(">i1");
  check_big_endian<std::uint16_t>(">u2");
  check_big_endian<std::int16_t>(">i2");
  check_big_endian<std::uint32_t>(">u4");
  check_big_endian<std::int32_t>(">i4");
  check_big_endian<std::uint64_t>(">u8");
  check_big_endian<std::int64_t>(">i8");
  check_big_endian<float>(">f4");
  check_big_endian<double>(">f8");
  EXPECT_EQ(parse("{'descr': '>f2', 'fortran_order': False, 'shape': (1,)}", "\x3c\x01").as_f32()[0],
            1 + 0x1p-10F);
}

// Element (i, j, …) of the array is the number of its place in C order.
template <class T>
void check_fortran(const Shape& shape, const char* descr) {
  const auto count = static_cast<std::size_t>(element_count(shape, dtype_of<T>()));
  std::vector<T> in_c_order(count), stored(count);
  for (std::size_t place = 0; place < count; ++place) {
    in_c_order[place] = static_cast<T>(place);
    std::size_t rest = place, stride = count, at = 0;
    for (std::size_t k = shape.size(); k-- > 0;) {
      const auto extent = static_cast<std::size_t>(shape[k]);
      stride /= extent;
      at += rest % extent * stride;
      rest /= extent;
    }
    stored[at] = static_cast<T>(place);
  }
  std::string payload(count * sizeof(T), '\0');
  std::memcpy(payload.data(), stored.data(), payload.size());
  const std::string literal =
      fmt::format("{{'descr': '{}', 'fortran_order': True, 'shape': {}, }}", descr, shape_text(shape));
  EXPECT_EQ(parse(literal, payload), make_array(shape, in_c_order)) << descr << " " << shape_text(shape);
}

TEST(Npy, ReadsFortranOrderOfEveryRankAndWidth) {
  for (const Shape& shape :
       {Shape{7}, {5, 3}, {70, 33}, {2, 3, 4}, {33, 1, 65}, {4, 28, 5, 3}, {2, 3, 2, 3, 2}, {1, 4, 1, 5}}) {
    check_fortran<std::uint8_t>(shape, "|u1");
    check_fortran<std::int16_t>(shape, "<i2");
    check_fortran<float>(shape, "<f4");
    check_fortran<double>(shape, "<f8");
  }
  const Array both =
      parse("{'descr': '>u2', 'fortran_order': True, 'shape': (2, 2), }", std::string("\0\1\0\3\0\2\0\4", 8));
  EXPECT_EQ(both, make_array<std::uint16_t>({2, 2}, std::vector<std::uint16_t>{1, 2, 3, 4}));
  EXPECT_EQ(parse("{'descr': '<f4', 'fortran_order': True, 'shape': (0, 3), }", 0).shape, (Shape{0, 3}));
}

TEST(Npy, SaysWhatAnotherFileIs) {
  const test::TemporaryDirectory directory;
  const auto refused = [&](const std::string& start, const char* message) {
    write_file(directory / "a.npy", start + std::string(100, 'x'));
    return fails_with([&] { read_npy(directory / "a.npy"); }, message);
  };
  EXPECT_TRUE(refused("\x89HDF\r\n\x1a\n", "it is an HDF5 file"));
  EXPECT_TRUE(refused("\x1f\x8b", "it is a gzip file"));
  EXPECT_TRUE(refused("PK\x03\x04", "it is a zip archive"));
  EXPECT_TRUE(refused("\x80\x04\x95", "it is a pickle"));
  EXPECT_TRUE(refused(std::string("\0\0\x08\x03", 4), "it is an IDX file"));
}

TEST(Npy, ReadsAnyOrderSpacingAndQuotes) {
  EXPECT_EQ(parse("{'shape':(2,3),'fortran_order':False,'descr':'<f4'}", 24).shape, (Shape{2, 3}));
  EXPECT_EQ(parse("{\"descr\" : \"|u1\", 'shape': (2L, 3L,), 'fortran_order': False , } \n", 6).shape,
            (Shape{2, 3}));
  // With at most one dimension longer than 1 both orders are the same.
  EXPECT_EQ(parse("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 3), }", 12).shape, (Shape{1, 3}));
}

TEST(Npy, RefusesMalformedHeaders) {
  for (const char* literal :
       {"", "{", "{}", "[]", "{'descr'}", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (a,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}"})
    EXPECT_TRUE(fails_with([&] { parse(literal, 4); }, "malformed")) << literal;
}

TEST(Npy, RefusesSizesThatDoNotMatch) {
  const auto shape = [](const char* text) {
    return std::string("{'descr': '<f4', 'fortran_order': False, 'shape': ") + text + "}";
  };
  EXPECT_TRUE(fails_with([&] { parse(shape("(3,)"), 11); },
                         "truncated: float32 of shape (3,) is 12 bytes, 11 are there"));
  EXPECT_TRUE(fails_with([&] { parse(shape("(3,)"), 13); }, "1 bytes follow the 12"));
  EXPECT_TRUE(fails_with([&] { parse(shape("(3, -1)"), 12); }, "negative"));
  EXPECT_TRUE(fails_with([&] { parse(shape("(1000000, 1000000, 1000)"), 12); }, "truncated"));
  EXPECT_TRUE(
      fails_with([&] { parse(shape("(9223372036854775807, 9223372036854775807)"), 12); }, "too large"));
  EXPECT_TRUE(fails_with([&] { parse(shape("(9223372036854775807, 0)"), 0); }, "too large"));
}

TEST(Npy, HasNoBfloat16) {
  const test::TemporaryDirectory directory;
  EXPECT_TRUE(fails_with([&] { write_npy(directory / "a.npy", make_array(Dtype::bf16, {2})); }, "bfloat16"));
  EXPECT_TRUE(test::directory_content(directory.path()).empty());
}

}  // namespace
}  // namespace cuelbo
