// The comparison to the bit must not pass what it cannot judge.
#include <limits>

#include "tests/engine/engine_test.hpp"

namespace cuelbo::test {
namespace {

TEST(SameBits, FailsOnNanInfinityAndEveryDifference) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(same_bits({1, -0.0F}, {1, -0.0F}));
  EXPECT_FALSE(same_bits({nan}, {nan}));
  EXPECT_FALSE(same_bits({inf}, {inf}));
  EXPECT_FALSE(same_bits({0.0F}, {-0.0F}));
  EXPECT_FALSE(same_bits({1}, {std::nextafter(1.0F, 2.0F)}));
  EXPECT_FALSE(same_bits({1}, {1, 1}));
}

}  // namespace
}  // namespace cuelbo::test
