// The results of every command for valid input.
#include <algorithm>
#include <cmath>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/io/image.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "engine/io/safetensors.hpp"
#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Commands = TinyTest;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

TEST_F(Commands, VersionAndHelp) {
  const Outcome version = run({"--version"});
  EXPECT_TRUE(succeeds(version));
  EXPECT_THAT(version.out, StartsWith("cuelbo 0."));
  for (const auto& arguments : {std::vector<std::string>{"--version", "--json"}, {"--json", "-V"}})
    EXPECT_EQ("cuelbo " + nlohmann::json::parse(run(arguments).out).at("version").get<std::string>() + "\n",
              version.out);
  const Outcome help = run({"--help"});
  EXPECT_TRUE(succeeds(help));
  for (const char* command : {"train", "evaluate", "report", "traverse", "encode", "decode", "export",
                              "objective", "data", "presets", "devices"}) {
    EXPECT_THAT(help.out, HasSubstr(command));
    const Outcome own = run({command, "--help"});
    EXPECT_TRUE(succeeds(own)) << command;
    EXPECT_THAT(own.out, HasSubstr("Usage: cuelbo " + std::string(command)));
  }
  EXPECT_THAT(help.out, HasSubstr("130"));
}

TEST_F(Commands, NoCommandShowsTheHelpAsWrongUsage) { EXPECT_EQ(run({}).code, 2); }

TEST_F(Commands, PresetsAreConfigsToStartFrom) {
  const Outcome list = run({"presets"});
  EXPECT_TRUE(succeeds(list));
  for (const char* name : {"hfvae-dsprites", "hfvae-mnist", "hfvae-fashion-mnist", "vae-dsprites"})
    EXPECT_THAT(list.out, HasSubstr(name));
  const Outcome one = run({"presets", "hfvae-dsprites"});
  EXPECT_TRUE(succeeds(one));
  std::ofstream(path("own.toml")) << one.out;
  EXPECT_TRUE(succeeds(run({"train", "own.toml", "--steps", "1", "--set", "data.batch_size=4", "--set",
                            "data.where=\"scale<0.6,shape=square,posX<0.1\"", "--output", "own"})));
}

TEST_F(Commands, DevicesNamesTheCpu) {
  const Outcome outcome = run({"devices"});
  EXPECT_TRUE(succeeds(outcome));
  EXPECT_THAT(outcome.out, StartsWith("cpu"));
}

TEST_F(Commands, TrainMakesARunDirectory) {
  const Outcome outcome = run({"train", "tiny.toml"});
  EXPECT_TRUE(succeeds(outcome));
  EXPECT_THAT(first_line(outcome.err), StartsWith("device: cpu"));
  EXPECT_THAT(outcome.err, HasSubstr("step 10/40"));
  EXPECT_THAT(outcome.err, HasSubstr("tensorboard --logdir run/tiny-3"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("\r")));  // a pipe is not a terminal
  EXPECT_EQ(outcome.out, "run/tiny-3\n");
  const auto names = directory_content(path("run/tiny-3"));  // <config>-<seed>
  EXPECT_THAT(names, Contains("config.toml"));
  EXPECT_THAT(names, Contains("log.jsonl"));
  EXPECT_THAT(names, Contains(StartsWith("events.out.tfevents")));
  EXPECT_THAT(directory_content(path("run/tiny-3/checkpoint")), Contains("step-00000040.safetensors"));
  // TensorBoard's tags name the latents.
  const auto events = std::ranges::find_if(names, [](const auto& n) { return n.starts_with("events.out"); });
  ASSERT_NE(events, names.end());
  const std::string tags = content("run/tiny-3/" + *events);
  for (const char* term : {"place.1", "place.2", "form.1", "form.3", "kind"})
    for (const char* kind : {"train", "validation"})
      EXPECT_THAT(tags, HasSubstr(fmt::format("{}/terms/dimension_kl/{}", kind, term)));
}

TEST_F(Commands, OptionsOfTrainOverrideTheConfig) {
  train("model", {"--seed", "9", "--steps", "3", "--set", "data.batch_size=8", "--set",
                  "decoder.likelihood=gaussian"});
  const std::string config = content("model/config.toml");
  for (const char* line : {"seed = 9", "steps = 3", "batch_size = 8", "likelihood = \"gaussian\""})
    EXPECT_THAT(config, HasSubstr(line));
}

TEST_F(Commands, ThreadsDoNotChangeTheModel) {
  train("one", {"--threads", "1"});
  train("three", {"--threads", "3"});
  EXPECT_EQ(content("one/checkpoint/step-00000040.safetensors"),
            content("three/checkpoint/step-00000040.safetensors"));
}

TEST_F(Commands, ThreadsOfTheCommandLineCount) {
  const auto device = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"train",   "tiny.toml", "--output", name,
                                       "--steps", "1",         "--device", "cpu"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return first_line(run(arguments).err);
  };
  const std::string all = device("all", {"--threads", "0"});
  EXPECT_THAT(all, HasSubstr("threads"));
  EXPECT_EQ(device("default", {}), all);
  EXPECT_THAT(device("three", {"--set", "threads=3"}), HasSubstr("3 threads"));
  EXPECT_THAT(device("five", {"--set", "threads=3", "--threads", "5"}), HasSubstr("5 threads"));
  EXPECT_EQ(device("all again", {"--set", "threads=3", "--threads", "0"}), all);
}

TEST_F(Commands, PrecisionIsThatOfTheRun) {
  train("low", {"--device", "cpu", "--set", "precision=bf16"});
  EXPECT_THAT(content("low/config.toml"), HasSubstr("precision = \"bf16\""));
  EXPECT_THAT(run({"evaluate", "low", "--device", "cpu"}).err, HasSubstr(", bf16"));
  // An instruction set may be called avx512_bf16.
  EXPECT_THAT(run({"evaluate", "low", "--device", "cpu", "--precision", "fp32"}).err,
              Not(HasSubstr(", bf16")));
  EXPECT_TRUE(fails(run({"train", "tiny.toml", "--output", "other", "--set", "precision=fp16"}), 2, "fp16"));
  EXPECT_TRUE(
      fails(run({"train", "tiny.toml", "--output", "other", "--set", "precision=bf16", "--device", "simt"}),
            2, "precision bf16 is for the device cpu"));
  EXPECT_FALSE(std::filesystem::exists(path("other")));
}

TEST_F(Commands, EvaluatePrintsATableAndWritesJson) {
  train();
  const Outcome outcome = run({"evaluate", "model"});
  EXPECT_TRUE(succeeds(outcome));
  EXPECT_THAT(first_line(outcome.err), StartsWith("device: "));
  for (const char* text : {"ELBO", "mutual information", "TC between groups", "place", "active units",
                           "estimator exact", "relaxed decoding", "categorical", "N = 16, B = 16"})
    EXPECT_THAT(outcome.out, HasSubstr(text));
  const auto json = nlohmann::json::parse(content("model/evaluation.json"));
  const double elbo = json.at("elbo"), log_likelihood = json.at("log_likelihood"), kl = json.at("kl");
  EXPECT_NEAR(elbo, log_likelihood - kl, 1e-6 * std::abs(elbo));
  double sum = 0;
  for (const auto& [name, value] : json.at("terms").items()) sum += value.get<double>();
  EXPECT_NEAR(sum, kl, 1e-9 * (1 + std::abs(kl)));
  EXPECT_EQ(json.at("estimator"), "exact");
  EXPECT_EQ(json.at("items"), 16);
  EXPECT_GE(json.at("metrics").at("importance_bound").get<double>(), elbo);
  // A quick look does not replace it, unless it is on other weights.
  const Outcome look = run({"evaluate", "model", "--items", "5", "--importance-samples", "2"});
  EXPECT_TRUE(succeeds(look));
  EXPECT_THAT(look.err,
              HasSubstr("kept 'model/evaluation.json', of 16 items; -o FILE.json stores this one, of 5"));
  EXPECT_EQ(nlohmann::json::parse(content("model/evaluation.json")), json);
  ASSERT_TRUE(succeeds(run({"train", "--resume", "model", "--steps", "60"})));
  ASSERT_TRUE(succeeds(run({"evaluate", "model", "--items", "5", "--importance-samples", "2"})));
  EXPECT_EQ(nlohmann::json::parse(content("model/evaluation.json")).at("items"), 5);
}

TEST_F(Commands, EncodeThenDecode) {
  train("model", {"--steps", "800"});
  ASSERT_TRUE(succeeds(run({"encode", "model", "-i", "images.npy", "-o", "codes.npz"})));
  const NpzReader codes(path("codes.npz"));
  EXPECT_THAT(codes.names(), ElementsAre("logits_kind", "logvar", "mean", "names", "z", "z_kind"));
  EXPECT_THAT(codes.header("mean").shape, ElementsAre(80, 5));
  EXPECT_THAT(codes.header("logits_kind").shape, ElementsAre(80, 3));
  ASSERT_TRUE(succeeds(run({"decode", "model", "-i", "codes.npz", "-o", "decoded.npy"})));
  const Array decoded = read_npy(path("decoded.npy"));
  EXPECT_THAT(decoded.shape, ElementsAre(80, 8, 8));
  double error = 0, spread = 0;
  const std::vector<float> images = read_npy(path("images.npy")).as_f32();
  for (std::size_t i = 0; i < images.size(); ++i) {
    const double p = decoded.as<float>()[i];
    ASSERT_TRUE(p > 0 && p < 1) << p;
    error += std::pow(p - static_cast<double>(images[i]) / 255, 2);
    spread += std::pow(0.18 - static_cast<double>(images[i]) / 255, 2);  // 0.18: the mean grey
  }
  EXPECT_LT(error, spread);  // better than the best constant

  // Decoding some of the codes gives those images: what surrounds an item does not matter.
  auto some = read_npz(path("codes.npz"));
  for (auto& [name, array] : some) {
    array.data.resize(array.data.size() / 80 * 3);
    array.shape[0] = 3;
  }
  write_npz(path("some.npz"), some);
  ASSERT_TRUE(succeeds(run({"decode", "model", "-i", "some.npz", "-o", "three.npy"})));
  const Array three = read_npy(path("three.npy"));
  ASSERT_EQ(three.size(), 3 * 64);
  EXPECT_TRUE(std::equal(three.data.begin(), three.data.end(), decoded.data.begin()));
}

TEST_F(Commands, EncodeTakesGreyValuesAsBytesAndAsFloats) {
  train();
  std::vector<float> floats = read_npy(path("images.npy")).as_f32();
  for (float& value : floats) value /= 255;
  write_npy(path("floats.npy"), make_array({80, 8, 8}, floats));
  ASSERT_TRUE(succeeds(run({"encode", "model", "-i", "images.npy", "-o", "a.npz"})));
  ASSERT_TRUE(succeeds(run({"encode", "model", "-i", "floats.npy", "-o", "b.npz"})));
  EXPECT_EQ(content("a.npz"), content("b.npz"));
}

TEST_F(Commands, ExportHoldsParametersAndArchitecture) {
  train();
  ASSERT_TRUE(succeeds(run({"export", "model", "-o", "model.safetensors"})));
  const Safetensors file = read_safetensors(path("model.safetensors"));
  EXPECT_THAT(file.tensor("encoder.0.weight").shape, ElementsAre(16, 64));
  EXPECT_THAT(file.tensor("encoder.latent.weight").shape, ElementsAre(2 * 5 + 3, 16));
  EXPECT_EQ(file.metadata.at("format_version"), "2");
  EXPECT_EQ(file.metadata.at("image"), "8 8 1");
  EXPECT_THAT(file.metadata.at("model"), HasSubstr("[[latent]]"));
  EXPECT_EQ(file.tensors.count("adam.first.encoder.0.weight"), 0U);
}

TEST_F(Commands, TraverseDrawsEveryLatentVariable) {
  train();
  const Outcome outcome = run({"traverse", "model", "-o", "grid.png"});
  ASSERT_TRUE(succeeds(outcome));
  const Image grid = read_image(path("grid.png"));
  EXPECT_EQ(grid.width, 11 * (8 + 2) + 2);
  // 5 dimensions and the discrete group, then 2 grids of 3 classes, each after a gap
  EXPECT_EQ(grid.height, 2 + (6 + 2 * 3) * (8 + 2) + 2 * 8);
  std::vector<double> kl;
  for (std::size_t at = outcome.out.find("KL "); at != std::string::npos;
       at = outcome.out.find("KL ", at + 1))
    kl.push_back(std::stod(outcome.out.substr(at + 3)));
  EXPECT_EQ(kl.size(), 6U);
  EXPECT_TRUE(std::is_sorted(kl.rbegin(), kl.rend()));
}

TEST_F(Commands, DataWritesASelectionOfDsprites) {
  ASSERT_TRUE(
      succeeds(run({"data", "dsprites", "-o", "hearts.npz", "--where", "shape=heart,scale=1,posX<0.1"})));
  const NpzReader file(path("hearts.npz"));
  const std::int64_t count = 40 * 4 * 32;  // posX of 0, 1/31, 2/31, 3/31
  EXPECT_THAT(file.header("images").shape, ElementsAre(count, 64, 64));
  EXPECT_THAT(file.header("factors").shape, ElementsAre(count, 5));
  EXPECT_THAT(file.read_text("factor_names"), ElementsAre("shape", "scale", "orientation", "posX", "posY"));
  EXPECT_THAT(run({"data", "hearts.npz", "--describe"}).out,
              HasSubstr("shape: square (0), ellipse (0), heart (5120)"));
  EXPECT_TRUE(succeeds(run({"train", "vae-mnist", "--set", "data.name=npy", "--set", "data.path=hearts.npz",
                            "--set", "data.test_fraction=0.1", "--steps", "1", "--output", "hearts"})));
}

// A test set sorted by class: a few items of it are drawn from all classes, for the bound too.
TEST_F(Commands, AFewItemsAreDrawnFromAllOfThem) {
  constexpr std::size_t count = 80, pixels = 64;
  std::vector<std::uint8_t> images(count * pixels);
  for (std::size_t i = 0; i < images.size(); ++i)
    images[i] = static_cast<std::uint8_t>(i / pixels < count / 2 ? 0 : i * 37 % 251);
  const Array sorted = make_array({80, 8, 8}, images);
  write_npz(path("sorted.npz"), {{"x_train", sorted}, {"x_test", sorted}});
  images.resize(20 * pixels);
  write_npy(path("first.npy"), make_array({20, 8, 8}, images));
  train("sorted", {"--set", "data.path=sorted.npz", "--steps", "200"});
  const auto figures = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"evaluate", "sorted", "--json"});
    return nlohmann::json::parse(run(more).out);
  };
  const auto all = figures({"--importance-items", "80"});
  const auto few = figures({"--items", "20"});
  const auto half = figures({"--importance-items", "40"});
  const auto first = figures({"--data", "first.npy", "--importance-items", "20"});
  const auto closer = [](double value, double right, double wrong) {
    return std::abs(value - right) < std::abs(wrong - right) / 2;
  };
  const auto bound = [](const nlohmann::json& json) {
    return json.at("metrics").at("importance_bound").get<double>();
  };
  EXPECT_TRUE(closer(few.at("elbo"), all.at("elbo"), first.at("elbo"))) << all << few << first;
  EXPECT_TRUE(closer(bound(half), bound(all), bound(first))) << all << half << first;
}

// What was done to the images of --data, not what the run did to its own.
TEST_F(Commands, TheEvaluationNamesTheBinarizationOfItsImages) {
  train();
  for (const std::string how : {"none", "threshold", "dynamic"}) {
    const Outcome outcome =
        run({"evaluate", "model", "--json", "--data", "images.npy", "--set", "data.binarize=" + how});
    ASSERT_TRUE(succeeds(outcome));
    EXPECT_EQ(nlohmann::json::parse(outcome.out).at("binarize"), how);
  }
}

}  // namespace
}  // namespace cuelbo::test
