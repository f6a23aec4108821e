#include "models/data/write_npz.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/io/npz.hpp"

namespace cuelbo {

namespace {

// bool for zeros and ones, u8 for all x = k / 255. A rendered data set stays u8, 0 and 255.
Dtype written_type(const DatasetInfo& info) {
  if (!info.scale) return Dtype::u8;
  if (info.binarize != Binarize::none || info.stored == Dtype::boolean) return Dtype::boolean;
  if (info.stored == Dtype::u8 && info.scale == 255) return Dtype::u8;
  return info.stored == Dtype::u8 && info.scale == 1 && info.highest <= 1 ? Dtype::boolean : Dtype::f32;
}

bool are_indices(const std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] != static_cast<double>(i)) return false;
  return true;
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
    if (!are_indices(factor.values))
      writer.add(factor.name + "_values", make_array({factor.size()}, factor.values));
  }
  writer.add_text("factor_names", names);
}

}  // namespace

void mark_as_seen(NpzWriter& writer) {
  const std::vector<std::string> text{std::string(pixels_as_seen)};
  writer.add_text(std::string(pixels_array), text);
}

void write_npz(const std::filesystem::path& path, const Dataset& dataset) {
  NpzWriter writer(path);
  std::vector<std::int64_t> shape{dataset.size(), dataset.height(), dataset.width()};
  if (dataset.channels() > 1) shape.push_back(dataset.channels());
  std::vector<float> image(static_cast<std::size_t>(dataset.item_size()));
  const Dtype type = written_type(dataset.info());
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
  mark_as_seen(writer);
  if (!dataset.factors().empty()) add_factors(writer, dataset);
  if (const std::int64_t test = dataset.info().test_size; test > 0)
    writer.add("test_size", make_array<std::int64_t>({1}, std::vector<std::int64_t>{test}));
  writer.commit();
}

}  // namespace cuelbo
