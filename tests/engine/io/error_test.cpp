#include "engine/error.hpp"

#include <new>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/closest_name.hpp"
#include "tests/support/error_checks.hpp"

namespace cuelbo {
namespace {

using test::fails_with;

TEST(Error, IsAlwaysOneLine) {
  EXPECT_STREQ(Error("a\nb\tc\r").what(), "a\\x0ab\\x09c\\x0d");
  EXPECT_STREQ(Error("é ✓").what(), "é ✓");
}

TEST(Error, ContextIsPutInFrontAndTheTypeKept) {
  EXPECT_TRUE(
      fails_with([] { in_context("outer", [] { in_context("inner", [] { fail("{} is wrong", 7); }); }); },
                 "outer: inner: 7 is wrong"));
  EXPECT_TRUE(fails_with<UsageError>([] { in_context("outer", [] { usage_fail("no"); }); }, "outer: no"));
  EXPECT_TRUE(
      fails_with([] { in_context("outer", [] { throw std::bad_alloc(); }); }, "outer: not enough memory"));
  EXPECT_THROW(in_context("outer", [] { throw 7; }), int);
  EXPECT_EQ(in_context("outer", [] { return 7; }), 7);
}

TEST(EditDistance, KnownValues) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("flaw", "lawn"), 2U);
  EXPECT_EQ(edit_distance("saturday", "sunday"), 3U);
}

TEST(Closest, FindsTheNearestOrNothing) {
  const std::vector<std::string> names{"batch_size", "seed", "steps", "learning_rate"};
  EXPECT_EQ(closest("batchsize", names), "batch_size");
  EXPECT_EQ(closest("step", names), "steps");
  EXPECT_EQ(closest("quux", names), std::nullopt);
  EXPECT_EQ(closest("x", std::vector<std::string>{}), std::nullopt);
  EXPECT_EQ(closest("learn", names), "learning_rate");
  EXPECT_EQ(closest("kk", std::vector<std::string>{"k"}), "k");
  EXPECT_EQ(closest("tcsh", std::vector<std::string>{"bash", "zsh"}), std::nullopt);
  EXPECT_EQ(closest("--lr", std::vector<std::string>{"--help"}), std::nullopt);
  EXPECT_EQ(closest("--out", std::vector<std::string>{"--set", "--output"}), "--output");
  EXPECT_EQ(closest("-output", std::vector<std::string>{"--output"}), "--output");
  EXPECT_EQ(did_you_mean("sed", names), " (did you mean 'seed'?)");
  EXPECT_EQ(did_you_mean("quux", names), "");
}

}  // namespace
}  // namespace cuelbo
