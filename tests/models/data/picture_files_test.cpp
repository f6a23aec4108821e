// Folders of pictures.
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "engine/io/atomic_file.hpp"
#include "engine/io/image.hpp"
#include "engine/io/input_file.hpp"
#include "models/data/open_dataset.hpp"
#include "tests/support/another_user.hpp"
#include "tests/support/dataset_content.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/png_files.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/test_data.hpp"

namespace cuelbo {
namespace {

using test::all_factors;
using test::all_images;
using test::fails_with;
using test::fixture;
using test::has_note;
namespace fs = std::filesystem;

// A picture of 2x1 pixels of one value.
void write_picture(const fs::path& path, int value, std::int64_t channels = 1) {
  fs::create_directories(path.parent_path());
  write_png(path, {1, 2, channels,
                   std::vector<std::uint8_t>(static_cast<std::size_t>(2 * channels),
                                             static_cast<std::uint8_t>(value))});
}

std::shared_ptr<const Dataset> open_pictures(const fs::path& path) {
  return open_dataset({.name = "images", .path = path});
}

// 255 times the first value of every image.
std::vector<int> values_of(const Dataset& dataset) {
  const auto images = all_images(dataset);
  std::vector<int> values;
  for (std::int64_t n = 0; n < dataset.size(); ++n)
    values.push_back(
        static_cast<int>(std::lround(images[static_cast<std::size_t>(n * dataset.item_size())] * 255)));
  return values;
}

TEST(PictureFiles, SortedByNameWithoutOtherAndHiddenFiles) {
  const test::TemporaryDirectory directory;
  for (const int value : {30, 10, 20}) write_picture(directory / fmt::format("{}.PNG", value), value);
  fs::copy_file(fixture("grey.jpg"), directory / "._10.JPG");
  write_picture(directory / ".x.png", 40);
  write_file(directory / "._x.png", "the Finder's notes");
  for (const char* name : {"notes.txt", ".DS_Store", "Thumbs.db", "desktop.ini"})
    write_file(directory / name, "x");
  write_picture(directory / "__MACOSX/y.png", 50);
  fs::create_directory(directory / "inner.png");
  const auto dataset = open_pictures(directory.path());
  EXPECT_EQ(dataset->name(), directory.path().filename());
  EXPECT_EQ(values_of(*dataset), (std::vector<int>{10, 20, 30}));
  EXPECT_TRUE(dataset->info().notes.empty());
}

TEST(PictureFiles, JpegUnderEveryName) {
  const test::TemporaryDirectory directory;
  for (const char* name : {"a.jpg", "b.jpeg", "c.JPG", "d.JPEG", "e.jpe", "f.jfif"})
    fs::copy_file(fixture("rgb.jpg"), directory / name);
  fs::copy_file(fixture("progressive.jpg"), directory / "g.jpg");
  const auto dataset = open_pictures(directory.path());
  EXPECT_EQ(dataset->size(), 7);
  EXPECT_EQ(dataset->channels(), 3);
}

TEST(PictureFiles, GreyAmongRgbBecomesRgbAndIsNoted) {
  for (const bool grey_first : {false, true}) {
    const test::TemporaryDirectory directory;
    write_picture(directory / "a.png", 10, grey_first ? 1 : 3);
    write_picture(directory / "b.png", 20, grey_first ? 1 : 3);
    write_picture(directory / "c.png", 30, grey_first ? 3 : 1);
    const auto dataset = open_pictures(directory.path());
    EXPECT_EQ(dataset->channels(), 3);
    EXPECT_EQ(values_of(*dataset), (std::vector<int>{10, 20, 30}));
    const auto images = all_images(*dataset);
    for (std::size_t i = 12; i < 18; ++i) EXPECT_EQ(images[i], 30 / 255.0F);
    EXPECT_TRUE(has_note(*dataset, grey_first
                                       ? "1 of the pictures are RGB and 2 grey; the grey ones become RGB"
                                       : "2 of the pictures are RGB and 1 grey"));
  }
}

// Orientations of one scene, as a phone stores them, are pictures of one size.
TEST(PictureFiles, PhonePicturesOfMixedStorageLoad) {
  const test::TemporaryDirectory directory;
  const Image scene{2, 3, 1, {0, 51, 102, 153, 204, 255}};
  // The stored pictures that a viewer turns into the scene.
  const std::map<int, Image> stored{
      {1, scene}, {6, {3, 2, 1, {102, 255, 51, 204, 0, 153}}}, {8, {3, 2, 1, {153, 0, 204, 51, 255, 102}}}};
  for (const auto& [orientation, image] : stored) {
    std::string exif{"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0", 26};
    exif[19] = static_cast<char>(orientation);
    write_file(directory / fmt::format("{}.png", orientation),
               test::png_with(image, test::png_chunk("eXIf", exif)));
  }
  const auto dataset = open_pictures(directory.path());
  ASSERT_EQ(dataset->size(), 3);
  const auto images = all_images(*dataset);
  for (std::size_t i = 0; i < images.size(); ++i)
    EXPECT_EQ(images[i], static_cast<float>(i % 6 * 51) / 255.0F) << i;
}

TEST(PictureFiles, FoldersAreClasses) {
  const test::TemporaryDirectory directory;
  write_picture(directory / "dog/1.png", 1);
  write_picture(directory / "dog/deeper/2.png", 2);
  write_picture(directory / "cat/3.png", 3);
  write_picture(directory / ".hidden/4.png", 4);
  fs::create_directory(directory / "empty");
  write_file(directory / "labels.csv", "x");
  const auto dataset = open_pictures(directory.path());
  EXPECT_EQ(values_of(*dataset), (std::vector<int>{3, 1, 2}));
  ASSERT_EQ(dataset->factors().size(), 1U);
  EXPECT_EQ(dataset->factors()[0].name, "class");
  EXPECT_EQ(dataset->factors()[0].labels, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_TRUE(has_note(*dataset, "2 classes, one per folder: cat, dog"));
  EXPECT_EQ(all_factors(*dataset), (std::vector<std::int64_t>{0, 1, 1}));
  EXPECT_EQ(open_dataset({.name = "images", .path = directory.path(), .where = "class=dog"})->size(), 2);
}

TEST(PictureFiles, FoldersCalledTrainAndTestAreASplit) {
  const test::TemporaryDirectory directory;
  write_picture(directory / "set/train/dog/1.png", 1);
  write_picture(directory / "set/train/cat/2.png", 2);
  write_picture(directory / "set/test/dog/3.png", 3);
  write_picture(directory / "set/val/dog/4.png", 4);
  const auto dataset = open_pictures(directory.path());
  EXPECT_EQ(values_of(*dataset), (std::vector<int>{2, 1, 3}));
  EXPECT_EQ(dataset->info().test_size, 1);
  EXPECT_EQ(all_factors(*dataset), (std::vector<std::int64_t>{0, 1, 1}));
  EXPECT_TRUE(has_note(*dataset, "ignores val"));
  EXPECT_TRUE(has_note(*dataset, "tests on '" + (directory / "set/test").string()));
  EXPECT_TRUE(has_note(*dataset, "reads the pictures in '" + (directory / "set").string()));
}

TEST(PictureFiles, FoldersWithoutPicturesAreNoClassesAndNoParts) {
  const test::TemporaryDirectory directory;
  write_picture(directory / "set/train/dog/1.png", 1);
  write_picture(directory / "set/train/cat/2.png", 2);
  write_picture(directory / "set/test/dog/3.png", 3);
  for (const char* name : {"set/annotations/deep", "set/train/empty", "beside"})
    fs::create_directories(directory / name);
  write_file(directory / "set/annotations/1.xml", "x");
  const auto dataset = open_pictures(directory.path());
  EXPECT_EQ(values_of(*dataset), (std::vector<int>{2, 1, 3}));
  EXPECT_EQ(dataset->info().test_size, 1);
  EXPECT_EQ(dataset->factors()[0].labels, (std::vector<std::string>{"cat", "dog"}));
}

TEST(PictureFiles, AnEmptyPartIsNoted) {
  const test::TemporaryDirectory directory;
  write_picture(directory / "train/1.png", 1);
  fs::create_directory(directory / "test");
  const auto dataset = open_pictures(directory.path());
  EXPECT_EQ(dataset->info().test_size, 0);
  EXPECT_TRUE(has_note(*dataset, "test': there is no .png, .jpg or .jpeg file in it"));
}

TEST(PictureFiles, FoldersOfPartsUnderTheNamesThatArchivesUse) {
  const std::pair<const char*, const char*> names[] = {{"train", "test"},
                                                       {"Training", "Testing"},
                                                       {"training_set/training_set", "test_set/test_set"},
                                                       {"trainset", "testset"},
                                                       {"train2017", "test2017"},
                                                       {"seg_train/seg_train", "seg_test/seg_test"},
                                                       {"train/images", "test/images"}};
  for (const auto& [train, test] : names) {
    SCOPED_TRACE(train);
    const test::TemporaryDirectory directory;
    write_picture(directory / train / "dog/1.png", 1);
    write_picture(directory / train / "cat/2.png", 2);
    write_picture(directory / test / "dog/3.png", 3);
    write_picture(directory / "seg_pred/seg_pred/4.png", 4);
    const auto dataset = open_pictures(directory.path());
    EXPECT_EQ(values_of(*dataset), (std::vector<int>{2, 1, 3}));
    EXPECT_EQ(dataset->info().test_size, 1);
    EXPECT_EQ(all_factors(*dataset), (std::vector<std::int64_t>{0, 1, 1}));
    EXPECT_TRUE(has_note(*dataset, "ignores seg_pred in '"));
  }
}

TEST(PictureFiles, PartsAmongOtherPicturesAreRefused) {
  const test::TemporaryDirectory directory;
  for (const char* name : {"train/1.png", "masks/2.png", "Test/3.png"}) write_picture(directory / name, 1);
  EXPECT_TRUE(fails_with([&] { open_pictures(directory.path()); },
                         "holds pictures for training in 'train' and other parts of the data, but also "
                         "pictures in masks: move those elsewhere"));
  const test::TemporaryDirectory validation;
  for (const char* name : {"train/1.png", "masks/2.png", "val/3.png"}) write_picture(validation / name, 1);
  EXPECT_TRUE(fails_with([&] { open_pictures(validation.path()); }, "but also pictures in masks"));
  const test::TemporaryDirectory classes;
  for (const char* name : {"train/1.png", "b\nus/2.png", "te1/3.png"}) write_picture(classes / name, 1);
  EXPECT_TRUE(has_note(*open_pictures(classes.path()), "3 classes, one per folder: b\\x0aus, te1, train"));
}

TEST(PictureFiles, FoldersThatLookLikePartsAreNoClasses) {
  using Names = std::vector<std::string>;
  for (const Names& parts :
       {Names{"holdout", "train"}, Names{"train", "valid_small"}, Names{"train", "train_extra"},
        Names{"testA", "testB", "trainA", "trainB"}, Names{"trainA", "trainB"}, Names{"train1", "train2"},
        Names{"bounding_box_test", "bounding_box_train", "query"}, Names{"test", "val"},
        Names{"Train", "cat", "hold-out"}, Names{"train_hr", "valid_hr"},
        Names{"DIV2K_train_HR", "DIV2K_valid_HR"}, Names{"test_images_64x64", "train_images_64x64"}}) {
    const test::TemporaryDirectory directory;
    for (const std::string& part : parts) write_picture(directory / "set" / part / "1.png", 1);
    EXPECT_TRUE(fails_with(
        [&] { open_pictures(directory.path()); },
        fmt::format("'{}' holds folders that look like parts of a data set", (directory / "set").string())))
        << parts[0];
    EXPECT_EQ(open_pictures(directory / "set" / parts.back())->size(), 1);
  }
  const test::TemporaryDirectory cycle;
  for (const char* part : {"testA", "testB", "trainA", "trainB"}) write_picture(cycle / part / "1.png", 1);
  EXPECT_TRUE(fails_with([&] { open_pictures(cycle.path()); },
                         fmt::format("(trainA, trainB, testA, testB): name one by data.path, as in '{}', or "
                                     "rename them if they are classes",
                                     (cycle / "trainA").string())));
  const test::TemporaryDirectory inside;  // classes whose pictures are in parts
  for (const char* path : {"cat/train/1.png", "cat/test/2.png", "dog/1.png"}) write_picture(inside / path, 1);
  EXPECT_TRUE(
      has_note(*open_pictures(inside.path()), "look like parts of a data set, as 'cat' (train, test)"));
  for (const Names& classes :
       {Names{"bus", "train", "tram"}, Names{"platform", "train_interior", "train_station"},
        Names{"train", "valley"}, Names{"extra", "plain"}}) {
    const test::TemporaryDirectory directory;
    for (const std::string& name : classes) write_picture(directory / name / "1.png", 1);
    EXPECT_EQ(open_pictures(directory.path())->factors()[0].labels, classes);
  }
}

TEST(PictureFiles, AFolderCalledImagesIsNoClassOfItsPart) {
  const test::TemporaryDirectory directory;
  write_picture(directory / "train/images/1.png", 1);
  write_picture(directory / "test/images/2.png", 2);
  const auto dataset = open_pictures(directory.path());
  EXPECT_EQ(values_of(*dataset), (std::vector<int>{1, 2}));
  EXPECT_EQ(dataset->info().test_size, 1);
  EXPECT_TRUE(dataset->factors().empty());
  EXPECT_TRUE(has_note(*dataset, "tests on '" + (directory / "test/images").string()));

  const test::TemporaryDirectory tiny_imagenet;
  write_picture(tiny_imagenet / "train/n01/images/1.png", 1);
  write_picture(tiny_imagenet / "train/n02/images/2.png", 2);
  write_picture(tiny_imagenet / "val/images/3.png", 3);
  const auto classes = open_pictures(tiny_imagenet.path());
  ASSERT_EQ(classes->factors().size(), 1U);
  EXPECT_EQ(classes->factors()[0].labels, (std::vector<std::string>{"n01", "n02"}));
}

TEST(PictureFiles, AFolderCalledImagesBesideOthersIsRefused) {
  for (const char* part : {"", "train", "train/train"}) {
    const test::TemporaryDirectory directory;
    write_picture(directory / part / "Images/1.png", 1);
    write_picture(directory / part / "masks/1.png", 2);
    EXPECT_TRUE(
        fails_with([&] { open_pictures(directory.path()); },
                   "holds a folder 'Images', but also pictures in masks: name one of them by data.path"))
        << part;
    EXPECT_EQ(open_pictures(directory / part / "Images")->size(), 1);
  }
}

// As in Tiny ImageNet, whose test images have no classes.
TEST(PictureFiles, ClassesOfOnePartOnlyAreKept) {
  for (const std::string labelled : {"train", "test"}) {
    const test::TemporaryDirectory directory;
    const std::string other = labelled == "train" ? "test" : "train";
    for (const char* name : {"n01/images/n01_1.JPEG", "n02/images/n02_1.JPEG"}) {
      fs::create_directories((directory / labelled / name).parent_path());
      fs::copy_file(fixture("rgb.jpg"), directory / labelled / name);
    }
    fs::create_directories(directory / other / "images");
    fs::copy_file(fixture("rgb.jpg"), directory / other / "images/1.JPEG");
    const auto dataset = open_pictures(directory.path());
    EXPECT_EQ(dataset->size(), 3);
    EXPECT_EQ(dataset->info().test_size, labelled == "train" ? 1 : 2);
    ASSERT_EQ(dataset->factors().size(), 1U);
    EXPECT_EQ(dataset->factors()[0].labels, (std::vector<std::string>{"(none)", "n01", "n02"}));
    EXPECT_EQ(all_factors(*dataset), labelled == "train" ? (std::vector<std::int64_t>{1, 2, 0})
                                                         : (std::vector<std::int64_t>{0, 1, 2}));
    EXPECT_TRUE(has_note(*dataset, "images have no classes: theirs is called '(none)'"));
  }
}

TEST(PictureFiles, LinksThatLeadBackAreNotFollowed) {
  const test::TemporaryDirectory directory;
  for (const char* name : {"cat/1.png", "dog/2.png"}) write_picture(directory / name, 1);
  fs::create_directory_symlink(directory.path(), directory / "cat/all");
  fs::create_directory_symlink("..", directory / "dog/up");
  fs::create_directory_symlink(".", directory / "dog/self");
  fs::create_directory_symlink("nowhere", directory / "dog/broken");
  fs::create_directory_symlink("endless", directory / "dog/endless");
  const auto dataset = open_pictures(directory.path());
  EXPECT_EQ(dataset->size(), 2);
  EXPECT_TRUE(has_note(*dataset, "dog/self': it leads back to a folder around it"));
  // A link to another place is followed.
  const test::TemporaryDirectory elsewhere;
  write_picture(elsewhere / "3.png", 3);
  fs::create_directory_symlink(elsewhere.path(), directory / "bird");
  EXPECT_EQ(open_pictures(directory.path())->factors()[0].labels,
            (std::vector<std::string>{"bird", "cat", "dog"}));
}

TEST(PictureFiles, GreyBecomesRgbForAModelOnRgb) {
  const test::TemporaryDirectory directory;
  for (const char* name : {"1.png", "2.png"}) write_picture(directory / name, 51);
  for (const std::string& path : {directory.path().string(), std::string(directory / "1.png")}) {
    const auto dataset = open_dataset({.name = "images", .path = path, .shape = {{1, 2, 3}}});
    EXPECT_EQ(dataset->channels(), 3);
    EXPECT_EQ(all_images(*dataset), std::vector<float>(static_cast<std::size_t>(6 * dataset->size()), 0.2F));
    EXPECT_TRUE(has_note(*dataset, "grey pictures become RGB, which the model takes"));
    EXPECT_EQ(open_dataset({.name = "images", .path = path, .shape = {{1, 2, 1}}})->channels(), 1);
  }
  write_picture(directory / "3.png", 51, 3);  // RGB never becomes grey
  EXPECT_EQ(open_dataset({.name = "images", .path = directory / "3.png", .shape = {{1, 2, 1}}})->channels(),
            3);
  EXPECT_TRUE(has_note(*open_dataset({.name = "images", .path = directory.path(), .shape = {{1, 2, 3}}}),
                       "1 of the pictures are RGB and 2 grey"));
}

// `report` writes them into the run directory, which may be the data folder or lie in it.
TEST(PictureFiles, PicturesOfARunAreNotData) {
  for (const char* run : {".", "run", "dog/run", "runs/deep/1"})
    for (const bool marked : {true, false}) {  // runs of older programs have no marker
      SCOPED_TRACE(fmt::format("{} {}", run, marked));
      const test::TemporaryDirectory directory;
      for (const char* name : {"dog/1.png", "cat/pictures/2.png"}) write_picture(directory / name, 1);
      const std::uint32_t checksum = open_pictures(directory.path())->checksum();
      const fs::path folder = directory / run;
      write_picture(folder / "pictures/samples.png", 9);
      EXPECT_NE(open_pictures(directory.path())->size(), 2);
      fs::create_directory(folder / "checkpoint");
      write_file(folder / (marked ? ".cuelbo.lock" : "config.toml"), "x");
      const auto dataset = open_pictures(directory.path());
      EXPECT_EQ(dataset->checksum(), checksum);
      EXPECT_EQ(dataset->factors()[0].labels, (std::vector<std::string>{"cat", "dog"}));
      EXPECT_TRUE(has_note(*dataset, "pictures': `cuelbo report` made it"));
      EXPECT_EQ(open_pictures(folder / "pictures")->size(), 1);
    }
}

TEST(PictureFiles, OneClassInEachPartIsKept) {
  const test::TemporaryDirectory directory;
  write_picture(directory / "train/a/1.png", 1);
  write_picture(directory / "test/b/2.png", 2);
  EXPECT_EQ(open_pictures(directory.path())->factors()[0].labels, (std::vector<std::string>{"a", "b"}));

  const test::TemporaryDirectory letters;
  for (const char* name : {"train/x/1.png", "train/y/2.png", "test/x/3.png"})
    write_picture(letters / name, 1);
  EXPECT_EQ(open_pictures(letters.path())->factors()[0].labels, (std::vector<std::string>{"x", "y"}));
}

TEST(PictureFiles, AFolderThatMayNotBeReadIsSkippedUnlessItIsAPart) {
  const test::TemporaryDirectory directory;
  for (const char* name : {"a/1.png", "b/2.png", "lost+found/3.png"}) write_picture(directory / name, 1);
  for (const char* name : {"train/1.png", "test/2.png"}) write_picture(directory / ".parts" / name, 1);
  fs::permissions(directory.path(), fs::perms::all);
  for (const char* name : {"lost+found", ".parts/test"}) fs::permissions(directory / name, fs::perms::none);
  std::error_code error;
  bool reachable = false, skipped = false, refused = false;
  const bool possible = test::as_another_user([&] {
    reachable = fs::exists(directory / "a/1.png", error);
    if (!reachable) return;
    const auto dataset = open_pictures(directory.path());
    skipped = has_note(*dataset, "2 classes, one per folder: a, b") &&
              has_note(*dataset, "lost+found': cannot read the folder: Permission denied");
    refused = fails_with([&] { open_pictures(directory / ".parts"); },
                         ".parts/test': cannot read the folder: Permission denied");
  });
  for (const char* name : {"lost+found", ".parts/test"}) fs::permissions(directory / name, fs::perms::all);
  if (!possible || !reachable) GTEST_SKIP() << "no other user can reach the temporary directory";
  EXPECT_TRUE(skipped);
  EXPECT_TRUE(refused);
}

TEST(PictureFiles, PicturesBesideFoldersAreMeantThemselves) {
  const test::TemporaryDirectory directory;
  write_picture(directory / "1.png", 1);
  write_picture(directory / "dog/2.png", 2);
  write_file(directory / "a.webp", "x");
  const auto dataset = open_pictures(directory.path());
  EXPECT_EQ(dataset->size(), 1);
  EXPECT_TRUE(dataset->factors().empty());
  EXPECT_TRUE(has_note(*dataset, "not those in its folders dog"));
  EXPECT_TRUE(has_note(*dataset, "ignores 1 .webp"));
}

}  // namespace
}  // namespace cuelbo
