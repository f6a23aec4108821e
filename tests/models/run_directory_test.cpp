#include "models/run_directory.hpp"

#include <gmock/gmock.h>

#include "engine/io/atomic_file.hpp"
#include "tests/models/tiny_run.hpp"
#include "tests/support/another_user.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/full_disk.hpp"
#include "tests/support/temporary_directory.hpp"

namespace cuelbo {
namespace {

using test::fails_with;
using test::read_text;
using Which = RunDirectory::Which;

// A run with checkpoints at the steps 5, 10 (by validation) and 12.
class RunOnDisk : public testing::Test {
 protected:
  RunOnDisk() {
    test::write_bars(directory_ / "bars.npz");
    config_ = test::tiny_config(directory_ / "bars.npz");
    test::train_until(RunDirectory::create(path_, config_), 12);
  }
  RunDirectory run() const { return RunDirectory::open(path_); }
  std::string checkpoint(const std::string& name) const { return path_ + "/checkpoint/" + name; }

  test::TemporaryDirectory directory_;
  const std::string path_ = directory_ / "run";
  RunConfig config_;
};

TEST_F(RunOnDisk, HoldsTheResolvedConfig) {
  config_.data.scale = 255;  // follows from the data
  config_.data.scale_of = "uint8";
  EXPECT_EQ(to_toml(run().config()), to_toml(config_));
}

TEST_F(RunOnDisk, IsNotBegunTwice) {
  EXPECT_TRUE(fails_with([&] { RunDirectory::create(path_, config_); }, "holds a run already"));
}

TEST_F(RunOnDisk, TheModelComesBack) {
  const LoadedModel best = load_model(run(), {.name = "cpu", .threads = 1});
  EXPECT_TRUE(best.state.has_validation);
  EXPECT_EQ(best.checkpoint, "checkpoint/best.safetensors");
  EXPECT_EQ(best.model->image().height, 12);
  EXPECT_EQ(best.model->code_size(), 8);
  std::filesystem::remove(checkpoint("best.safetensors"));
  const LoadedModel newest = load_model(run(), {.name = "cpu", .threads = 1});
  EXPECT_EQ(newest.checkpoint, "checkpoint/step-00000012.safetensors");
  EXPECT_EQ(newest.state.step, 12);
}

TEST_F(RunOnDisk, CheckpointsHoldEverythingByName) {
  const Safetensors content = read_safetensors(checkpoint("step-00000012.safetensors"));
  EXPECT_EQ(content.metadata.at("step"), "12");
  EXPECT_EQ(content.metadata.at("format"), "cuelbo checkpoint");
  for (const char* name : {"encoder.0.weight", "adam.first.encoder.0.weight", "adam.second.encoder.0.weight",
                           "encoder.0.batch_norm.running_mean"})
    EXPECT_TRUE(content.tensors.contains(name)) << name;
  EXPECT_FALSE(content.tensors.contains("adam.first.encoder.0.batch_norm.running_mean"));
}

TEST_F(RunOnDisk, ADamagedCheckpointIsNamedWithTheOneBefore) {
  const std::string newest = checkpoint("step-00000012.safetensors"), whole = read_text(newest);
  const auto refuses = [&](const std::string& content, const std::string& message) {
    write_file(newest, content);
    const auto load = [&] { run().load_checkpoint(Which::newest); };
    EXPECT_TRUE(fails_with(load, "step-00000012.safetensors': " + message)) << content.size();
    EXPECT_TRUE(fails_with(load, "remove it to use checkpoint/step-00000010.safetensors"));
  };
  refuses("", "truncated");
  refuses(whole.substr(0, 5), "truncated");
  refuses(whole.substr(0, 200), "truncated");
  refuses(whole.substr(0, whole.size() - 1), "truncated");
  std::string flipped = whole;
  flipped[flipped.size() - 30] = static_cast<char>(flipped[flipped.size() - 30] ^ 1);
  refuses(flipped, "is damaged: its checksum is not that of its tensors");
  std::string later = whole;
  later.replace(later.find(R"("step":"12")"), 11, R"("step":"13")");
  refuses(later, "is damaged: its checksum is not that of its metadata");
  std::string other_version = whole;
  other_version.replace(other_version.find(R"("version":"1")"), 13, R"("version":"7")");
  refuses(other_version, "is a checkpoint of version 7, this program reads version 1");
  std::string bad_step = whole;
  bad_step.replace(bad_step.find(R"("step":"12")"), 11, R"("step":"1x")");
  refuses(bad_step, "metadata 'step' is '1x', not a number");

  std::filesystem::remove(newest);
  EXPECT_EQ(run().load_checkpoint(Which::newest).info.state.step, 10);
  write_file(checkpoint("step-00000010.safetensors"), "");
  EXPECT_TRUE(fails_with([&] { run().load_checkpoint(Which::newest); }, "there is no other checkpoint"));
}

TEST_F(RunOnDisk, ACheckpointOfAnotherModelDoesNotFit) {
  RunConfig wider = config_;
  wider.encoder.layers[1].units = 13;
  write_file(path_ + "/config.toml", to_toml(wider));
  EXPECT_TRUE(
      fails_with([&] { load_model(run(), {}); },
                 "tensor 'encoder.1.bias' is float32 (12), the model of config.toml has float32 (13)") ||
      fails_with([&] { load_model(run(), {}); }, "tensor 'encoder.1.weight' is float32 (12, 144)"));
  RunConfig deeper = config_;
  deeper.encoder.layers.push_back(deeper.encoder.layers[1]);
  write_file(path_ + "/config.toml", to_toml(deeper));
  EXPECT_TRUE(fails_with([&] { load_model(run(), {}); }, "there is no tensor 'encoder.2.weight'"));
  RunConfig shallower = config_;
  shallower.encoder.layers[0].batch_norm = false;
  write_file(path_ + "/config.toml", to_toml(shallower));
  EXPECT_TRUE(fails_with([&] { load_model(run(), {}); }, "is not in the model of config.toml"));
}

TEST_F(RunOnDisk, NaNIsNotSaved) {
  LoadedModel loaded = load_model(run(), {.name = "cpu", .threads = 1});
  std::vector<float> values = loaded.parameters->read(0);
  values.back() = std::numeric_limits<float>::infinity();
  loaded.parameters->write(0, values);
  const std::string name = checkpoint("step-00000013.safetensors");
  const auto save = [&] {
    run().save_checkpoint(*loaded.parameters, {{.step = 13}, loaded.model->image(), "cpu"}, false);
  };
  EXPECT_TRUE(
      fails_with(save, "is not written: '" + loaded.parameters->parameter(0).name + "' holds NaN or Inf"));
  EXPECT_FALSE(std::filesystem::exists(name));
}

TEST(RunDirectory, SaysWhatIsMissing) {
  const test::TemporaryDirectory directory;
  EXPECT_TRUE(fails_with([&] { RunDirectory::open(directory / "nowhere"); }, "there is no run directory"));
  EXPECT_TRUE(fails_with([&] { RunDirectory::open(directory.path()); }, "it holds no config.toml"));
  write_file(directory / "config.toml", "seed = ");
  EXPECT_TRUE(fails_with<UsageError>([&] { RunDirectory::open(directory.path()); }, "config.toml:1:"));
  write_file(directory / "config.toml", to_toml(load_config("hfvae-dsprites")));
  EXPECT_TRUE(
      fails_with([&] { load_model(RunDirectory::open(directory.path()), {}); }, "holds no checkpoint yet"));
}

TEST_F(RunOnDisk, ABestCheckpointAloneIsContinued) {
  std::filesystem::remove(checkpoint("step-00000010.safetensors"));
  std::filesystem::remove(checkpoint("step-00000012.safetensors"));
  const std::int64_t step = run().load_checkpoint(Which::best).info.state.step;
  EXPECT_EQ(run().load_checkpoint(Which::newest).info.state.step, step);
  EXPECT_TRUE(fails_with([&] { RunDirectory::create(path_, config_); }, "holds a run already"));
  test::train_quietly(RunDirectory::resume(path_));
  test::train_quietly(RunDirectory::create(directory_ / "whole", config_));
  EXPECT_EQ(test::outcome(path_), test::outcome(directory_ / "whole"));
  for (const char* name : {"step-00000020.safetensors", "step-00000023.safetensors"})
    std::filesystem::remove(checkpoint(name));
  write_file(checkpoint("best.safetensors"), "");
  for (const Which which : {Which::best, Which::newest})
    EXPECT_TRUE(fails_with([&] { run().load_checkpoint(which); }, "there is no other checkpoint"));
}

// Neither taken for the newest ones nor removed as the oldest.
TEST_F(RunOnDisk, CopiesOfCheckpointsAreTheUsers) {
  const std::vector<std::string> copies{"step-00000010-keep.safetensors",
                                        "step-00000012 (copy).safetensors",
                                        "step-before.safetensors",
                                        "step-.safetensors",
                                        "best-12.safetensors",
                                        "step-00000010.safetensors.bak"};
  for (const std::string& name : copies) write_file(checkpoint(name), name);
  EXPECT_EQ(run().load_checkpoint(Which::newest).info.state.step, 12);
  test::train_quietly(RunDirectory::resume(path_));
  EXPECT_EQ(run().load_checkpoint(Which::newest).info.state.step, 23);
  for (const std::string& name : copies) EXPECT_EQ(read_text(checkpoint(name)), name);
  for (const char* name : {"step-00000020.safetensors", "step-00000023.safetensors", "best.safetensors"})
    EXPECT_TRUE(std::filesystem::exists(checkpoint(name))) << name;
  EXPECT_EQ(test::directory_content(path_ + "/checkpoint").size(), copies.size() + 3);
}

TEST_F(RunOnDisk, WithoutItsConfigItIsStillARun) {
  std::filesystem::remove(path_ + "/config.toml");
  const std::string message = "'" + path_ + "' holds checkpoints but no config.toml: restore that file";
  EXPECT_TRUE(fails_with([&] { RunDirectory::open(path_); }, message));
  EXPECT_TRUE(fails_with([&] { RunDirectory::resume(path_); }, message));
}

// As after a kill while the data was read.
TEST_F(RunOnDisk, OneThatEndedBeforeItBeganSaysHowToStartIt) {
  std::filesystem::remove_all(path_ + "/checkpoint");
  std::filesystem::remove(path_ + "/config.toml");
  EXPECT_TRUE(fails_with([&] { RunDirectory::resume(path_); }, "ended before it began: start it again with"));
}

TEST_F(RunOnDisk, NamesTheRunForAPathInOrAroundIt) {
  const std::string hint = "; did you mean the run '" + path_ + "'?";
  for (const std::string inside :
       {"checkpoint", "checkpoint/", "config.toml", "log.jsonl", "nothing", "checkpoint/best.safetensors"})
    EXPECT_TRUE(fails_with([&] { RunDirectory::open(path_ + "/" + inside); }, hint)) << inside;
  EXPECT_TRUE(
      fails_with([&] { RunDirectory::open(path_ + "/config.toml"); }, "is not a run directory but a file;"));
  EXPECT_TRUE(fails_with([&] { RunDirectory::open(directory_.path()); }, "it holds no config.toml" + hint));
  EXPECT_EQ(run_nearby("/nowhere/at/all"), "");
}

TEST_F(RunOnDisk, SaysThatItMayNotBeRead) {
  std::filesystem::permissions(directory_.path(), std::filesystem::perms::all);
  std::filesystem::permissions(path_, std::filesystem::perms::none);
  std::error_code error;
  bool reachable = false, refused = false, refused_inside = false, not_empty = false;
  const bool possible = test::as_another_user([&] {
    reachable = std::filesystem::exists(path_, error);
    refused = fails_with([&] { run(); }, "cannot read '" + path_ + "/config.toml': Permission denied");
    refused_inside = fails_with([&] { RunDirectory::open(path_ + "/x"); }, "/x': Permission denied");
  });
  std::filesystem::permissions(path_, std::filesystem::perms::all);
  // A folder of checkpoints that cannot be read is not an empty one.
  std::filesystem::permissions(checkpoint(""), std::filesystem::perms::none);
  test::as_another_user(
      [&] { not_empty = fails_with([&] { run().has_checkpoint(); }, "/checkpoint': Permission denied"); });
  std::filesystem::permissions(checkpoint(""), std::filesystem::perms::all);
  if (!possible || !reachable) GTEST_SKIP() << "no other user can reach the temporary directory";
  EXPECT_TRUE(refused);
  EXPECT_TRUE(refused_inside);
  EXPECT_TRUE(not_empty);
}

TEST_F(RunOnDisk, WithoutValidationThereIsNoBest) {
  RunDirectory resumed = RunDirectory::resume(path_);
  const LoadedModel newest = load_model(resumed, {.name = "cpu", .threads = 1});
  CheckpointInfo info = resumed.load_checkpoint(Which::newest).info;
  resumed.save_checkpoint(*newest.parameters, info, false);
  EXPECT_EQ(resumed.checkpoint_file(Which::best), "checkpoint/best.safetensors");
  info.state = {.step = info.state.step};
  resumed.save_checkpoint(*newest.parameters, info, false);
  EXPECT_EQ(resumed.checkpoint_file(Which::best), "checkpoint/step-00000012.safetensors");
}

TEST(RunDirectory, NeedsAPlaceToWrite) {
  const test::TemporaryDirectory directory;
  write_file(directory / "file", "");
  const RunConfig config = load_config("hfvae-dsprites");
  EXPECT_TRUE(
      fails_with([&] { RunDirectory::create(directory / "file/run", config); }, "cannot create directory"));
  std::filesystem::create_directory(directory / "locked");
  std::filesystem::permissions(directory / "locked", std::filesystem::perms::owner_read);
  std::filesystem::permissions(directory.path(), std::filesystem::perms::all);
  const test::WithoutRoot user;
  if (!user.holds()) GTEST_SKIP() << "root may write anywhere";
  EXPECT_TRUE(
      fails_with([&] { RunDirectory::create(directory / "locked/run", config); }, "Permission denied"));
}

}  // namespace
}  // namespace cuelbo
