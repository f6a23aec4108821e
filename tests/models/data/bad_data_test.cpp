// Every loader of data sets crossed with every fault that its files may have; damage of the formats
// themselves is in tests/engine/io/bad_input_test.cpp.
#include <cmath>
#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include "engine/io/atomic_file.hpp"
#include "engine/io/image.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "models/data/open_dataset.hpp"
#include "models/data/write_npz.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/full_disk.hpp"
#include "tests/support/idx_files.hpp"
#include "tests/support/small_dataset.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/test_data.hpp"

namespace cuelbo {
namespace {

using test::fails_with;
namespace fs = std::filesystem;
using Shape = std::vector<std::int64_t>;

Array floats(Shape shape, float special, std::size_t at) {
  Array array = make_array(Dtype::f32, std::move(shape));
  array.as<float>()[at] = special;
  return array;
}

Array integers(Shape shape, const std::vector<std::int64_t>& values) {
  return make_array(std::move(shape), values);
}

void write_png_of(const fs::path& path, std::int64_t height, std::int64_t width, std::int64_t channels) {
  write_png(path, {height, width, channels,
                   std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * channels))});
}

void write_truncated(const fs::path& path, const std::string& file, double fraction) {
  write_file(path, std::string_view(file).substr(
                       0, static_cast<std::size_t>(fraction * static_cast<double>(file.size()))));
}

std::string text_of(const fs::path& path) {
  const auto bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Case {
  const char* loader;
  const char* fault;
  std::function<void(const fs::path&)> write;  // into an empty directory
  const char* opened;                          // "" is the directory itself
  const char* message;
};

const float nan = std::numeric_limits<float>::quiet_NaN();
const float inf = std::numeric_limits<float>::infinity();

std::vector<Case> cases() {
  const Array good = make_array(Dtype::u8, {3, 2, 2});
  const std::string images = test::idx_file({6, 2, 2}, 24), labels = test::idx_file({6}, 6);
  const auto npy = [](const Array& array) {
    return [=](const fs::path& d) { write_npy(d / "a.npy", array); };
  };
  const auto npz = [](const std::map<std::string, Array>& arrays) {
    return [=](const fs::path& d) { write_npz(d / "a.npz", arrays); };
  };
  const auto idx = [](const std::string& train, const std::string& train_labels, const std::string& test) {
    return [=](const fs::path& d) {
      if (!train.empty()) write_file(d / "train-images-idx3-ubyte", train);
      if (!train_labels.empty()) write_file(d / "train-labels-idx1-ubyte", train_labels);
      if (!test.empty()) write_file(d / "t10k-images-idx3-ubyte", test);
    };
  };
  const auto nothing = [](const fs::path&) {};
  return {
      {"npy", "missing", nothing, "a.npy", "a.npy': cannot read: No such file"},
      {"npy", "a directory", nothing, "", "it is a directory"},
      {"npy", "truncated",
       [=](const fs::path& d) { write_truncated(d / "a.npy", text_of(test::fixture("f4.npy")), 0.8); },
       "a.npy", "truncated"},
      {"npy", "text", [](const fs::path& d) { write_file(d / "a.npy", "some text"); }, "a.npy",
       "is not an npy array"},
      {"npy", "NaN", npy(floats({3, 2, 2}, nan, 9)), "a.npy", "image 2 holds nan; floats must be in [0, 1]"},
      {"npy", "infinity", npy(floats({3, 2, 2}, inf, 4)), "a.npy", "image 1 holds inf"},
      {"npy", "below 0", npy(floats({3, 2, 2}, -0.01F, 0)), "a.npy", "image 0 holds -0.01"},
      {"npy", "above 1", npy(floats({3, 2, 2}, 255, 11)), "a.npy", "image 2 holds 255"},
      {"npy", "rank 2", npy(make_array(Dtype::u8, {3, 4})), "a.npy",
       "images have shape (3, 4); (n, H, W) or (n, H, W, C) is needed"},
      {"npy", "rank 5", npy(make_array(Dtype::u8, {3, 2, 2, 1, 1})), "a.npy",
       "(n, H, W) or (n, H, W, C) is needed"},
      {"npy", "no images", npy(make_array(Dtype::u8, {0, 2, 2})), "a.npy", "there are no images"},
      {"npy", "no pixels", npy(make_array(Dtype::u8, {3, 0, 2})), "a.npy", "there are no images"},
      {"npy", "dtype", npy(make_array(Dtype::i32, {3, 2, 2})), "a.npy", "images are int32; uint8"},
      {"npy", "64-bit NaN", npy(make_array({1, 1, 2}, std::vector<double>{0, std::nan("")})), "a.npy",
       "image 0 holds nan"},
      {"npz", "truncated",
       [=](const fs::path& d) { write_truncated(d / "a.npz", text_of(test::fixture("images.npz")), 0.8); },
       "a.npz", "not an npz archive"},
      {"npz", "text", [](const fs::path& d) { write_file(d / "a.npz", "some text"); }, "a.npz",
       "not an npz archive"},
      {"npz", "no images", npz({{"a", integers({3}, {0, 1, 2})}, {"b", integers({1}, {0})}}), "a.npz",
       "none of its arrays looks like images; name one by data.array; it holds 'a' int64 (3,), 'b' int64 "
       "(1,)"},
      {"npz", "NaN", npz({{"images", floats({3, 2, 2}, nan, 9)}}), "a.npz", "image 2 holds nan"},
      {"npz", "factors of another length", npz({{"images", good}, {"factors", integers({2, 1}, {0, 1})}}),
       "a.npz", "factors have shape (2, 1); (3, K) is needed"},
      {"npz", "factors of rank 3", npz({{"images", good}, {"factors", integers({3, 1, 1}, {0, 1, 2})}}),
       "a.npz", "(3, K) is needed"},
      {"npz", "float factors", npz({{"images", good}, {"factors", make_array(Dtype::f32, {3, 1})}}), "a.npz",
       "array 'factors' is float32; factors are integers from 0"},
      {"npz", "a negative factor",
       npz({{"images", good}, {"factors", integers({3, 2}, {0, 1, 0, -1, 0, 1})}}), "a.npz",
       "image 1 has the factor value -1"},
      {"npz", "a huge factor", npz({{"images", good}, {"factors", integers({3, 1}, {0, 1LL << 60, 0})}}),
       "a.npz", "image 1 has the factor value"},
      {"idx", "missing", nothing, "a", "cannot read: No such file"},
      {"idx", "empty folder", nothing, "", "there is no train-images-idx3-ubyte"},
      {"idx", "wrong magic", idx(labels, "", ""), "", "is not a file of IDX images"},
      {"idx", "labels that are images", idx(images, images, ""), "", "is not a file of IDX labels"},
      {"idx", "truncated", idx(images.substr(0, 30), "", ""), "", "train-images-idx3-ubyte': truncated"},
      {"idx", "huge declared size", idx(test::idx_file({1 << 30, 1 << 10, 1 << 10}, 24), "", ""), "",
       "truncated"},
      {"idx", "too few labels", idx(images, test::idx_file({5}, 5), ""), "", "5 labels for the 6 images"},
      {"idx", "test images of another size", idx(images, "", test::idx_file({2, 3, 2}, 12)), "",
       "differ in size"},
      {"idx", "no images", idx(test::idx_file({0, 2, 2}, 0), "", ""), "", "there are no images"},
      {"images", "missing", nothing, "a", "cannot read: No such file"},
      {"images", "a file", [](const fs::path& d) { write_file(d / "a", ""); }, "a",
       "a': is neither PNG nor JPEG: it is empty"},
      {"images", "empty folder", nothing, "", "there is no .png, .jpg or .jpeg file"},
      {"images", "sizes",
       [](const fs::path& d) {
         write_png_of(d / "a.png", 4, 3, 1);
         write_png_of(d / "b.png", 4, 5, 1);
         write_png_of(d / "c.png", 9, 9, 1);
       },
       "", "b.png': a picture of 4×5 pixels (height × width), but "},
      {"images", "truncated",
       [](const fs::path& d) { write_truncated(d / "a.png", text_of(test::fixture("rgb.png")), 0.7); }, "",
       "a.png': damaged PNG"},
      {"images", "text", [](const fs::path& d) { write_file(d / "a.jpg", "some text"); }, "",
       "a.jpg': is neither PNG nor JPEG"},
  };
}

TEST(BadData, EveryLoaderRefusesEveryFault) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(fmt::format("{}: {}", c.loader, c.fault));
    const test::TemporaryDirectory directory;
    c.write(directory.path());
    const DataConfig config{.name = std::string_view(c.loader) == "npz" ? "npy" : c.loader,
                            .path = directory / c.opened};
    const auto before = test::directory_content(directory.path());
    EXPECT_TRUE(fails_with([&] { open_dataset(config); }, c.message));
    EXPECT_TRUE(fails_with([&] { open_dataset(config); }, directory.path().string()));  // says where
    EXPECT_EQ(test::directory_content(directory.path()), before);
  }
}

TEST(BadData, ADatasetOnAFullDiskLeavesNothing) {
  const test::TemporaryDirectory directory;
  const auto dataset = test::small_dataset(100'000);
  const auto limited = [&] {
    const test::FileSizeLimit limit(1 << 10);
    write_npz(directory / "a.npz", *dataset);
  };
  EXPECT_TRUE(fails_with(limited, "File too large"));
  EXPECT_TRUE(test::directory_content(directory.path()).empty());
}

}  // namespace
}  // namespace cuelbo
