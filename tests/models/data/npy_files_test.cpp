// The choice of the images, the labels and the test split among the arrays of an .npz.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "models/data/array_names.hpp"
#include "models/data/open_dataset.hpp"
#include "models/data/where.hpp"
#include "tests/support/dataset_content.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/temporary_directory.hpp"

namespace cuelbo {
namespace {

using test::all_factors;
using test::all_images;
using test::fails_with;
using test::has_note;
using Role = ArrayName::Role;
using Part = ArrayName::Part;

TEST(ArrayNames, AreReadInEverySpelling) {
  const auto is = [](const char* name, Role role, Part part) {
    return parse_array_name(name) == ArrayName{role, part};
  };
  for (const char* name : {"x_train", "X_train", "train_x", "xTrain", "train_images", "train-images",
                           "trainImages", "images_train", "train/images", "train_data", "X_tr", "Xtr", "trX",
                           "tr_x", "training_images", "train"})
    EXPECT_TRUE(is(name, Role::images, Part::train)) << name;
  for (const char* name : {"x", "X", "data", "images", "imgs", "image", "arr_0"})
    EXPECT_TRUE(is(name, Role::images, Part::whole)) << name;
  for (const char* name : {"x_test", "test_images", "X_te", "teX", "xte", "t10k_images"})
    EXPECT_TRUE(is(name, Role::images, Part::test)) << name;
  for (const char* name : {"y_train", "train_labels", "train_y", "labels_train"})
    EXPECT_TRUE(is(name, Role::labels, Part::train)) << name;
  for (const char* name : {"y", "labels", "label", "targets", "class", "arr_1"})
    EXPECT_TRUE(is(name, Role::labels, Part::whole)) << name;
  EXPECT_TRUE(is("x_val", Role::images, Part::validation));
  for (const char* name :
       {"", "_", "mean", "x_train_mean", "xy", "metadata", "train_test", "latents_classes", "tex", "Tex",
        "TEX", "try", "trx", "text", "arr_2", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxz"})
    EXPECT_FALSE(parse_array_name(name)) << name;
}

// (n, 1, 2) with the values first, first + 1, …
Array images(std::int64_t n, int first = 10) {
  Array array = make_array(Dtype::u8, {n, 1, 2});
  for (std::uint8_t& value : array.as<std::uint8_t>()) value = static_cast<std::uint8_t>(first++);
  return array;
}

Array labels(const std::vector<std::int64_t>& values) { return make_array({std::ssize(values)}, values); }

class NpzFiles : public ::testing::Test {
 protected:
  std::shared_ptr<const Dataset> open(std::map<std::string, Array> arrays, const std::string& array = "") {
    write_npz(directory_ / "a.npz", std::move(arrays));
    return open_dataset({.name = "npy", .path = directory_ / "a.npz", .array = array});
  }
  ::testing::AssertionResult refused(std::map<std::string, Array> arrays, const char* message,
                                     const std::string& array = "") {
    return fails_with([&] { open(std::move(arrays), array); }, message);
  }

  test::TemporaryDirectory directory_;
};

TEST_F(NpzFiles, OneArrayOfAnyName) {
  const auto dataset = open({{"digits of mine", images(3, 100)}});
  EXPECT_EQ(dataset->size(), 3);
  EXPECT_TRUE(dataset->info().notes.empty());
}

TEST_F(NpzFiles, KerasAndItsKind) {
  struct Names {
    const char *x, *y, *x_test, *y_test;
  };
  for (const auto& [x, y, x_test, y_test] : {Names{"x_train", "y_train", "x_test", "y_test"},
                                             {"X_train", "Y_train", "X_test", "Y_test"},
                                             {"train_images", "train_labels", "test_images", "test_labels"},
                                             {"train_x", "train_y", "test_x", "test_y"},
                                             {"images", "labels", "images_test", "labels_test"}}) {
    const auto dataset =
        open({{x, images(3)}, {y, labels({2, 0, 1})}, {x_test, images(2, 50)}, {y_test, labels({1, 2})}});
    EXPECT_EQ(dataset->size(), 5) << x;
    EXPECT_EQ(dataset->info().test_size, 2);
    ASSERT_EQ(dataset->factors().size(), 1U);
    EXPECT_EQ(dataset->factors()[0].name, "class");
    EXPECT_EQ(all_factors(*dataset), (std::vector<std::int64_t>{2, 0, 1, 1, 2}));
    EXPECT_EQ(all_images(*dataset)[6], 50 / 255.0F);
  }
}

TEST_F(NpzFiles, LabelsOfTwoTypesAreJoinedByTheirValues) {
  const Array bytes = make_array({3}, std::vector<std::uint8_t>{2, 0, 1});
  Array column = make_array({2, 1}, std::vector<std::int32_t>{1, 2});
  for (const bool swapped : {false, true}) {
    const Array& first = swapped ? column : bytes;
    const Array& second = swapped ? bytes : column;
    const auto dataset = open({{"x_train", images(first.shape[0])},
                               {"y_train", first},
                               {"x_test", images(second.shape[0])},
                               {"y_test", second}});
    EXPECT_EQ(all_factors(*dataset), swapped ? (std::vector<std::int64_t>{1, 2, 2, 0, 1})
                                             : (std::vector<std::int64_t>{2, 0, 1, 1, 2}));
  }
}

TEST_F(NpzFiles, EveryFactorHasOneName) {
  const auto with_names = [&](const std::vector<std::string>& names) {
    NpzWriter writer(directory_ / "a.npz");
    writer.add("images", images(2));
    writer.add("factors", make_array({2, 2}, std::vector<std::int64_t>{0, 1, 1, 0}));
    writer.add_text("factor_names", names);
    writer.commit();
    return open_dataset({.name = "npy", .path = directory_ / "a.npz"});
  };
  EXPECT_EQ(with_names({"shape", "scale"})->factors()[1].name, "scale");
  for (const std::vector<std::string>& names :
       {std::vector<std::string>{"id", "shape", "scale"}, {"shape"}, {"shape", "shape"}})
    EXPECT_TRUE(fails_with([&] { with_names(names); },
                           "2 different names are needed, one per column of the factors"));
}

TEST_F(NpzFiles, MedMnist) {
  Array column = labels({0, 1, 1});
  column.shape = {3, 1};
  Array test_column = labels({0});
  test_column.shape = {1, 1};
  const auto dataset = open({{"train_images", images(3)},
                             {"train_labels", column},
                             {"val_images", images(1)},
                             {"val_labels", test_column},
                             {"test_images", images(1)},
                             {"test_labels", test_column}});
  EXPECT_EQ(dataset->size(), 4);
  EXPECT_EQ(all_factors(*dataset), (std::vector<std::int64_t>{0, 1, 1, 0}));
  EXPECT_TRUE(has_note(*dataset, "ignores 'val_images' uint8 (1, 1, 2), 'val_labels' int64 (1, 1)"));
}

TEST_F(NpzFiles, SavezWithoutNames) {
  const auto dataset = open({{"arr_0", images(2)}, {"arr_1", labels({1, 0})}});
  EXPECT_EQ(all_factors(*dataset), (std::vector<std::int64_t>{1, 0}));
  EXPECT_TRUE(has_note(*dataset, "reads 'arr_0', 'arr_1'"));
}

TEST_F(NpzFiles, IgnoredArraysAreNamed) {
  const auto dataset = open({{"images", images(2)}, {"weights", make_array(Dtype::f32, {2})}});
  EXPECT_TRUE(has_note(*dataset, "reads 'images'; ignores 'weights' float32 (2,)"));
  EXPECT_TRUE(has_note(*open({{"faces", images(2)}, {"ids", labels({4, 5})}}),
                       "reads 'faces'; ignores 'ids' int64 (2,)"));
}

TEST_F(NpzFiles, LabelsThatDoNotFitAreIgnoredWithTheReason) {
  const std::vector<std::uint64_t> huge{0, 1, std::uint64_t{1} << 63};
  for (const auto& [y, note] : std::vector<std::pair<Array, const char*>>{
           {labels({0, 1}), "'y' int64 (2,) (labels are one integer for each of the 3 images)"},
           {labels({0, -1, 1}), "'y' int64 (3,) (it holds -1; labels are from 0 to 1048575)"},
           {labels({0, 1, 1 << 20}), "'y' int64 (3,) (it holds 1048576; labels are from 0 to 1048575)"},
           {make_array({3}, huge), "'y' uint64 (3,) ("},
           {make_array(Dtype::f32, {3}), "'y' float32 (3,) (labels are integers)"},
           {make_array(Dtype::f32, {3, 10}),
            "'y' float32 (3, 10) (labels are one integer per image; of one-hot"},
           {make_array(Dtype::i64, {3, 10}),
            "'y' int64 (3, 10) (labels are one integer per image; of one-hot"}}) {
    const auto dataset = open({{"x", images(3)}, {"y", y}});
    EXPECT_TRUE(dataset->factors().empty());
    EXPECT_TRUE(has_note(*dataset, std::string("ignores ") + note)) << note;
  }
  EXPECT_TRUE(has_note(*open({{"x", images(3)}, {"y", labels({0, 1, 2})}, {"labels", labels({0, 1, 2})}}),
                       "'labels' int64 (3,) (several arrays may be the labels), 'y'"));
}

TEST_F(NpzFiles, TestImagesAreOfTheSameShapeOrTheNoteGivesBoth) {
  Array column = images(2, 50);
  column.shape = {2, 1, 2, 1};
  for (const bool swapped : {false, true}) {
    const auto dataset =
        open({{"x_train", swapped ? column : images(3)}, {"x_test", swapped ? images(3) : column}});
    EXPECT_EQ(dataset->info().test_size, swapped ? 3 : 2);
    EXPECT_EQ(all_images(*dataset)[swapped ? 0 : 6], 50 / 255.0F);
  }
  const auto flat = open({{"x_train", images(3)}, {"x_test", make_array(Dtype::u8, {2, 2})}});
  EXPECT_EQ(flat->info().test_size, 0);
  EXPECT_TRUE(has_note(*flat, "ignores 'x_test' uint8 (2, 2) (the images are uint8 (3, 1, 2))"));
  EXPECT_TRUE(has_note(
      *open({{"images", images(3)}, {"factors", make_array(Dtype::i64, {3, 2})}, {"x_test", images(2)}}),
      "'x_test' uint8 (2, 1, 2) (the factors are those of all images)"));
}

TEST_F(NpzFiles, TestImagesWithoutLabelsTakeThemFromAll) {
  const auto dataset = open({{"x_train", images(3)}, {"y_train", labels({0, 1, 2})}, {"x_test", images(1)}});
  EXPECT_EQ(dataset->info().test_size, 1);
  EXPECT_TRUE(dataset->factors().empty());
  EXPECT_TRUE(has_note(*dataset, "the test images have no labels"));
  EXPECT_TRUE(has_note(*dataset, "ignores 'y_train' int64 (3,) (the test images have none)"));
  const auto one_hot = open({{"x_train", images(3)},
                             {"y_train", labels({0, 1, 2})},
                             {"x_test", images(1)},
                             {"y_test", make_array(Dtype::f32, {1, 3})}});
  EXPECT_TRUE(has_note(*one_hot, "the test images have no usable labels"));
  EXPECT_TRUE(has_note(*one_hot, "'y_test' float32 (1, 3) (labels are one integer per image; of one-hot"));
}

TEST_F(NpzFiles, TestSizeIsTheNumberOfImagesAtTheEnd) {
  EXPECT_EQ(open({{"images", images(3)}, {"test_size", labels({2})}})->info().test_size, 2);
  EXPECT_EQ(open({{"images", images(3)},
                  {"test_size", make_array(std::vector<std::int64_t>(), std::vector<std::int64_t>{2})}})
                ->info()
                .test_size,
            2);
  EXPECT_TRUE(refused({{"images", images(3)}, {"test_size", labels({4})}}, "array 'test_size' is 4"));
  EXPECT_TRUE(refused({{"images", images(3)}, {"test_size", labels({-1})}}, "array 'test_size' is -1"));
}

TEST_F(NpzFiles, LabelsOfTheValuesOfAFactor) {
  std::string notes;
  const auto class_labels = [&](const std::vector<std::string>& names) {
    NpzWriter writer(directory_ / "a.npz");
    writer.add("images", images(3));
    writer.add("y", labels({1, 0, 1}));
    writer.add_text("class_labels", names);
    writer.commit();
    const auto dataset = open_dataset({.name = "npy", .path = directory_ / "a.npz"});
    notes = fmt::format("{}", fmt::join(dataset->info().notes, "; "));
    return dataset->factors()[0].labels;
  };
  using Names = std::vector<std::string>;
  using ::testing::HasSubstr;
  EXPECT_EQ(class_labels({"cat", "dog"}), (Names{"cat", "dog"}));
  EXPECT_EQ(class_labels({"cat", "dog", "owl"}), (Names{"cat", "dog"}));  // owl does not occur
  EXPECT_EQ(class_labels({"cat"}), Names{});                              // dog has no name
  EXPECT_THAT(notes, HasSubstr("ignores 'class_labels' text (1 name for the values 0 to 1)"));
  EXPECT_EQ(class_labels({"dog", "cat", "dog"}), Names{});  // one for each image
  EXPECT_THAT(notes, HasSubstr("ignores 'class_labels' text (two values have the same name)"));
  EXPECT_TRUE(
      has_note(*open({{"images", images(3)}, {"y", labels({1, 0, 1})}, {"class_labels", labels({3, 4})}}),
               "'class_labels' int64 (2,) (names of the values of 'class' are text)"));
}

TEST_F(NpzFiles, DspritesHasTheNamesOfItsMetadata) {
  const Array factors =
      make_array<std::int64_t>({2, 6}, std::vector<std::int64_t>{0, 0, 1, 2, 3, 4, 0, 2, 5, 39, 31, 31});
  const std::map<std::string, Array> file{
      {"imgs", images(2)}, {"latents_classes", factors}, {"latents_values", make_array(Dtype::f64, {2, 6})}};
  const auto dataset = open(file);
  ASSERT_EQ(dataset->factors().size(), 6U);
  std::string names;
  for (const Factor& factor : dataset->factors()) names += factor.name + " ";
  EXPECT_EQ(names, "color shape scale orientation posX posY ");
  EXPECT_EQ(dataset->factors()[1].labels, (std::vector<std::string>{"square", "ellipse", "heart"}));
  EXPECT_EQ(all_factors(*dataset)[7], 2);
  // Other latents keep their numbers.
  EXPECT_EQ(open({{"imgs", images(2)}, {"latents_classes", factors}})->factors()[1].name, "factor1");
}

// An array with as many signals as rows per signal is not one image of as many channels, if each signal has a label.
TEST_F(NpzFiles, LabelsShowWhichAxisCountsTheImages) {
  const Array square = make_array(Dtype::u8, {6, 6, 9});
  EXPECT_TRUE(refused({{"x", square}}, "looks like (H, W, n)"));
  EXPECT_TRUE(refused({{"x", square}, {"y", labels({0, 1, 0, 1, 0, 1, 0, 1, 0})}}, "looks like (H, W, n)"));
  EXPECT_EQ(open({{"x", square}, {"y", labels({0, 1, 0, 1, 0, 1})}})->width(), 9);
}

TEST_F(NpzFiles, AnArrayIsChosen) {
  const std::map<std::string, Array> two{{"left", images(2)}, {"right", images(3)}};
  EXPECT_TRUE(refused(two,
                      "'left' uint8 (2, 1, 2), 'right' uint8 (3, 1, 2) may all be the images; name one: "
                      "data.array = \"left\""));
  EXPECT_EQ(open(two, "right")->size(), 3);
  EXPECT_TRUE(refused(two, "has no array 'rigt' (did you mean 'right'?); it holds: left, right", "rigt"));
  const auto test_only =
      open({{"x_train", images(3)}, {"x_test", images(2)}, {"y_test", labels({1, 0})}}, "x_test");
  EXPECT_EQ(test_only->size(), 2);
  EXPECT_EQ(test_only->info().test_size, 0);
  EXPECT_EQ(all_factors(*test_only), (std::vector<std::int64_t>{1, 0}));
}

TEST_F(NpzFiles, SaysWhatIsWrong) {
  EXPECT_TRUE(refused({{"a", labels({1})}, {"b", labels({1, 2})}},
                      "none of its arrays looks like images; name one by data.array; it holds 'a' int64 "
                      "(1,), 'b' int64 (2,)"));
  EXPECT_TRUE(refused({{"images", images(3)}, {"factors", make_array(Dtype::f32, {3, 1})}},
                      "a.npz': array 'factors' is float32; factors are integers from 0"));
  EXPECT_TRUE(refused({{"images", images(3)}, {"latents_classes", make_array(Dtype::f64, {3, 1})}},
                      "array 'latents_classes' is float64"));
  EXPECT_TRUE(refused({{"x_train", images(3)}, {"x_test", make_array(Dtype::f32, {1, 1, 2})}},
                      "training images are uint8 and test images float32"));
  EXPECT_TRUE(refused({{"x_train", images(3)}, {"x_test", make_array(Dtype::u8, {1, 2, 2})}},
                      "training images (3, 1, 2) and test images (1, 2, 2) differ in size"));
}

TEST(NpyFiles, ASingleArrayHasNoName) {
  const test::TemporaryDirectory directory;
  write_npy(directory / "a.npy", images(2));
  EXPECT_TRUE(fails_with<UsageError>(
      [&] { open_dataset({.name = "npy", .path = directory / "a.npy", .array = "x"}); },
      "data.array is 'x', but this is a single array"));
  const auto turned = open_dataset({.name = "npy", .path = directory / "a.npy", .transpose = true});
  EXPECT_EQ(turned->height(), 2);
  EXPECT_EQ(turned->width(), 1);
}

// As in the published dSprites: latents_values has the value of each class.
TEST_F(NpzFiles, LatentsValuesAreTheValuesOfTheirClasses) {
  const std::vector<std::int64_t> classes{0, 0, 2, 1, 0, 0};
  std::map<std::string, Array> arrays{
      {"imgs", images(3)},
      {"latents_classes", make_array({3, 2}, classes)},
      {"latents_values", make_array({3, 2}, std::vector<double>{.5, 3, .7, 4, .5, 3})}};
  const auto dataset = open(arrays);
  const auto& scale = dataset->factors()[0].values;
  ASSERT_EQ(scale.size(), 3U);
  EXPECT_EQ(scale[0], 0.5);
  EXPECT_TRUE(std::isnan(scale[1]));  // occurs nowhere
  EXPECT_EQ(scale[2], 0.7);
  EXPECT_EQ(dataset->factors()[1].values, (std::vector<double>{3, 4}));
  EXPECT_EQ(filter(dataset, "factor0>0.6")->size(), 1);
  arrays["latents_values"] = make_array({3, 2}, std::vector<double>{.5, 3, .7, 4, .6, 3});
  const auto ignored = open(arrays);
  EXPECT_EQ(ignored->factors()[0].values, (std::vector<double>{0, 1, 2}));
  EXPECT_TRUE(
      has_note(*ignored, "'latents_values' float64 (3, 2) (images of one class have several values)"));
}

TEST_F(NpzFiles, ATestSplitIsAlwaysNoted) {
  EXPECT_TRUE(has_note(*open({{"images", images(3)}, {"x_test", images(2)}}),
                       "reads 'images', 'x_test'; 'x_test' is the test split"));
  const auto other = open({{"images", images(3)}, {"tex", images(2)}});
  EXPECT_EQ(other->info().test_size, 0);
  EXPECT_TRUE(has_note(*other, "ignores 'tex' uint8 (2, 1, 2)"));
}

}  // namespace
}  // namespace cuelbo
