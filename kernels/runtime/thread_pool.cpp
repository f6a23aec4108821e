#include "kernels/runtime/thread_pool.hpp"

#include <algorithm>
#include <chrono>

#include "kernels/runtime/floating_point.hpp"

namespace cuelbo::kernels {
namespace {

constexpr int task_bits = 40;
constexpr std::uint64_t task_mask = (std::uint64_t{1} << task_bits) - 1;

// Longer than what one thread does between two parallel kernels of a program, much shorter than a time slice. By the clock:
// a pause takes 40 cycles on one processor and 140 on another.
constexpr auto spin_time = std::chrono::microseconds(60);

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Waits for `changed()`: spins, then sleeps on `value` for as long as it holds `old`.
template <class Changed>
void wait(const std::atomic<std::uint32_t>& value, Changed changed) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + spin_time;
  do {
    for (int spin = 0; spin < 32; ++spin) {
      if (changed()) return;
      pause();
    }
  } while (Clock::now() < end);
  while (true) {
    const std::uint32_t old = value.load(std::memory_order_acquire);
    if (changed()) return;
    value.wait(old, std::memory_order_acquire);
  }
}

}  // namespace

ThreadPool::ThreadPool(int threads) : threads_(std::clamp(threads, 1, max_threads)) {
  workers_.reserve(static_cast<std::size_t>(threads_ - 1));
  for (int thread = 1; thread < threads_; ++thread) workers_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_release);
  wake_.fetch_add(1, std::memory_order_release);
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(std::int64_t tasks, Function function, void* context) {
  if (threads_ == 1 || tasks <= 1) {
    for (std::int64_t task = 0; task < tasks; ++task) function(context, task, 0);
    return;
  }
  // All tasks of the last job are done, so no thread can claim one and read these before the store to state_.
  function_.store(function, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  tasks_.store(tasks, std::memory_order_relaxed);
  workers_joined_.store(0, std::memory_order_relaxed);
  finished_.store(0, std::memory_order_relaxed);
  const std::uint64_t job = (state_.load(std::memory_order_relaxed) >> task_bits) + 1;
  state_.store(job << task_bits | static_cast<std::uint64_t>(tasks), std::memory_order_release);
  wake_.fetch_add(1, std::memory_order_release);
  wake_.notify_all();

  run_tasks();
  wait(finished_, [this, tasks] {
    return finished_.load(std::memory_order_acquire) == static_cast<std::uint32_t>(tasks);
  });
}

void ThreadPool::run_tasks() {
  std::uint64_t joined = ~std::uint64_t{0};  // the job in which this thread is `worker`; none yet
  int worker = 0;
  std::uint64_t state = state_.load(std::memory_order_acquire);
  while ((state & task_mask) != 0) {
    const Function function = function_.load(std::memory_order_relaxed);
    void* const context = context_.load(std::memory_order_relaxed);
    const std::int64_t tasks = tasks_.load(std::memory_order_relaxed);
    if (!state_.compare_exchange_weak(state, state - 1, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    if (const std::uint64_t job = state >> task_bits; job != joined) {
      joined = job;
      worker = workers_joined_.fetch_add(1, std::memory_order_relaxed);
    }
    function(context, tasks - static_cast<std::int64_t>(state & task_mask), worker);
    if (finished_.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<std::uint32_t>(tasks))
      finished_.notify_one();
    state = state_.load(std::memory_order_acquire);
  }
}

void ThreadPool::work() {
  const DefaultFloatingPoint mode;  // a thread begins with that of the thread that started it
  std::uint32_t seen = 0;
  while (true) {
    wait(wake_, [this, seen] { return wake_.load(std::memory_order_acquire) != seen; });
    seen = wake_.load(std::memory_order_acquire);
    if (stop_.load(std::memory_order_acquire)) return;
    run_tasks();
  }
}

}  // namespace cuelbo::kernels
