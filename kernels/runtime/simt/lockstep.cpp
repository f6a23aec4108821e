// The lanes of a warp in lockstep, as a GPU runs them: all that stand at the same piece of straight code run it, then those
// that are behind go on first, so that lanes which parted meet again.
#include <tuple>

#include "kernels/runtime/simt/block.hpp"
#include "kernels/runtime/simt/faults.hpp"

namespace cuelbo::simt {

void BlockRunner::enter_code(const void* code, const void* frame) {
  ++entries_;
  if (task_->code_limit != 0) {
    Watchdog::come_to_code();
    if (entries_ - entries_before_ > task_->code_limit)
      fail(calling_line(), "the block still runs after " + std::to_string(task_->code_limit) +
                               " steps (--loop-limit): a loop without end, or a wait for what runs after it");
  }
  if (!lockstep_) return;
  const OutsideKernel outside(*this);
  Thread& thread = threads_[static_cast<std::size_t>(running_)];
  const std::span<const std::byte> stack = active_->stack();
  thread.next = {
      .code = reinterpret_cast<std::uintptr_t>(code),
      .depth = static_cast<std::size_t>(stack.data() + stack.size() - static_cast<const std::byte*>(frame)),
      .time = entries_};
  thread.between_code = true;
  let_others_run();
  thread.between_code = false;
  const int warp = running_ / warp_size;
  if (comes_along(thread, warp)) return;
  entered_[static_cast<std::size_t>(warp)] = thread.next;
  entered_[static_cast<std::size_t>(warp)].time = entries_;
  observer->enter_code(warp);
}

// Whether the thread was at the code already when the first lane of its warp entered it.
bool BlockRunner::comes_along(const Thread& thread, int warp) const {
  const CodeEntry& first = entered_[static_cast<std::size_t>(warp)];
  return thread.next.code == first.code && thread.next.depth == first.depth && thread.next.time <= first.time;
}

// The order of the lanes of a warp: first those that have not come to the end of their code, then those that come along
// with others, then those that have gathered in active_lanes(), then those deepest in calls, then those at the lowest
// address: a loop before the code behind it.
int BlockRunner::next_in_lockstep() {
  for (int i = 0; i < warps(); ++i) {
    const int warp = (running_ / warp_size + i) % warps();
    int best = -1;
    const auto rank = [&](int t) {
      const Thread& thread = threads_[static_cast<std::size_t>(t)];
      return std::tuple(comes_along(thread, warp), thread.next.depth, ~thread.next.code);
    };
    for (int t = warp * warp_size; t < (warp + 1) * warp_size && t < count_; ++t) {
      const Thread& thread = threads_[static_cast<std::size_t>(t)];
      if (thread.state == State::unstarted || (thread.state == State::ready && !thread.between_code))
        return t;
      if (thread.state == State::ready && (best < 0 || rank(t) > rank(best))) best = t;
    }
    const bool alone = best < 0 || !comes_along(threads_[static_cast<std::size_t>(best)], warp);
    if (alone && release_gathered(warp)) return next_in_lockstep();
    if (best >= 0) return best;
  }
  return -1;
}

}  // namespace cuelbo::simt
