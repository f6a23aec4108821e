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

// A scale that does not suit the pixels: floats from 0 to 1 where the model was trained on 0 to 255, digits from 0 to 16 or
// class numbers in uint8; the other way around, bytes where it was trained on masks.
std::string scale_note(const DatasetInfo& info, const PixelOptions& options) {
  constexpr double dark = 0.065;  // 16 of 255 are
  if (options.scale && options.scale_of && pixel_kind(*options.scale_of) != pixel_kind(info.stored) &&
      *options.scale != *info.scale)
    return fmt::format("data.scale is {:g} for {}; the images are {}, read with data.scale = {:g}",
                       *options.scale, dtype_name(*options.scale_of), dtype_name(info.stored), *info.scale);
  const double highest = std::max(info.highest, -info.lowest);
  if (highest == 0 || (highest > dark && highest < 1 / dark)) return "";
  return fmt::format(
      "the largest value is {:g}, and data.scale is {:g}: the images are {} unless data.scale is "
      "set for them",
      highest * *info.scale, *info.scale, highest < 1 ? "almost black" : "far above 1");
}

}  // namespace

std::vector<double> as_numbers(const Array& array) {
  if (array.dtype == Dtype::f64) return {array.as<double>().begin(), array.as<double>().end()};
  const std::vector<float> values = array.as_f32();
  return {values.begin(), values.end()};
}

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
  PixelOptions pixels = options.pixels;
  bool transpose = options.transpose;
  if (found.is_as_seen) {
    const std::optional<double> scale = found.images.dtype == Dtype::boolean
                                            ? std::nullopt
                                            : std::optional(found.images.dtype == Dtype::u8 ? 255.0 : 1.0);
    if (transpose || pixels.layout == Layout::nchw || (pixels.scale && scale && pixels.scale != scale))
      found.notes.emplace_back(
          "its images are as a model sees them: data.scale, data.layout and data.transpose do not apply");
    transpose = false;
    pixels.scale = scale;
    pixels.scale_of = std::nullopt;
    pixels.layout = Layout::nhwc;
  }
  const std::size_t height = pixels.layout == Layout::nchw && found.images.rank() == 4 ? 2 : 1;
  if (transpose) found.images = transposed(found.images, height);
  // Labels count the images, so the first axis does too.
  if (found.images.rank() == 3 && found.factors.rank() > 0 && found.factors.shape[0] == found.images.shape[0])
    pixels.layout = Layout::nhwc;
  auto dataset = std::make_unique<ArrayDataset>(std::move(found.name), std::move(found.images), found.factors,
                                                std::move(found.factor_names), found.test_size, pixels);
  if (transpose) dataset->set_transposed();
  if (const std::string note = scale_note(dataset->info(), pixels); !note.empty() && !found.is_as_seen)
    found.notes.push_back(note);
  for (std::string& note : found.notes) note = one_line(note);  // folders may have any name
  dataset->add_notes(std::move(found.notes));
  for (std::size_t k = 0; k < found.labels.size(); ++k)
    if (!found.labels[k].empty()) dataset->name_values(k, std::move(found.labels[k]));
  for (std::size_t k = 0; k < found.values.size(); ++k)
    if (!found.values[k].empty()) dataset->set_values(k, std::move(found.values[k]));
  return dataset;
}

}  // namespace cuelbo
