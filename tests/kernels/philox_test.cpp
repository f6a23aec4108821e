#include "kernels/runtime/philox.hpp"

#include <cmath>
#include <cstdint>
#include <set>

#include <gtest/gtest.h>

namespace cuelbo::kernels {
namespace {

// Known answers of Random123 1.14 (tests/kat_vectors, philox4x32 with 10 rounds).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32_10({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, IsAConstantExpression) {
  static_assert(philox4x32_10({0, 0, 0, 0}, {0, 0}).x == 0x6627e8d5);
  static_assert(philox_key(0x0123456789abcdef) == PhiloxKey{0x89abcdef, 0x01234567});
}

TEST(Philox, EveryWordOfCounterAndKeyMatters) {
  std::set<std::uint32_t> firsts;
  for (int bit = 0; bit < 32; ++bit) {
    const std::uint32_t one = std::uint32_t{1} << bit;
    for (const PhiloxCounter& c : {PhiloxCounter{one, 0, 0, 0}, PhiloxCounter{0, one, 0, 0},
                                   PhiloxCounter{0, 0, one, 0}, PhiloxCounter{0, 0, 0, one}})
      firsts.insert(philox4x32_10(c, {0, 0}).x);
    firsts.insert(philox4x32_10({}, {one, 0}).x);
    firsts.insert(philox4x32_10({}, {0, one}).x);
  }
  EXPECT_EQ(firsts.size(), 6U * 32U);
}

TEST(Philox, UniformStaysInsideTheOpenInterval) {
  EXPECT_EQ(uniform_open(0), 0x1p-24F);
  EXPECT_EQ(uniform_open(0xffffffff), 1.0F - 0x1p-24F);
  EXPECT_TRUE(std::isfinite(std::log(-std::log(uniform_open(0xffffffff)))));
  double mean = 0, square = 0;
  const int n = 1 << 16;
  for (int i = 0; i < n; ++i) {
    const double u = uniform_open(philox4x32_10({static_cast<std::uint32_t>(i), 0, 0, 0}, {7, 0}).x);
    mean += u / n;
    square += u * u / n;
  }
  EXPECT_NEAR(mean, 0.5, 4 * std::sqrt(1.0 / 12 / n));
  EXPECT_NEAR(square - mean * mean, 1.0 / 12, 0.002);
}

}  // namespace
}  // namespace cuelbo::kernels
