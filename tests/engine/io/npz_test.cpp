#include "engine/io/npz.hpp"

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

TEST(Npz, ReadsWhatNumpyWritesStoredAndDeflated) {
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const NpzReader archive(fixture(name));
    EXPECT_EQ(archive.names(), (std::vector<std::string>{"index", "mask", "mean"}));
    EXPECT_TRUE(archive.contains("mean"));
    EXPECT_FALSE(archive.contains("mean.npy"));
    EXPECT_EQ(archive.header("mean").shape, (Shape{5, 2}));
    const Array mean = archive.read("mean");
    EXPECT_TRUE(
        all_close(mean.as<float>(), std::vector{-.5, -.375, -.25, -.125, 0., .125, .25, .375, .5, .625}, {}));
    EXPECT_EQ(archive.read("index"), read_npy(fixture("i8.npy")));
    EXPECT_EQ(archive.read("mask"), read_npy(fixture("b1.npy")));
  }
  EXPECT_EQ(read_npz(fixture("stored.npz")), read_npz(fixture("deflated.npz")));
}

TEST(Npz, NamesWhatItHoldsForAMissingArray) {
  const NpzReader archive(fixture("stored.npz"));
  EXPECT_TRUE(fails_with([&] { archive.read("means"); },
                         "has no array 'means' (did you mean 'mean'?); it holds: index, mask, mean"));
}

TEST(Npz, RoundTripsAndEqualArraysGiveEqualFiles) {
  const test::TemporaryDirectory directory;
  std::vector<float> noise(300'007);
  std::uint32_t state = 1;
  for (float& x : noise) x = static_cast<float>(state = state * 1664525 + 1013904223);
  const std::map<std::string, Array> arrays{{"noise", make_array<float>({300'007}, noise)},
                                            {"empty", make_array(Dtype::u8, {0, 3})},
                                            {"scalar", make_array(Dtype::f64, {})}};
  write_npz(directory / "a.npz", arrays);
  write_npz(directory / "b.npz", arrays);
  EXPECT_EQ(read_npz(directory / "a.npz"), arrays);
  EXPECT_EQ(read_file(directory / "a.npz"), read_file(directory / "b.npz"));
  EXPECT_EQ(test::directory_content(directory.path()).size(), 2U);
}

TEST(Npz, WritesArraysThatAreMadeOnTheWay) {
  const test::TemporaryDirectory directory;
  const std::int64_t rows = 5003, columns = 1009;  // more than one piece
  std::int64_t next = 0;
  NpzWriter writer(directory / "a.npz");
  writer.add("made", Dtype::u8, {rows, columns}, [&](std::span<std::byte> bytes) {
    EXPECT_EQ(bytes.size() % columns, 0U);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(next++ % 251);
  });
  writer.commit();
  EXPECT_EQ(next, rows * columns);
  const Array made = NpzReader(directory / "a.npz").read("made");
  ASSERT_EQ(made.shape, (Shape{rows, columns}));
  for (std::int64_t i = 0; i < made.size(); ++i)
    ASSERT_EQ(made.as<std::uint8_t>()[static_cast<std::size_t>(i)], i % 251);
}

TEST(Npz, AFailureWhileMakingIsPassedOnAndLeavesNothing) {
  const test::TemporaryDirectory directory;
  NpzWriter writer(directory / "a.npz");
  writer.add("made", Dtype::u8, {10}, [](std::span<std::byte>) { fail("no more"); });
  EXPECT_TRUE(fails_with([&] { writer.commit(); }, "no more"));
  EXPECT_TRUE(test::directory_content(directory.path()).empty());
}

TEST(Npz, NeedsAnArray) {
  const test::TemporaryDirectory directory;
  EXPECT_TRUE(fails_with([&] { write_npz(directory / "a.npz", {}); }, "needs an array"));
  EXPECT_TRUE(fails_with(
      [&] {
        NpzWriter writer(directory / "a.npz");
        writer.add("a", make_array(Dtype::u8, {1}));
        writer.add("a", make_array(Dtype::u8, {1}));
        writer.commit();
      },
      "array 'a'"));
  EXPECT_TRUE(test::directory_content(directory.path()).empty());
}

TEST(Npz, TwoArraysOfOneNameAreRefused) {
  const test::TemporaryDirectory directory;
  write_npz(directory / "a.npz",
            {{"images", make_array(Dtype::u8, {2})}, {"imagez", make_array(Dtype::u8, {3})}});
  auto file = read_file(directory / "a.npz");
  for (std::size_t i = 0; i + 6 <= file.size(); ++i)
    if (std::memcmp(&file[i], "imagez", 6) == 0) file[i + 5] = std::byte{'s'};
  write_file(directory / "b.npz", file);
  EXPECT_TRUE(fails_with([&] { NpzReader(directory / "b.npz"); }, "b.npz': holds 'images' twice"));
}

// Overwrites a field of each header of the archive's only member: `local` bytes after PK\3\4 and `central`
// after PK\1\2.
void patch(std::vector<std::byte>& file, std::size_t local, std::size_t central, std::uint32_t value,
           std::size_t width) {
  const auto find = [&](const char* signature) {
    for (std::size_t i = 0; i + 4 <= file.size(); ++i)
      if (std::memcmp(&file[i], signature, 4) == 0) return i;
    return file.size();
  };
  std::memcpy(&file[find("PK\3\4") + local], &value, width);
  std::memcpy(&file[find("PK\1\2") + central], &value, width);
}

class PatchedNpz : public ::testing::Test {
 protected:
  PatchedNpz() {
    write_npz(path, {{"a", make_array(Dtype::f32, {1000})}});
    file = read_file(path);
  }
  void rewrite() { write_file(path, file); }

  test::TemporaryDirectory directory;
  std::filesystem::path path = directory / "a.npz";
  std::vector<std::byte> file;
};

TEST_F(PatchedNpz, AZipBombIsRefused) {
  patch(file, 22, 24, 0xfffffff0, 4);  // uncompressed size: 4 GiB out of a few bytes
  rewrite();
  EXPECT_TRUE(fails_with([&] { NpzReader(path).read("a"); }, "zip bomb"));
}

TEST_F(PatchedNpz, ALyingSizeIsRefused) {
  patch(file, 22, 24, 4096, 4);
  rewrite();
  EXPECT_TRUE(fails_with([&] { NpzReader(path).read("a"); }, "truncated: float32 of shape (1000,)"));
}

TEST_F(PatchedNpz, AWrongChecksumIsRefused) {
  patch(file, 14, 16, 0x12345678, 4);
  rewrite();
  EXPECT_TRUE(fails_with([&] { NpzReader(path).read("a"); }, "CRC"));
}

TEST_F(PatchedNpz, AWrongChecksumOfTextIsRefused) {
  NpzWriter writer(path);
  writer.add_text("names", std::vector<std::string>{"zebra", "ox"});
  writer.commit();
  file = read_file(path);
  patch(file, 14, 16, 0x12345678, 4);
  rewrite();
  const NpzReader archive(path);
  EXPECT_TRUE(archive.is_text("names"));
  EXPECT_TRUE(fails_with([&] { archive.read_text("names"); }, "CRC"));
}

TEST_F(PatchedNpz, AnotherCompressionIsRefused) {
  patch(file, 8, 10, 12, 2);  // bzip2
  rewrite();
  EXPECT_TRUE(fails_with([&] { NpzReader(path).read("a"); }, "compression method 12"));
}

TEST_F(PatchedNpz, EncryptionIsRefused) {
  patch(file, 6, 8, 1, 2);
  rewrite();
  EXPECT_TRUE(fails_with([&] { NpzReader(path).read("a"); }, "encrypted"));
}

TEST(Npz, TextIsWrittenAndReadAsUnicode) {
  const test::TemporaryDirectory directory;
  const std::vector<std::string> texts{"form.1", "", "größe", "\xf0\x9f\x98\x80", "bad \xff"};
  NpzWriter writer(directory / "a.npz");
  writer.add_text("names", texts);
  writer.add("numbers", make_array<std::int32_t>({2}, std::vector<std::int32_t>{1, 2}));
  writer.commit();
  const NpzReader archive(directory / "a.npz");
  EXPECT_EQ(archive.read_text("names"),
            (std::vector<std::string>{"form.1", "", "größe", "\xf0\x9f\x98\x80", "bad \xef\xbf\xbd"}));
  EXPECT_TRUE(archive.is_text("names"));
  EXPECT_FALSE(archive.is_text("numbers"));
  EXPECT_TRUE(
      fails_with([&] { archive.read_text("numbers"); }, "'<i4' of shape (2,) is not a list of texts"));
  EXPECT_TRUE(fails_with([&] { archive.read("names"); }, "holds text"));
  EXPECT_EQ(read_npz(directory / "a.npz").size(), 1U);  // numbers only
}

TEST(Npz, ReadsAnArchiveOfScipy) {
  const auto path = test::shared_data("20news/train_bow.npz");
  CUELBO_SKIP_WITHOUT(path);
  const NpzReader archive(path);
  const auto shape = archive.read("shape").as_i64();
  EXPECT_EQ(shape, (Shape{11314, 5000}));
  EXPECT_EQ(archive.header("indptr").shape, Shape{11315});
  EXPECT_EQ(archive.read("data").size(), archive.read("indptr").as_i64().back());
}

}  // namespace
}  // namespace cuelbo
