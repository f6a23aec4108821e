#include "models/trainer.hpp"

#include <cfenv>
#include <csignal>

#include <gmock/gmock.h>

#include "models/event_file.hpp"
#include "models/training_log.hpp"
#include "tests/models/tiny_run.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/full_disk.hpp"
#include "tests/support/temporary_directory.hpp"

namespace cuelbo {
namespace {

using nlohmann::json;
using test::fails_with;
using test::outcome;
using test::read_text;
using test::train_quietly;
using test::train_until;

class Trainer : public testing::Test {
 protected:
  Trainer() { test::write_bars(data_); }

  RunDirectory start(const std::string& name, const std::vector<std::string>& overrides = {}) const {
    return RunDirectory::create(directory_ / name, test::tiny_config(data_, overrides));
  }
  RunDirectory reopen(const std::string& name) const { return RunDirectory::open(directory_ / name); }

  // A finished run to compare with.
  std::map<std::string, std::string> whole(const std::vector<std::string>& overrides = {}) const {
    EXPECT_EQ(train_quietly(start("whole", overrides)), TrainingOutcome::finished);
    return outcome(directory_ / "whole");
  }

  std::vector<json> log(const std::string& name) const {
    std::vector<json> records;
    std::istringstream lines(read_text(directory_ / name / "log.jsonl"));
    for (std::string line; std::getline(lines, line);) records.push_back(json::parse(line));
    return records;
  }

  test::TemporaryDirectory directory_;
  const std::filesystem::path data_ = directory_ / "bars.npz";
};

TEST_F(Trainer, LogsWhatItPromises) {
  whole();
  const std::vector<json> records = log("whole");
  EXPECT_EQ(records[0]["kind"], "run");
  EXPECT_EQ(records[0]["estimator"], "hfvae");
  EXPECT_EQ(records[0]["discrete"], "categorical");
  EXPECT_EQ(records[0]["train_items"], 36);
  std::vector<std::int64_t> trained, validated;
  for (const json& record : records) {
    if (record["kind"] == "run") continue;
    (record["kind"] == "train" ? trained : validated).push_back(record["step"]);
    double sum = 0;
    for (const auto& [name, value] : record["terms"].items()) sum += value.get<double>();
    EXPECT_NEAR(record["kl"].get<double>(), sum, 1e-9);
    EXPECT_NEAR(record["elbo"].get<double>(), record["log_likelihood"].get<double>() - sum, 1e-9);
    EXPECT_EQ(record["terms"].size(), 1u + 1 + 3 + 5 + 1);
  }
  EXPECT_EQ(trained, (std::vector<std::int64_t>{2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 23}));
  EXPECT_EQ(validated, (std::vector<std::int64_t>{5, 10, 15, 20, 23}));
}

TEST_F(Trainer, LearnsTheBars) {
  whole({"optimizer.steps=300", "training.validate_every=100", "optimizer.adam.learning_rate=1e-2",
         "objective.preset=vae"});
  const std::vector<json> records = log("whole");
  EXPECT_GT(records.back()["elbo"].get<double>(), records[1]["elbo"].get<double>() + 20);
}

TEST_F(Trainer, KeepsTheNewestTwoCheckpointsAndTheBest) {
  whole();
  EXPECT_THAT(test::directory_content(directory_ / "whole" / "checkpoint"),
              testing::UnorderedElementsAre("best.safetensors", "step-00000020.safetensors",
                                            "step-00000023.safetensors"));
  double best = -1e30;
  std::int64_t best_step = 0;
  for (const json& record : log("whole")) {
    if (record["kind"] != "validation") continue;
    EXPECT_EQ(record["best"].get<bool>(), record["elbo"].get<double>() > best);
    if (record["best"]) best = record["elbo"], best_step = record["step"];
  }
  const Checkpoint checkpoint = reopen("whole").load_checkpoint(RunDirectory::Which::best);
  EXPECT_EQ(checkpoint.info.state.step, best_step);
  EXPECT_EQ(checkpoint.info.state.best_validation_elbo, best);
}

TEST_F(Trainer, DoesNotDependOnTheNumberOfThreads) {
  const auto expected = whole();
  train_quietly(start("two"), 2);
  EXPECT_EQ(outcome(directory_ / "two"), expected);
}

TEST_F(Trainer, DoesNotDependOnTheCallersRoundingMode) {
  const auto expected = whole();
  for (const int mode : {FE_UPWARD, FE_TOWARDZERO}) {
    const std::string name = "mode" + std::to_string(mode);
    RunDirectory run = start(name);
    std::fesetround(mode);
    train_quietly(run, 2);
    const int after = std::fegetround();
    std::fesetround(FE_TONEAREST);
    EXPECT_EQ(after, mode);
    EXPECT_EQ(outcome(directory_ / name), expected);
  }
}

TEST_F(Trainer, ResumedAfterAnInterruptionItEqualsAWholeRun) {
  const auto expected = whole({"training.log_every=1"});
  for (const int threads : {1, 2})
    for (const std::int64_t step : {1, 4, 5, 13, 22}) {
      const std::string name = std::to_string(step) + "-" + std::to_string(threads);
      ASSERT_EQ(train_until(start(name, {"training.log_every=1"}), step, threads),
                TrainingOutcome::interrupted);
      EXPECT_EQ(reopen(name).load_checkpoint(RunDirectory::Which::newest).info.state.step, step);
      ASSERT_EQ(train_until(reopen(name), step + 1 < 23 ? step + 1 : 100, threads),
                step + 1 < 23 ? TrainingOutcome::interrupted : TrainingOutcome::finished);
      ASSERT_EQ(train_quietly(reopen(name), threads), TrainingOutcome::finished);
      // An interruption leaves checkpoints at its own steps: only the older one of the two that stay may differ.
      auto resumed = outcome(directory_ / name), wanted = expected;
      std::erase_if(resumed, [](const auto& file) {
        return file.first.starts_with("step-") && !file.first.ends_with("23.safetensors");
      });
      wanted.erase("step-00000020.safetensors");
      EXPECT_EQ(resumed, wanted) << name;
    }
}

// Killed at a moment between the writes of a step, then with torn ends of files as a crash may leave them.
TEST_F(Trainer, ResumedAfterAKillItEqualsAWholeRun) {
  GTEST_FLAG_SET(death_test_style, "fast");
  const auto expected = whole();
  const auto killed_at = [](std::int64_t step, bool in_validation) {
    const auto kill_at = [=](std::int64_t at) {
      if (at == step) std::raise(SIGKILL);
    };
    TrainerEvents handlers;
    if (in_validation)
      handlers.validated = [=](const ValidationRecord& record) { kill_at(record.step); };
    else
      handlers.progress = [=](const TrainingRecord& record) { kill_at(record.step); };
    return handlers;
  };
  for (const auto& [step, in_validation] : std::vector<std::pair<std::int64_t, bool>>{
           {4, false}, {5, true}, {10, true}, {14, false}, {23, true}}) {
    const std::string name = "killed-" + std::to_string(step);
    const std::filesystem::path path = directory_ / name;
    EXPECT_EXIT(train_quietly(start(name), 2, killed_at(step, in_validation)),
                testing::KilledBySignal(SIGKILL), "");
    std::ofstream(path / "log.jsonl", std::ios::app) << R"({"kind":"train","step":3,"elb)";
    std::ofstream(path / "checkpoint" / "step-00000099.safetensors.partial-1-0") << "half";
    for (const auto& entry : std::filesystem::directory_iterator(path))
      if (entry.path().filename().string().starts_with("events."))
        std::ofstream(entry.path(), std::ios::app) << "torn";
    ASSERT_EQ(train_quietly(reopen(name), 2), TrainingOutcome::finished);
    EXPECT_EQ(outcome(path), expected) << name;
  }
}

TEST_F(Trainer, AFinishedRunStaysAsItIs) {
  const auto expected = whole();
  EXPECT_EQ(train_quietly(reopen("whole")), TrainingOutcome::finished);
  EXPECT_EQ(outcome(directory_ / "whole"), expected);
}

TEST_F(Trainer, NaNStopsItAndNamesTheOperation) {
  const std::string steep =
      "optimizer.adam.learning_rate={from=1e-3,to=1e30,steps=1}";  // 1e-3 in the first step only
  // Without a checkpoint, seen by the next step.
  EXPECT_TRUE(fails_with([&] { train_quietly(start("a", {steep, "optimizer.gradient_clip=0"})); },
                         "step 3: NaN or Inf, first in encoder."));
  EXPECT_FALSE(reopen("a").has_checkpoint());
  // With one, seen by the validation before anything is saved.
  const auto run = [&] { train_quietly(start("b", {steep, "training.validate_every=1"})); };
  EXPECT_TRUE(fails_with(run, "the last good checkpoint is '" +
                                  (directory_ / "b/checkpoint/step-00000001.safetensors").string() + "'"));
  EXPECT_EQ(reopen("b").load_checkpoint(RunDirectory::Which::newest).info.state.step, 1);
  EXPECT_EQ(reopen("b").load_checkpoint(RunDirectory::Which::best).info.state.step, 1);
}

TEST_F(Trainer, ADiskThatIsFullLeavesTheCheckpointBefore) {
  train_until(start("full"), 6);
  const std::string before = read_text(directory_ / "full/checkpoint/step-00000006.safetensors");
  ASSERT_FALSE(before.empty());
  {
    const test::FileSizeLimit limit(before.size() - 1);
    EXPECT_TRUE(fails_with([&] { train_quietly(reopen("full")); }, "cannot write '"));
  }
  EXPECT_EQ(read_text(directory_ / "full/checkpoint/step-00000006.safetensors"), before);
  for (const std::string& name : test::directory_content(directory_ / "full/checkpoint"))
    EXPECT_THAT(name, testing::EndsWith(".safetensors"));
  EXPECT_EQ(train_quietly(reopen("full")), TrainingOutcome::finished);
  auto resumed = outcome(directory_ / "full"), expected = whole();
  EXPECT_EQ(resumed["log.jsonl"], expected["log.jsonl"]);
  EXPECT_EQ(resumed["step-00000023.safetensors"], expected["step-00000023.safetensors"]);
}

TEST_F(Trainer, OneProcessAtATime) {
  train_until(start("held"), 3);
  const TrainingLog other(directory_ / "held", 3);
  EXPECT_TRUE(fails_with([&] { train_quietly(reopen("held")); }, "another process is writing it"));
}

// An older program accepted images that are refused today; training on them can continue.
TEST_F(Trainer, GoesOnWithImagesThatLookLikeAnotherOrder) {
  const std::string data = directory_ / "rows.npz", path = directory_ / "rows";
  write_npz(data, {{"images", make_array(Dtype::u8, {60, 3, 12, 12})}});
  RunConfig config = test::tiny_config(data, {"encoder.layers=[{linear=8}]", "decoder.layers=[{linear=8}]"});
  EXPECT_TRUE(fails_with([&] { test::train_until(RunDirectory::create(path, config), 4); }, "looks like"));
  config.data.shape = ImageShape{3, 12, 12};
  test::train_until(RunDirectory::create(path, config), 4);
  EXPECT_EQ(test::train_until(RunDirectory::resume(path), 6), TrainingOutcome::interrupted);
}

TEST_F(Trainer, TrainsWithoutValidationItems) {
  EXPECT_EQ(train_quietly(start("none", {"data.validation_fraction=0"})), TrainingOutcome::finished);
  for (const json& record : log("none")) EXPECT_NE(record["kind"], "validation");
  EXPECT_TRUE(reopen("none").has_checkpoint());
}

TEST_F(Trainer, SaysWhatDoesNotFit) {
  EXPECT_TRUE(fails_with<UsageError>([&] { train_quietly(start("a", {"data.batch_size=50"})); }, "batch"));
  EXPECT_TRUE(fails_with<UsageError>(
      [&] { train_quietly(start("b", {"decoder.layers=[{linear=18,reshape=[3,3,2]}]"})); }, "decoder"));
  EXPECT_TRUE(fails_with(
      [&] { train_quietly(start("c", {"data.path=" + (directory_ / "no.npz").string()})); }, "no.npz"));
  // None of them left anything that blocks a correct attempt.
  EXPECT_EQ(train_quietly(start("a")), TrainingOutcome::finished);
}

// What happens to the files of a run while it trains.
class TrainerFiles : public Trainer {
 protected:
  // Trains into `name`, with `change` between two validations, after step 8; gives the notes.
  std::vector<std::string> train_with(const std::string& name, const std::function<void()>& change,
                                      const std::vector<std::string>& overrides = {}) const {
    std::vector<std::string> notes;
    const TrainerEvents events{.note =
                                   [&](const std::string& line) {
                                     if (line.starts_with("note: ")) notes.push_back(line);
                                   },
                               .progress =
                                   [&](const TrainingRecord& record) {
                                     if (record.step == 8) change();
                                   }};
    EXPECT_EQ(train_quietly(start(name, overrides), 1, events), TrainingOutcome::finished);
    return notes;
  }
  // log.jsonl and TensorBoard's file
  std::vector<std::filesystem::path> logs(const std::string& name) const {
    std::vector<std::filesystem::path> paths{directory_ / name / "log.jsonl"};
    for (const std::string& file : test::directory_content(directory_ / name))
      if (file.starts_with("events.")) paths.push_back(directory_ / name / file);
    return paths;
  }
  static auto are_two_notes() {
    return testing::ElementsAre(
        testing::HasSubstr(
            "/log.jsonl' was removed, renamed or replaced; records from step 10 on are in the"),
        testing::HasSubstr(".cuelbo' was removed, renamed or replaced; records from step 10 on are in the"));
  }
  // The run record, then those after step 8.
  void expect_log_from_step_10(const std::string& name) const {
    const std::vector<json> records = log(name), all = log("whole");
    ASSERT_EQ(records.size(), all.size() - 5);  // without the steps 2, 4, 5, 6 and 8
    EXPECT_EQ(records[0], all[0]);
    EXPECT_EQ(records[1]["step"], 10);
    EXPECT_EQ(records.back(), all.back());
  }
};

TEST_F(TrainerFiles, LogsThatAreRemovedBeginAnew) {
  whole();
  EXPECT_THAT(train_with("removed",
                         [&] {
                           for (const auto& file : logs("removed")) std::filesystem::remove(file);
                         }),
              are_two_notes());
  expect_log_from_step_10("removed");
  EXPECT_TRUE(outcome(directory_ / "removed")["events"].find("brain.Event:2") != std::string::npos);
}

TEST_F(TrainerFiles, LogsThatAreRotatedBeginAnew) {
  whole();
  EXPECT_THAT(train_with("rotated",
                         [&] {
                           for (const auto& file : logs("rotated"))
                             std::filesystem::rename(file, file.string() + ".1");
                         }),
              are_two_notes());
  expect_log_from_step_10("rotated");
  const std::vector<json> all = log("whole");
  EXPECT_THAT(read_text(directory_ / "rotated/log.jsonl.1"), testing::HasSubstr(R"("step":8,)"));
}

// As `sed -i` does.
TEST_F(TrainerFiles, LogsThatAreReplacedGoOn) {
  const auto expected = whole();
  EXPECT_THAT(train_with("replaced",
                         [&] {
                           for (const auto& file : logs("replaced")) {
                             std::filesystem::copy_file(file, directory_ / "copy");
                             std::filesystem::rename(directory_ / "copy", file);
                           }
                         }),
              are_two_notes());
  EXPECT_EQ(outcome(directory_ / "replaced"), expected);
}

TEST_F(TrainerFiles, LogsOfARenamedDirectoryGoOn) {
  const auto expected = whole();
  EXPECT_THAT(train_with("old", [&] { std::filesystem::rename(directory_ / "old", directory_ / "new"); }),
              testing::IsEmpty());
  EXPECT_EQ(outcome(directory_ / "new"), expected);
}

TEST_F(TrainerFiles, AConfigThatIsRemovedIsWrittenAgain) {
  const std::filesystem::path config = directory_ / "run/config.toml";
  std::string before;
  EXPECT_THAT(train_with("run",
                         [&] {
                           before = read_text(config);
                           std::filesystem::remove(config);
                         }),
              testing::ElementsAre(
                  testing::HasSubstr("/config.toml' was removed while training; it is written again")));
  EXPECT_EQ(read_text(config), before);
  EXPECT_THAT(
      train_with("edited",
                 [&] { std::ofstream(directory_ / "edited/config.toml", std::ios::app) << "# mine\n"; }),
      testing::IsEmpty());
  EXPECT_THAT(read_text(directory_ / "edited/config.toml"), testing::EndsWith("# mine\n"));
}

TEST_F(TrainerFiles, ABestCheckpointThatIsRemovedIsChosenAnew) {
  const auto is_note = testing::HasSubstr(
      "/checkpoint/best.safetensors' is missing: the next validation chooses the best anew");
  // No later validation is better than the first.
  const std::vector<std::string> worse{"optimizer.adam.learning_rate={from=1e-2,to=0.5,steps=8}"};
  const auto best_steps = [&](const std::string& name) {
    std::vector<std::int64_t> steps;
    for (const json& record : log(name))
      if (record.value("best", false)) steps.push_back(record["step"]);
    return steps;
  };
  whole(worse);
  ASSERT_THAT(best_steps("whole"), testing::ElementsAre(5));
  const auto best = [&](const std::string& name) {
    return directory_ / name / "checkpoint/best.safetensors";
  };
  EXPECT_THAT(
      train_with("run", [&] { std::filesystem::remove(best("run")); }, worse), testing::ElementsAre(is_note));
  EXPECT_THAT(best_steps("run"), testing::Contains(10));
  EXPECT_TRUE(std::filesystem::exists(best("run")));
  // Between two trainings.
  train_until(start("resumed", worse), 8);
  std::filesystem::remove(best("resumed"));
  std::vector<std::string> notes;
  train_quietly(reopen("resumed"), 1, {.note = [&](const std::string& line) { notes.push_back(line); }});
  EXPECT_THAT(notes, testing::Contains(is_note));
  EXPECT_EQ(best_steps("resumed"), best_steps("run"));
  EXPECT_TRUE(std::filesystem::exists(best("resumed")));
}

TEST_F(TrainerFiles, ALogThatIsMissingOnResumingIsNoted) {
  whole();
  train_until(start("run"), 8);
  for (const auto& file : logs("run")) std::filesystem::remove(file);
  std::vector<std::string> notes;
  const TrainerEvents events{.note = [&](const std::string& line) { notes.push_back(line); }};
  train_quietly(reopen("run"), 1, events);
  EXPECT_THAT(notes, testing::IsSupersetOf(
                         {testing::HasSubstr("/log.jsonl' holds no records up to step 8: it begins anew"),
                          testing::HasSubstr(".cuelbo' holds no records up to step 8: it begins anew")}));
  expect_log_from_step_10("run");
}

}  // namespace
}  // namespace cuelbo
