#include "models/data/open_dataset.hpp"

#include <array>
#include <cmath>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/io/atomic_file.hpp"
#include "engine/io/image.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "models/data/array_dataset.hpp"
#include "models/data/dsprites.hpp"
#include "models/data/image_files.hpp"
#include "models/data/where.hpp"
#include "models/data/write_npz.hpp"
#include "tests/support/comparison.hpp"
#include "tests/support/dataset_content.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/test_data.hpp"

namespace cuelbo {
namespace {

using test::all_close;
using test::all_factors;
using test::all_images;
using test::fails_with;
using test::fixture;
using ::testing::HasSubstr;

TEST(OpenDataset, Dsprites) {
  const auto whole = open_dataset({});
  EXPECT_EQ(whole->size(), dsprites_size);
  EXPECT_EQ(whole->name(), "dSprites (regenerated)");
  EXPECT_EQ(open_dataset({.where = "shape=heart,scale>0.6"})->size(), dsprites_size / 3 * 4 / 6);
}

TEST(OpenDataset, NpyOfEveryKind) {
  const test::TemporaryDirectory directory;
  const auto images_of = [&](const Array& array) {
    write_npy(directory / "a.npy", array);
    const auto dataset = open_dataset({.name = "npy", .path = directory / "a.npy"});
    EXPECT_EQ(dataset->size(), 2);
    EXPECT_EQ(dataset->height(), 1);
    EXPECT_EQ(dataset->width(), 2);
    EXPECT_TRUE(dataset->factors().empty());
    return all_images(*dataset);
  };
  const std::vector<std::int64_t> shape{2, 1, 2};
  EXPECT_TRUE(all_close(images_of(make_array(shape, std::vector<std::uint8_t>{0, 51, 128, 255})),
                        std::vector<float>{0, 51 / 255.0F, 128 / 255.0F, 1}, {}));
  EXPECT_TRUE(all_close(images_of(make_array(shape, std::vector<std::uint8_t>{0, 1, 1, 0})),
                        std::vector{0, 1, 1, 0}, {}));
  EXPECT_TRUE(all_close(images_of(make_array(shape, std::vector<float>{0, 0.25, 0.5, 1})),
                        std::vector{0., .25, .5, 1.}, {}));
  EXPECT_TRUE(all_close(images_of(make_array(shape, std::vector<double>{0, 0.25, 0.5, 1})),
                        std::vector{0., .25, .5, 1.}, {}));
  Array mask = make_array(shape, std::vector<std::uint8_t>{1, 1, 0, 1});
  mask.dtype = Dtype::boolean;
  EXPECT_TRUE(all_close(images_of(mask), std::vector{1, 1, 0, 1}, {}));
}

TEST(OpenDataset, NpyOfColor) {
  const test::TemporaryDirectory directory;
  write_npy(directory / "a.npy", make_array(Dtype::u8, {5, 4, 3, 3}));
  const auto dataset = open_dataset({.name = "npy", .path = directory / "a.npy"});
  EXPECT_EQ(dataset->channels(), 3);
  EXPECT_EQ(dataset->item_size(), 36);
}

TEST(OpenDataset, NpzOfNumpyWithFactors) {
  const auto dataset = open_dataset({.name = "npy", .path = fixture("images.npz")});
  EXPECT_EQ(dataset->name(), "images");
  EXPECT_EQ(dataset->size(), 6);
  EXPECT_EQ(dataset->factors().size(), 2U);
  EXPECT_EQ(dataset->factors()[1].size(), 3);
  EXPECT_EQ(all_factors(*dataset), (std::vector<std::int64_t>{0, 0, 0, 1, 0, 2, 1, 0, 1, 1, 1, 2}));
  const auto images = all_images(*dataset);
  for (std::size_t i = 0; i < images.size(); ++i) ASSERT_EQ(images[i], static_cast<float>(i) / 255.0F);
  EXPECT_EQ(open_dataset({.name = "npy", .path = fixture("images.npz"), .where = "factor1=2"})->size(), 2);
}

TEST(OpenDataset, NpzWithTheNamesOfTheOriginalDsprites) {
  const test::TemporaryDirectory directory;
  write_npz(directory / "a.npz",
            {{"imgs", make_array(Dtype::u8, {4, 2, 2})},
             {"latents_classes", make_array<std::int64_t>({4, 1}, std::vector<std::int64_t>{0, 1, 2, 3})}});
  const auto dataset = open_dataset({.name = "npy", .path = directory / "a.npz"});
  EXPECT_EQ(all_factors(*dataset), (std::vector<std::int64_t>{0, 1, 2, 3}));
}

TEST(OpenDataset, RealMnist) {
  const auto folder = test::shared_data("mnist");
  CUELBO_SKIP_WITHOUT(folder);
  const auto dataset = open_dataset({.name = "mnist", .path = folder});
  EXPECT_EQ(dataset->size(), 70000);
  EXPECT_EQ(dataset->info().test_size, 10000);
  EXPECT_EQ(dataset->factors()[0].size(), 10);
  double mean = 0;
  std::vector<float> image(784);
  for (std::int64_t n = 0; n < 60000; ++n) {
    dataset->gather({&n, 1}, image.data());
    for (const float x : image) mean += static_cast<double>(x) / 784 / 60000;
  }
  EXPECT_NEAR(mean, 0.1307, 0.0001);  // the mean that everyone normalises with
}

TEST(OpenDataset, FashionMnistOfDebian) {
  CUELBO_SKIP_WITHOUT(std::filesystem::path("/usr/share/datasets/fashion-mnist"));
  const auto dataset = open_dataset({.name = "fashion-mnist"});
  EXPECT_EQ(dataset->size(), 70000);
  EXPECT_EQ(dataset->height(), 28);
  EXPECT_EQ(open_dataset({.name = "fashion-mnist", .where = "class=3"})->size(), 7000);
}

TEST(WriteNpz, IsReadBack) {
  const test::TemporaryDirectory directory;
  const auto some = open_dataset({.where = "shape=heart,scale=1,orientation<1,posX<0.2"});
  write_npz(directory / "dsprites.npz", *some);
  const auto again = open_dataset({.name = "npy", .path = directory / "dsprites.npz"});
  EXPECT_EQ(again->size(), some->size());
  EXPECT_EQ(all_images(*again), all_images(*some));
  EXPECT_EQ(all_factors(*again), all_factors(*some));
  EXPECT_EQ(NpzReader(directory / "dsprites.npz").header("images").shape,
            (std::vector<std::int64_t>{some->size(), 64, 64}));
  EXPECT_EQ(test::directory_content(directory.path()).size(), 1U);
}

TEST(OpenDataset, AnErrorNamesTheFormatThatFits) {
  const test::TemporaryDirectory directory;
  std::filesystem::create_directories(directory / "pictures");
  write_png(directory / "pictures/a.png", {1, 1, 1, {7}});
  write_npy(directory / "a.npy", make_array(Dtype::u8, {2, 3, 3}));
  write_npz(directory / "a.npz", {{"images", make_array(Dtype::u8, {2, 3, 3})}});
  std::filesystem::create_directories(directory / "empty");
  std::ofstream(directory / "a.npy.gz") << "\x1f\x8b anything";
  std::ofstream(directory / "text.npy") << "no array";
  const auto message = [&](const char* name, const char* path) -> std::string {
    try {
      open_dataset({.name = name, .path = directory / path});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  for (const auto& [name, path, right] : {std::array{"mnist", "a.npy", "npy"},
                                          {"fashion-mnist", "a.npz", "npy"},
                                          {"idx", "pictures", "images"},
                                          {"idx", "pictures/a.png", "images"},
                                          {"images", "a.npy", "npy"},
                                          {"images", "a.npz", "npy"},
                                          {"npy", "pictures", "images"},
                                          {"npy", "pictures/a.png", "images"}}) {
    EXPECT_THAT(message(name, path), ::testing::EndsWith(fmt::format("; --set data.name={} reads it", right)))
        << name << " " << path;
    EXPECT_EQ(message(right, path), "");
  }
  for (const auto& [name, path] : {std::array{"npy", "text.npy"},
                                   {"idx", "text.npy"},
                                   {"npy", "empty"},
                                   {"npy", "a.npy.gz"},
                                   {"idx", "a.npy.gz"},
                                   {"npy", "missing"}}) {
    EXPECT_NE(message(name, path), "");
    EXPECT_THAT(message(name, path), ::testing::Not(::testing::HasSubstr("reads it"))) << name << " " << path;
  }
}

// The format that encode -i and data assume for a folder.
TEST(OpenDataset, AFolderIsIdxByTheNamesThatTheReaderKnows) {
  const auto format = [](const char* file) {
    const test::TemporaryDirectory directory;
    std::filesystem::create_directories((directory / file).parent_path());
    write_file(directory / file, "x");
    return data_at(directory.path()).name;
  };
  EXPECT_EQ(format("train-images-idx3-ubyte"), "idx");
  EXPECT_EQ(format("train-images.idx"), "idx");
  EXPECT_EQ(format("test_labels.gz"), "idx");
  EXPECT_EQ(format("MNIST/raw/t10k-images-idx3-ubyte.gz"), "idx");
  EXPECT_EQ(format("ubyte_1.png"), "images");
  EXPECT_EQ(format("train-images-ubyte.png"), "images");
  EXPECT_EQ(format("train_images/1.png"), "images");
}

TEST(OpenDataset, AFileIsToldByItsContentThenByItsName) {
  const test::TemporaryDirectory directory;
  const auto error_of = [&](const char* name) -> std::string {
    try {
      open_dataset(data_at(directory / name));
    } catch (const Error& failure) {
      return failure.what();
    }
    return "";
  };
  const auto error = [&](const char* name, const std::string& content) {
    write_file(directory / name, content);
    return error_of(name);
  };
  EXPECT_THAT(error("a.tif", std::string("II*") + '\0' + "tiff"),
              HasSubstr("a.tif' is a TIFF: convert it to PNG"));
  EXPECT_THAT(error("a.GIF", "GIF89a"), HasSubstr("a.GIF' is a GIF: convert it to PNG"));
  EXPECT_THAT(error("a.png", ""), HasSubstr("is neither PNG nor JPEG: it is empty"));
  EXPECT_THAT(error("a.npy.gz", "\x1f\x8b\x08"), HasSubstr("is compressed by gzip"));
  EXPECT_THAT(error("a.npz", "text"), HasSubstr("is not an npz archive"));
  const std::string tar = std::string(257, 'a') + "ustar";
  for (const auto& [name, content, right] : std::vector<std::array<std::string, 3>>{
           {"x", "PAR1...", "is a Parquet table: save its images"},
           {"train.parquet", "?", "is a Parquet table"},
           {"x", "\x89HDF\r\n\x1a\n", "is an HDF5 file: save the array with numpy.save"},
           {"x.mat", "MATLAB 5.0 MAT-file", "is a MATLAB file"},
           {"x.pt", "\x80\x02\x8a", "is a PyTorch file: save the array with numpy.save"},
           {"x", "PK\x03\x04 ... archive/data.pkl", "is a PyTorch file"},
           {"x.pkl", "\x80\x04\x95", "is a pickle"},
           {"mnist.pkl.gz", "\x1f\x8b\x08", "is a pickle"},
           {"x", tar, "is a tar archive: unpack it and name the folder"},
           {"x.tgz", "\x1f\x8b\x08", "is a tar archive"},
           {"x.tar.gz", "\x1f\x8b\x08", "is a tar archive"},
           {"x.zip", "PK\x03\x04 ... cat/1.png", "is a zip archive: unpack it and name the folder"},
           {"x.tfrecord", "abc", "is a TFRecord file"},
           {"x.webp", "RIFF....WEBPVP8 ", "is a WebP picture: convert it to PNG"},
           {"x", "GIF89a", "is a GIF"},
           {"x.bmp", "BM", "is a BMP"},
           {"x.csv", "1,2", "is a table of text: read it with numpy.loadtxt"},
           {"x.safetensors", "header {}", "is a safetensors file"},
           {"x.npy", std::string("\x40\0\0\0\0\0\0\0{\"a\":", 13), "is a safetensors file"},
           {"a.npy", "version https://git-lfs.github.com/spec/v1\noid",
            "is a Git LFS pointer and not the file itself"},
           {"b.png", "version https://git-lfs.github.com/spec/v1\noid",
            "is a Git LFS pointer and not the file itself"},
           {"c.npy", "<!DOCTYPE html><html>", "is a web page: download the file itself"},
           {"d.npy", "label,pixel0\n1,0\n", "is a table of text: read it with numpy.loadtxt"},
           {"e.png", "1,2\n3,4\n", "is a table of text"},
           {"f.npy", "label" + std::string(5000, ','), "is a table of text"}}) {
    EXPECT_THAT(error(name.c_str(), content), HasSubstr(fmt::format("{}' {}", name, right))) << name;
    EXPECT_TRUE(fails_with([&] { open_dataset({.name = "images", .path = directory / name}); }, right));
  }
  std::filesystem::create_directory(directory / "tables");
  write_file(directory / "tables/a.parquet", "PAR1");
  EXPECT_THAT(error_of("tables"),
              HasSubstr("it holds a.parquet; 'a.parquet' is a Parquet table: save its images"));
  std::filesystem::create_directory(directory / "arrays");
  write_file(directory / "arrays/b.npz", "");
  EXPECT_THAT(error_of("arrays"),
              ::testing::EndsWith(fmt::format("; data.path names one file of arrays, such as '{}'",
                                              (directory / "arrays/b.npz").string())));
  // Arrays have either name, as for numpy.load.
  std::filesystem::copy_file(fixture("vector.npy"), directory / "b.npz");
  std::filesystem::copy_file(fixture("images.npz"), directory / "b.npy");
  EXPECT_THAT(error_of("b.npz"), HasSubstr("images have shape"));
  EXPECT_EQ(error_of("b.npy"), "");
}

TEST(OpenDataset, WrongUseIsAUsageError) {
  const auto refused = [](const DataConfig& config, const char* message) {
    return fails_with<UsageError>([&] { open_dataset(config); }, message);
  };
  EXPECT_TRUE(refused({.name = "dsprite"}, "data.name is 'dsprite' (did you mean 'dsprites'?)"));
  EXPECT_TRUE(refused({.name = "mnist"}, "data.path is missing: mnist needs the folder with the IDX files"));
  EXPECT_TRUE(refused({.name = "npy"}, "npy needs an .npy or .npz file"));
  EXPECT_TRUE(refused({.name = "images"}, "images needs a folder of PNG or JPEG files"));
  EXPECT_TRUE(refused({.path = "x"}, "data.path is not used by dsprites"));
  EXPECT_TRUE(refused({.where = "shap=heart"}, "did you mean 'shape'?"));
}

}  // namespace
}  // namespace cuelbo
