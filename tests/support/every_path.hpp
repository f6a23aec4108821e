// The promises of every kernel, checked at once: no write outside its outputs, and the same bits for any number of
// threads on each instruction-set path, or in any order of a CUDA kernel's threads.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <vector>

#include "kernels/cpu_tables.hpp"
#include "kernels/runtime/thread_pool.hpp"
#include "tests/support/kernel_buffer.hpp"
#include "tests/support/kernel_paths.hpp"

namespace cuelbo::test {

using Outputs = std::vector<KernelBuffer>;

// Calls f(name, stream) for every way to run a kernel that may not change a bit; one of them with aligned buffers.
template <class F>
void for_each_schedule(F&& f) {
#if defined(CUELBO_SIMT)
  const auto in_order = [&](const char* name, simt::ThreadOrder order) {
    simt::set_order(order, 1);
    f(name, kernels::Stream{});
    const auto finding = simt::take_finding();
    EXPECT_FALSE(finding) << to_string(*finding);
  };
  in_order("reverse", simt::ThreadOrder::reverse);
  aligned_buffers = true;
  in_order("random, aligned", simt::ThreadOrder::random);
  aligned_buffers = false;
  in_order("forward", simt::ThreadOrder::forward);
#else
  static kernels::ThreadPool one(1), two(2), three(3);
  f("1 thread", one.stream());
  aligned_buffers = true;
  f("2 threads, aligned", two.stream());
  aligned_buffers = false;
  f("3 threads", three.stream());
#endif
}

// run(table, stream) returns the outputs of fresh buffers; check(outputs) is called once for each path.
template <class Run, class Check>
void on_every_path(Run&& run, Check&& check, std::span<const KernelPath> paths = kernel_paths()) {
  for (const KernelPath& path : paths) {
    SCOPED_TRACE(path.name);
    Outputs first;
    for_each_schedule([&](const char* name, kernels::Stream stream) {
      SCOPED_TRACE(name);
      Outputs outputs = run(*path.table, stream);
      for (const KernelBuffer& output : outputs) EXPECT_TRUE(output.intact()) << "wrote outside an output";
      if (first.empty()) {
        first = std::move(outputs);
        return;
      }
      ASSERT_EQ(first.size(), outputs.size());
      for (std::size_t i = 0; i < outputs.size(); ++i)
        EXPECT_TRUE(identical(first[i], outputs[i])) << "output " << i;
    });
    check(first);
  }
}

// Around the vector lengths and the size of a task, primes, and a model's batch of pixels.
inline const std::vector<std::int64_t> element_counts = {1,  2,  3,  4,  5,    7,     8,     13,    15,
                                                         16, 17, 31, 64, 1021, 16383, 16384, 16385, 64 * 784};

struct Shape {
  std::int64_t rows, columns;
};

// Rows and columns around vector lengths, chunk and task sizes; batches of classes, latents, pixels and channels.
inline const std::vector<Shape> matrix_shapes = {{1, 1},     {1, 17},    {17, 1},    {2, 3},     {5, 10},
                                                 {64, 10},   {127, 16},  {128, 31},  {129, 33},  {257, 65},
                                                 {64, 784},  {3, 1023},  {2, 1025},  {1, 12288}, {3, 20011},
                                                 {20011, 1}, {16385, 3}, {1024, 64}, {33, 2000}};

// Σ_i weights[i] · values[i]
inline double inner_product(const std::vector<double>& weights, const std::vector<double>& values) {
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += weights[i] * values[i];
  return sum;
}

// ∂loss/∂x by central differences.
template <class F>
std::vector<double> central_differences(F&& loss, std::vector<double> x, double step = 1e-5) {
  std::vector<double> gradient(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double at = x[i];
    x[i] = at + step;
    const double above = loss(x);
    x[i] = at - step;
    const double below = loss(x);
    x[i] = at;
    gradient[i] = (above - below) / (2 * step);
  }
  return gradient;
}

inline std::vector<float> scaled(std::vector<float> values, float factor, float offset = 0) {
  for (float& x : values) x = factor * x + offset;
  return values;
}

}  // namespace cuelbo::test
