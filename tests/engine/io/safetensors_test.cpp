#include "engine/io/safetensors.hpp"

#include <cstring>

#include <gtest/gtest.h>

#include "engine/io/atomic_file.hpp"
#include "engine/io/input_file.hpp"
#include "engine/io/npy.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/test_data.hpp"

namespace cuelbo {
namespace {

using test::fails_with;
using test::fixture;
using Shape = std::vector<std::int64_t>;

TEST(Safetensors, ReadsWhatTheReferenceWrites) {
  const Safetensors content = read_safetensors(fixture("all.safetensors"));
  EXPECT_EQ(content.metadata, (std::map<std::string, std::string>{{"format", "np"}, {"note", "é"}}));
  EXPECT_EQ(content.tensors.size(), 14U);
  for (const auto& [name, npy] : std::map<std::string, std::string>{{"bool", "b1"},
                                                                    {"u8", "u1"},
                                                                    {"i8", "i1"},
                                                                    {"u16", "u2"},
                                                                    {"i16", "i2"},
                                                                    {"u32", "u4"},
                                                                    {"i32", "i4"},
                                                                    {"u64", "u8"},
                                                                    {"i64", "i8"},
                                                                    {"f16", "f2"},
                                                                    {"f32", "f4"},
                                                                    {"f64", "f8"},
                                                                    {"empty", ""},
                                                                    {"scalar", "scalar"}}) {
    if (npy.empty()) {
      EXPECT_EQ(content.tensor(name).shape, (Shape{0, 2}));
    } else {
      EXPECT_EQ(content.tensor(name), read_npy(fixture(npy + ".npy"))) << name;
    }
  }
  EXPECT_TRUE(fails_with([&] { content.tensor("f3"); }, "no tensor 'f3' (did you mean 'f32'?)"));
}

TEST(Safetensors, RoundTripsAlignedAndEqual) {
  const test::TemporaryDirectory directory;
  Safetensors content = read_safetensors(fixture("all.safetensors"));
  content.tensors["bf16"] = make_array(Dtype::bf16, {3});
  content.tensors["odd"] = make_array(Dtype::u8, {13});
  write_safetensors(directory / "a", content);
  write_safetensors(directory / "b", content);
  const Safetensors again = read_safetensors(directory / "a");
  EXPECT_EQ(again.tensors, content.tensors);
  EXPECT_EQ(again.metadata, content.metadata);
  const auto bytes = read_file(directory / "a");
  EXPECT_EQ(bytes, read_file(directory / "b"));
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), 8);
  EXPECT_EQ(header_bytes % 8, 0U);
  // The widest types stand first: f64 begins right after the header.
  EXPECT_EQ(std::memcmp(&bytes[8 + header_bytes], content.tensors["f64"].data.data(), 8 * 12), 0);
}

TEST(Safetensors, AnEmptyFileIsAFile) {
  const test::TemporaryDirectory directory;
  write_safetensors(directory / "a", Safetensors{});
  EXPECT_TRUE(read_safetensors(directory / "a").tensors.empty());
}

TEST(Safetensors, RefusesToWriteNonsense) {
  const test::TemporaryDirectory directory;
  const Array array = make_array(Dtype::f32, {3});
  const TensorView view{"a", array.dtype, array.shape, array.data};
  EXPECT_TRUE(
      fails_with([&] { write_safetensors(directory / "a", {view, view}); }, "two tensors are named 'a'"));
  EXPECT_TRUE(fails_with([&] { write_safetensors(directory / "a", {{"b", Dtype::f32, {4}, array.data}}); },
                         "12 bytes do not fill tensor 'b' of shape (4,)"));
  EXPECT_TRUE(test::directory_content(directory.path()).empty());
}

struct Fault {
  const char* header;
  std::size_t payload;
  const char* message;
};

#define T(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
constexpr Fault faults[] = {
    {"", 0, "not a JSON object"},
    {"[]", 0, "not a JSON object"},
    {"{", 0, "not a JSON object"},
    {"{\"a\":1}", 0, "tensor 'a': its description is not an object"},
    {"{\"a\":{}}", 0, "'dtype' is missing"},
    {"{\"a\":" T("F5", "[1]", "[0,4]") "}", 4, "dtype 'F5' is not supported"},
    {"{\"a\":" T("F32", "1", "[0,4]") "}", 4, "'shape' is not a list"},
    {"{\"a\":" T("F32", "[-1]", "[0,4]") "}", 4, "a dimension is not a natural number"},
    {"{\"a\":" T("F32", "[1.5]", "[0,4]") "}", 4, "a dimension is not a natural number"},
    {"{\"a\":" T("F32", "[18446744073709551615]", "[0,4]") "}", 4, "negative dimension"},
    {"{\"a\":" T("F32", "[4611686018427387904,4]", "[0,4]") "}", 4, "too large"},
    {"{\"a\":" T("F32", "[1]", "[0]") "}", 4, "'data_offsets' is not a pair"},
    {"{\"a\":" T("F32", "[1]", "[4,0]") "}", 4, "offsets 4 to 0 do not hold"},
    {"{\"a\":" T("F32", "[1]", "[0,5]") "}", 5, "offsets 0 to 5 do not hold"},
    {"{\"a\":" T("F32", "[2]", "[0,8]") "}", 4, "truncated: the tensors take 8 bytes, 4 are there"},
    {"{\"a\":" T("F32", "[1]", "[0,4]") "}", 6, "2 bytes follow the last tensor"},
    {"{\"a\":" T("F32", "[1]", "[4,8]") "}", 8, "leaves a hole"},
    {"{\"a\":" T("F32", "[1]", "[0,4]") ",\"b\":" T("F32", "[1]", "[0,4]") "}", 4, "overlaps"},
    {"{\"a\":" T("F32", "[2]", "[0,8]") ",\"b\":" T("F32", "[2]", "[4,12]") "}", 12, "tensor 'b' overlaps"},
    {"{\"a\":" T("U8", "[4000000000000]", "[0,4000000000000]") "}", 4, "truncated"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "'a' is not a string"},
    {"{\"__metadata__\":[]}", 0, "is not an object"},
    {"{\"a\":" T("F32", "[1]", "[0,4]") ",\"a\":" T("F32", "[1]", "[0,4]") "}", 4,
     "its header names 'a' twice"},
    {"{\"a\":" T("F32", "[1]", "[0,4]") ",\"\\u0061\":" T("F32", "[1]", "[0,4]") "}", 4, "names 'a' twice"},
    {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "names 'k' twice"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "names '__metadata__' twice"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     "names 'dtype' twice"},
    {"{\"a\":[[[[[[[[[[1]]]]]]]]]]}", 0, "nests deeper"}};
#undef T

TEST(Safetensors, EveryFaultIsRefused) {
  const test::TemporaryDirectory directory;
  for (const Fault& fault : faults) {
    SCOPED_TRACE(fault.header);
    const std::uint64_t length = std::strlen(fault.header);
    std::string file(8, '\0');
    std::memcpy(file.data(), &length, 8);
    write_file(directory / "a", file + fault.header + std::string(fault.payload, '\0'));
    EXPECT_TRUE(fails_with([&] { read_safetensors(directory / "a"); }, fault.message));
  }
}

TEST(Safetensors, OneNameInTwoObjectsIsNoDuplicate) {
  const test::TemporaryDirectory directory;
  write_safetensors(directory / "a",
                    Safetensors{{{"k", make_array(Dtype::f32, {2})}}, {{"k", "v"}, {"dtype", "x"}}});
  EXPECT_EQ(read_safetensors(directory / "a").metadata.at("k"), "v");
}

TEST(Safetensors, AHeaderAbove16MiBIsNotEvenRead) {
  const test::TemporaryDirectory directory;
  const auto refused = [&](std::uint64_t length) {
    std::string file(8, '\0');
    std::memcpy(file.data(), &length, 8);
    write_file(directory / "a", file + "{}");
    std::filesystem::resize_file(directory / "a", 8 + length);  // sparse
    return fails_with([&] { read_safetensors(directory / "a"); },
                      fmt::format("declares a header of {} bytes, at most 16777216", length));
  };
  EXPECT_TRUE(refused((16 << 20) + 1));
  EXPECT_TRUE(refused(99'000'000));
}

}  // namespace
}  // namespace cuelbo
