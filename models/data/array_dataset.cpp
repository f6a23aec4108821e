#include "models/data/array_dataset.hpp"

#include <algorithm>
#include <limits>

namespace cuelbo {

struct ArrayDataset::Checked {
  DatasetInfo info;
  Pixels pixels;
  std::vector<std::int32_t> factor_values;

  Checked(std::string name, Array images, const Array& factors, std::vector<std::string> factor_names,
          std::int64_t test_size, const PixelOptions& options)
      : pixels(make_pixels(std::move(images), options)) {
    const auto& s = pixels.images.shape;
    info = {.name = std::move(name),
            .size = s[0],
            .height = s[1],
            .width = s[2],
            .channels = s[3],
            .factors = {},
            .test_size = test_size,
            .stored = pixels.stored,
            .scale = pixels.scale,
            .lowest = pixels.lowest,
            .highest = pixels.highest};
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
                           std::vector<std::string> factor_names, std::int64_t test_size,
                           const PixelOptions& pixels)
    : ArrayDataset(Checked(std::move(name), std::move(images), factor_values, std::move(factor_names),
                           test_size, pixels)) {}

ArrayDataset::ArrayDataset(Checked checked)
    : Dataset(std::move(checked.info)),
      images_(std::move(checked.pixels.images)),
      divisor_(checked.pixels.divisor),
      factor_values_(std::move(checked.factor_values)) {}

void ArrayDataset::gather(std::span<const std::int64_t> items, float* images) const {
  const std::int64_t count = item_size();
  for (const std::int64_t item : items) {
    const std::byte* from =
        images_.data.data() + item * count * static_cast<std::int64_t>(dtype_size(images_.dtype));
    if (images_.dtype == Dtype::f32) {
      std::memcpy(images, from, static_cast<std::size_t>(count) * sizeof(float));
    } else {
      for (std::int64_t i = 0; i < count; ++i) images[i] = static_cast<float>(from[i]) / divisor_;
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

std::uint32_t ArrayDataset::checksum() const {
  return extend_checksum(extend_checksum(0, images_.data), std::as_bytes(std::span(factor_values_)));
}

}  // namespace cuelbo
