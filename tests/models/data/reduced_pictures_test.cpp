// What reading pictures as bytes leaves out is said, and refused where it would leave nothing.
#include <gtest/gtest.h>

#include "engine/io/atomic_file.hpp"
#include "models/data/open_dataset.hpp"
#include "tests/support/dataset_content.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/png_files.hpp"
#include "tests/support/temporary_directory.hpp"

namespace cuelbo {
namespace {

using test::all_images;
using test::fails_with;
using test::has_note;

std::shared_ptr<const Dataset> open_pictures(const test::TemporaryDirectory& directory) {
  return open_dataset({.name = "images", .path = directory.path()});
}

TEST(ReducedPictures, SixteenBitsKeepTheUpperEight) {
  const test::TemporaryDirectory directory;
  write_file(directory / "a.png", test::png_of_16_bits({0x0000, 0x00ff, 0x1234, 0xffff}));
  write_png(directory / "b.png", {1, 4, 1, {1, 2, 3, 4}});
  const auto dataset = open_pictures(directory);
  EXPECT_EQ(all_images(*dataset)[2], 0x12 / 255.0F);
  EXPECT_EQ(all_images(*dataset)[5], 2 / 255.0F);
  EXPECT_TRUE(has_note(*dataset, "1 of the pictures have 16 bits: the upper 8 are kept"));
}

// Twelve bits and fewer, as cameras and scanners store them, would be black or be taken for masks.
TEST(ReducedPictures, FewBitsInSixteenAreRefused) {
  for (const std::uint16_t highest : {250, 511, 4095}) {
    const test::TemporaryDirectory directory;
    write_file(directory / "a.png", test::png_of_16_bits({0, 1}));
    write_file(directory / "b.png", test::png_of_16_bits({0, highest}));
    EXPECT_TRUE(fails_with([&] { open_pictures(directory); }, "16 bits, but no value of 4096 or more"))
        << highest;
  }
  const test::TemporaryDirectory bright;
  write_file(bright / "a.png", test::png_of_16_bits({0, 4096}));
  EXPECT_EQ(all_images(*open_pictures(bright))[1], 16 / 255.0F);
}

TEST(ReducedPictures, AnimationsAndTablesAreNamed) {
  const test::TemporaryDirectory directory;
  write_file(
      directory / "a.png",
      test::png_with({1, 2, 1, {7, 8}}, test::png_chunk("acTL", std::string("\0\0\0\x02\0\0\0\0", 8))));
  write_png(directory / "b.png", {1, 2, 1, {1, 2}});
  write_file(directory / "labels.csv", "a.png,cat");
  const auto dataset = open_pictures(directory);
  EXPECT_EQ(all_images(*dataset)[0], 7 / 255.0F);
  EXPECT_TRUE(has_note(*dataset, "1 of the pictures are animated: one frame of each is read"));
  EXPECT_TRUE(has_note(*dataset, "labels.csv': classes are taken from folders"));
}

}  // namespace
}  // namespace cuelbo
