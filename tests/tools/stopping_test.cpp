// Ctrl-C, kill and resume.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/models/tiny_run.hpp"
#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Stopping : public TinyTest {
 protected:
  std::vector<std::string> endless(const std::string& output) const {
    return {"train", "tiny.toml", "--output", output, "--steps", "1000000000"};
  }

  // The step of the newest checkpoint.
  std::int64_t saved_step(const std::string& run) const {
    std::int64_t step = -1;
    for (const std::string& name : directory_content(path(run) / "checkpoint"))
      if (name.starts_with("step-") && name.ends_with(".safetensors"))
        step = std::max<std::int64_t>(step, std::stoll(name.substr(5)));
    return step;
  }

  // Returns when a file that holds something is in the folder.
  void wait_for_content(const std::string& folder) const {
    const auto has_content = [](const fs::path& file) {
      std::error_code error;
      return fs::file_size(file, error) > 0 && !error;
    };
    while (!std::ranges::any_of(files_below(path(folder)), has_content)) {
    }
  }

  // TensorBoard's file without what depends on the clock.
  std::string events(const std::string& run) const {
    for (const std::string& name : directory_content(path(run)))
      if (name.starts_with("events.out.tfevents.")) return events_without_timing(content(run + "/" + name));
    return {};
  }

  std::string checkpoint(const std::string& run, std::int64_t step) const {
    std::string digits = std::to_string(step);
    digits.insert(0, 8 - std::min<std::size_t>(8, digits.size()), '0');
    return content(run + "/checkpoint/step-" + digits + ".safetensors");
  }

  // Records without what depends on the clock and on where they were cut.
  std::vector<nlohmann::json> log(const std::string& run) const {
    std::istringstream lines(content(run + "/log.jsonl"));
    std::vector<nlohmann::json> records;
    for (std::string line; std::getline(lines, line);) {
      records.push_back(nlohmann::json::parse(line));
      records.back().erase("items_per_second");
    }
    return records;
  }

  // The run, continued to `steps`, equals one that was never stopped.
  void expect_resumed_equals_uninterrupted(const std::string& stopped, std::int64_t steps) const {
    const std::string total = std::to_string(steps);
    ASSERT_TRUE(succeeds(run({"train", "--resume", stopped, "--steps", total})));
    ASSERT_TRUE(succeeds(run({"train", "tiny.toml", "--output", "whole", "--steps", total})));
    ASSERT_FALSE(checkpoint("whole", steps).empty());
    EXPECT_TRUE(checkpoint(stopped, steps) == checkpoint("whole", steps));
    EXPECT_EQ(log(stopped), log("whole"));
    EXPECT_EQ(content(stopped + "/config.toml"), content("whole/config.toml"));
  }
};

TEST_F(Stopping, ControlCWritesACheckpointAndSaysHowToResume) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU}) {
    const std::string name = "signal" + std::to_string(signal);
    RunningCuelbo running(endless(name), directory_.path());
    ASSERT_TRUE(running.wait_for("step 20/"));
    running.signal(signal);
    const Outcome outcome = running.wait();
    EXPECT_EQ(outcome.code, 130);
    EXPECT_THAT(outcome.err, HasSubstr("cuelbo train --resume " + name));
    EXPECT_GE(saved_step(name), 20);
  }
  const std::string interrupted = "signal" + std::to_string(SIGINT);
  expect_resumed_equals_uninterrupted(interrupted, saved_step(interrupted) + 33);
}

// `timeout` and process managers signal the process and its group; a shell repeats the kernel's SIGHUP.
TEST_F(Stopping, ASignalThatComesTwiceIsOneRequest) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const std::string name = "signal" + std::to_string(signal);
    RunningCuelbo running(endless(name), directory_.path());
    ASSERT_TRUE(running.wait_for("step 20/"));
    for (int i = 0; i < 3; ++i) running.signal(signal);
    EXPECT_EQ(running.wait().code, 130);
    EXPECT_GE(saved_step(name), 20);
  }
}

// Batch systems send TERM some seconds after INT, while the checkpoint is written: the run is halted for longer than a
// repeated signal may take.
TEST_F(Stopping, AnotherSignalLaterDoesNotEndTheRun) {
  std::vector<std::string> arguments = endless("requeued");
  arguments.insert(arguments.end(), {"--set", "encoder.layers.0.linear=4000"});
  RunningCuelbo running(arguments, directory_.path());
  ASSERT_TRUE(running.wait_for("step 20/"));
  running.signal(SIGINT);
  ASSERT_TRUE(running.wait_for("stopping after this step"));
  running.signal(SIGSTOP);
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  running.signal(SIGTERM);
  running.signal(SIGCONT);
  EXPECT_EQ(running.wait().code, 130);
  EXPECT_GE(saved_step("requeued"), 20);
}

TEST_F(Stopping, SignalsThatAreIgnoredStayIgnored) {
  RunningCuelbo running(endless("model"), directory_.path(),
                        {.script = R"(trap '' HUP INT; exec "$0" "$@")"});
  ASSERT_TRUE(running.wait_for("step 20/"));
  running.signal(SIGHUP);
  running.signal(SIGINT);
  ASSERT_TRUE(running.wait_for("step 200/"));
  running.signal(SIGTERM);
  EXPECT_EQ(running.wait().code, 130);
}

TEST_F(Stopping, ALostTerminalIsAnOrderlyEnd) {
  {
    RunningCuelbo running(endless("model"), directory_.path(), {.terminal_columns = 80});
    ASSERT_TRUE(running.wait_for("step 20/"));
    EXPECT_EQ(running.lose_terminal().code, 130);
  }
  EXPECT_GE(saved_step("model"), 20);
}

TEST_F(Stopping, AReaderThatGoesAwayDoesNotEndTraining) {
  for (const char* script : {R"("$0" "$@" | head -n 1 > /dev/null)",
                             R"("$0" "$@" 2>&1 | head -n 1 > /dev/null)", R"("$0" "$@" 2>&1 | true)"}) {
    fs::remove_all(path("model"));
    const Outcome outcome = cuelbo_in_shell(std::string("set -e; ") + script,
                                            {"train", "tiny.toml", "--output", "model"}, directory_.path());
    EXPECT_EQ(saved_step("model"), 40) << script << outcome.err;
  }
  train("whole");
  EXPECT_EQ(checkpoint("model", 40), checkpoint("whole", 40));
  // Its exit code is that of a finished run.
  const Outcome outcome = cuelbo_in_shell(R"({ "$0" "$@"; echo "code $?" >&2; } | true)",
                                          {"train", "tiny.toml", "--output", "again"}, directory_.path());
  EXPECT_THAT(outcome.err, HasSubstr("code 0"));
}

TEST_F(Stopping, OtherCommandsEndQuietlyWithTheirReader) {
  const Outcome outcome =
      cuelbo_in_shell(R"({ "$0" "$@"; echo "code $?" >&2; } | true)", {"presets"}, directory_.path());
  EXPECT_THAT(outcome.err, ::testing::AnyOf("code 141\n", "code 0\n"));  // 0: it wrote before `true` ended
  EXPECT_TRUE(fails(cuelbo_in_shell(R"(exec "$0" "$@" > /dev/full)", {"presets"}, directory_.path()), 1,
                    "standard output"));
}

TEST_F(Stopping, AnEvaluationIsStoredEvenIfNobodyReadsIt) {
  train();
  cuelbo_in_shell(R"("$0" "$@" | true)", {"evaluate", "model"}, directory_.path());
  EXPECT_TRUE(fs::exists(path("model/evaluation.json")));
}

TEST_F(Stopping, AFullDiskUnderStandardOutputIsSaidAtTheEnd) {
  for (const char* format : {"-q", "--json"}) {
    fs::remove_all(path("model"));
    const Outcome outcome =
        cuelbo_in_shell(R"(exec "$0" "$@" > /dev/full)", {format, "train", "tiny.toml", "--output", "model"},
                        directory_.path());
    EXPECT_EQ(saved_step("model"), 40);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err,
                ::testing::EndsWith("cuelbo: cannot write to standard output: No space left on device\n"));
  }
}

// A file that is opened later must not get the number of a closed stream: progress would be written into it.
TEST_F(Stopping, ClosedStreamsDoNotReachFiles) {
  train("whole");
  const auto lines = log("whole");
  for (const char* closed : {"<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"}) {
    fs::remove_all(path("model"));
    const Outcome outcome = cuelbo_in_shell(std::string(R"(exec "$0" "$@" )") + closed,
                                            {"train", "tiny.toml", "--output", "model"}, directory_.path());
    EXPECT_EQ(outcome.code, 0) << closed;
    EXPECT_EQ(log("model"), lines) << closed;
    EXPECT_EQ(checkpoint("model", 40), checkpoint("whole", 40)) << closed;
    EXPECT_EQ(events("model"), events("whole")) << closed;
  }
}

// Temporary files go with a command that is ended; its parent sees the signal.
TEST_F(Stopping, AnEndedCommandLeavesNoTemporaryFiles) {
  train();
  fs::create_directory(path("out"));
  fs::create_directory(path("tmp"));
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    RunningCuelbo running({"data", "dsprites", "-o", "out/data.npz"}, directory_.path(),
                          {.script = R"(ulimit -c 0; exec "$0" "$@")"});
    wait_for_content("out");
    running.signal(signal);
    EXPECT_EQ(running.wait().code, -signal);
    EXPECT_TRUE(directory_content(path("out")).empty()) << signal;
  }
  RunningCuelbo piped({"data", "dsprites", "-o", "-"}, directory_.path(),
                      {.script = R"(TMPDIR=tmp exec "$0" "$@")"});
  wait_for_content("tmp");
  piped.signal(SIGTERM);
  EXPECT_EQ(piped.wait().code, -SIGTERM);
  EXPECT_TRUE(directory_content(path("tmp")).empty());
}

TEST_F(Stopping, AKilledCommandsTemporaryFilesGoWithTheNextOne) {
  fs::create_directory(path("out"));
  {
    RunningCuelbo running({"data", "dsprites", "-o", "out/data.npz"}, directory_.path());
    wait_for_content("out");
    running.signal(SIGKILL);
    running.wait();
  }
  ASSERT_EQ(directory_content(path("out")).size(), 1U);
  ASSERT_EQ(run({"data", "dsprites", "--where", "shape=heart,scale=1,posX<0.01", "-o", "out/data.npz"}).code,
            0);
  EXPECT_THAT(directory_content(path("out")), ::testing::ElementsAre("data.npz"));
}

TEST_F(Stopping, AFileSizeLimitIsAnError) {
  const Outcome outcome = cuelbo_in_shell(
      R"(ulimit -f 8; exec "$0" "$@")", {"data", "dsprites", "--where", "scale=1,posX<0.3", "-o", "data.npz"},
      directory_.path());
  EXPECT_TRUE(fails(outcome, 1, "File too large"));
  for (const std::string& name : directory_content(directory_.path()))
    EXPECT_FALSE(name.starts_with("data.npz"));
}

TEST_F(Stopping, KilledRunsResumeFromTheirNewestCheckpoint) {
  {
    RunningCuelbo running(endless("killed"), directory_.path());
    ASSERT_TRUE(running.wait_for("step 110/"));
    running.signal(SIGKILL);
    EXPECT_EQ(running.wait().code, -SIGKILL);
  }
  const std::int64_t step = saved_step("killed");
  EXPECT_GE(step, 100);
  expect_resumed_equals_uninterrupted("killed", step + 33);
}

TEST_F(Stopping, AFinishedRunCanGoOn) {
  train("model");
  EXPECT_TRUE(succeeds(run({"train", "--resume", "model"})));
  expect_resumed_equals_uninterrupted("model", 70);
}

TEST_F(Stopping, ATerminalShowsOneLineNoWiderThanItself) {
  constexpr std::size_t columns = 60;
  RunningCuelbo running({"train", "tiny.toml", "--output", "model", "--steps", "400", "--set",
                         "training.log_every=1", "--set", "training.validate_every=1000"},
                        directory_.path(), {.terminal_columns = columns});
  const Outcome outcome = running.wait();
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b")));
  std::istringstream pieces(outcome.out);
  std::vector<std::string> lines;  // that stay
  int redrawn = 0;
  for (std::string line; std::getline(pieces, line);) {
    std::istringstream drawings(line);
    std::string drawing, last;
    while (std::getline(drawings, drawing, '\r')) {
      if (!last.empty() && last.starts_with("step ")) {
        EXPECT_LT(last.size(), columns) << last;
        ++redrawn;
      }
      if (!drawing.empty()) last = drawing;
    }
    lines.push_back(last);
  }
  EXPECT_GT(redrawn, 300);
  EXPECT_EQ(std::ranges::count_if(lines, [](const auto& line) { return line.starts_with("step "); }),
            21 + 1);  // and the last validation
  EXPECT_THAT(lines, Contains(StartsWith("step 20/400")));
  EXPECT_THAT(lines, Contains(StartsWith("step 400/400")));
}

}  // namespace
}  // namespace cuelbo::test
