#include "engine/io/idx.hpp"

#include <numeric>

#include <gtest/gtest.h>

#include "tests/support/error_checks.hpp"
#include "tests/support/idx_files.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/test_data.hpp"

namespace cuelbo {
namespace {

using test::fails_with;
using Shape = std::vector<std::int64_t>;

TEST(Idx, ReadsPlainAndGzipByContent) {
  const test::TemporaryDirectory directory;
  const std::string file = test::idx_file({5, 3, 2}, 30);
  write_file(directory / "plain.gz", file);
  write_file(directory / "packed", test::gzip(file));
  const Array plain = read_idx_images(directory / "plain.gz");
  EXPECT_EQ(plain.shape, (Shape{5, 3, 2}));
  for (std::size_t i = 0; i < 30; ++i) EXPECT_EQ(plain.as<std::uint8_t>()[i], i);
  EXPECT_EQ(read_idx_images(directory / "packed"), plain);

  write_file(directory / "labels", test::gzip(test::idx_file({30}, 30)));
  EXPECT_EQ(read_idx_labels(directory / "labels").shape, Shape{30});
}

TEST(Idx, ReadsEveryTypeAndLabelsInATable) {
  const test::TemporaryDirectory directory;
  std::string qmnist = test::idx_file({2, 8}, 0);  // two rows of eight int32
  qmnist[2] = '\x0c';
  for (const int value : {7, 100, 200, 1, 2, 3, 4, 5, 300, 1, 2, 3, 4, 5, 6, 7})
    qmnist += {'\0', '\0', static_cast<char>(value >> 8), static_cast<char>(value)};
  write_file(directory / "labels", qmnist);
  EXPECT_EQ(read_idx_labels(directory / "labels").as_i64(), (std::vector<std::int64_t>{7, 300}));

  std::string floats = test::idx_file({1, 1, 1}, 0);
  floats[2] = '\x0d';
  write_file(directory / "images", floats + std::string("\x3f\0\0\0", 4));
  EXPECT_EQ(read_idx_images(directory / "images"), make_array<float>({1, 1, 1}, std::vector<float>{0.5F}));
  write_file(directory / "color", test::idx_file({2, 2, 2, 3}, 24));
  EXPECT_EQ(read_idx_images(directory / "color").shape, (Shape{2, 2, 2, 3}));
}

// The first column of these would be whether an image is of class 0.
TEST(Idx, RefusesTablesOfLabelsOtherThanQmnists) {
  const test::TemporaryDirectory directory;
  const auto path = directory / "labels";
  const auto refused = [&](const std::string& file, const char* message) {
    write_file(path, file);
    return fails_with([&] { read_idx_labels(path); }, message);
  };
  EXPECT_TRUE(refused(test::idx_file({4, 10}, 40),
                      "labels have shape (4, 10) and type uint8; one number for each image, or QMNIST's"));
  EXPECT_TRUE(refused(test::idx_file({4, 8}, 32), "labels have shape (4, 8) and type uint8"));
  std::string one_hot = test::idx_file({2, 8}, 0);
  one_hot[2] = '\x0c';
  for (int i = 0; i < 16; ++i) one_hot += {'\0', '\0', '\0', static_cast<char>(i == 3 || i == 8)};
  EXPECT_TRUE(refused(one_hot, "shape (2, 8) and type int32, all of them 0 or 1; one number"));
  EXPECT_TRUE(refused(test::idx_file({4, 0}, 0), "labels have shape (4, 0)"));
  write_file(path, test::idx_file({4, 1}, 4));
  EXPECT_EQ(read_idx_labels(path).as_i64(), (std::vector<std::int64_t>{0, 1, 2, 3}));
}

TEST(Idx, RefusesDamage) {
  const test::TemporaryDirectory directory;
  const auto path = directory / "a";
  const auto refused = [&](const std::string& file, const char* message) {
    write_file(path, file);
    return fails_with([&] { read_idx_images(path); }, message);
  };
  const std::string good = test::idx_file({5, 3, 2}, 30);
  EXPECT_TRUE(refused(test::idx_file({30}, 30),
                      "not a file of IDX images: it starts with 00 00 08 01, not 00 00 08 03"));
  EXPECT_TRUE(refused(good.substr(0, 3), "truncated"));
  EXPECT_TRUE(refused(good.substr(0, 11), "truncated"));
  EXPECT_TRUE(
      refused(good.substr(0, 45), "truncated: images of shape (5, 3, 2) take 30 bytes, 29 are there"));
  EXPECT_TRUE(refused(good + "x", "bytes follow the images"));
  EXPECT_TRUE(refused(test::gzip(good.substr(0, 45)), "truncated"));
  EXPECT_TRUE(refused(test::gzip(good + "x"), "bytes follow the images"));
  EXPECT_TRUE(refused(test::gzip(good).substr(0, 20), "truncated"));
  EXPECT_TRUE(refused(test::gzip(good).substr(0, test::gzip(good).size() - 1), "truncated"));
  std::string flipped = test::gzip(good);
  flipped[flipped.size() - 7] ^= 1;  // in the checksum
  EXPECT_TRUE(refused(flipped, "damaged gzip"));
  EXPECT_TRUE(refused(test::idx_file({0x7fffffff, 0x7fff, 0x7fff}, 30), "truncated"));
  EXPECT_TRUE(refused(test::gzip(test::idx_file({0x7fffffff, 0x7fff, 0x7fff}, 30)), "zip bomb"));
  EXPECT_TRUE(refused(test::idx_file({-1, -1, -1}, 30), "too large"));  // 2³² − 1 in each
}

TEST(Idx, ReadsTheRealMnist) {
  const auto folder = test::shared_data("mnist");
  CUELBO_SKIP_WITHOUT(folder);
  const Array images = read_idx_images(folder / "t10k-images-idx3-ubyte.gz");
  EXPECT_EQ(images.shape, (Shape{10000, 28, 28}));
  const Array labels = read_idx_labels(folder / "t10k-labels-idx1-ubyte.gz");
  const auto values = labels.as<std::uint8_t>();
  // The first ten test digits, as anyone finds them.
  EXPECT_EQ(std::vector<int>(values.begin(), values.begin() + 10),
            (std::vector<int>{7, 2, 1, 0, 4, 1, 4, 9, 5, 9}));
}

}  // namespace
}  // namespace cuelbo
