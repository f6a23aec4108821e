#include "models/data/dataset.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>

namespace cuelbo {
namespace {

DatasetInfo subset_info(const Dataset& base, const std::vector<std::int64_t>& items) {
  DatasetInfo info = base.info();
  info.size = static_cast<std::int64_t>(items.size());
  info.test_size = items.end() - std::ranges::lower_bound(items, base.size() - info.test_size);
  return info;
}

// Calls f(base items, position) for pieces of `items` translated by `table`; the stack holds them, so nothing
// is allocated.
template <class F>
void translated(std::span<const std::int64_t> items, const std::vector<std::int64_t>& table, F f) {
  std::array<std::int64_t, 256> piece;
  for (std::size_t done = 0; done < items.size();) {
    const std::size_t count = std::min(piece.size(), items.size() - done);
    for (std::size_t i = 0; i < count; ++i) piece[i] = table[static_cast<std::size_t>(items[done + i])];
    f(std::span<const std::int64_t>(piece).first(count), static_cast<std::int64_t>(done));
    done += count;
  }
}

}  // namespace

SubsetDataset::SubsetDataset(std::shared_ptr<const Dataset> base, std::vector<std::int64_t> items)
    : Dataset(subset_info(*base, items)), base_(std::move(base)), items_(std::move(items)) {}

void SubsetDataset::gather(std::span<const std::int64_t> items, float* images) const {
  translated(items, items_,
             [&](auto piece, std::int64_t at) { base_->gather(piece, images + at * item_size()); });
}

void SubsetDataset::gather_epoch(std::span<const std::int64_t> items, float* images,
                                 std::uint32_t epoch) const {
  translated(items, items_, [&](auto piece, std::int64_t at) {
    base_->gather_epoch(piece, images + at * item_size(), epoch);
  });
}

void SubsetDataset::gather_factors(std::span<const std::int64_t> items, std::int64_t* indices) const {
  const auto width = static_cast<std::int64_t>(factors().size());
  translated(items, items_,
             [&](auto piece, std::int64_t at) { base_->gather_factors(piece, indices + at * width); });
}

std::uint32_t SubsetDataset::checksum() const {
  return extend_checksum(base_->checksum(), std::as_bytes(std::span(items_)));
}

std::uint32_t extend_checksum(std::uint32_t checksum, std::span<const std::byte> bytes) {
  if (bytes.empty()) return checksum;  // zlib resets the CRC when given a null pointer
  return static_cast<std::uint32_t>(
      crc32_z(checksum, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace cuelbo
