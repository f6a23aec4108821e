#include "kernels/runtime/simt/checked/shadow_memory.hpp"

#include <algorithm>
#include <iterator>

namespace cuelbo::simt::checked {

void Page::refine() {
  if (!whole_words) return;
  whole_words = false;
  std::vector<Cell> bytes;
  bytes.reserve(page_bytes);
  for (const Cell& cell : cells) bytes.insert(bytes.end(), 4, cell);
  cells = std::move(bytes);
}

Region& ShadowMemory::add(Address begin, std::size_t bytes, Space space) {
  remove(begin);
  Region& region = regions_[begin];
  region.begin = begin;
  region.end = begin + bytes;
  region.space = space;
  if (bytes > 0) region.pages.resize((region.end - 1) / page_bytes - begin / page_bytes + 1);
  return region;
}

void ShadowMemory::remove(Address begin) { remove_within(begin, begin + 1); }

void ShadowMemory::remove_within(Address begin, Address end) {
  const auto first = regions_.lower_bound(begin), last = regions_.lower_bound(end);
  if (first == last) return;
  regions_.erase(first, last);
  std::ranges::fill(views_, View{});
}

Region* ShadowMemory::find(Address address) {
  auto next = regions_.upper_bound(address);
  if (next == regions_.begin()) return nullptr;
  Region& region = (--next)->second;
  return address < region.end ? &region : nullptr;
}

const View* ShadowMemory::look_up(Address address, std::size_t bytes, View& cached) {
  Region* const region = find(address);
  if (region == nullptr || address + bytes > region->end) return nullptr;
  auto& page = region->pages[address / page_bytes - region->begin / page_bytes];
  if (page == nullptr) page = std::make_unique<Page>();
  const Address begin = address / page_bytes * page_bytes;
  cached = {.begin = std::max(begin, region->begin),
            .end = std::min(begin + page_bytes, region->end),
            .page = page.get(),
            .region = region};
  return &cached;
}

void ShadowMemory::forget_times() {
  for (auto& [begin, region] : regions_)
    for (auto& page : region.pages) {
      if (page == nullptr) continue;
      for (Cell& cell : page->cells) cell = {.write_time = cell.write_time == 0 ? 0U : 1U};
    }
}

}  // namespace cuelbo::simt::checked
