#include "kernels/runtime/simt/checked/clocks.hpp"

#include <iterator>

namespace cuelbo::simt::checked {

void Clocks::begin_launch() {
  launch_begin_ = now_++;
  blocks_.clear();
  released_global_.clear();
}

void Clocks::begin_block(uint3 index) {
  block_begin_ = barrier_ = now_++;
  blocks_.push_back({.begin = block_begin_, .index = index});
  released_shared_.clear();
  if (!std::exchange(atomics_, false)) return;
  block_known_.clear();
  for (Known& known : known_) known.clear();
}

void Clocks::pass_barrier() {
  barrier_ = now_++;
  if (!atomics_) return;
  for (Known& known : known_) {
    if (known.empty()) continue;
    block_known_ = merge(block_known_, known);
    known.clear();
  }
}

void Clocks::warp_operation(int warp, unsigned mask) {
  const Time time = now_++;
  if (mask == ~0U) {
    full_[warp] = time;
  } else {
    Time joined[warp_size] = {};
    for (int lane = 0; lane < warp_size; ++lane) {
      if ((mask >> lane & 1) == 0) continue;
      for (int other = 0; other < warp_size; ++other)
        joined[other] = std::max(joined[other], lanes_[warp][lane][other]);
    }
    for (int lane = 0; lane < warp_size; ++lane)
      if ((mask >> lane & 1) != 0) joined[lane] = time;
    for (int lane = 0; lane < warp_size; ++lane)
      if ((mask >> lane & 1) != 0) std::ranges::copy(joined, lanes_[warp][lane]);
  }
  if (!atomics_) return;
  Known* const of_warp = &known_[static_cast<std::size_t>(warp * warp_size)];
  Known joined;
  for (int lane = 0; lane < warp_size; ++lane)
    if ((mask >> lane & 1) != 0 && !of_warp[lane].empty()) joined = merge(joined, of_warp[lane]);
  for (int lane = 0; lane < warp_size; ++lane)
    if ((mask >> lane & 1) != 0) of_warp[lane] = joined;
}

void Clocks::acquire(int thread, const void* address, bool shared) {
  const auto& released = shared ? released_shared_ : released_global_;
  const auto found = released.find(address);
  if (found == released.end()) return;
  atomics_ = true;
  Known& known = known_[static_cast<std::size_t>(thread)];
  known = merge(known, found->second);
}

void Clocks::release(int thread, const void* address, bool shared) {
  const std::size_t block = blocks_.size() - 1;
  const int warp = thread / warp_size, lane = thread % warp_size;
  Known own;
  own.emplace_back(key(block, everyone), barrier_);
  for (int other = 0; other < warp_size; ++other) {
    const Time time = other == lane ? now_ : std::max(full_[warp], lanes_[warp][lane][other]);
    if (time > barrier_) own.emplace_back(key(block, warp * warp_size + other), time);
  }
  Known& released = (shared ? released_shared_ : released_global_)[address];
  released = merge(merge(known_[static_cast<std::size_t>(thread)], block_known_), own);
  coarsen(released);
  ++now_;
}

void Clocks::restart() {
  now_ = 2;
  launch_begin_ = block_begin_ = barrier_ = 1;
  blocks_.clear();
  std::ranges::fill(full_, 0);
  for (auto& warp : lanes_)
    for (auto& lane : warp) std::ranges::fill(lane, 0);
}

bool Clocks::ordered_by_atomics(int thread, int other, Time time) const {
  if (!atomics_) return false;
  const std::size_t block = block_at(time);
  const Known& known = known_[static_cast<std::size_t>(thread)];
  return contains(known, key(block, everyone), time) || contains(known, key(block, other), time) ||
         contains(block_known_, key(block, everyone), time) ||
         contains(block_known_, key(block, other), time);
}

std::size_t Clocks::block_at(Time time) const {
  const auto next = std::ranges::lower_bound(blocks_, time, {}, &Block::begin);
  return static_cast<std::size_t>(next - blocks_.begin()) - 1;
}

Clocks::Known Clocks::merge(const Known& a, const Known& b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  Known merged, unique;
  merged.reserve(a.size() + b.size());
  std::ranges::merge(a, b, std::back_inserter(merged));
  for (const auto& entry : merged) {  // of equal keys, the later time comes last
    if (!unique.empty() && unique.back().first == entry.first)
      unique.back().second = entry.second;
    else
      unique.push_back(entry);
  }
  return unique;
}

bool Clocks::contains(const Known& known, std::uint64_t key, Time time) {
  const auto found = std::ranges::lower_bound(known, key, {}, &std::pair<std::uint64_t, Time>::first);
  return found != known.end() && found->first == key && found->second >= time;
}

// Many threads at one address: from then on a block counts as a whole, which may hide a race and never invents one.
void Clocks::coarsen(Known& known) {
  constexpr std::size_t limit = 4096;
  if (known.size() <= limit) return;
  Known blocks;
  for (const auto& [who, time] : known) {
    const std::uint64_t whole = key(who / (max_block_threads + 1), everyone);
    if (blocks.empty() || blocks.back().first != whole)
      blocks.emplace_back(whole, time);
    else
      blocks.back().second = std::max(blocks.back().second, time);
  }
  known = std::move(blocks);
}

}  // namespace cuelbo::simt::checked
