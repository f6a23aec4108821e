// The happens-before order of the threads of a launch whose blocks run one after the other.
//
// Time is a counter that advances at every synchronisation. Barriers, full warp operations and the beginnings of blocks
// and launches need one number each; partial masks need a time for each pair of lanes. Through atomics a thread learns
// the times known to the threads that used the same address before: sparse vector clocks, with entries for known
// threads only. Other blocks learn only what __threadfence() has published by then, by the thread or by threads that it
// has met since.
#pragma once

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernels/runtime/simt/block.hpp"

namespace cuelbo::simt::checked {

using Time = std::uint32_t;

class Clocks {
 public:
  Time now() const { return now_; }
  Time launch_begin() const { return launch_begin_; }  // all that is not later happened before
  Time block_begin() const { return block_begin_; }    // earlier times belong to other blocks
  Time barrier() const { return barrier_; }            // the block's last one; its beginning counts

  void begin_launch();
  void begin_block(uint3 index);
  void pass_barrier();
  void warp_operation(int warp, unsigned mask);
  // Around an atomic operation of `thread`: it learns what its predecessors at the address knew, and passes it on.
  void acquire(int thread, const void* address, bool shared);
  void release(int thread, const void* address, bool shared);
  void fence(int thread);
  void restart();  // when time runs out; nothing is running

  // Whether what `other`, a lane of the same warp, did at `time` happened before what `lane` does now. It was after the
  // last barrier.
  bool ordered(int warp, int lane, int other, Time time) const {
    return time <= full_[warp] || time <= lanes_[warp][lane][other];
  }
  // The same for any thread, of this or an earlier block of the launch, through atomics.
  bool ordered_by_atomics(int thread, int other, Time time) const;
  // Whether an atomic operation would have told this block of it, had a fence published it.
  bool told(int other, Time time) const;
  uint3 block_of(Time time) const { return blocks_[block_at(time)].index; }

 private:
  struct Block {
    Time begin = 0;
    uint3 index{};
  };
  // Who, and up to when; sorted. The key of all threads of a block is in front of those of its threads.
  using Known = std::vector<std::pair<std::uint64_t, Time>>;
  static std::uint64_t key(std::size_t block, int thread) {
    return block * (max_block_threads + 1) + static_cast<std::uint64_t>(thread + 1);
  }
  static constexpr int everyone = -1;
  // Times of all blocks, known through atomics or published by fences of the running one.
  struct Knowledge {
    Known of_block;                                                // at the last barrier
    std::vector<Known> of_thread{std::size_t{max_block_threads}};  // since

    Known all(int thread) const { return merge(of_block, of_thread[static_cast<std::size_t>(thread)]); }
    bool contains(int thread, std::uint64_t key, Time time) const;
    void learn(int thread, const Known& news);
    void pass_barrier();
    void warp_operation(int warp, unsigned mask);
    void forget();
  };
  // Released by atomics at an address. Unpublished times are visible only to the block that used the address last.
  struct Released {
    std::size_t block = 0;
    Known by_block, published;
    Known before;  // by other blocks, published or not
  };
  static Known merge(const Known& a, const Known& b);
  static bool contains(const Known& known, std::uint64_t key, Time time);
  static void coarsen(Known& known);
  std::size_t block_at(Time time) const;
  std::size_t running_block() const { return blocks_.size() - 1; }
  Known own(int thread) const;

  Time now_ = 1, launch_begin_ = 0, block_begin_ = 0, barrier_ = 0;
  std::vector<Block> blocks_;  // of the launch, in the order in which they ran
  Time full_[max_block_threads / warp_size] = {};
  Time lanes_[max_block_threads / warp_size][warp_size][warp_size] = {};

  bool knows_ = false;  // whether this block made an atomic that told it something, or a fence
  Knowledge known_, published_;
  Known told_;  // of other blocks, published or not
  std::unordered_map<const void*, Released> released_shared_, released_global_;
};

}  // namespace cuelbo::simt::checked
