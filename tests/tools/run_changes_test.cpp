// A run whose data or configuration was changed: every command that needs them refuses it and says what changed.
#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using RunChanges = TinyTest;

void replace_in(const std::filesystem::path& path, const std::string& from, const std::string& to) {
  std::ifstream in(path);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  in.close();
  const std::size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from << " is not in\n" << text;
  text.replace(at, from.size(), to);
  std::ofstream(path) << text;
}

// Everything that reads the data of a run.
const std::vector<std::vector<std::string>> readers{{"evaluate", "model"},
                                                    {"traverse", "model", "-o", "grid.png"},
                                                    {"report", "model"},
                                                    {"data", "model", "-o", "seen.npz"},
                                                    {"train", "--resume", "model", "--steps", "60"}};

TEST_F(RunChanges, AChangedDataFileIsRefusedByAllWhoReadIt) {
  train();
  const Array good = read_npy(path("images.npy"));
  const auto refused = [&](const Array& images, const std::string& message) {
    write_npy(path("images.npy"), images);
    for (const auto& reader : readers)
      EXPECT_TRUE(fails(run(reader), 1, "the data of 'model' was changed after training: " + message))
          << reader[0];
    EXPECT_FALSE(std::filesystem::exists(path("grid.png")));
    EXPECT_FALSE(std::filesystem::exists(path("seen.npz")));
    EXPECT_FALSE(std::filesystem::exists(path("model/evaluation.json")));
    EXPECT_FALSE(std::filesystem::exists(path("model/report.html")));
  };
  Array other = good;
  other.data.back() = std::byte{21};  // the least change
  refused(other, "80 images of 8×8 with 1 channel as before, but with other pixels");
  Array fewer = good;
  fewer.data.resize(79 * 64);
  fewer.shape[0] = 79;
  refused(fewer, "there are 79 images of 8×8 with 1 channel, there were 80 images of 8×8");
  Array flat = good;
  flat.shape = {80, 4, 16};
  write_npy(path("images.npy"), flat);
  for (const auto& reader : readers)
    EXPECT_TRUE(
        fails(run(reader), 1, "there are 80 images of 4×16 with 1 channel, there were 80 images of 8×8"))
        << reader[0];
  EXPECT_TRUE(fails(run({"evaluate", "model", "--accept-changes"}), 1,
                    "images are 4x16x1 (height, width, channels), the model takes 8x8x1"));
  Array few = good;  // fewer than a batch
  few.data.resize(12 * 64);
  few.shape[0] = 12;
  refused(few, "there are 12 images of 8×8 with 1 channel, there were 80 images of 8×8");
  std::vector<float> floats = good.as_f32();
  for (float& x : floats) x /= 255;
  refused(make_array(good.shape, floats), "the images are float32, they were uint8");

  write_npy(path("images.npy"), other);
  // Other binarization of the run's own data, but not other data.
  EXPECT_TRUE(fails(run({"data", "model", "--describe", "--set", "data.binarize=threshold"}), 1,
                    "the data of 'model' was changed after training"));
  write_npy(path("new.npy"), other);
  EXPECT_TRUE(succeeds(run({"data", "model", "--describe", "--set", "data.path=new.npy"})));
  for (std::vector<std::string> reader : readers) {
    reader.emplace_back("--accept-changes");
    const Outcome outcome = run(reader);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out + outcome.err, HasSubstr("note: changed after training: 80 images")) << reader[0];
  }
  // Going on makes it the run's data.
  EXPECT_TRUE(succeeds(run({"train", "--resume", "model", "--steps", "70"})));
}

TEST_F(RunChanges, AChangedFactorIsAChange) {
  const Array images = read_npy(path("images.npy"));
  const auto write = [&](std::int64_t last) {
    std::vector<std::int64_t> factors(80, 1);
    factors.back() = last;
    write_npz(path("images.npz"), {{"images", images}, {"factors", make_array({80, 1}, factors)}});
  };
  write(0);
  train("model", {"--set", "data.path=images.npz"});
  EXPECT_TRUE(succeeds(run({"evaluate", "model"})));
  write(1);
  EXPECT_TRUE(fails(run({"evaluate", "model"}), 1, "with other pixels or factors"));
}

TEST_F(RunChanges, AnotherTestSplitIsAChange) {
  const Array images = read_npy(path("images.npy"));
  const auto write = [&](std::int64_t train_items) {
    Array train = images, test = images;
    train.shape[0] = train_items;
    train.data.resize(static_cast<std::size_t>(train_items * 64));
    test.shape[0] = 80 - train_items;
    test.data.erase(test.data.begin(), test.data.begin() + train_items * 64);
    write_npz(path("images.npz"), {{"x_train", train}, {"x_test", test}});
  };
  write(60);
  train("model", {"--set", "data.path=images.npz"});
  write(70);
  for (const auto& reader : readers) EXPECT_TRUE(fails(run(reader), 1, "or another test split")) << reader[0];
  write(60);
  EXPECT_TRUE(succeeds(run({"evaluate", "model"})));
}

// The best checkpoint on the old data says nothing about the new.
TEST_F(RunChanges, AfterAChangeTheBestIsChosenAnew) {
  train();
  Array harder = read_npy(path("images.npy"));
  for (std::size_t i = 0; i < harder.data.size(); ++i)
    harder.data[i] = static_cast<std::byte>(i * 2654435761U >> 7 & 255);
  write_npy(path("images.npy"), harder);
  ASSERT_TRUE(succeeds(run({"train", "--resume", "model", "--steps", "60", "--accept-changes"})));
  EXPECT_TRUE(succeeds(run({"evaluate", "model"})));  // the best one was trained on the present data
}

// The old best was measured on the old data, so it is not kept until a validation finds a new one.
TEST_F(RunChanges, AfterAChangeTheOldBestIsGoneWithoutAValidation) {
  train("model",
        {"--set", "optimizer.steps=1000000", "--set", "training.validate_every=1000000", "--steps", "20"});
  ASSERT_TRUE(std::filesystem::exists(path("model/checkpoint/best.safetensors")));
  write_npy(path("images.npy"), make_array(Dtype::u8, {80, 8, 8}));
  RunningCuelbo resumed({"train", "--resume", "model", "--steps", "1000000", "--accept-changes", "--json"},
                        path(""));
  ASSERT_TRUE(resumed.wait_for("\"step\":40"));
  resumed.signal(SIGINT);
  EXPECT_EQ(resumed.wait().code, 130);
  EXPECT_FALSE(std::filesystem::exists(path("model/checkpoint/best.safetensors")));
  EXPECT_TRUE(succeeds(run({"evaluate", "model"})));
}

TEST_F(RunChanges, AMissingBestCheckpointIsNoted) {
  train();
  EXPECT_THAT(run({"evaluate", "model"}).err, Not(HasSubstr("missing")));
  std::filesystem::remove(path("model/checkpoint/best.safetensors"));
  const std::string missing = "note: 'model/checkpoint/best.safetensors' is missing: the ";
  for (const auto& reader : readers)
    if (reader[0] == "evaluate" || reader[0] == "traverse" || reader[0] == "report") {
      EXPECT_THAT(run(reader).err, HasSubstr(missing + "newest checkpoint, of step 40, is used"))
          << reader[0];
    }
  const Outcome resumed = run({"train", "--resume", "model", "--steps", "60"});
  EXPECT_THAT(resumed.err, HasSubstr(missing + "next validation chooses the best anew"));
  EXPECT_THAT(run({"evaluate", "model"}).err, Not(HasSubstr("missing")));
}

TEST_F(RunChanges, AMovedDataFileMayBeNamedAnew) {
  train();
  std::filesystem::rename(path("images.npy"), path("moved.npy"));
  EXPECT_TRUE(fails(run({"evaluate", "model"}), 1, "images.npy"));
  replace_in(path("model/config.toml"), "images.npy", "moved.npy");
  EXPECT_TRUE(succeeds(run({"evaluate", "model"})));
}

TEST_F(RunChanges, AConfigThatWasEditedIsRefusedByAllWhoUseTheRun) {
  train();
  ASSERT_TRUE(succeeds(run({"encode", "model", "-i", "images.npy", "-o", "codes.npz"})));
  std::vector<std::vector<std::string>> users = readers;
  users.insert(users.end(), {{"encode", "model", "-i", "images.npy", "-o", "new.npz"},
                             {"decode", "model", "-i", "codes.npz", "-o", "new.npy"},
                             {"export", "model", "-o", "new.safetensors"}});
  const std::string good = content("model/config.toml");
  const auto refused = [&](const std::string& from, const std::string& to, const std::string& message) {
    std::ofstream(path("model/config.toml")) << good;
    replace_in(path("model/config.toml"), from, to);
    for (const auto& user : users)
      EXPECT_TRUE(fails(run(user), 1, "model/config.toml' was changed after training: " + message))
          << user[0];
  };
  refused("seed = 3", "seed = 4", "seed is 4, it was 3; restore it");
  refused("test_fraction = 0.2", "test_fraction = 0.3", "data.test_fraction is 0.3, it was 0.2");
  refused("likelihood = \"bernoulli\"", "likelihood = \"gaussian\"",
          "decoder.likelihood is \"gaussian\", it was \"bernoulli\"");
  std::ofstream(path("model/config.toml")) << good;
  // One user is enough for the other keys.
  users = {{"evaluate", "model"}};
  refused("activation = \"relu\"", "activation = \"tanh\"",
          "encoder.activation is \"tanh\", it was \"relu\"");
  refused("validation_fraction = 0.2", "validation_fraction = 0.1",
          "data.validation_fraction is 0.1, it was 0.2");
  refused("binarize = \"none\"", "binarize = \"threshold\"",
          "data.binarize is \"threshold\", it was \"none\"");
  refused("scale = 255.0", "scale = 256.0", "data.scale is 256.0, it was 255.0");
  refused("scale = 255.0\n", "", "data.scale is \"auto\", it was 255.0");
  refused("temperature = 0.66", "temperature = 0.5",
          "latent.0 is { name = \"kind\", discrete = 3, temperature = 0.5 }");
  refused("name = \"form\"", "name = \"shape\"", "latent.2 is { name = \"shape\", gaussian = 3 }");
  refused("between_group_tc = 2.0", "between_group_tc = 3.0",
          "objective.between_group_tc is 3.0, it was 2.0");
  refused("precision = \"fp32\"", "precision = \"bf16\"", "precision is \"bf16\", it was \"fp32\"");
  refused("batch_size = 16", "batch_size = 8", "data.batch_size is 8, it was 16");

  std::ofstream(path("model/config.toml")) << good;
  replace_in(path("model/config.toml"), "seed = 3", "seed = 4");
  const Outcome outcome = run({"evaluate", "model", "--accept-changes"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out + outcome.err, HasSubstr("note: changed after training: seed is 4, it was 3"));

  // Keys that do not affect results may be changed.
  std::ofstream(path("model/config.toml")) << good;
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"steps = 40", "steps = 50"},
                                                        {"log_every = 10", "log_every = 5"},
                                                        {"validate_every = 20", "validate_every = 10"},
                                                        {"device = \"auto\"", "device = \"cpu\""},
                                                        {"threads = 0", "threads = 1"},
                                                        {"seed = 3", "# mine\nseed = 3"}})
    replace_in(path("model/config.toml"), from, to);
  for (const auto& reader : readers) EXPECT_TRUE(succeeds(run(reader))) << reader[0];
}

}  // namespace
}  // namespace cuelbo::test
