// The parts of kernel tests: buffers that detect writes beyond their ends, inputs, and comparison with a reference in
// double precision.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu_tables.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::test {

// Whether buffers made from now on are aligned to 16 bytes, which vector loads need, or to a float only.
inline bool aligned_buffers = false;

// Floats between two guards. An output starts as NaN, so that what a kernel leaves out shows.
class KernelBuffer {
 public:
  explicit KernelBuffer(std::size_t size)
      : size_(size),
        guard_(aligned_buffers ? 64 : 67),
        storage_(size + 2 * static_cast<std::size_t>(guard_), guard_value()) {
    std::fill_n(data(), size, std::numeric_limits<float>::quiet_NaN());
  }
  KernelBuffer(const std::vector<float>& values)
      : KernelBuffer(values.size()) {  // NOLINT: converts on purpose
    std::copy(values.begin(), values.end(), data());
  }

  float* data() { return storage_.data() + guard_; }
  const float* data() const { return storage_.data() + guard_; }
  std::size_t size() const { return size_; }
  float operator[](std::size_t i) const { return data()[i]; }
  std::vector<float> values() const { return {data(), data() + size_}; }

  bool intact() const {
    const auto is_guard = [](float x) { return std::bit_cast<std::uint32_t>(x) == guard_bits; };
    return std::all_of(storage_.begin(), storage_.begin() + guard_, is_guard) &&
           std::all_of(storage_.end() - guard_, storage_.end(), is_guard);
  }

 private:
  static constexpr std::uint32_t guard_bits = 0x7fe5a5a5;
  static float guard_value() { return std::bit_cast<float>(guard_bits); }

  std::size_t size_;
  std::ptrdiff_t guard_;  // in front and behind
  std::vector<float> storage_;
};

// Scratch memory of a kernel: aligned to 64 bytes, full of NaN, guarded behind.
class Workspace {
 public:
  explicit Workspace(std::size_t bytes)
      : bytes_(bytes), storage_(bytes + alignment + guard, std::uint8_t{0xff}) {}
  void* data() {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data());
    return storage_.data() + (alignment - address % alignment) % alignment;
  }
  bool intact() {
    const std::uint8_t* const begin = static_cast<std::uint8_t*>(data()) + bytes_;
    const std::uint8_t* const end = storage_.data() + storage_.size();
    return std::all_of(begin, end, [](std::uint8_t byte) { return byte == 0xff; });
  }

 private:
  static constexpr std::size_t alignment = 64;
  static constexpr std::size_t guard = 16384;  // as much as the scratch memory of one worker too many
  std::size_t bytes_;
  std::vector<std::uint8_t> storage_;
};

// Runs a kernel with the workspace it asks for.
template <class Args>
void launch(const kernels::Kernel<Args>& kernel, Args args, kernels::Stream stream = {}) {
  if constexpr (requires { args.workspace; }) {
    Workspace workspace(kernel.workspace == nullptr ? 0 : kernel.workspace(args));
    args.workspace = workspace.data();
    kernel.launch(args, stream);
    EXPECT_TRUE(workspace.intact()) << "wrote behind the workspace";
  } else {
    kernel.launch(args, stream);
  }
}

inline std::vector<float> random_normal(std::size_t n, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& x : values) x = normal(generator);
  return values;
}

// -3 … 3: products and sums of them are exact in fp32.
inline std::vector<float> random_integers(std::size_t n, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<float> values(n);
  for (float& x : values) x = static_cast<float>(static_cast<int>(generator() % 7) - 3);
  return values;
}

inline std::vector<double> to_double(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

// |actual - expected| ≤ tolerance · (1 + |expected|) everywhere; false for NaN, unless both are.
template <class Actual, class Expected>
testing::AssertionResult near(const Actual& actual, const Expected& expected, double tolerance) {
  if (actual.size() != expected.size())
    return testing::AssertionFailure() << "sizes " << actual.size() << " and " << expected.size();
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double a = actual[i], e = expected[i];
    if (std::isnan(a) && std::isnan(e)) continue;
    if (a == e) continue;  // infinities
    if (!std::isfinite(e) || !(std::abs(a - e) <= tolerance * (1 + std::abs(e))))
      return testing::AssertionFailure()
             << "element " << i << " of " << actual.size() << ": " << a << ", expected " << e;
  }
  return testing::AssertionSuccess();
}

// The same bits everywhere.
template <class A, class B>
testing::AssertionResult identical(const A& a, const B& b) {
  if (a.size() != b.size()) return testing::AssertionFailure() << "sizes " << a.size() << " and " << b.size();
  for (std::size_t i = 0; i < a.size(); ++i) {
    const float x = a[i], y = b[i];
    if (std::bit_cast<std::uint32_t>(x) != std::bit_cast<std::uint32_t>(y))
      return testing::AssertionFailure()
             << "element " << i << " of " << a.size() << ": " << x << " and " << y;
  }
  return testing::AssertionSuccess();
}

}  // namespace cuelbo::test
