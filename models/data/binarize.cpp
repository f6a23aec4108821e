#include "models/data/binarize.hpp"

#include <algorithm>
#include <array>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"
#include "models/data/random.hpp"

namespace cuelbo {
namespace {

constexpr std::array<std::string_view, 3> names{"none", "threshold", "dynamic"};

DatasetInfo binarized(DatasetInfo info, Binarize how) {
  info.binarize = how;
  return info;
}

void draw(float* image, std::int64_t item_size, std::int64_t item, kernels::PhiloxKey key,
          std::uint32_t epoch) {
  for (std::int64_t i = 0; i < item_size; i += 4) {
    const auto words =
        kernels::philox4x32_10({static_cast<std::uint32_t>(i / 4), static_cast<std::uint32_t>(item),
                                static_cast<std::uint32_t>(item >> 32), epoch},
                               key);
    const std::array<std::uint32_t, 4> word{words.x, words.y, words.z, words.w};
    for (std::int64_t k = 0, end = std::min<std::int64_t>(4, item_size - i); k < end; ++k)
      image[i + k] = kernels::uniform_open(word[static_cast<std::size_t>(k)]) < image[i + k] ? 1.0F : 0.0F;
  }
}

}  // namespace

Binarize parse_binarize(std::string_view name) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end())
    usage_fail("binarize is '{}'; it must be one of {}{}", name, fmt::join(names, ", "),
               did_you_mean(name, names));
  return static_cast<Binarize>(found - names.begin());
}

std::string to_string(Binarize how) { return std::string(names[static_cast<std::size_t>(how)]); }

void binarize(std::span<const std::int64_t> items, float* images, std::int64_t item_size, Binarize how,
              std::uint64_t seed, std::uint32_t epoch) {
  const auto count = static_cast<std::int64_t>(items.size());
  if (how == Binarize::threshold) {
    for (std::int64_t i = 0; i < count * item_size; ++i) images[i] = images[i] >= 0.5F ? 1.0F : 0.0F;
  } else if (how == Binarize::dynamic) {
    const kernels::PhiloxKey key = stream_key(seed, DataStream::binarize);
    for (std::int64_t n = 0; n < count; ++n)
      draw(images + n * item_size, item_size, items[static_cast<std::size_t>(n)], key, epoch);
  }
}

BinarizedDataset::BinarizedDataset(std::shared_ptr<const Dataset> base, Binarize how, std::uint64_t seed)
    : Dataset(binarized(base->info(), how)), base_(std::move(base)), how_(how), seed_(seed) {}

void BinarizedDataset::gather(std::span<const std::int64_t> items, float* images) const {
  gather_epoch(items, images, 0);
}

void BinarizedDataset::gather_epoch(std::span<const std::int64_t> items, float* images,
                                    std::uint32_t epoch) const {
  base_->gather_epoch(items, images, epoch);
  binarize(items, images, item_size(), how_, seed_, epoch);
}

void BinarizedDataset::gather_factors(std::span<const std::int64_t> items, std::int64_t* indices) const {
  base_->gather_factors(items, indices);
}

}  // namespace cuelbo
