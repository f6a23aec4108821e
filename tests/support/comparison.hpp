// Comparison of numbers that no NaN passes: a NaN on either side fails, an infinity equals itself alone.
#pragma once

#include <cmath>
#include <cstddef>
#include <ranges>
#include <span>

#include <gtest/gtest.h>

namespace cuelbo::test {

struct Tolerance {
  double absolute = 0, relative = 0;  // |actual − expected| ≤ absolute + relative · |expected|
};

inline bool is_close(double actual, double expected, Tolerance tolerance) {
  if (std::isinf(actual) || std::isinf(expected)) return actual == expected;
  return std::abs(actual - expected) <= tolerance.absolute + tolerance.relative * std::abs(expected);
}

// For EXPECT_TRUE(all_close(…)); the message shows the first difference and how many there are.
template <std::ranges::contiguous_range A, std::ranges::contiguous_range B>
::testing::AssertionResult all_close(const A& actual, const B& expected, Tolerance tolerance) {
  if (std::ranges::size(actual) != std::ranges::size(expected))
    return ::testing::AssertionFailure()
           << std::ranges::size(actual) << " values, " << std::ranges::size(expected) << " expected";
  std::size_t wrong = 0, first = 0;
  for (std::size_t i = 0; i < std::ranges::size(actual); ++i) {
    const auto a = static_cast<double>(std::ranges::data(actual)[i]),
               e = static_cast<double>(std::ranges::data(expected)[i]);
    if (is_close(a, e, tolerance)) continue;
    if (wrong++ == 0) first = i;
  }
  if (wrong == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << wrong << " of " << std::ranges::size(actual) << " differ, the first at " << first << ": "
         << std::ranges::data(actual)[first] << ", expected " << std::ranges::data(expected)[first];
}

}  // namespace cuelbo::test
