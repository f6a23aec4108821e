#include "models/data/write_npz.hpp"

#include <cmath>
#include <numeric>

#include "engine/io/npz.hpp"

namespace cuelbo {

void write_npz(const std::filesystem::path& path, const Dataset& dataset) {
  NpzWriter writer(path);

  std::vector<std::int64_t> shape{dataset.size(), dataset.height(), dataset.width()};
  if (dataset.channels() > 1) shape.push_back(dataset.channels());
  std::vector<float> grey(static_cast<std::size_t>(dataset.item_size()));
  std::int64_t item = 0;
  writer.add("images", Dtype::u8, shape, [&](std::span<std::byte> bytes) {
    for (; !bytes.empty(); bytes = bytes.subspan(grey.size()), ++item) {
      dataset.gather({&item, 1}, grey.data());
      for (std::size_t i = 0; i < grey.size(); ++i)
        bytes[i] = static_cast<std::byte>(std::lround(grey[i] * 255));
    }
  });

  if (!dataset.factors().empty()) {
    const auto width = static_cast<std::int64_t>(dataset.factors().size());
    std::vector<std::int64_t> items(static_cast<std::size_t>(dataset.size()));
    std::iota(items.begin(), items.end(), std::int64_t{0});
    Array factors = make_array(Dtype::i64, {dataset.size(), width});
    dataset.gather_factors(items, factors.as<std::int64_t>().data());
    writer.add("factors", std::move(factors));
  }
  writer.commit();
}

}  // namespace cuelbo
