// What reading pictures leaves out or cannot read is said.
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "engine/io/atomic_file.hpp"
#include "engine/io/input_file.hpp"
#include "models/data/open_dataset.hpp"
#include "tests/support/dataset_content.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/png_files.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/test_data.hpp"

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
    for (const char* trained : {"any", "uint8", "float32"})  // a run's own scale does not make them brighter
      EXPECT_TRUE(fails_with(
          [&] {
            open_dataset({.name = "images", .path = directory.path(), .scale = 255, .scale_of = trained});
          },
          "16 bits, but no value of 4096 or more"));
    if (highest == 4095) {
      EXPECT_EQ(all_images(*open_dataset({.name = "images", .path = directory.path(), .scale = 15}))[3], 1);
    }
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

TEST(ReducedPictures, FurtherPicturesInAJpegAreNoted) {
  const test::TemporaryDirectory directory;
  const auto bytes = read_file(test::fixture("rgb.jpg"));
  const std::string jpeg(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto with = [&](const std::string& name) {  // an APP2 segment of that name, and a second picture
    const std::string content = name + "II*";
    return jpeg.substr(0, 2) + "\xff\xe2" + '\0' + static_cast<char>(content.size() + 2) + content +
           jpeg.substr(2) + jpeg;
  };
  write_file(directory / "a.jpg", with(std::string("MPF\0", 4)));
  write_file(directory / "b.jpg", with("ICC_PROFILE"));
  write_file(directory / "d.jpg", jpeg.substr(0, 2) + "\xff\xff" + with(std::string("MPF\0", 4)).substr(2));
  write_file(directory / "c.jpg", jpeg);
  EXPECT_TRUE(
      has_note(*open_pictures(directory), "2 of the JPEG files hold several pictures (MPO): the first"));
  const std::string pipe = directory / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const std::jthread writer([&] { std::ofstream(pipe, std::ios::binary) << with(std::string("MPF\0", 4)); });
  EXPECT_TRUE(has_note(*open_dataset({.name = "images", .path = pipe}), "1 of the JPEG files hold several"));
}

using Names = std::vector<std::string>;

// A picture in each folder.
void make_folders(const std::filesystem::path& directory, const Names& folders) {
  for (const std::string& folder : folders) {
    std::filesystem::create_directories(directory / folder);
    write_png(directory / folder / "1.png", {1, 1, 1, {7}});
  }
}

TEST(ReducedPictures, MasksAreNoClassesAndNoImagesOfAClass) {
  for (const auto& [folders, masks, right] : {std::tuple{Names{"image", "label"}, "label", "image"},
                                              {Names{"img", "mask"}, "mask", "img"},
                                              {Names{"JPEGImages", "SegmentationClass", "SegmentationObject"},
                                               "SegmentationClass, SegmentationObject", "JPEGImages"},
                                              {Names{"input", "target"}, "target", "input"},
                                              {Names{"GT", "a"}, "GT", "a"},
                                              {Names{"good", "ground_truth"}, "ground_truth", "good"},
                                              {Names{"bg", "train", "trainannot"}, "trainannot", "train"},
                                              {Names{"train", "test_labels"}, "test_labels", "train"}})
    for (const char* inside : {".", "train", "bottle"}) {
      const test::TemporaryDirectory directory;
      const auto place = (directory.path() / inside).lexically_normal();
      make_folders(place, folders);
      if (inside == std::string("bottle")) make_folders(directory.path(), {"cable"});
      EXPECT_TRUE(fails_with([&] { open_pictures(directory); },
                             fmt::format("holds what looks like masks or labels ({}), but also", masks)))
          << inside << " " << masks;
      EXPECT_TRUE(fails_with(
          [&] { open_pictures(directory); },
          fmt::format("as in '{}'", (directory.path() / inside / right).lexically_normal().string())));
    }
  const test::TemporaryDirectory covid;
  make_folders(covid.path(), {"COVID/images", "COVID/masks", "Normal/images", "Normal/masks"});
  EXPECT_TRUE(fails_with([&] { open_pictures(covid); },
                         "COVID' holds a folder 'images', but also pictures in masks: name one of them"));
  const test::TemporaryDirectory beside;
  make_folders(beside.path(), {"cat", "cat/masks", "dog"});
  EXPECT_TRUE(fails_with([&] { open_pictures(beside); },
                         "cat' holds pictures, but also what looks like masks or labels in 'masks'"));
  for (const Names& classes : {Names{"with_mask", "without_mask"}, Names{"Mask", "Non Mask"},
                               Names{"mask", "no_mask"}, Names{"gtr", "labelled", "segway"}}) {
    const test::TemporaryDirectory directory;
    make_folders(directory.path(), classes);
    EXPECT_EQ(open_pictures(directory)->factors()[0].labels, classes);
  }
}

TEST(ReducedPictures, ALinkToNothingIsSaid) {
  const test::TemporaryDirectory directory;
  write_png(directory / "a.png", {1, 1, 1, {7}});
  std::filesystem::create_symlink("gone", directory / "more");
  EXPECT_TRUE(has_note(*open_pictures(directory), "more': it links to 'gone', which is not there"));
  for (const char* name : {"b.png", "test"}) {  // what would be data
    std::filesystem::create_symlink("gone", directory / name);
    EXPECT_TRUE(
        fails_with([&] { open_pictures(directory); },
                   fmt::format("{}': it links to 'gone', which is not there", (directory / name).string())));
    std::filesystem::remove(directory / name);
  }
}

TEST(ReducedPictures, PicturesOfTwoSizesAreNamedWithTheirFolders) {
  const test::TemporaryDirectory directory;
  for (const char* name : {"cat", "dog"}) std::filesystem::create_directory(directory / name);
  write_png(directory / "cat/1.png", {1, 2, 1, {1, 2}});
  write_png(directory / "dog/1.png", {3, 4, 1, std::vector<std::uint8_t>(12)});
  EXPECT_TRUE(fails_with(
      [&] { open_pictures(directory); },
      fmt::format("'{}': a picture of 3×4 pixels (height × width), but '{}' has 1×2; all must be equal",
                  (directory / "dog/1.png").string(), (directory / "cat/1.png").string())));
}

TEST(ReducedPictures, SaysWhatIsThereInTheirPlace) {
  const test::TemporaryDirectory directory;
  write_file(directory / "a.bmp", "x");
  write_file(directory / "._a.png", "x");
  EXPECT_TRUE(fails_with([&] { open_pictures(directory); },
                         "there is no .png, .jpg or .jpeg file in this folder; it holds a.bmp"));
  EXPECT_TRUE(fails_with([&] { open_dataset({.name = "images", .path = directory / "missing"}); },
                         "missing': cannot read: No such file"));
  write_file(directory / "b.png", "GIF89a, which some call .png");
  EXPECT_TRUE(
      fails_with([&] { open_pictures(directory); }, "b.png': is neither PNG nor JPEG but GIF; convert it"));
}

TEST(ReducedPictures, ASinglePicture) {
  const auto dataset = open_dataset({.name = "images", .path = test::fixture("rgb.png")});
  EXPECT_EQ(dataset->size(), 1);
  EXPECT_EQ(dataset->name(), "rgb");
}

}  // namespace
}  // namespace cuelbo
