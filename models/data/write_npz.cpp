#include "models/data/write_npz.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/io/npz.hpp"

namespace cuelbo {

namespace {

// The type from which load_npy makes the same pixels: bool for zeros and ones, which no data.scale changes; u8 for all
// x = k / 255, unless none is above 1 / 255, which would be read as a mask. A rendered data set stays u8, 0 and 255.
Dtype written_type(const Dataset& dataset) {
  const DatasetInfo& info = dataset.info();
  if (!info.scale) return Dtype::u8;
  if (info.binarized || info.stored == Dtype::boolean) return Dtype::boolean;
  if (info.stored != Dtype::u8 || info.highest > 1) return Dtype::f32;
  if (info.scale == 1) return Dtype::boolean;
  if (info.scale != 255) return Dtype::f32;
  bool black = true;
  std::vector<float> image(static_cast<std::size_t>(dataset.item_size()));
  for (std::int64_t item = 0; item < dataset.size(); ++item) {
    dataset.gather({&item, 1}, image.data());
    const float highest = *std::ranges::max_element(image);
    if (highest > 1.5F / 255) return Dtype::u8;
    black = black && highest == 0;
  }
  return black ? Dtype::boolean : Dtype::f32;
}

void add_factors(NpzWriter& writer, const Dataset& dataset) {
  const auto width = static_cast<std::int64_t>(dataset.factors().size());
  std::vector<std::int64_t> items(static_cast<std::size_t>(dataset.size()));
  std::iota(items.begin(), items.end(), std::int64_t{0});
  Array factors = make_array(Dtype::i64, {dataset.size(), width});
  dataset.gather_factors(items, factors.as<std::int64_t>().data());
  writer.add("factors", std::move(factors));
  std::vector<std::string> names;
  for (const Factor& factor : dataset.factors()) {
    names.push_back(factor.name);
    if (!factor.labels.empty()) writer.add_text(factor.name + "_labels", factor.labels);
  }
  writer.add_text("factor_names", names);
}

}  // namespace

void write_npz(const std::filesystem::path& path, const Dataset& dataset) {
  NpzWriter writer(path);
  std::vector<std::int64_t> shape{dataset.size(), dataset.height(), dataset.width()};
  if (dataset.channels() > 1) shape.push_back(dataset.channels());
  std::vector<float> image(static_cast<std::size_t>(dataset.item_size()));
  const Dtype type = written_type(dataset);
  const float white = type == Dtype::boolean ? 1 : 255;
  const std::size_t item_bytes = image.size() * dtype_size(type);
  std::int64_t item = 0;
  writer.add("images", type, shape, [&](std::span<std::byte> bytes) {
    for (; !bytes.empty(); bytes = bytes.subspan(item_bytes), ++item) {
      dataset.gather({&item, 1}, image.data());
      if (type == Dtype::f32) std::memcpy(bytes.data(), image.data(), item_bytes);
      for (std::size_t i = 0; type != Dtype::f32 && i < image.size(); ++i)
        bytes[i] = static_cast<std::byte>(std::lround(image[i] * white));
    }
  });
  if (!dataset.factors().empty()) add_factors(writer, dataset);
  if (const std::int64_t test = dataset.info().test_size; test > 0)
    writer.add("test_size", make_array<std::int64_t>({1}, std::vector<std::int64_t>{test}));
  writer.commit();
}

}  // namespace cuelbo
