#include "models/data/split.hpp"

#include <algorithm>
#include <limits>

#include <gtest/gtest.h>

#include "models/data/dsprites.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/small_dataset.hpp"

namespace cuelbo {
namespace {

using test::all_items;
using test::fails_with;
using test::small_dataset;

std::vector<std::int64_t> sorted_union(const Split& split) {
  std::vector<std::int64_t> all = split.train;
  all.insert(all.end(), split.validation.begin(), split.validation.end());
  all.insert(all.end(), split.test.begin(), split.test.end());
  std::ranges::sort(all);
  return all;
}

TEST(Split, IsDisjointAndWhole) {
  for (const std::int64_t size : {1, 2, 7, 100, 1013}) {
    const auto dataset = small_dataset(size);
    const Split split = make_split(*dataset, 0.1, 0.2, 5);
    EXPECT_EQ(sorted_union(split), all_items(size));
    EXPECT_EQ(static_cast<std::int64_t>(split.validation.size()),
              std::llround(0.1 * static_cast<double>(size)));
    EXPECT_EQ(static_cast<std::int64_t>(split.test.size()), std::llround(0.2 * static_cast<double>(size)));
  }
}

TEST(Split, DependsOnTheSeed) {
  const auto dataset = small_dataset(200);
  EXPECT_EQ(make_split(*dataset, 0.1, 0.1, 5).test, make_split(*dataset, 0.1, 0.1, 5).test);
  EXPECT_NE(make_split(*dataset, 0.1, 0.1, 5).test, make_split(*dataset, 0.1, 0.1, 6).test);
  // Asking for less validation does not move an item from the test to training.
  EXPECT_EQ(make_split(*dataset, 0.1, 0.1, 5).test, make_split(*dataset, 0, 0.1, 5).test);
}

TEST(Split, ATestSplitOfTheDataSetsOwnIsKept) {
  const auto dataset = small_dataset(50, 10);
  const Split split = make_split(*dataset, 0.25, 0.9, 5);
  EXPECT_EQ(split.test, (std::vector<std::int64_t>{40, 41, 42, 43, 44, 45, 46, 47, 48, 49}));
  EXPECT_EQ(split.validation.size(), 10U);
  EXPECT_EQ(sorted_union(split), all_items(50));
}

TEST(Split, APrefixIsAFairSample) {
  const Dsprites dataset;
  const Split split = make_split(dataset, 0, 0.05, 1);
  std::vector<std::int64_t> factors(5 * 3000), shapes(3);
  dataset.gather_factors(std::span(split.test).first(3000), factors.data());
  for (std::size_t i = 0; i < 3000; ++i) ++shapes[static_cast<std::size_t>(factors[5 * i])];
  for (const std::int64_t count : shapes) EXPECT_NEAR(static_cast<double>(count), 1000, 130);
}

TEST(Split, RefusesWhatCannotBe) {
  const auto dataset = small_dataset(10);
  for (const double bad : {-0.1, 1.0, 2.0, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_TRUE(fails_with<UsageError>([&] { make_split(*dataset, bad, 0, 1); }, "validation_fraction is"));
    EXPECT_TRUE(fails_with<UsageError>([&] { make_split(*dataset, 0, bad, 1); }, "test_fraction is"));
  }
  EXPECT_TRUE(
      fails_with<UsageError>([&] { make_split(*dataset, 0.5, 0.5, 1); }, "nothing is left to train on"));
}

}  // namespace
}  // namespace cuelbo
