// Ownership of a run directory: racing processes, refused ones, and directories that are renamed or removed.
#include "models/run_lock.hpp"

#include <array>
#include <set>

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/io/atomic_file.hpp"
#include "models/run_directory.hpp"
#include "tests/models/tiny_run.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/full_disk.hpp"
#include "tests/support/temporary_directory.hpp"

namespace cuelbo {
namespace {

namespace fs = std::filesystem;
using test::directory_content;
using test::fails_with;
using test::read_text;
using test::train_quietly;
using test::train_until;
using ::testing::IsEmpty;

// Every file with its content, and every directory.
std::set<std::string> snapshot(const fs::path& directory) {
  std::set<std::string> entries;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    entries.insert(entry.path().string() + (entry.is_regular_file() ? ": " + read_text(entry.path()) : "/"));
  return entries;
}

class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe(ends_.data()), 0); }
  ~Pipe() {
    close_writing();
    close(ends_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void write(char c) const { [[maybe_unused]] const auto n = ::write(ends_[1], &c, 1); }
  char read() const {  // '\0' at the end
    char c = 0;
    return ::read(ends_[0], &c, 1) == 1 ? c : '\0';
  }
  void close_writing() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  std::array<int, 2> ends_{};
};

class OwnedRun : public testing::Test {
 protected:
  OwnedRun() { test::write_bars(directory_ / "bars.npz"); }
  RunConfig config(std::uint64_t seed = 3) const {
    RunConfig config = test::tiny_config(directory_ / "bars.npz");
    config.seed = seed;
    return config;
  }
  fs::path path(const std::string& name = "run") const { return directory_ / name; }

  test::TemporaryDirectory directory_;
};

TEST_F(OwnedRun, OfFiftyRacingPairsOneTrainsAndTheOtherChangesNothing) {
  for (int pair = 0; pair < 50; ++pair) {
    const std::string run = path("runs/" + std::to_string(pair));
    Pipe start, results, end;
    std::array<pid_t, 2> children{};
    for (std::size_t i = 0; i < children.size(); ++i) {
      children[i] = fork();
      if (children[i] != 0) continue;
      start.close_writing();
      end.close_writing();
      start.read();
      try {
        RunDirectory mine = RunDirectory::create(run, config(i));
        mine.begin();
        results.write(static_cast<char>('0' + i));
        end.read();
      } catch (const Error&) {
        results.write('x');
      }
      _exit(0);
    }
    start.close_writing();
    const std::array<char, 2> outcome{results.read(), results.read()};
    EXPECT_EQ(std::count(outcome.begin(), outcome.end(), 'x'), 1) << pair;
    const char winner = outcome[0] == 'x' ? outcome[1] : outcome[0];
    EXPECT_THAT(directory_content(run),
                testing::UnorderedElementsAre(RunLock::file_name, "checkpoint", "config.toml"));
    EXPECT_EQ(read_text(run + "/config.toml"), to_toml(config(static_cast<std::uint64_t>(winner - '0'))));
    end.close_writing();
    for (const pid_t child : children) waitpid(child, nullptr, 0);
  }
}

TEST_F(OwnedRun, ARunThatDoesNotBeginTakesNothingOfAnotherWithIt) {
  for (int round = 0; round < 20; ++round) {
    const std::string run = path("a/b/" + std::to_string(round));
    Pipe end;
    const pid_t child = fork();
    if (child == 0) {
      end.close_writing();
      for (int i = 0; i < 200; ++i) {
        try {
          RunDirectory::create(run, config(1));
        } catch (const Error&) {  // the other one has it
        }
      }
      _exit(0);
    }
    for (bool begun = false; !begun;) {
      try {
        RunDirectory mine = RunDirectory::create(run, config(2));
        mine.begin();
        begun = true;
        waitpid(child, nullptr, 0);
        EXPECT_EQ(read_text(run + "/config.toml"), to_toml(config(2)));
        EXPECT_TRUE(fs::exists(run + "/checkpoint"));
      } catch (const Error&) {
      }
    }
  }
}

TEST_F(OwnedRun, NothingIsLeftOfARunThatDoesNotBegin) {
  {
    const RunDirectory run = RunDirectory::create(path("a/b/c"), config());
  }
  EXPECT_FALSE(fs::exists(path("a")));
  fs::create_directory(path("mine"));
  {
    const RunDirectory run = RunDirectory::create(path("mine"), config());
  }
  EXPECT_THAT(directory_content(path("mine")), IsEmpty());
  {
    const RunDirectory run = RunDirectory::create(path("mine/run/"), config());
  }
  EXPECT_THAT(directory_content(path("mine")), IsEmpty());
}

TEST_F(OwnedRun, SomebodysFilesAreNotReplaced) {
  for (const char* name : {"config.toml", "log.jsonl", "events.out.tfevents.1700000000.cuelbo",
                           "evaluation.json", "report.html"}) {
    const fs::path folder = path("mine");
    fs::create_directory(folder);
    write_file(folder / name, "# mine\n");
    const auto before = snapshot(directory_.path());
    EXPECT_TRUE(fails_with([&] { RunDirectory::create(folder, config()); },
                           std::string("holds '") + name + "', which is not a run's"));
    EXPECT_TRUE(fails_with([&] { RunDirectory::resume(folder); }, "is not a run directory"));
    EXPECT_EQ(snapshot(directory_.path()), before);
    fs::remove_all(folder);
  }
  // Files with other names may stay where they are, and a checkpoint folder may be on another disk.
  fs::create_directory(path("job"));
  fs::create_directory(path("disk"));
  fs::create_directory_symlink(path("disk"), path("job/checkpoint"));
  write_file(path("job/slurm-1.out"), "");
  write_file(path("job/events.out.tfevents.1700000000.host"), "");
  EXPECT_EQ(train_quietly(RunDirectory::create(path("job"), config())), TrainingOutcome::finished);
}

TEST_F(OwnedRun, ARunInProgressIsLeftAlone) {
  RunDirectory mine = RunDirectory::create(path(), config());
  mine.begin();
  const auto before = snapshot(path());
  const std::string owner = "is in use: process " + std::to_string(getpid());
  EXPECT_TRUE(fails_with([&] { RunDirectory::create(path(), config(9)); }, owner));
  EXPECT_TRUE(fails_with([&] { RunDirectory::resume(path()); }, owner));
  EXPECT_EQ(snapshot(path()), before);
}

TEST_F(OwnedRun, OneThatEndedBeforeItsFirstCheckpointIsBegunAnew) {
  {
    RunDirectory run = RunDirectory::create(path(), config(1));
    run.begin();
  }
  EXPECT_EQ(train_quietly(RunDirectory::create(path(), config(2))), TrainingOutcome::finished);
  RunConfig begun = config(2);
  begun.data.scale = 255;  // follows from the data
  begun.data.scale_of = "uint8";
  EXPECT_EQ(read_text(path() / "config.toml"), to_toml(begun));
  EXPECT_TRUE(fails_with([&] { RunDirectory::create(path(), config(3)); }, "holds a run already"));
}

// A full disk, first for config.toml and then for the first checkpoint; the user's files stay.
TEST_F(OwnedRun, NothingIsLeftOfARunWhoseFirstCheckpointCannotBeWritten) {
  for (const rlim_t bytes : {500, 5000}) {
    const test::FileSizeLimit limit(bytes);
    EXPECT_TRUE(fails_with([&] { train_quietly(RunDirectory::create(path("a/run"), config())); },
                           "the run is removed, since it has no checkpoint"));
    EXPECT_FALSE(fs::exists(path("a")));
    fs::create_directory(path("mine"));
    for (const char* name : {"slurm.out", "events.out.tfevents.1700000000.host"})
      write_file(path("mine") / name, "");
    EXPECT_TRUE(
        fails_with([&] { train_quietly(RunDirectory::create(path("mine"), config())); }, "File too large"));
    EXPECT_THAT(directory_content(path("mine")),
                testing::UnorderedElementsAre("slurm.out", "events.out.tfevents.1700000000.host"));
    fs::remove_all(path("mine"));
  }
  // Not of one that holds a checkpoint.
  train_until(RunDirectory::create(path(), config()), 3);
  const test::FileSizeLimit limit(5000);
  EXPECT_TRUE(fails_with([&] { train_quietly(RunDirectory::resume(path())); }, "File too large"));
  EXPECT_TRUE(RunDirectory::open(path()).has_checkpoint());
}

// Neither by the same command, as when a script runs again, nor by --resume.
TEST_F(OwnedRun, OneWhoseCheckpointsAreMissingIsNotStartedOver) {
  const auto expect_refused = [&](const std::string& what) {
    const auto before = snapshot(path());
    const std::string message =
        "'" + path().string() + "' holds " + what + " of a run whose checkpoints are missing: ";
    EXPECT_TRUE(fails_with([&] { RunDirectory::create(path(), config()); }, message));
    EXPECT_TRUE(fails_with([&] { RunDirectory::resume(path()); }, message));
    EXPECT_TRUE(
        fails_with([&] { RunDirectory::open(path()).checkpoint_file(RunDirectory::Which::best); }, message));
    EXPECT_EQ(snapshot(path()), before);
  };
  const fs::path folder = path() / "checkpoint";
  train_until(RunDirectory::create(path(), config()), 1);  // before the first validation
  for (const auto& entry : fs::directory_iterator(folder)) fs::remove(entry);
  expect_refused("config.toml, log.jsonl");
  fs::remove(path() / "log.jsonl");
  write_file(path() / "evaluation.json", "{}");
  expect_refused("config.toml, evaluation.json");
  // One of an older program, which did not mark it.
  std::string mark = read_text(path() / RunLock::file_name);
  mark.replace(mark.find('\n'), std::string::npos, "\nrun\n");
  write_file(path() / RunLock::file_name, mark);
  expect_refused("config.toml, evaluation.json");
  fs::remove(path() / "evaluation.json");
  fs::remove(folder);
  write_file(path() / "log.jsonl", "{}\n");
  expect_refused("config.toml, log.jsonl");
  fs::remove_all(path());
  EXPECT_EQ(train_quietly(RunDirectory::create(path(), config())), TrainingOutcome::finished);
}

TEST_F(OwnedRun, OneThatIsBegunAnewIsNoted) {
  std::vector<std::string> notes;
  const TrainerEvents events{.note = [&](const std::string& line) { notes.push_back(line); }};
  const auto is_note = testing::HasSubstr("this run replaces one that ended before its first checkpoint");
  train_quietly(RunDirectory::create(path("new"), config()), 1, events);
  EXPECT_THAT(notes, testing::Not(testing::Contains(is_note)));
  {
    RunDirectory run = RunDirectory::create(path(), config());
    run.begin();
    write_file(path() / "log.jsonl", R"({"kind":"train","step":1})"
                                     "\n");
  }
  train_quietly(RunDirectory::create(path(), config()), 1, events);
  EXPECT_THAT(notes, testing::Contains(is_note));
}

TEST_F(OwnedRun, AFurtherGoalIsStoredWhenTrainingBegins) {
  train_until(RunDirectory::create(path(), config()), 6);
  const std::string before = read_text(path() / "config.toml");
  {
    RunDirectory run = RunDirectory::resume(path());
    run.set_steps(30);
  }
  EXPECT_EQ(read_text(path() / "config.toml"), before);
  RunDirectory run = RunDirectory::resume(path());
  run.set_steps(30);
  EXPECT_EQ(train_quietly(run), TrainingOutcome::finished);
  EXPECT_EQ(RunDirectory::open(path()).config().training.steps, 30);
}

TEST_F(OwnedRun, AFurtherGoalLeavesTheUsersComments) {
  train_until(RunDirectory::create(path(), config()), 6);
  std::string text = read_text(path() / "config.toml");
  text.insert(text.find("\nsteps = 23\n") + 11, "  # for the paper");
  write_file(path() / "config.toml", "# mine\n" + text);
  RunDirectory run = RunDirectory::resume(path());
  run.set_steps(30);
  EXPECT_EQ(train_quietly(run), TrainingOutcome::finished);
  text.replace(text.find("\nsteps = 23"), 11, "\nsteps = 30");
  EXPECT_EQ(read_text(path() / "config.toml"), "# mine\n" + text);
}

TEST_F(OwnedRun, AFurtherGoalIsNotStoredIfTrainingCannotBegin) {
  train_until(RunDirectory::create(path(), config()), 6);
  fs::remove(path() / "log.jsonl");
  fs::create_directory(path() / "log.jsonl");
  const auto before = snapshot(path());
  RunDirectory run = RunDirectory::resume(path());
  run.set_steps(30);
  EXPECT_TRUE(fails_with([&] { train_quietly(run); }, "log.jsonl"));
  EXPECT_EQ(snapshot(path()), before);
}

// A process that is killed before it begins leaves its lock file.
TEST_F(OwnedRun, ALockFileAloneDoesNotMakeARun) {
  fs::create_directory(path());
  write_file(path() / RunLock::file_name, "process 1 on elsewhere");
  write_file(path() / "config.toml", "# mine");
  EXPECT_TRUE(fails_with([&] { RunDirectory::create(path(), config()); }, "which is not a run's"));
  EXPECT_EQ(read_text(path() / "config.toml"), "# mine");
  fs::remove(path() / "config.toml");
  RunDirectory::create(path(), config()).begin();
  EXPECT_TRUE(RunLock::is_kept(path()));
  RunDirectory::create(path(), config(8)).begin();  // ended before its first checkpoint: it is replaced
  EXPECT_EQ(read_text(path() / "config.toml"), to_toml(config(8)));
}

TEST_F(OwnedRun, ReadingWritesNothing) {
  train_until(RunDirectory::create(path(), config()), 3);
  fs::remove_all(path() / "checkpoint");
  fs::remove(path() / RunLock::file_name);
  const auto before = snapshot(path());
  RunDirectory::open(path());
  EXPECT_EQ(snapshot(path()), before);
}

TEST_F(OwnedRun, ARenamedDirectoryIsFollowed) {
  RunDirectory run = RunDirectory::create(path("old"), config());
  const TrainerEvents events{.progress = [&](const TrainingRecord& record) {
    if (record.step == 2) fs::rename(path("old"), path("new"));
    // Another run may use the old name.
    if (record.step == 2) train_quietly(RunDirectory::create(path("old"), config(8)));
  }};
  EXPECT_EQ(train_quietly(run, 1, events), TrainingOutcome::finished);
  train_quietly(RunDirectory::create(path("whole"), config()));
  train_quietly(RunDirectory::create(path("other"), config(8)));
  EXPECT_EQ(test::outcome(path("new")), test::outcome(path("whole")));
  EXPECT_EQ(test::outcome(path("old")), test::outcome(path("other")));
}

TEST_F(OwnedRun, ARemovedDirectoryIsAnErrorAndStaysRemoved) {
  const TrainerEvents events{.progress = [&](const TrainingRecord& record) {
    if (record.step == 2) fs::remove_all(path());
  }};
  EXPECT_TRUE(fails_with([&] { train_quietly(RunDirectory::create(path(), config()), 1, events); },
                         "was removed while it was training"));
  EXPECT_FALSE(fs::exists(path()));
}

TEST_F(OwnedRun, CheckpointsThatWereRemovedDoNotEndIt) {
  const TrainerEvents events{.progress = [&](const TrainingRecord& record) {
    if (record.step == 12) fs::remove_all(path() / "checkpoint");
  }};
  EXPECT_EQ(train_quietly(RunDirectory::create(path(), config()), 1, events), TrainingOutcome::finished);
  EXPECT_TRUE(RunDirectory::open(path()).has_checkpoint());
}

TEST_F(OwnedRun, ADirectoryThatCannotBeMadeIsNamed) {
  EXPECT_TRUE(fails_with([&] { RunDirectory::create("/proc/nothing/run", config()); },
                         "cannot create directory '/proc/nothing/run': No such file or directory"));
}

TEST_F(OwnedRun, ALinkToADirectoryIsThatDirectory) {
  fs::create_directory(path("disk"));
  fs::create_directory_symlink(path("disk"), path("link"));
  {
    const RunDirectory run = RunDirectory::create(path("link"), config());
  }
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_EQ(train_quietly(RunDirectory::create(path("link"), config())), TrainingOutcome::finished);
  EXPECT_TRUE(RunDirectory::open(path("disk")).has_checkpoint());
  RunDirectory held = RunDirectory::resume(path("disk"));
  EXPECT_TRUE(fails_with([&] { RunDirectory::resume(path("link")); }, "is in use"));
}

TEST_F(OwnedRun, WithoutPermissionToWriteItCanBeReadOnly) {
  train_until(RunDirectory::create(path(), config()), 3);
  for (const auto& entry : fs::recursive_directory_iterator(directory_.path()))
    fs::permissions(entry.path(), fs::perms::others_write | fs::perms::group_write, fs::perm_options::remove);
  fs::permissions(directory_.path(), fs::perms{0755});
  const test::WithoutRoot user;
  if (!user.holds()) GTEST_SKIP() << "root may write anywhere";
  EXPECT_TRUE(RunDirectory::open(path()).has_checkpoint());
  EXPECT_TRUE(fails_with([&] { RunDirectory::resume(path()); }, "Permission denied"));
}

}  // namespace
}  // namespace cuelbo
