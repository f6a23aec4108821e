#include "engine/plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace cuelbo {
namespace {

std::int64_t round_up(std::int64_t n, std::int64_t alignment) {
  return (n + alignment - 1) / alignment * alignment;
}

bool meet(const Lifetime& a, const Lifetime& b) { return a.first <= b.last && b.first <= a.last; }

// Bytes that live at the busiest step: no layout can be smaller.
std::int64_t busiest(const std::vector<Lifetime>& lifetimes) {
  std::int64_t most = 0;
  for (const Lifetime& at : lifetimes) {  // the busiest step is one where something begins
    std::int64_t bytes = 0;
    for (const Lifetime& other : lifetimes)
      if (other.first <= at.first && at.first <= other.last) bytes += other.bytes;
    most = std::max(most, bytes);
  }
  return most;
}

TEST(Plan, NothingNeedsNothing) {
  const ArenaPlan plan = plan_arena({}, 256);
  EXPECT_TRUE(plan.offsets.empty());
  EXPECT_EQ(plan.bytes, 0);
}

TEST(Plan, LifetimesThatDoNotMeetShareMemory) {
  const std::vector<Lifetime> lifetimes = {{100, 0, 1}, {100, 2, 3}, {100, 4, 9}};
  const ArenaPlan plan = plan_arena(lifetimes, 64);
  EXPECT_EQ(plan.offsets, (std::vector<std::int64_t>{0, 0, 0}));
  EXPECT_EQ(plan.bytes, 128);
}

TEST(Plan, LifetimesThatTouchDoNotShare) {
  const std::vector<Lifetime> lifetimes = {{64, 0, 2}, {64, 2, 3}};
  const ArenaPlan plan = plan_arena(lifetimes, 64);
  EXPECT_NE(plan.offsets[0], plan.offsets[1]);
  EXPECT_EQ(plan.bytes, 128);
}

TEST(Plan, ASmallTensorFillsTheGapOfADeadOne) {
  // The first two are placed by size at 0 and 256; the third meets only the second and fits under it.
  const std::vector<Lifetime> lifetimes = {{256, 0, 1}, {200, 1, 3}, {100, 2, 3}};
  const ArenaPlan plan = plan_arena(lifetimes, 64);
  EXPECT_EQ(plan.offsets, (std::vector<std::int64_t>{0, 256, 0}));
  EXPECT_EQ(plan.bytes, 512);
}

TEST(Plan, EqualSizesAreLaidOutInTheirOrder) {
  const std::vector<Lifetime> lifetimes = {{64, 0, 9}, {64, 0, 9}, {64, 0, 9}};
  EXPECT_EQ(plan_arena(lifetimes, 64).offsets, (std::vector<std::int64_t>{0, 64, 128}));
}

TEST(Plan, RandomLifetimesNeverOverlapAndWasteLittle) {
  std::mt19937_64 generator(7);
  const auto below = [&](int n) { return static_cast<int>(generator() % static_cast<std::uint64_t>(n)); };
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE(round);
    const std::int64_t alignment = std::int64_t{1} << below(9);
    const int steps = 1 + below(40);
    std::vector<Lifetime> lifetimes(static_cast<std::size_t>(1 + below(80)));
    for (Lifetime& life : lifetimes) {
      life.bytes = 1 + below(5) * below(5) * below(1000);
      life.first = below(steps);
      life.last = life.first + below(steps - life.first);
    }
    const ArenaPlan plan = plan_arena(lifetimes, alignment);
    ASSERT_EQ(plan.offsets.size(), lifetimes.size());
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < lifetimes.size(); ++i) {
      ASSERT_GE(plan.offsets[i], 0);
      ASSERT_EQ(plan.offsets[i] % alignment, 0);
      ASSERT_LE(plan.offsets[i] + lifetimes[i].bytes, plan.bytes);
      sum += round_up(lifetimes[i].bytes, alignment);
      for (std::size_t j = 0; j < i; ++j) {
        if (!meet(lifetimes[i], lifetimes[j])) continue;
        ASSERT_TRUE(plan.offsets[i] + lifetimes[i].bytes <= plan.offsets[j] ||
                    plan.offsets[j] + lifetimes[j].bytes <= plan.offsets[i])
            << i << " and " << j;
      }
    }
    EXPECT_LE(plan.bytes, sum);
    EXPECT_GE(plan.bytes, busiest(lifetimes));
    EXPECT_EQ(plan_arena(lifetimes, alignment).offsets, plan.offsets);
  }
}

}  // namespace
}  // namespace cuelbo
