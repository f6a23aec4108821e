#include "kernels/runtime/thread_pool.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace cuelbo::kernels {
namespace {

std::vector<int> count_calls(ThreadPool& pool, std::int64_t tasks) {
  std::vector<std::atomic<int>> calls(static_cast<std::size_t>(tasks));
  parallel_for(pool.stream(), tasks, [&](std::int64_t task) { ++calls[static_cast<std::size_t>(task)]; });
  return {calls.begin(), calls.end()};
}

TEST(ThreadPool, RunsEveryTaskOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (const std::int64_t tasks : {0, 1, 2, 3, 7, 64, 1000}) {
      SCOPED_TRACE(testing::Message() << threads << " threads, " << tasks << " tasks");
      for (const int calls : count_calls(pool, tasks)) EXPECT_EQ(calls, 1);
    }
  }
}

// A thread that comes late to a job must not take a task of the next one with the wrong function.
TEST(ThreadPool, ManySmallJobsDoNotMix) {
  ThreadPool pool(4);
  for (int job = 0; job < 20000; ++job) {
    std::atomic<std::int64_t> sum{0};
    const std::int64_t tasks = 2 + job % 5;
    parallel_for(pool.stream(), tasks, [&sum, job](std::int64_t task) { sum += 1000 * job + task; });
    ASSERT_EQ(sum.load(), 1000 * job * tasks + tasks * (tasks - 1) / 2) << "job " << job;
  }
}

TEST(ThreadPool, WakesThreadsThatSleep) {
  ThreadPool pool(3);
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    for (const int calls : count_calls(pool, 16)) EXPECT_EQ(calls, 1);
  }
}

TEST(ThreadPool, WaitsForTasksLongerThanItsSpinning) {
  ThreadPool pool(2);
  std::atomic<int> finished{0};
  parallel_for(pool.stream(), 4, [&](std::int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    ++finished;
  });
  EXPECT_EQ(finished.load(), 4);
}

// Scratch memory by worker is safe: no two tasks run on a worker at a time …
TEST(ThreadPool, WorkersRunOneTaskAtATime) {
  for (const int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    std::vector<std::atomic<int>> running(static_cast<std::size_t>(threads));
    std::atomic<int> wrong{0};
    parallel_for(pool.stream(), 2000, [&](std::int64_t, int worker) {
      if (worker < 0 || worker >= threads) {
        ++wrong;
        return;
      }
      if (running[static_cast<std::size_t>(worker)].fetch_add(1) != 0) ++wrong;
      running[static_cast<std::size_t>(worker)].fetch_sub(1);
    });
    EXPECT_EQ(wrong.load(), 0);
  }
}

// … and there are no more workers than tasks, whichever threads come first. The tasks wait for each other, so that as many
// threads take part.
TEST(ThreadPool, WorkersAreNumberedDensely) {
  constexpr int tasks = 2;
  ThreadPool pool(4);
  for (int job = 0; job < 2000; ++job) {
    count_calls(pool, 16);  // wakes all threads
    std::atomic<int> started{0};
    std::vector<std::atomic<int>> calls(static_cast<std::size_t>(pool.threads()));
    parallel_for(pool.stream(), tasks, [&](std::int64_t, int worker) {
      ++calls[static_cast<std::size_t>(worker)];
      ++started;
      while (started.load() < tasks) std::this_thread::yield();
    });
    for (std::size_t worker = 0; worker < calls.size(); ++worker)
      ASSERT_EQ(calls[worker].load(), worker < tasks ? 1 : 0);
  }
}

TEST(ThreadPool, AStreamWithoutPoolRunsInOrderInTheCaller) {
  std::vector<std::int64_t> order;
  parallel_for(Stream{}, 5, [&](std::int64_t task, int worker) {
    EXPECT_EQ(worker, 0);
    order.push_back(task);
  });
  EXPECT_EQ(order, (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
}

TEST(ThreadPool, ClampsTheNumberOfThreads) {
  EXPECT_EQ(ThreadPool(0).threads(), 1);
  EXPECT_EQ(ThreadPool(-3).threads(), 1);
  EXPECT_EQ(ThreadPool(1000).threads(), ThreadPool::max_threads);
}

TEST(ThreadPool, EndsWithoutHavingWorked) {
  for (int i = 0; i < 50; ++i) ThreadPool pool(4);
}

}  // namespace
}  // namespace cuelbo::kernels
