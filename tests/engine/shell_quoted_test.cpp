#include "engine/shell_quoted.hpp"

#include <gtest/gtest.h>

namespace cuelbo {
namespace {

TEST(ShellQuoted, IsOneWordThatIsNoOption) {
  for (const char* plain : {"run/a", "/tmp/run-3_b.c", "größe", "a@b,c:d=e%f+g"})
    EXPECT_EQ(shell_quoted(plain), plain);
  EXPECT_EQ(shell_quoted("my run"), "'my run'");
  EXPECT_EQ(shell_quoted("it's"), R"('it'\''s')");
  EXPECT_EQ(shell_quoted("$HOME/`x`;*"), "'$HOME/`x`;*'");
  EXPECT_EQ(shell_quoted("~/run"), "'~/run'");
  EXPECT_EQ(shell_quoted("-run"), "./-run");
  EXPECT_EQ(shell_quoted(""), "''");
}

}  // namespace
}  // namespace cuelbo
