// Data sets of IDX files under the names and in the layouts that archives use.
#include <gtest/gtest.h>

#include "engine/io/image.hpp"
#include "models/data/open_dataset.hpp"
#include "tests/support/dataset_content.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/idx_files.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/test_data.hpp"

namespace cuelbo {
namespace {

using test::all_factors;
using test::all_images;
using test::fails_with;
using test::has_note;
namespace fs = std::filesystem;

// Six training and three test images with labels.
void write_idx_folder(const std::filesystem::path& folder) {
  write_file(folder / "train-images-idx3-ubyte.gz", test::gzip(test::idx_file({6, 2, 2}, 24)));
  write_file(folder / "train-labels-idx1-ubyte.gz", test::gzip(test::idx_file({6}, 6)));
  write_file(folder / "t10k-images-idx3-ubyte", test::idx_file({3, 2, 2}, 12));
  write_file(folder / "t10k-labels-idx1-ubyte", test::idx_file({3}, 3));
}

TEST(IdxFiles, AFolderKeepsItsTestSplit) {
  const test::TemporaryDirectory directory;
  write_idx_folder(directory.path());
  const DataConfig config{.name = "mnist", .path = directory.path(), .validation_fraction = 0.5};
  const auto dataset = open_dataset(config);
  EXPECT_EQ(dataset->name(), "MNIST");
  EXPECT_EQ(dataset->size(), 9);
  EXPECT_EQ(dataset->info().test_size, 3);
  EXPECT_EQ(dataset->factors()[0].name, "class");
  EXPECT_EQ(all_factors(*dataset), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 0, 1, 2}));
  const auto images = all_images(*dataset);
  EXPECT_EQ(images[5], 5 / 255.0F);
  EXPECT_EQ(images[24 + 5], 5 / 255.0F);
  const Split split = make_split(*dataset, config, 1);
  EXPECT_EQ(split.test, (std::vector<std::int64_t>{6, 7, 8}));
  EXPECT_EQ(split.validation.size(), 3U);
}

TEST(IdxFiles, WithoutTestOrLabelsAndASingleFile) {
  const test::TemporaryDirectory directory;
  write_file(directory / "train-images.idx3-ubyte", test::idx_file({6, 2, 2}, 24));
  const auto folder = open_dataset({.name = "idx", .path = directory.path()});
  EXPECT_EQ(folder->info().test_size, 0);
  EXPECT_TRUE(folder->factors().empty());
  const auto file = open_dataset({.name = "idx", .path = directory / "train-images.idx3-ubyte"});
  EXPECT_EQ(all_images(*file), all_images(*folder));
}

TEST(IdxFiles, WhatIsNotReadIsNoted) {
  for (const char* missing : {"train-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte"}) {
    const test::TemporaryDirectory directory;
    write_idx_folder(directory.path());
    fs::remove(directory / missing);
    const auto dataset = open_dataset({.name = "mnist", .path = directory.path()});
    EXPECT_EQ(dataset->info().test_size, 3);
    EXPECT_TRUE(dataset->factors().empty());
    EXPECT_TRUE(has_note(*dataset, fmt::format("the {} images have no labels, so those of the ",
                                               *missing == 't' && missing[1] == 'r' ? "training" : "test")));
  }
  const test::TemporaryDirectory directory;
  write_idx_folder(directory.path());
  for (const char* part : {"val", "valid", "validation"})
    write_file(directory / fmt::format("{}-images-idx3-ubyte", part), test::idx_file({3, 2, 2}, 12));
  fs::rename(directory / "train-images-idx3-ubyte.gz", directory / "train-images-idx3-ubyte (1).gz");
  fs::copy_file(directory / "t10k-images-idx3-ubyte", directory / "t10k-images-idx3-ubyte(2)");
  const auto dataset = open_dataset({.name = "mnist", .path = directory.path()});
  EXPECT_EQ(dataset->size(), 9);
  for (const char* part : {"val", "valid", "validation"})
    EXPECT_TRUE(has_note(*dataset, fmt::format("{}-images-idx3-ubyte': validation images are drawn", part)));
  EXPECT_TRUE(has_note(*dataset, "t10k-images-idx3-ubyte', not '"));
}

// The four files at these places in a folder: training images and labels, test images and labels.
struct FileNames {
  const char* name;
  std::array<const char*, 4> files;
};

constexpr FileNames layouts[] = {
    {"dashes",
     {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
      "t10k-labels-idx1-ubyte"}},
    {"dots",
     {"train-images.idx3-ubyte", "train-labels.idx1-ubyte", "t10k-images.idx3-ubyte",
      "t10k-labels.idx1-ubyte"}},
    {"packed",
     {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
      "t10k-labels-idx1-ubyte.gz"}},
    {"test in place of t10k",
     {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "test-images-idx3-ubyte",
      "test-labels-idx1-ubyte"}},
    {"capitals",
     {"Train-Images-IDX3-ubyte", "Train-Labels-IDX1-ubyte", "T10K-Images-IDX3-ubyte",
      "T10K-Labels-IDX1-ubyte"}},
    {"torchvision",
     {"MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-labels-idx1-ubyte",
      "MNIST/raw/t10k-images-idx3-ubyte", "MNIST/raw/t10k-labels-idx1-ubyte"}},
    {"raw",
     {"raw/train-images-idx3-ubyte.gz", "raw/train-labels-idx1-ubyte.gz", "raw/t10k-images-idx3-ubyte.gz",
      "raw/t10k-labels-idx1-ubyte.gz"}},
    {"folders that bear a file's name",
     {"train-images-idx3-ubyte/train-images-idx3-ubyte", "train-labels-idx1-ubyte/train-labels-idx1-ubyte",
      "t10k-images-idx3-ubyte/t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte/t10k-labels-idx1-ubyte"}},
    {"folders with a dash, files with a dot",
     {"train-images-idx3-ubyte/train-images.idx3-ubyte", "train-labels-idx1-ubyte/train-labels.idx1-ubyte",
      "t10k-images-idx3-ubyte/t10k-images.idx3-ubyte", "t10k-labels-idx1-ubyte/t10k-labels.idx1-ubyte"}},
    {"EMNIST",
     {"gzip/emnist-letters-train-images-idx3-ubyte.gz", "gzip/emnist-letters-train-labels-idx1-ubyte.gz",
      "gzip/emnist-letters-test-images-idx3-ubyte.gz", "gzip/emnist-letters-test-labels-idx1-ubyte.gz"}},
};

void write_at(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  write_file(path, path.extension() == ".gz" ? test::gzip(content) : content);
}

void write_layout(const fs::path& folder, const FileNames& layout) {
  write_at(folder / layout.files[0], test::idx_file({4, 2, 3}, 24));
  write_at(folder / layout.files[1], test::idx_file({4}, 4));
  write_at(folder / layout.files[2], test::idx_file({2, 2, 3}, 12));
  write_at(folder / layout.files[3], test::idx_file({2}, 2));
}

TEST(IdxFiles, EveryLayoutIsFound) {
  for (const FileNames& layout : layouts) {
    SCOPED_TRACE(layout.name);
    const test::TemporaryDirectory directory;
    write_layout(directory.path(), layout);
    write_file(directory / ".DS_Store", "x");
    write_at(directory / "__MACOSX/._train-images-idx3-ubyte", "x");
    write_file(directory / "._train-images-idx3-ubyte", "x");
    const auto dataset = open_dataset({.name = "idx", .path = directory.path()});
    EXPECT_EQ(dataset->size(), 6);
    EXPECT_EQ(dataset->info().test_size, 2);
    EXPECT_EQ(dataset->height(), 2);
    EXPECT_EQ(dataset->width(), 3);
    EXPECT_EQ(all_factors(*dataset), (std::vector<std::int64_t>{0, 1, 2, 3, 0, 1}));
    EXPECT_EQ(all_images(*dataset)[23], 23 / 255.0F);
  }
}

TEST(IdxFiles, ACopyBesideTheSameFileIsNotReadTwice) {
  const test::TemporaryDirectory directory;
  write_layout(directory.path(), layouts[0]);
  write_layout(directory.path(), layouts[2]);  // as torchvision leaves both
  const auto dataset = open_dataset({.name = "idx", .path = directory.path()});
  EXPECT_EQ(dataset->size(), 6);
  for (const char* file : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                           "t10k-labels-idx1-ubyte"}) {
    const std::string path = directory / file;
    EXPECT_TRUE(has_note(*dataset, fmt::format("reads '{}', not '{}.gz'", path, path)));
  }

  const test::TemporaryDirectory kaggle;
  write_layout(kaggle.path(), layouts[1]);
  write_layout(kaggle.path(), layouts[7]);
  EXPECT_EQ(open_dataset({.name = "idx", .path = kaggle.path()})->size(), 6);
}

TEST(IdxFiles, OneOfSeveralDataSetsIsChosen) {
  const test::TemporaryDirectory directory;
  for (const char* set : {"balanced", "letters"}) {
    write_file(directory / fmt::format("emnist-{}-train-images-idx3-ubyte", set),
               test::idx_file({set[0] == 'b' ? 3 : 2, 1, 2}, set[0] == 'b' ? 6 : 4));
  }
  EXPECT_TRUE(fails_with([&] { open_dataset({.name = "idx", .path = directory.path()}); },
                         "holds several data sets: emnist-balanced, emnist-letters; name one: data.array ="));
  const auto letters = open_dataset({.name = "idx", .path = directory.path(), .array = "emnist-letters"});
  EXPECT_EQ(letters->size(), 2);
  EXPECT_EQ(letters->name(), directory.path().stem());
  EXPECT_TRUE(
      fails_with([&] { open_dataset({.name = "idx", .path = directory.path(), .array = "letters"}); },
                 "data.array is 'letters'; the IDX files there are of emnist-balanced, emnist-letters"));
  EXPECT_TRUE(has_note(*letters, "emnist-balanced-train-images-idx3-ubyte', another data set: data.array ="));
  // MNIST's own files have no name of a data set.
  write_file(directory / "train-images-idx3-ubyte", test::idx_file({5, 1, 2}, 10));
  const auto mnist = open_dataset({.name = "idx", .path = directory.path()});
  EXPECT_EQ(mnist->size(), 5);
  EXPECT_TRUE(has_note(*mnist, "data.array = \"emnist-letters\" reads it"));
}

TEST(IdxFiles, SeveralFoldersAreNamed) {
  const test::TemporaryDirectory directory;
  for (const char* set : {"MNIST", "FashionMNIST"})
    write_at(directory / set / "raw/train-images-idx3-ubyte", test::idx_file({1, 1, 2}, 2));
  EXPECT_TRUE(
      fails_with([&] { open_dataset({.name = "mnist", .path = directory.path()}); }, "FashionMNIST/raw', '"));
  EXPECT_EQ(open_dataset({.name = "mnist", .path = directory / "MNIST"})->size(), 1);
}

TEST(IdxFiles, TransposeSwapsHeightAndWidth) {
  const test::TemporaryDirectory directory;
  write_layout(directory.path(), layouts[9]);
  const DataConfig stored{.name = "idx", .path = directory.path()};
  EXPECT_TRUE(has_note(*open_dataset(stored), "data.transpose = true puts them upright"));
  DataConfig config = stored;
  config.transpose = true;
  const auto dataset = open_dataset(config);
  EXPECT_FALSE(has_note(*dataset, "transpose"));
  EXPECT_EQ(dataset->height(), 3);
  EXPECT_EQ(dataset->width(), 2);
  auto images = all_images(*dataset);
  for (float& x : images) x *= 255;
  EXPECT_EQ(std::vector<float>(images.begin() + 6, images.begin() + 12),
            (std::vector<float>{6, 9, 7, 10, 8, 11}));
}

TEST(IdxFiles, TheLayoutThatAnErrorAdvisesIsTaken) {
  const test::TemporaryDirectory directory;
  DataConfig config{.name = "idx", .path = directory / "train-images.idx"};
  write_file(config.path, test::idx_file({2, 3, 5, 6}, 180));
  EXPECT_TRUE(fails_with([&] { open_dataset(config); }, "or set data.layout = \"nchw\""));
  config.layout = Layout::nchw;
  const auto color = open_dataset(config);
  EXPECT_EQ(color->channels(), 3);
  EXPECT_EQ(color->height(), 5);
  EXPECT_EQ(all_images(*color)[1], 30 / 255.0F);
  config.layout = Layout::nhwc;
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{10, 6, 3}, {8, 8, 64}}) {
    write_file(config.path, test::idx_file(shape, static_cast<std::size_t>(shape[0] * shape[1] * shape[2])));
    EXPECT_TRUE(fails_with([&] { open_dataset({.name = "idx", .path = config.path}); },
                           "set data.layout = \"nhwc\" if it is (n, H, W)"));
    const auto grey = open_dataset(config);
    EXPECT_EQ(grey->size(), shape[0]);
    EXPECT_EQ(grey->width(), shape[2]);
  }
}

TEST(IdxFiles, SaysWhatIsThereInTheirPlace) {
  const test::TemporaryDirectory directory;
  for (int i = 0; i < 9; ++i) write_file(directory / fmt::format("{}.csv", i), "1,2");
  write_file(directory / ".hidden", "x");
  fs::create_directory(directory / "0");
  EXPECT_TRUE(fails_with([&] { open_dataset({.name = "mnist", .path = directory.path()}); },
                         "in this folder; it holds 0/, 0.csv, 1.csv, 2.csv, 3.csv, 4.csv, … and 4 more"));
  const test::TemporaryDirectory empty;
  EXPECT_TRUE(fails_with([&] { open_dataset({.name = "mnist", .path = empty.path()}); }, "it holds nothing"));
}

}  // namespace
}  // namespace cuelbo
