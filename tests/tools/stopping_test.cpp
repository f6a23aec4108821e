// Ctrl-C, kill and resume.
#include <algorithm>
#include <csignal>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

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
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string name = signal == SIGINT ? "interrupted" : "terminated";
    RunningCuelbo running(endless(name), directory_.path());
    ASSERT_TRUE(running.wait_for("step 20/"));
    running.signal(signal);
    const Outcome outcome = running.wait();
    EXPECT_EQ(outcome.code, 130);
    EXPECT_THAT(outcome.err, HasSubstr("cuelbo train --resume " + name));
    EXPECT_GE(saved_step(name), 20);
  }
  expect_resumed_equals_uninterrupted("interrupted", saved_step("interrupted") + 33);
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
