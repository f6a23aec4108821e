#include "models/data/array_dataset.hpp"

#include <algorithm>
#include <limits>

namespace cuelbo {
namespace {

constexpr std::int64_t max_factor_size = 1 << 20;

// As u8 or f32, in place of whatever float or bool it was.
Array stored_images(Array images) {
  switch (images.dtype) {
    case Dtype::u8: return images;
    case Dtype::boolean: images.dtype = Dtype::u8; return images;
    case Dtype::f32: return images;
    case Dtype::f16:
    case Dtype::f64: return make_array(images.shape, images.as_f32());
    default:
      fail("images are {}; uint8 (0 to 255), bool or floats in [0, 1] are needed", dtype_name(images.dtype));
  }
}

void check_range(std::span<const float> values, std::int64_t item_size) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= 0 && values[i] <= 1) continue;
    fail("image {} holds {}; floats must lie in [0, 1]", static_cast<std::int64_t>(i) / item_size, values[i]);
  }
}

}  // namespace

struct ArrayDataset::Checked {
  DatasetInfo info;
  Array images;
  float unit = 255;
  std::vector<std::int32_t> factor_values;

  Checked(std::string name, Array given, const Array& factors, std::vector<std::string> factor_names,
          std::int64_t test_size) {
    if (given.rank() != 3 && given.rank() != 4)
      fail("images have shape {}; (n, H, W) or (n, H, W, C) is needed", shape_text(given.shape));
    const auto& s = given.shape;
    if (element_count(s, given.dtype) == 0) fail("there are no images: the shape is {}", shape_text(s));
    info = {std::move(name), s[0], s[1], s[2], given.rank() == 4 ? s[3] : 1, {}, test_size};
    images = stored_images(std::move(given));
    if (images.dtype == Dtype::f32) {
      check_range(images.as<float>(), info.height * info.width * info.channels);
    } else if (std::ranges::max(images.as<std::uint8_t>()) <= 1) {
      unit = 1;
    }
    if (!factors.data.empty() || factors.rank() != 0) take_factors(factors, std::move(factor_names));
  }

  void take_factors(const Array& factors, std::vector<std::string> names) {
    const std::int64_t width = factors.rank() == 1 ? 1 : factors.rank() == 2 ? factors.shape[1] : 0;
    if (width == 0 || factors.shape[0] != info.size)
      fail("factors have shape {}; ({}, K) is needed, one row for each image", shape_text(factors.shape),
           info.size);
    const auto values = factors.as_i64();
    std::vector<std::int64_t> sizes(static_cast<std::size_t>(width), 1);
    factor_values.reserve(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] < 0 || values[i] >= max_factor_size)
        fail("image {} has the factor value {}; values from 0 to {} are possible",
             static_cast<std::int64_t>(i) / width, values[i], max_factor_size - 1);
      auto& size = sizes[i % sizes.size()];
      size = std::max(size, values[i] + 1);
      factor_values.push_back(static_cast<std::int32_t>(values[i]));
    }
    for (std::size_t k = 0; k < sizes.size(); ++k) {
      Factor factor{k < names.size() ? names[k] : fmt::format("factor{}", k), {}, {}};
      for (std::int64_t v = 0; v < sizes[k]; ++v) factor.values.push_back(static_cast<double>(v));
      info.factors.push_back(std::move(factor));
    }
  }
};

ArrayDataset::ArrayDataset(std::string name, Array images, const Array& factor_values,
                           std::vector<std::string> factor_names, std::int64_t test_size)
    : ArrayDataset(
          Checked(std::move(name), std::move(images), factor_values, std::move(factor_names), test_size)) {}

ArrayDataset::ArrayDataset(Checked checked)
    : Dataset(std::move(checked.info)),
      images_(std::move(checked.images)),
      unit_(checked.unit),
      factor_values_(std::move(checked.factor_values)) {}

void ArrayDataset::gather(std::span<const std::int64_t> items, float* images) const {
  const std::int64_t count = item_size();
  for (const std::int64_t item : items) {
    const std::byte* from =
        images_.data.data() + item * count * static_cast<std::int64_t>(dtype_size(images_.dtype));
    if (images_.dtype == Dtype::f32) {
      std::memcpy(images, from, static_cast<std::size_t>(count) * sizeof(float));
    } else {
      for (std::int64_t i = 0; i < count; ++i) images[i] = static_cast<float>(from[i]) / unit_;
    }
    images += count;
  }
}

void ArrayDataset::gather_factors(std::span<const std::int64_t> items, std::int64_t* indices) const {
  const auto width = static_cast<std::int64_t>(factors().size());
  for (const std::int64_t item : items)
    for (std::int64_t k = 0; k < width; ++k)
      *indices++ = factor_values_[static_cast<std::size_t>(item * width + k)];
}

}  // namespace cuelbo
