#include "models/data/write_npz.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/io/npz.hpp"

namespace cuelbo {

namespace {

// Whether x = k / 255 of all pixels, and load_npy takes the bytes k for that: with none above 1 they would be a mask.
bool is_exact_as_bytes(const Dataset& dataset) {
  const DatasetInfo& info = dataset.info();
  if (info.binarized || info.stored == Dtype::boolean) return true;
  if (info.stored != Dtype::u8 || (info.scale != 255 && info.scale != 1) || info.highest > 1) return false;
  if (info.scale == 1) return true;
  bool black = true;
  std::vector<float> image(static_cast<std::size_t>(dataset.item_size()));
  for (std::int64_t item = 0; item < dataset.size(); ++item) {
    dataset.gather({&item, 1}, image.data());
    const float highest = *std::ranges::max_element(image);
    if (highest > 1.5F / 255) return true;
    black = black && highest == 0;
  }
  return black;
}

void add_factors(NpzWriter& writer, const Dataset& dataset) {
  const auto width = static_cast<std::int64_t>(dataset.factors().size());
  std::vector<std::int64_t> items(static_cast<std::size_t>(dataset.size()));
  std::iota(items.begin(), items.end(), std::int64_t{0});
  Array factors = make_array(Dtype::i64, {dataset.size(), width});
  dataset.gather_factors(items, factors.as<std::int64_t>().data());
  writer.add("factors", std::move(factors));
  if (!dataset.info().scale) return;  // the file of a rendered data set does not change
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
  const bool bytes_are_exact = is_exact_as_bytes(dataset);
  const std::size_t item_bytes = image.size() * (bytes_are_exact ? 1 : sizeof(float));
  std::int64_t item = 0;
  writer.add("images", bytes_are_exact ? Dtype::u8 : Dtype::f32, shape, [&](std::span<std::byte> bytes) {
    for (; !bytes.empty(); bytes = bytes.subspan(item_bytes), ++item) {
      dataset.gather({&item, 1}, image.data());
      if (!bytes_are_exact) std::memcpy(bytes.data(), image.data(), item_bytes);
      for (std::size_t i = 0; bytes_are_exact && i < image.size(); ++i)
        bytes[i] = static_cast<std::byte>(std::lround(image[i] * 255));
    }
  });
  if (!dataset.factors().empty()) add_factors(writer, dataset);
  writer.commit();
}

}  // namespace cuelbo
