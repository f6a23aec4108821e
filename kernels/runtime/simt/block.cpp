#include "kernels/runtime/simt/block.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include "kernels/runtime/simt/coordinates.hpp"
#include "kernels/runtime/simt/faults.hpp"
#include "kernels/runtime/simt/poison.hpp"
#include "kernels/runtime/simt/shared_memory.hpp"

constinit thread_local uint3 threadIdx{~0U, 0, 0}, blockIdx{~0U, 0, 0};
constinit thread_local dim3 blockDim{1, 1, 1}, gridDim{1, 1, 1};

namespace cuelbo::simt {

namespace {

std::byte no_block;
constinit thread_local void* running_block = &no_block;  // not null: see coordinates.hpp

bool same(Location a, Location b) { return a.line == b.line && std::strcmp(a.file, b.file) == 0; }

}  // namespace

std::string to_string(uint3 index) {
  std::string result = "(";
  result += std::to_string(index.x) + ", " + std::to_string(index.y) + ", " + std::to_string(index.z);
  return result += ')';
}
std::string to_string(Location location) {
  return location.line == 0 ? location.file
                            : std::string(location.file) + ':' + std::to_string(location.line);
}
std::string to_string(const Finding& finding) {
  return to_string(finding.where) + ": block " + to_string(finding.block) + ", thread " +
         to_string(finding.thread) + ": " + finding.text;
}

BlockRunner& BlockRunner::current() { return *static_cast<BlockRunner*>(running_block); }
BlockRunner* BlockRunner::of_running_kernel() {
  BlockRunner* const runner = running_block == &no_block ? nullptr : &current();
  return runner == nullptr || runner->active_ == &runner->main_ ? nullptr : runner;
}

bool BlockRunner::run(const BlockTask& task, uint3 block_index) {
  catch_faults();
  const Watchdog watchdog(task.code_limit != 0);
  task_ = &task;
  block_index_ = block_index;
  count_ = live_ = static_cast<int>(task.block.x * task.block.y * task.block.z);
  arrived_ = cursor_ = running_ = 0;
  failed_ = false;
  if (std::ssize(threads_) < count_) threads_.resize(static_cast<std::size_t>(count_));
  for (int t = 0; t < count_; ++t) {
    Thread& thread = threads_[static_cast<std::size_t>(t)];
    thread.state = State::unstarted;
    thread.copies.clear();
    thread.groups.clear();
    thread.uncommitted = 0;
    thread.between_code = false;
  }
  entries_before_ = entries_;
  lockstep_ = observer != nullptr && observer->in_lockstep();
  if (lockstep_) entered_.assign(static_cast<std::size_t>(warps()), {});
  random_.seed(task.seed ^ (block_index.x + 0x9e3779b97f4a7c15U * (block_index.y + 65536U * block_index.z)));
  order_.resize(static_cast<std::size_t>(count_));
  std::iota(order_.begin(), order_.end(), 0);
  if (task.order == ThreadOrder::reverse) std::reverse(order_.begin(), order_.end());
  shuffle_order();

  // The sanitizer sees an access in front of the block's shared memory or behind it.
  constexpr std::size_t alignment = 1024;
  const std::size_t rounded = (task.shared_bytes + alignment - 1) / alignment * alignment;
  if (shared_storage_.size() < rounded + alignment) shared_storage_.resize(rounded + alignment);
  void* begin = shared_storage_.data();
  std::size_t space = shared_storage_.size();
  shared_ = std::align(alignment, rounded, begin, space);
  std::memset(shared_, poison, rounded);
  // The first access to thread-local variables makes them; static shared memory is looked for afterwards.
  blockIdx = block_index;
  blockDim = task.block;
  gridDim = task.grid;
  const std::span<std::byte> statics = static_shared_memory();
  poison_static_shared_memory(statics);
  if (observer != nullptr)
    observer->begin_block(*this, block_index, {static_cast<std::byte*>(shared_), task.shared_bytes}, statics);
#if defined(__SANITIZE_ADDRESS__)
  auto* const shared = static_cast<std::byte*>(shared_);
  ASAN_POISON_MEMORY_REGION(shared_storage_.data(), shared - shared_storage_.data());
  ASAN_POISON_MEMORY_REGION(shared + task.shared_bytes,
                            shared_storage_.data() + shared_storage_.size() - shared - task.shared_bytes);
#endif

  active_ = &main_;
  void* const before = std::exchange(running_block, this);
  running_ = next_runnable();
  leave(free_fiber());
  running_block = before;
  if (observer != nullptr) observer->end_block();
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(shared_storage_.data(), shared_storage_.size());
#endif
  if (failed_) free_fibers_.clear();
  if (failed_) fibers_.clear();  // the stacks of threads that wait for ever
  return !failed_;
}

// ---- threads and fibers

Fiber& BlockRunner::free_fiber() {
  if (free_fibers_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>(&BlockRunner::fiber_main, this));
    return *fibers_.back();
  }
  Fiber* const fiber = free_fibers_.back();
  free_fibers_.pop_back();
  return *fiber;
}

void BlockRunner::leave(Fiber& next) {
  Fiber& from = *std::exchange(active_, &next);
  from.switch_to(next);
}

// Starts threads, one after the other, as long as none of them blocks and none that has blocked may go on.
void BlockRunner::fiber_main(void* argument) {
  auto& self = *static_cast<BlockRunner*>(argument);
  for (;;) {
    self.run_thread(self.running_);
    const int next = self.next_runnable();
    if (next >= 0 && self.threads_[static_cast<std::size_t>(next)].state == State::unstarted) {
      self.running_ = next;
      continue;
    }
    self.free_fibers_.push_back(self.active_);
    self.resume(next);
  }
}

void BlockRunner::run_thread(int t) {
  Thread& thread = threads_[static_cast<std::size_t>(t)];
  thread.state = State::ready;
  threadIdx = index_of(t);
  if (observer != nullptr) observer->enter_kernel(active_->stack());
  task_->body(task_->context);
  if (observer != nullptr) observer->leave_kernel();
  thread.state = State::exited;
  last_exited_ = running_;
  --live_;
  if (arrived_ > 0 && arrived_ == live_) release_barrier();
  complete_warp(running_ / warp_size);
}

// Goes on with a thread that is ready or unstarted; −1: with none.
void BlockRunner::resume(int t) {
  if (t < 0 && live_ > 0 && !failed_) report_stuck();
  if (t < 0 || failed_) {
    leave(main_);
    return;
  }
  running_ = t;
  Thread& thread = threads_[static_cast<std::size_t>(t)];
  if (thread.state == State::unstarted) {
    leave(free_fiber());
  } else {
    threadIdx = index_of(t);
    leave(*thread.fiber);
  }
}

// Goes on with the next thread in order; returns when it is the calling thread's turn.
void BlockRunner::let_others_run() {
  const int self = running_;
  Thread& thread = threads_[static_cast<std::size_t>(self)];
  thread.fiber = active_;
  const int next = failed_ ? -1 : next_runnable();
  if (next == self) return;
  resume(next);
}

int BlockRunner::next_runnable() {
  if (lockstep_) return next_in_lockstep();
  if (const int t = next_in_order(); t >= 0) return t;
  bool gathered = false;
  for (int warp = 0; warp < warps(); ++warp) gathered |= release_gathered(warp);
  return gathered ? next_in_order() : -1;
}

int BlockRunner::next_in_order() {
  for (int tried = 0; tried < count_; ++tried) {
    const int t = order_[static_cast<std::size_t>(cursor_)];
    const State state = threads_[static_cast<std::size_t>(t)].state;
    if (state == State::unstarted || state == State::ready) return t;
    if (++cursor_ == count_) cursor_ = 0;
  }
  return -1;
}

void BlockRunner::shuffle_order() {
  if (task_->order == ThreadOrder::random) std::shuffle(order_.begin(), order_.end(), random_);
}

uint3 BlockRunner::index_of(int t) const {
  const auto i = static_cast<unsigned>(t);
  const dim3& size = task_->block;
  return {i % size.x, i / size.x % size.y, i / size.x / size.y};
}

// ---- findings

void BlockRunner::report(int thread, Location where, std::string what) {
  if (failed_) return;
  failed_ = true;
  finding_ = {.text = std::move(what), .where = where, .block = block_index_, .thread = index_of(thread)};
}

void BlockRunner::fail(Location where, std::string what) {
  if (observer != nullptr) observer->leave_kernel();
  report(running_, where, std::move(what));
  leave(main_);
  __builtin_unreachable();
}

void BlockRunner::report_stuck() {
  int at_barrier = -1, in_warp = -1;
  for (int t = 0; t < count_; ++t) {
    const State state = threads_[static_cast<std::size_t>(t)].state;
    if (state == State::at_barrier && at_barrier < 0) at_barrier = t;
    if (state == State::in_warp && in_warp < 0) in_warp = t;
  }
  const Location where = threads_[static_cast<std::size_t>(in_warp)].where;
  std::string what = "a warp operation waits for lanes of its mask that never make it";
  if (at_barrier >= 0)
    what += "; thread " + to_string(index_of(at_barrier)) + " waits at the barrier of " +
            to_string(threads_[static_cast<std::size_t>(at_barrier)].where);
  report(in_warp, where, what);
}

// ---- barriers

void BlockRunner::barrier(Location where) {
  const OutsideKernel outside(*this);
  Thread& thread = threads_[static_cast<std::size_t>(running_)];
  thread.state = State::at_barrier;
  thread.where = where;
  if (++arrived_ == live_) release_barrier();
  let_others_run();
}

void BlockRunner::release_barrier() {
  int first = -1;
  for (int t = 0; t < count_; ++t) {
    Thread& thread = threads_[static_cast<std::size_t>(t)];
    if (thread.state != State::at_barrier) continue;
    if (first < 0) first = t;
    const Location where = threads_[static_cast<std::size_t>(first)].where;
    if (!same(thread.where, where))
      report(t, thread.where,
             "barrier divergence: thread " + to_string(index_of(first)) + " waits at " + to_string(where));
    thread.state = State::ready;
  }
  if (live_ < count_)
    report(last_exited_, threads_[static_cast<std::size_t>(first)].where,
           "this thread has exited and does not reach the barrier that others wait at");
  arrived_ = cursor_ = 0;
  shuffle_order();
  if (observer != nullptr) observer->barrier();
}

// ---- warp operations

unsigned BlockRunner::live_lanes() const {
  const int begin = running_ / warp_size * warp_size;
  unsigned lanes = 0;
  for (int lane = 0; lane < warp_size && begin + lane < count_; ++lane)
    if (threads_[static_cast<std::size_t>(begin + lane)].state != State::exited) lanes |= 1U << lane;
  return lanes;
}

unsigned BlockRunner::active_lanes(Location where) {
  const OutsideKernel outside(*this);
  Thread& thread = threads_[static_cast<std::size_t>(running_)];
  thread.state = State::gathering;
  thread.where = where;
  let_others_run();
  return thread.active;
}

// The lanes of the warp that wait in active_lanes() go on, because no other lane can come to them; false: none did.
bool BlockRunner::release_gathered(int warp) {
  const int begin = warp * warp_size, end = std::min(begin + warp_size, count_);
  unsigned waiting = 0;
  for (int t = begin; t < end; ++t)
    if (threads_[static_cast<std::size_t>(t)].state == State::gathering) waiting |= 1U << (t - begin);
  const auto of = [&](int lane) -> Thread& { return threads_[static_cast<std::size_t>(begin + lane)]; };
  for (unsigned left = waiting; left != 0;) {
    unsigned together = 0;
    const Location where = of(std::countr_zero(left)).where;
    for (unsigned lanes = left; lanes != 0; lanes &= lanes - 1)
      if (same(of(std::countr_zero(lanes)).where, where)) together |= lanes & -lanes;
    for (unsigned lanes = together; lanes != 0; lanes &= lanes - 1) {
      of(std::countr_zero(lanes)).active = together;
      of(std::countr_zero(lanes)).state = State::ready;
    }
    left &= ~together;
  }
  return waiting != 0;
}

void BlockRunner::warp_operation(WarpCall& call) {
  const OutsideKernel outside(*this);
  if ((call.mask >> lane() & 1) == 0)
    fail(call.where, "a warp operation whose mask leaves out the lane that makes it");
  Thread& thread = threads_[static_cast<std::size_t>(running_)];
  thread.state = State::in_warp;
  thread.where = call.where;
  thread.call = &call;
  try_complete(running_ / warp_size, call.mask, call.perform);
  let_others_run();
  if (call.complaint != nullptr) fail(call.where, call.complaint);
}

// An exited lane counts as arrived: its exit may complete what other lanes wait for.
void BlockRunner::complete_warp(int warp) {
  for (int lane = 0; lane < warp_size && warp * warp_size + lane < count_; ++lane) {
    const Thread& thread = threads_[static_cast<std::size_t>(warp * warp_size + lane)];
    if (thread.state == State::in_warp) try_complete(warp, thread.call->mask, thread.call->perform);
  }
}

bool BlockRunner::try_complete(int warp, unsigned mask, WarpCall::Perform perform) {
  WarpCall* calls[warp_size] = {};
  // Begins with the lane that comes next, which is most likely still missing.
  const int step = task_->order == ThreadOrder::reverse ? warp_size - 1 : 1;
  int lane = running_ % warp_size;
  for (int n = 0; n < warp_size; ++n) {
    lane = (lane + step) % warp_size;
    if ((mask >> lane & 1) == 0) continue;
    const int t = warp * warp_size + lane;
    if (t >= count_) continue;
    const Thread& thread = threads_[static_cast<std::size_t>(t)];
    if (thread.state == State::exited) continue;
    if (thread.state != State::in_warp || thread.call->mask != mask || thread.call->perform != perform)
      return false;
    calls[lane] = thread.call;
  }
  perform(calls, mask);
  if (observer != nullptr) observer->warp_operation(warp, mask);
  for (int i = 0; i < warp_size; ++i)
    if (calls[i] != nullptr) threads_[static_cast<std::size_t>(warp * warp_size + i)].state = State::ready;
  // The first thread in order goes on first, so that warps drift as far apart as barriers let them: that is what shows a
  // missing one. Threads in front of this warp's wait, or they would be running.
  cursor_ = task_->order == ThreadOrder::forward   ? warp * warp_size
            : task_->order == ThreadOrder::reverse ? std::max(0, count_ - (warp + 1) * warp_size)
                                                   : 0;
  return true;
}

// ---- asynchronous copies

void BlockRunner::copy_async(AsyncCopy copy) {
  const OutsideKernel outside(*this);
  copy.site = __builtin_return_address(0);
  if (observer != nullptr) observer->copy_started(copy);
  Thread& thread = threads_[static_cast<std::size_t>(running_)];
  thread.copies.push_back(copy);
  ++thread.uncommitted;
}

void BlockRunner::commit_async_copies() {
  const OutsideKernel outside(*this);
  Thread& thread = threads_[static_cast<std::size_t>(running_)];
  thread.groups.push_back(std::exchange(thread.uncommitted, 0));
}

void BlockRunner::wait_async_copies(std::size_t groups_left) {
  const OutsideKernel outside(*this);
  Thread& thread = threads_[static_cast<std::size_t>(running_)];
  if (thread.groups.size() <= groups_left) return;
  const auto end = thread.groups.end() - static_cast<std::ptrdiff_t>(groups_left);
  const auto copies =
      static_cast<std::ptrdiff_t>(std::accumulate(thread.groups.begin(), end, std::size_t{0}));
  for (auto copy = thread.copies.begin(); copy != thread.copies.begin() + copies; ++copy) {
    if (copy->filled > 0) std::memcpy(copy->to, copy->from, copy->filled);
    std::memset(static_cast<std::byte*>(copy->to) + copy->filled, 0, copy->bytes - copy->filled);
    if (observer != nullptr) observer->copy_finished(*copy);
  }
  thread.copies.erase(thread.copies.begin(), thread.copies.begin() + copies);
  thread.groups.erase(thread.groups.begin(), end);
}

}  // namespace cuelbo::simt
