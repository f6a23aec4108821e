#include "engine/io/atomic_file.hpp"

#include <filesystem>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "engine/io/input_file.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/temporary_directory.hpp"

namespace cuelbo {
namespace {

using test::directory_content;
using test::fails_with;

std::string text_of(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(AtomicFile, AppearsOnCommitOnly) {
  const test::TemporaryDirectory directory;
  const auto path = directory / "a";
  write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("new");
    EXPECT_EQ(text_of(path), "old");
    EXPECT_EQ(file.temporary_path().parent_path(),
              directory.path());  // beside: rename must not cross file systems
    file.commit();
    EXPECT_EQ(text_of(path), "new");
  }
  EXPECT_EQ(directory_content(directory.path()), std::vector<std::string>{"a"});
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  const test::TemporaryDirectory directory;
  write_file(directory / "a", "old");
  {
    AtomicFile file(directory / "a");
    file.write(std::string(1 << 20, 'x'));
    EXPECT_EQ(directory_content(directory.path()).size(), 2U);
  }
  EXPECT_EQ(directory_content(directory.path()), std::vector<std::string>{"a"});
  EXPECT_EQ(text_of(directory / "a"), "old");
}

TEST(AtomicFile, KeepsTheOrderOfSmallAndLargePieces) {
  const test::TemporaryDirectory directory;
  std::string expected;
  AtomicFile file(directory / "a");
  for (const std::size_t size : {1, 65535, 2, 65536, 1, 65537, 200'000, 0, 3}) {
    const std::string piece(size, static_cast<char>('a' + expected.size() % 26));
    file.write(piece);
    expected += piece;
  }
  file.commit();
  EXPECT_EQ(text_of(directory / "a"), expected);
}

TEST(AtomicFile, ObeysUmask) {
  const test::TemporaryDirectory directory;
  const mode_t before = umask(027);
  write_file(directory / "a", "x");
  umask(before);
  struct stat status = {};
  ASSERT_EQ(stat((directory / "a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640U);
}

TEST(AtomicFile, WritesThroughASymbolicLink) {
  const test::TemporaryDirectory directory;
  write_file(directory / "target", "old");
  std::filesystem::create_symlink("target", directory / "link");
  write_file(directory / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "link"));
  EXPECT_EQ(text_of(directory / "target"), "new");
}

TEST(AtomicFile, IsNotConfusedByWhatADeadProcessLeft) {
  const test::TemporaryDirectory directory;
  const std::string stale = "a.partial-" + std::to_string(getpid()) + "-0";
  write_file(directory / stale, "stale");
  write_file(directory / "a", "new");
  EXPECT_EQ(text_of(directory / "a"), "new");
  EXPECT_EQ(text_of(directory / stale), "stale");
}

TEST(AtomicFile, TwoWritersOfOnePathDoNotMix) {
  const test::TemporaryDirectory directory;
  AtomicFile first(directory / "a"), second(directory / "a");
  first.write("first");
  second.write("second");
  first.commit();
  second.commit();
  EXPECT_EQ(text_of(directory / "a"), "second");
  EXPECT_EQ(directory_content(directory.path()).size(), 1U);
}

TEST(AtomicFile, RefusesWhatIsNoRegularFile) {
  const test::TemporaryDirectory directory;
  ASSERT_EQ(mkfifo((directory / "pipe").c_str(), 0600), 0);
  EXPECT_TRUE(fails_with([&] { write_file(directory / "pipe", "x"); }, "not a regular file"));
  EXPECT_TRUE(fails_with([&] { write_file("/dev/null", "x"); },
                         "cannot write '/dev/null': it is not a regular file"));
  EXPECT_TRUE(fails_with([&] { write_file(directory.path(), "x"); }, "Is a directory"));
  EXPECT_TRUE(fails_with([&] { write_file(directory / "no/such/a", "x"); }, "there is no directory '"));
  EXPECT_TRUE(fails_with([&] { read_file(directory / "pipe"); }, "it is a pipe, and a file is needed"));
}

}  // namespace
}  // namespace cuelbo
