// The threads that CPU kernels run on. Work comes as numbered tasks; which thread runs which task is left open, so
// results must not depend on it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

class ThreadPool {
 public:
  static constexpr int max_threads = 64;  // bounds the scratch that kernels keep for each worker

  // Runs one task. The threads that take part in a job are its workers 0 … min(tasks, threads()) - 1, in the order in
  // which they join; a worker runs one task at a time. Must not throw.
  using Function = void (*)(void* context, std::int64_t task, int worker);

  // The calling thread takes part, so threads - 1 are started. `threads` is clamped to 1 … max_threads.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }
  Stream stream() { return {this}; }

  // Returns when all tasks 0 … tasks - 1 (fewer than 2⁴⁰) have run. One caller at a time, and not from inside a task.
  void run(std::int64_t tasks, Function function, void* context);

 private:
  void work();
  void run_tasks();

  // The job and its unclaimed tasks in one word, so that a thread that comes late cannot claim a task of the next job
  // with this one's function: claiming fails if the job has changed.
  std::atomic<std::uint64_t> state_{0};  // job number << 40 | unclaimed tasks
  std::atomic<Function> function_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<std::int64_t> tasks_{0};

  std::atomic<int> workers_joined_{0};

  alignas(64) std::atomic<std::uint32_t> finished_{0};  // tasks of this job, modulo 2³²
  alignas(64) std::atomic<std::uint32_t> wake_{0};      // counts jobs, for sleeping threads
  std::atomic<bool> stop_{false};

  int threads_;
  std::vector<std::thread> workers_;
};

// Calls f(task), or f(task, worker), once for every task. A stream without a pool runs them in the calling thread.
template <class F>
static inline void parallel_for(Stream stream, std::int64_t tasks, F&& f) {
  const auto call = [](void* context, std::int64_t task, int worker) {
    auto& function = *static_cast<std::remove_reference_t<F>*>(context);
    if constexpr (std::is_invocable_v<F&, std::int64_t, int>) {
      function(task, worker);
    } else {
      function(task);
      static_cast<void>(worker);
    }
  };
  void* const context = const_cast<void*>(static_cast<const void*>(std::addressof(f)));
  auto* const pool = static_cast<ThreadPool*>(stream.handle);
  if (pool == nullptr || tasks <= 1) {
    for (std::int64_t task = 0; task < tasks; ++task) call(context, task, 0);
  } else {
    pool->run(tasks, call, context);
  }
}

}  // namespace cuelbo::kernels
