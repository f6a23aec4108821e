// The comparisons of the other tests: they must not pass what they cannot judge.
#include <limits>

#include "tests/engine/engine_test.hpp"

namespace cuelbo::test {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float inf = std::numeric_limits<float>::infinity();

TEST(Comparison, NanAndInfinityFail) {
  EXPECT_FALSE(all_near(Floats{nan}, Doubles{nan}, 1e9));
  EXPECT_FALSE(all_near(Floats{nan}, Doubles{0}, 1e9));
  EXPECT_FALSE(all_near(Floats{0}, Doubles{nan}, 1e9));
  EXPECT_FALSE(all_near(Floats{inf}, Doubles{0}, 1e9));
  EXPECT_FALSE(all_near(Floats{inf}, Doubles{inf}, 1e9));
  EXPECT_FALSE(same_bits({nan}, {nan}));
  EXPECT_FALSE(same_bits({inf}, {inf}));
}

TEST(Comparison, DifferencesFail) {
  EXPECT_TRUE(all_near(Floats{1, 2}, Doubles{1, 2.0001}, 1e-4));
  EXPECT_FALSE(all_near(Floats{1, 2}, Doubles{1, 2.001}, 1e-4));
  EXPECT_FALSE(all_near(Floats{1}, Doubles{1, 2}, 1e9));
  EXPECT_TRUE(same_bits({1, -0.0F}, {1, -0.0F}));
  EXPECT_FALSE(same_bits({0.0F}, {-0.0F}));
  EXPECT_FALSE(same_bits({1}, {1, 1}));
}

}  // namespace
}  // namespace cuelbo::test
