// The helpers in tests/support: a comparison that cannot fail would make every test that uses it worthless.
#include <limits>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/comparison.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/temporary_directory.hpp"

namespace cuelbo::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();
constexpr Tolerance loose{1e6, 1e6};

TEST(Comparison, FailsOnNanAndInfinity) {
  for (const auto& [actual, expected] : {std::pair{nan, 0.0},
                                         {0.0, nan},
                                         {nan, nan},
                                         {nan, inf},
                                         {inf, 0.0},
                                         {0.0, inf},
                                         {inf, -inf},
                                         {-inf, inf},
                                         {inf, nan}}) {
    EXPECT_FALSE(is_close(actual, expected, loose)) << actual << " " << expected;
    EXPECT_FALSE(all_close(std::vector{1.0, actual}, std::vector{1.0, expected}, loose))
        << actual << " " << expected;
  }
  EXPECT_TRUE(is_close(inf, inf, {}));
  EXPECT_TRUE(is_close(-inf, -inf, {}));
}

TEST(Comparison, HoldsTheTolerance) {
  EXPECT_TRUE(is_close(1.5, 1.0, {0.5, 0}));
  EXPECT_FALSE(is_close(1.51, 1.0, {0.5, 0}));
  EXPECT_TRUE(is_close(-11.0, -10.0, {0, 0.1}));
  EXPECT_FALSE(is_close(-11.1, -10.0, {0, 0.1}));
  EXPECT_TRUE(is_close(0.0, -0.0, {}));
}

TEST(Comparison, FailsOnAnotherLength) {
  EXPECT_FALSE(all_close(std::vector{1.0}, std::vector{1.0, 1.0}, loose));
  EXPECT_FALSE(all_close(std::vector<double>{}, std::vector{1.0}, loose));
  EXPECT_TRUE(all_close(std::vector<float>{}, std::vector<double>{}, {}));
}

TEST(ErrorChecks, FailWhereTheyShould) {
  EXPECT_TRUE(fails_with([] { fail("a b c"); }, "b"));
  EXPECT_TRUE(fails_with([] { usage_fail("a b c"); }, "b"));
  EXPECT_TRUE(fails_with<UsageError>([] { usage_fail("a b c"); }, "b"));
  EXPECT_FALSE(fails_with([] {}, ""));
  EXPECT_FALSE(fails_with([] { fail("a"); }, "b"));
  EXPECT_FALSE(fails_with([] { fail(""); }, ""));
  EXPECT_FALSE(fails_with<UsageError>([] { fail("a"); }, "a"));
  EXPECT_FALSE(fails_with([] { throw std::runtime_error("a"); }, "a"));
}

TEST(TemporaryDirectory, GoesWithItsOwner) {
  std::filesystem::path path;
  {
    const TemporaryDirectory directory;
    path = directory.path();
    std::filesystem::create_directory(directory / "inner");
    EXPECT_EQ(directory_content(path), std::vector<std::string>{"inner"});
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace cuelbo::test
