#include "bench/peak/memory_bandwidth.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

namespace cuelbo {

double memory_bandwidth(kernels::ThreadPool& pool) {
  using Clock = std::chrono::steady_clock;
  constexpr std::int64_t count = std::int64_t{1} << 24, task = std::int64_t{1} << 16;  // 64 MiB an array
  std::vector<float> a(count), b(count, 1.0F), c(count, 2.0F);
  double best = 0;
  for (int run = 0; run < 10; ++run) {
    const auto start = Clock::now();
    kernels::parallel_for(pool.stream(), count / task, [&](std::int64_t index) {
      float* const to = a.data() + index * task;
      const float *const x = b.data() + index * task, *const y = c.data() + index * task;
      for (std::int64_t i = 0; i < task; ++i) to[i] = x[i] + 3.0F * y[i];
    });
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::max(best, 12.0 * static_cast<double>(count) / seconds);
  }
  return best;
}

}  // namespace cuelbo
