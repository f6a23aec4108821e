// Shared by the engine's tests: a device with its parameters, random values, bitwise comparison.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/operations.hpp"
#include "engine/program.hpp"
#include "tests/support/comparison.hpp"
#include "tests/support/error_checks.hpp"

namespace cuelbo::test {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

struct Machine {
  explicit Machine(int threads = 1)
      : device(open_device({.name = "cpu", .threads = threads})), parameters(*device) {}

  std::unique_ptr<Device> device;
  ParameterSet parameters;
};

inline Floats uniform(std::int64_t n, std::uint64_t seed, float low = -1, float high = 1) {
  std::mt19937_64 generator(seed);
  Floats values(static_cast<std::size_t>(n));
  for (float& x : values) x = low + (high - low) * static_cast<float>(generator() >> 40) * 0x1p-24F;
  return values;
}

// Uniform in ±[margin, 1]: away from the kinks of relu.
inline Floats away_from_zero(std::int64_t n, std::uint64_t seed, float margin = 0.05F) {
  Floats values = uniform(n, seed);
  for (float& x : values) x = std::copysign(margin + (1 - margin) * std::abs(x), x);
  return values;
}

inline Doubles to_double(const Floats& values) { return {values.begin(), values.end()}; }

// The same bits everywhere, all of them finite.
inline testing::AssertionResult same_bits(const Floats& a, const Floats& b) {
  if (a.size() != b.size()) return testing::AssertionFailure() << "sizes " << a.size() << " and " << b.size();
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!std::isfinite(a[i]) || std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i]))
      return testing::AssertionFailure()
             << "element " << i << " of " << a.size() << ": " << a[i] << " and " << b[i];
  return testing::AssertionSuccess();
}

}  // namespace cuelbo::test
