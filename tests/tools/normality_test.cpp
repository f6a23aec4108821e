// The test that noise of a library's own has to pass.
#include "tools/lab/normality.hpp"

#include <gtest/gtest.h>

#include <random>

namespace cuelbo::lab {
namespace {

std::vector<double> normals(std::size_t n, double mean, double deviation) {
  std::mt19937_64 generator(1);
  std::normal_distribution<double> normal(mean, deviation);
  std::vector<double> x(n);
  for (double& v : x) v = normal(generator);
  return x;
}

TEST(Normality, TellsStandardNormalsFromOthers) {
  EXPECT_LT(normal_distance(normals(10000, 0, 1)), normal_distance_bound);
  EXPECT_GT(normal_distance(normals(10000, 0.1, 1)), normal_distance_bound);
  EXPECT_GT(normal_distance(normals(10000, 0, 1.15)), normal_distance_bound);
  EXPECT_GT(normal_distance(std::vector<double>(100, 0.0)), normal_distance_bound);
  std::mt19937_64 generator(1);
  std::vector<double> uniform(10000);
  for (double& v : uniform) v = std::sqrt(12.0) * (std::generate_canonical<double, 53>(generator) - 0.5);
  EXPECT_GT(normal_distance(uniform), normal_distance_bound) << "mean 0 and variance 1";
}

TEST(Normality, NaNIsNoNormal) {
  EXPECT_FALSE(normal_distance({0.1, std::nan("")}) <= normal_distance_bound);
}

// √n · ½ at most: a single value has no distance that is too large.
TEST(Normality, OfOneValueIsHalfAtMedian) { EXPECT_DOUBLE_EQ(normal_distance({0.0}), 0.5); }

}  // namespace
}  // namespace cuelbo::lab
