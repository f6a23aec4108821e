#include "bench/peak/fma_peak.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <string_view>

#ifdef CUELBO_HAVE_X86_PATHS
#include <immintrin.h>
#endif

#include "kernels/cpu_tables.hpp"

namespace cuelbo {

namespace {

constexpr int chains = 12;  // latency 4 × 2 units, and some more
constexpr std::int64_t rounds = 100'000;

// Each returns the operations that it did; `sink` keeps the compiler from dropping them.
using Loop = double (*)(float* sink);

#ifdef CUELBO_HAVE_X86_PATHS
[[gnu::target("avx512f")]] double loop_avx512(float* sink) {
  __m512 sum[chains], factor = _mm512_set1_ps(0.999F), term = _mm512_set1_ps(0.001F);
  for (auto& s : sum) s = term;
  for (std::int64_t i = 0; i < rounds; ++i)
    for (auto& s : sum) s = _mm512_fmadd_ps(s, factor, term);
  for (const auto& s : sum) *sink += s[0];
  return 2.0 * 16 * chains * rounds;
}

[[gnu::target("avx2,fma")]] double loop_avx2(float* sink) {
  __m256 sum[chains], factor = _mm256_set1_ps(0.999F), term = _mm256_set1_ps(0.001F);
  for (auto& s : sum) s = term;
  for (std::int64_t i = 0; i < rounds; ++i)
    for (auto& s : sum) s = _mm256_fmadd_ps(s, factor, term);
  for (const auto& s : sum) *sink += s[0];
  return 2.0 * 8 * chains * rounds;
}
#endif

typedef float Vector __attribute__((vector_size(16)));

double loop_baseline(float* sink) {
  Vector sum[chains], factor = Vector{} + 0.999F, term = Vector{} + 0.001F;
  for (auto& s : sum) s = term;
  for (std::int64_t i = 0; i < rounds; ++i)
    for (auto& s : sum) s = s * factor + term;
  for (const auto& s : sum) *sink += s[0];
  return 2.0 * 4 * chains * rounds;
}

Loop loop_of_path() {
#ifdef CUELBO_HAVE_X86_PATHS
  const std::string_view path = kernels::cpu_path_name();
  if (path == "avx512" || path == "avx512_bf16") return loop_avx512;
  if (path == "avx2") return loop_avx2;
#endif
  return loop_baseline;
}

}  // namespace

double fma_work(kernels::ThreadPool& pool) {
  static const Loop loop = loop_of_path();
  double operations[kernels::ThreadPool::max_threads] = {};
  float sink[kernels::ThreadPool::max_threads] = {};
  kernels::parallel_for(pool.stream(), 8 * pool.threads(),
                        [&](std::int64_t, int worker) { operations[worker] += loop(&sink[worker]); });
  const volatile float used = *std::max_element(std::begin(sink), std::end(sink));
  static_cast<void>(used);
  return std::accumulate(std::begin(operations), std::end(operations), 0.0);
}

double fma_peak(kernels::ThreadPool& pool) {
  using Clock = std::chrono::steady_clock;
  double best = 0;
  for (int run = 0; run < 10; ++run) {
    const auto start = Clock::now();
    const double operations = fma_work(pool);
    best = std::max(best, operations / std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

}  // namespace cuelbo
