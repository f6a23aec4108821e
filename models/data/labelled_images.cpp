#include "models/data/labelled_images.hpp"

#include <algorithm>
#include <cstring>

#include "models/data/array_dataset.hpp"

namespace cuelbo {
namespace {

void append(Array& array, const Array& more) {
  array.data.insert(array.data.end(), more.data.begin(), more.data.end());
  array.shape[0] += more.shape[0];
}

// (n, K) int64, of any integers, so that two can be joined. `which` images, for messages.
Array as_factors(const LabelledImages& of, const char* which) {
  const Array& factors = of.factors;
  if (factors.rank() < 1 || factors.rank() > 2 || factors.shape[0] != of.images.shape[0])
    fail("the {} images have shape {} and their factors {}; (n, K) is needed, one row for each image", which,
         shape_text(of.images.shape), shape_text(factors.shape));
  const std::int64_t width = factors.rank() == 1 ? 1 : factors.shape[1];
  return make_array({factors.shape[0], width}, factors.as_i64());
}

// Axis `first` changes places with the next one.
Array transposed(const Array& images, std::size_t first) {
  if (images.rank() < first + 2 || images.data.empty()) return images;  // ArrayDataset refuses it
  Array result = images;
  const auto height = static_cast<std::size_t>(images.shape[first]),
             width = static_cast<std::size_t>(images.shape[first + 1]);
  std::swap(result.shape[first], result.shape[first + 1]);
  std::size_t outer = 1;
  for (std::size_t k = 0; k < first; ++k) outer *= static_cast<std::size_t>(images.shape[k]);
  const std::size_t pixel_bytes = images.data.size() / (outer * height * width);
  std::byte* to = result.data.data();
  for (std::size_t image = 0; image < outer * height * width; image += height * width)
    for (std::size_t x = 0; x < width; ++x)
      for (std::size_t y = 0; y < height; ++y, to += pixel_bytes)
        std::memcpy(to, &images.data[(image + y * width + x) * pixel_bytes], pixel_bytes);
  return result;
}

}  // namespace

void add_test_split(LabelledImages& train, const LabelledImages& test) {
  if (!std::ranges::equal(std::span(test.images.shape).subspan(1), std::span(train.images.shape).subspan(1)))
    fail("training images {} and test images {} differ in size", shape_text(train.images.shape),
         shape_text(test.images.shape));
  if (test.images.dtype != train.images.dtype)
    fail("training images are {} and test images {}", dtype_name(train.images.dtype),
         dtype_name(test.images.dtype));
  if ((train.factors.rank() > 0) != (test.factors.rank() > 0))
    fail("only one of the training and the test images has labels");
  if (train.factors.rank() > 0) {
    Array factors = as_factors(train, "training");
    const Array more = as_factors(test, "test");
    if (factors.shape[1] != more.shape[1])
      fail("the training images have {} factors and the test images {}", factors.shape[1], more.shape[1]);
    append(factors, more);
    train.factors = std::move(factors);
  }
  append(train.images, test.images);
  train.test_size = test.images.shape[0];
  train.notes.insert(train.notes.end(), test.notes.begin(), test.notes.end());
}

std::unique_ptr<Dataset> make_dataset(LabelledImages found, const FileOptions& options) {
  const std::size_t height = options.pixels.layout == Layout::nchw && found.images.rank() == 4 ? 2 : 1;
  if (options.transpose) found.images = transposed(found.images, height);
  PixelOptions pixels = options.pixels;
  // Labels count the images, so the first axis does too.
  if (found.images.rank() == 3 && found.factors.rank() > 0 && found.factors.shape[0] == found.images.shape[0])
    pixels.layout = Layout::nhwc;
  auto dataset = std::make_unique<ArrayDataset>(std::move(found.name), std::move(found.images), found.factors,
                                                std::move(found.factor_names), found.test_size, pixels);
  // Floats from 0 to 1 where the model was trained on 0 to 255, or bytes in uint16, are almost black.
  const DatasetInfo& info = dataset->info();
  const float highest = std::max(info.highest, -info.lowest);
  if (constexpr float dark = 0.01F;
      pixels.scale && pixels.scale_of == scale_of(info.stored) && highest > 0 && highest <= dark)
    found.notes.push_back(
        fmt::format("the largest value is {:g}, and the model's data.scale is {:g}: the images are almost "
                    "black unless data.scale is set for them",
                    static_cast<double>(highest) * *info.scale, *info.scale));
  for (std::string& note : found.notes) note = one_line(note);  // folders may have any name
  dataset->add_notes(std::move(found.notes));
  for (std::size_t k = 0; k < found.labels.size(); ++k)
    if (!found.labels[k].empty()) dataset->name_values(k, std::move(found.labels[k]));
  return dataset;
}

}  // namespace cuelbo
