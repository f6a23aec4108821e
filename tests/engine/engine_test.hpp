// What the engine's tests share: a device with its parameters, random values, and comparisons that NaN and Inf fail.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/error.hpp"
#include "engine/operations.hpp"
#include "engine/program.hpp"

namespace cuelbo::test {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

struct Machine {
  explicit Machine(int threads = 1) : device(open_device({.name = "cpu", .threads = threads})), parameters(*device) {}

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

// |actual − expected| ≤ tolerance · (scale + |expected|) everywhere. NaN and Inf fail, on either side.
template <class Actual, class Expected>
testing::AssertionResult all_near(const Actual& actual, const Expected& expected, double tolerance, double scale = 1) {
  if (actual.size() != expected.size())
    return testing::AssertionFailure() << "sizes " << actual.size() << " and " << expected.size();
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double a = actual[i], e = expected[i];
    if (!std::isfinite(a) || !std::isfinite(e) || !(std::abs(a - e) <= tolerance * (scale + std::abs(e))))
      return testing::AssertionFailure() << "element " << i << " of " << actual.size() << ": " << a << ", expected "
                                         << e;
  }
  return testing::AssertionSuccess();
}

// The same bits everywhere, all of them finite.
inline testing::AssertionResult same_bits(const Floats& a, const Floats& b) {
  if (a.size() != b.size()) return testing::AssertionFailure() << "sizes " << a.size() << " and " << b.size();
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!std::isfinite(a[i]) || std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i]))
      return testing::AssertionFailure() << "element " << i << " of " << a.size() << ": " << a[i] << " and " << b[i];
  return testing::AssertionSuccess();
}

// The message of the Error that f throws; it has one line. Empty, and a failure, when nothing is thrown.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  ADD_FAILURE() << "no Error was thrown";
  return {};
}

}  // namespace cuelbo::test
