#include "engine/io/atomic_file.hpp"

#include <csignal>
#include <filesystem>
#include <string>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "engine/io/input_file.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/full_disk.hpp"
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

TEST(AtomicFile, TakesNamesOfAnyLength) {
  const test::TemporaryDirectory directory;
  for (const std::size_t length : {200U, 230U, 255U}) {
    for (const std::string& letter : {std::string("x"), std::string("ä")}) {
      std::string name;
      while (name.size() + letter.size() <= length) name += letter;
      write_file(directory / name, "new");
      EXPECT_EQ(text_of(directory / name), "new");
    }
  }
  EXPECT_EQ(directory_content(directory.path()).size(), 6U);
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

TEST(AtomicFile, MakesTheTargetOfADanglingLink) {
  const test::TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "disk");
  std::filesystem::create_symlink("disk/a", directory / "link");
  std::filesystem::create_symlink(directory / "link", directory / "link to link");
  write_file(directory / "link to link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "link"));
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "link to link"));
  EXPECT_EQ(text_of(directory / "disk/a"), "new");
  EXPECT_EQ(directory_content(directory / "disk").size(), 1U);
  std::filesystem::create_symlink("no/such/a", directory / "nowhere");
  EXPECT_TRUE(fails_with([&] { write_file(directory / "nowhere", "x"); }, "there is no directory '"));
  std::filesystem::create_symlink("loop", directory / "loop");
  EXPECT_TRUE(fails_with([&] { write_file(directory / "loop", "x"); }, "cannot write '"));
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "loop"));
}

// As overwriting it would.
TEST(AtomicFile, AReplacedFileKeepsItsPermissionsAndOwner) {
  const test::TemporaryDirectory directory;
  for (const mode_t mode : {0600U, 0666U, 0751U}) {
    write_file(directory / "a", "old");
    ASSERT_EQ(chmod((directory / "a").c_str(), mode), 0);
    const bool given_away = chown((directory / "a").c_str(), 12345, 12346) == 0;
    write_file(directory / "a", "new");
    struct stat status = {};
    ASSERT_EQ(stat((directory / "a").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, mode);
    EXPECT_EQ(status.st_uid, given_away ? 12345U : geteuid());
    EXPECT_EQ(text_of(directory / "a"), "new");
    std::filesystem::remove(directory / "a");
  }
}

TEST(AtomicFile, AWriteProtectedFileStays) {
  const test::TemporaryDirectory directory;
  std::filesystem::permissions(directory.path(), std::filesystem::perms::all);
  write_file(directory / "a", "old");
  ASSERT_EQ(chmod((directory / "a").c_str(), 0444), 0);
  const test::WithoutRoot user;
  if (!user.holds()) GTEST_SKIP() << "root may write anything";
  EXPECT_TRUE(fails_with([&] { write_file(directory / "a", "new"); }, "Permission denied"));
  EXPECT_EQ(text_of(directory / "a"), "old");
}

TEST(AtomicFile, AnotherNameOfTheFileKeepsTheOldContent) {
  const test::TemporaryDirectory directory;
  write_file(directory / "a", "old");
  std::filesystem::create_hard_link(directory / "a", directory / "b");
  write_file(directory / "a", "new");
  EXPECT_EQ(text_of(directory / "b"), "old");
}

TEST(AtomicFile, RemovesWhatDeadProcessesLeftAtItsPath) {
  const test::TemporaryDirectory directory;
  const pid_t dead = fork();
  if (dead == 0) {
    AtomicFile file(directory / "a");
    file.write(std::string(1 << 20, 'x'));
    kill(getpid(), SIGKILL);
  }
  waitpid(dead, nullptr, 0);
  // In containers each process may have the same number.
  write_file(directory / ("a.partial-" + std::to_string(getpid()) + "-0"), "stale");
  EXPECT_EQ(directory_content(directory.path()).size(), 2U);
  const std::string of_dead = "a.partial-" + std::to_string(dead);
  std::vector<std::string> others{"b.partial-1-0",   "a.partial-x",      "a.partial-",         "a.partial-12",
                                  of_dead + "-copy", of_dead + "-0.old", of_dead + "-0-backup"};
  for (const std::string& other : others) write_file(directory / other, "not a temporary file of a");
  write_file(directory / "a", "new");
  EXPECT_EQ(text_of(directory / "a"), "new");
  others.emplace_back("a");
  EXPECT_THAT(directory_content(directory.path()), testing::UnorderedElementsAreArray(others));
}

TEST(AtomicFile, LeavesWhatALivingProcessWrites) {
  const test::TemporaryDirectory directory;
  AtomicFile mine(directory / "a");
  mine.write("first");
  const pid_t other = fork();
  if (other == 0) {
    write_file(directory / "a", "second");
    _exit(0);
  }
  waitpid(other, nullptr, 0);
  EXPECT_EQ(text_of(directory / "a"), "second");
  mine.commit();
  EXPECT_EQ(text_of(directory / "a"), "first");
}

TEST(AtomicFile, ASignalHandlerCanRemoveWhatIsTemporary) {
  const test::TemporaryDirectory directory;
  const std::string temporary_folder = directory / "tmp";
  std::filesystem::create_directory(temporary_folder);
  const pid_t child = fork();
  if (child == 0) {
    setenv("TMPDIR", temporary_folder.c_str(), 1);
    std::signal(SIGTERM, [](int) {
      remove_temporary_paths();
      _exit(7);
    });
    AtomicFile file(directory / "a"), second(directory / "a");
    const TemporaryDirectory folder;
    write_file(folder / "b", "x");
    if (directory_content(directory.path()).size() != 3) _exit(1);
    raise(SIGTERM);
    _exit(2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_THAT(directory_content(directory.path()), testing::ElementsAre("tmp"));
  EXPECT_TRUE(directory_content(temporary_folder).empty());
}

// Its handler must not remove the files of the process it was forked from.
TEST(AtomicFile, AForkedProcessHasNoTemporaryFiles) {
  const test::TemporaryDirectory directory;
  AtomicFile file(directory / "a");
  file.write("x");
  const pid_t child = fork();
  if (child == 0) {
    remove_temporary_paths();
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  file.commit();
  EXPECT_EQ(text_of(directory / "a"), "x");
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
