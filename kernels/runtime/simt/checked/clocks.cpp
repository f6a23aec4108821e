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
  if (!std::exchange(knows_, false)) return;
  known_.forget();
  published_.forget();
  told_.clear();
}

void Clocks::pass_barrier() {
  barrier_ = now_++;
  if (!knows_) return;
  known_.pass_barrier();
  published_.pass_barrier();
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
  if (!knows_) return;
  known_.warp_operation(warp, mask);
  published_.warp_operation(warp, mask);
}

void Clocks::acquire(int thread, const void* address, bool shared) {
  auto& released = shared ? released_shared_ : released_global_;
  const auto found = released.find(address);
  if (found == released.end()) return;
  knows_ = true;
  Released& there = found->second;
  if (there.block != running_block()) {
    there.before = merge(there.before, there.by_block);
    coarsen(there.before);
    there.by_block = there.published;
    there.block = running_block();
    told_ = merge(told_, there.before);
  }
  known_.learn(thread, there.by_block);
}

void Clocks::release(int thread, const void* address, bool shared) {
  Released& there = (shared ? released_shared_ : released_global_)[address];
  there.block = running_block();
  there.by_block = merge(known_.all(thread), own(thread));
  there.published = merge(there.published, published_.all(thread));
  coarsen(there.by_block);
  coarsen(there.published);
  ++now_;
}

void Clocks::fence(int thread) {
  knows_ = true;
  published_.learn(thread, merge(known_.all(thread), own(thread)));
  ++now_;
}

// The times of its own block that the thread knows.
Clocks::Known Clocks::own(int thread) const {
  const int warp = thread / warp_size, lane = thread % warp_size;
  Known own;
  own.emplace_back(key(running_block(), everyone), barrier_);
  for (int other = 0; other < warp_size; ++other) {
    const Time time = other == lane ? now_ : std::max(full_[warp], lanes_[warp][lane][other]);
    if (time > barrier_) own.emplace_back(key(running_block(), warp * warp_size + other), time);
  }
  return own;
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
  if (!knows_) return false;
  const std::size_t block = block_at(time);
  return known_.contains(thread, key(block, everyone), time) ||
         known_.contains(thread, key(block, other), time);
}

bool Clocks::told(int other, Time time) const {
  const std::size_t block = block_at(time);
  return contains(told_, key(block, everyone), time) || contains(told_, key(block, other), time);
}

std::size_t Clocks::block_at(Time time) const {
  const auto next = std::ranges::lower_bound(blocks_, time, {}, &Block::begin);
  return static_cast<std::size_t>(next - blocks_.begin()) - 1;
}

// ---- what threads know

bool Clocks::Knowledge::contains(int thread, std::uint64_t key, Time time) const {
  return Clocks::contains(of_block, key, time) ||
         Clocks::contains(of_thread[static_cast<std::size_t>(thread)], key, time);
}

void Clocks::Knowledge::learn(int thread, const Known& news) {
  Known& known = of_thread[static_cast<std::size_t>(thread)];
  known = merge(known, news);
}

void Clocks::Knowledge::pass_barrier() {
  for (Known& known : of_thread) {
    if (known.empty()) continue;
    of_block = merge(of_block, known);
    known.clear();
  }
}

void Clocks::Knowledge::warp_operation(int warp, unsigned mask) {
  Known* const of_warp = &of_thread[static_cast<std::size_t>(warp * warp_size)];
  Known joined;
  for (int lane = 0; lane < warp_size; ++lane)
    if ((mask >> lane & 1) != 0 && !of_warp[lane].empty()) joined = merge(joined, of_warp[lane]);
  for (int lane = 0; lane < warp_size; ++lane)
    if ((mask >> lane & 1) != 0) of_warp[lane] = joined;
}

void Clocks::Knowledge::forget() {
  of_block.clear();
  for (Known& known : of_thread) known.clear();
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
