// A run reads its own images as in training, and others with its scale and layout.
#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/io/image.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

using ::testing::HasSubstr;
using RunData = TinyTest;

// 80 images of 8×8, a bar each, in two grey values.
Array bars(std::uint8_t bright, std::uint8_t dark) {
  constexpr std::int64_t count = 80, side = 8;
  std::vector<std::uint8_t> pixels(count * side * side, dark);
  for (std::int64_t n = 0; n < count; ++n)
    for (std::int64_t i = 0; i < side; ++i) {
      const std::int64_t place = n / 2 % side, row = n % 2 == 0 ? place : i, column = n % 2 == 0 ? i : place;
      pixels[static_cast<std::size_t>((n * side + row) * side + column)] = bright;
    }
  return make_array({count, side, side}, pixels);
}

class BinarizedRun : public TinyTest {
 protected:
  // Trains on `images`, and gives everything that the commands say about the run.
  void make(const std::string& name, const Array& images, const std::vector<std::string>& more) const {
    std::filesystem::create_directory(path(name));
    write_npy(path(name) / "images.npy", images);
    std::vector<std::string> settings{"--set", "data.path=" + name + "/images.npy"};
    settings.insert(settings.end(), more.begin(), more.end());
    train(name + "/run", settings);
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"evaluate", name + "/run"},
          {"report", name + "/run"},
          {"traverse", name + "/run", "-o", name + "/grid.png"},
          {"encode", name + "/run", "-i", name + "/images.npy", "-o", name + "/codes.npz"}}) {
      const Outcome outcome = run(command);
      ASSERT_EQ(outcome.code, 0) << outcome.err;
    }
  }
  nlohmann::json evaluation(const std::string& name) const {
    return nlohmann::json::parse(content(name + "/run/evaluation.json"));
  }
  double last_validation_elbo(const std::string& name) const {
    double elbo = std::nan("");
    std::istringstream log(content(name + "/run/log.jsonl"));
    for (std::string line; std::getline(log, line);)
      if (const auto record = nlohmann::json::parse(line); record.at("kind") == "validation")
        elbo = record.at("elbo");
    return elbo;
  }
};

TEST_F(BinarizedRun, ThresholdIsTheSameAsThresholdingByHand) {
  make("grey", bars(178, 77), {"--set", "data.binarize=threshold"});
  make("hand", bars(255, 0), {});
  const double validation = last_validation_elbo("grey");
  EXPECT_EQ(validation, last_validation_elbo("hand"));
  nlohmann::json grey = evaluation("grey"), hand = evaluation("hand");
  EXPECT_EQ(grey.at("binarize"), "threshold");
  EXPECT_EQ(hand.at("binarize"), "none");
  EXPECT_NEAR(grey.at("elbo").get<double>(), validation, 3);  // grey values would be off by a hundred nats
  grey.erase("binarize");
  hand.erase("binarize");
  EXPECT_EQ(grey, hand);
  for (const char* file :
       {"/codes.npz", "/grid.png", "/run/pictures/reconstructions.png", "/run/pictures/traversals.png"})
    EXPECT_TRUE(content("grey" + std::string(file)) == content("hand" + std::string(file))) << file;
  EXPECT_THAT(run({"evaluate", "grey/run"}).out, HasSubstr("0 and 1 by a threshold of 0.5"));
  EXPECT_THAT(run({"evaluate", "hand/run"}).out, HasSubstr("as they are"));
}

TEST_F(BinarizedRun, DynamicIsOneFixedDrawOutsideOfTraining) {
  make("grey", bars(178, 77), {"--set", "data.binarize=dynamic"});
  const nlohmann::json first = evaluation("grey");
  EXPECT_EQ(first.at("binarize"), "dynamic");
  const Outcome again = run({"evaluate", "grey/run"});
  EXPECT_THAT(again.out, HasSubstr("one fixed draw with the seed 3"));
  EXPECT_EQ(evaluation("grey"), first);
  EXPECT_NEAR(first.at("elbo").get<double>(), last_validation_elbo("grey"), 5);
  make("other", bars(178, 77), {"--set", "data.binarize=dynamic", "--seed", "4"});
  EXPECT_NE(evaluation("other").at("log_likelihood"), first.at("log_likelihood"));
}

TEST_F(RunData, TheShapeIsPrinted) {
  write_npy(path("color.npy"), make_array(Dtype::u8, {60, 16, 16, 3}));
  const std::vector<std::string> color{"train",   "tiny.toml", "--output", "color",
                                       "--steps", "1",         "--set",    "data.path=color.npy"};
  EXPECT_THAT(run(color).err, HasSubstr("60 images of 16×16 with 3 channels"));
  EXPECT_THAT(run({"train", "tiny.toml"}).err,
              HasSubstr("80 images of 8×8 with 1 channel, uint8 divided by 255"));
}

TEST_F(RunData, ChannelsFirstAreRefusedOrTransposed) {
  std::vector<std::uint8_t> pixels;
  for (int i = 0; i < 60 * 3 * 16 * 16; ++i) pixels.push_back(static_cast<std::uint8_t>(i * 37 % 251));
  write_npy(path("first.npy"), make_array({60, 3, 16, 16}, pixels));
  std::vector<std::string> command{"train",   "tiny.toml", "--output", "run",
                                   "--steps", "1",         "--set",    "data.path=first.npy"};
  EXPECT_TRUE(fails(run(command), 1, "images.transpose(0, 2, 3, 1)"));
  EXPECT_FALSE(std::filesystem::exists(path("run")));
  command.insert(command.end(), {"--set", "data.layout=nchw"});
  EXPECT_THAT(run(command).err, HasSubstr("60 images of 16×16 with 3 channels"));
  // Its codes are those of the transposed file.
  std::vector<std::uint8_t> last;
  for (std::size_t n = 0; n < 60; ++n)
    for (std::size_t p = 0; p < 256; ++p)
      for (std::size_t c = 0; c < 3; ++c) last.push_back(pixels[(n * 3 + c) * 256 + p]);
  write_npy(path("last.npy"), make_array({60, 16, 16, 3}, last));
  ASSERT_TRUE(succeeds(run({"encode", "run", "-i", "first.npy", "-o", "a.npz"})));
  ASSERT_TRUE(succeeds(run({"encode", "run", "-i", "last.npy", "-o", "b.npz", "--set", "data.layout=auto"})));
  EXPECT_EQ(content("a.npz"), content("b.npz"));
  command.back() = "data.layout=nhwc";
  command[3] = "insisting";
  EXPECT_THAT(run(command).err, HasSubstr("60 images of 3×16 with 16 channels"));
}

// A dark image among bright ones has the codes that it has alone.
TEST_F(RunData, TheScaleBelongsToTheRun) {
  Array images = bars(230, 20);
  std::fill_n(images.data.begin(), 64, std::byte{1});  // nothing brighter than 1/255
  write_npy(path("images.npy"), images);
  train();
  EXPECT_THAT(content("model/config.toml"), HasSubstr("scale = 255.0\n"));
  Array alone = images;
  alone.data.resize(64);
  alone.shape[0] = 1;
  write_npy(path("alone.npy"), alone);
  ASSERT_TRUE(succeeds(run({"encode", "model", "-i", "alone.npy", "-o", "alone.npz"})));
  ASSERT_TRUE(succeeds(run({"encode", "model", "-i", "images.npy", "-o", "company.npz"})));
  const Array one = NpzReader(path("alone.npz")).read("mean"),
              all = NpzReader(path("company.npz")).read("mean");
  EXPECT_TRUE(std::equal(one.data.begin(), one.data.end(), all.data.begin()));
  // A run on masks does not read a brighter file as a mask, unless the scale of that file is given.
  write_npy(path("mask.npy"), bars(1, 0));
  train("mask", {"--set", "data.path=mask.npy"});
  EXPECT_THAT(content("mask/config.toml"), HasSubstr("scale = 1.0\n"));
  write_npy(path("bytes.npy"), bars(255, 0));
  EXPECT_TRUE(fails(run({"encode", "mask", "-i", "bytes.npy", "-o", "c.npz"}), 1, "set data.scale"));
  ASSERT_TRUE(succeeds(run({"encode", "mask", "-i", "mask.npy", "-o", "a.npz"})));
  ASSERT_TRUE(succeeds(run({"encode", "mask", "-i", "bytes.npy", "-o", "b.npz", "--set", "data.scale=255"})));
  EXPECT_EQ(content("a.npz"), content("b.npz"));
}

// The scale of a run on bytes is not that of floats, wherever its config.toml is used again.
TEST_F(RunData, TheScaleBelongsToTheStoredType) {
  train();
  EXPECT_THAT(content("model/config.toml"), HasSubstr("scale = 255.0\nscale_of = \"uint8\"\n"));
  ASSERT_TRUE(succeeds(run({"evaluate", "model"})));
  const auto evaluation = nlohmann::json::parse(content("model/evaluation.json"));
  std::vector<float> fractions;
  for (const std::byte x : bars(230, 20).data) fractions.push_back(static_cast<float>(x) / 255);
  write_npy(path("floats.npy"), make_array({80, 8, 8}, fractions));
  const auto highest = [&](const std::string& source, const std::vector<std::string>& more = {}) {
    std::vector<std::string> command{"data", source, "--describe", "--json", "--set", "data.path=floats.npy"};
    command.insert(command.end(), more.begin(), more.end());
    const Outcome outcome = run(command);
    EXPECT_TRUE(succeeds(outcome));
    return nlohmann::json::parse(outcome.out).at("highest").get<float>();
  };
  for (const char* source : {"model", "model/config.toml"})
    EXPECT_EQ(highest(source), 230 / 255.0F) << source;
  EXPECT_EQ(highest("model/config.toml", {"--set", "data.scale=2"}), 115 / 255.0F);  // stated for these
  const Outcome again =
      run({"train", "model/config.toml", "--output", "again", "--set", "data.path=floats.npy"});
  ASSERT_TRUE(succeeds(again));
  EXPECT_THAT(again.err,
              HasSubstr("data.scale is 255 for uint8; the images are float32, read with data.scale = 1"));
  EXPECT_THAT(content("again/config.toml"), HasSubstr("scale = 1.0\nscale_of = \"float32\"\n"));
  // Other integers have another range.
  write_npy(path("wide.npy"), make_array({80, 8, 8}, std::vector<std::int16_t>(80 * 64, 7)));
  EXPECT_TRUE(fails(run({"data", "model/config.toml", "--describe", "--set", "data.path=wide.npy"}), 1,
                    "images are int16, the model was trained on uint8"));
  // The same images as floats in the place of the bytes.
  std::filesystem::rename(path("floats.npy"), path("images.npy"));
  ASSERT_TRUE(succeeds(run({"evaluate", "model", "--accept-changes"})));
  EXPECT_EQ(nlohmann::json::parse(content("model/evaluation.json")), evaluation);
  ASSERT_TRUE(succeeds(run({"train", "--resume", "model", "--steps", "41", "--accept-changes"})));
  EXPECT_THAT(content("model/config.toml"), HasSubstr("scale = 1.0\nscale_of = \"float32\"\n"));
}

TEST_F(RunData, ImagesThatTheScaleMakesBlackAreNoted) {
  const Array bytes = bars(230, 20);
  std::vector<float> floats, fractions;
  for (const std::byte x : bytes.data) {
    floats.push_back(static_cast<float>(x));
    fractions.push_back(static_cast<float>(x) / 255);
  }
  write_npy(path("images.npy"), make_array({80, 8, 8}, floats));
  train("model", {"--set", "data.scale=255"});
  write_npy(path("fractions.npy"), make_array({80, 8, 8}, fractions));
  const std::string note =
      "note: the largest value is 0.901961, and data.scale is 255: the images are almost black";
  EXPECT_THAT(run({"encode", "model", "-i", "fractions.npy", "-o", "a.npz"}).err, HasSubstr(note));
  EXPECT_THAT(run({"evaluate", "model", "--data", "fractions.npy"}).err, HasSubstr(note));
  for (std::vector<std::string> command :
       {std::vector<std::string>{"evaluate", "model"}, {"traverse", "model", "-o", "grid.png"}}) {
    command.insert(command.end(), {"--set", "data.scale=1"});
    EXPECT_TRUE(fails(run(command), 2, "--set data.scale=1: it says how to read the images of --data"));
    command.insert(command.end(), {"--data", "fractions.npy"});
    const Outcome outcome = run(command);
    EXPECT_TRUE(succeeds(outcome));
    EXPECT_THAT(outcome.err, HasSubstr("float32 as they are"));
  }
  const ::testing::Matcher<std::string> silent = Not(HasSubstr("almost black"));
  EXPECT_THAT(run({"encode", "model", "-i", "images.npy", "-o", "b.npz"}).err, silent);
  EXPECT_THAT(run({"encode", "model", "-i", "fractions.npy", "-o", "c.npz", "--set", "data.scale=1"}).err,
              silent);
  // Without a model, too: digits from 0 to 16 in uint8, and floats that were divided twice.
  write_npy(path("digits.npy"), bars(16, 0));
  EXPECT_THAT(run({"data", "digits.npy", "--describe"}).err,
              HasSubstr("the largest value is 16, and data.scale is 255: the images are almost black"));
  EXPECT_THAT(run({"data", "digits.npy", "--describe", "--set", "data.scale=16"}).err, silent);
  for (float& x : fractions) x /= 255;
  write_npy(path("twice.npy"), make_array({80, 8, 8}, fractions));
  EXPECT_THAT(run({"data", "twice.npy", "--describe"}).err, HasSubstr("and data.scale is 1: the images are"));
  // The reverse: 0 and 255 for a model on 0 and 1.
  write_npy(path("images.npy"), bars(1, 0));
  train("masks", {"--set", "decoder.likelihood=gaussian"});
  write_npy(path("white.npy"), bars(255, 0));
  EXPECT_THAT(run({"encode", "masks", "-i", "white.npy", "-o", "d.npz"}).err,
              HasSubstr("the largest value is 255, and data.scale is 1: the images are far above 1"));
}

TEST_F(RunData, AStatedScaleTakesImagesOutsideOfZeroToOne) {
  std::vector<std::int16_t> values;
  for (const std::byte x : bars(230, 20).data)
    values.push_back(static_cast<std::int16_t>(10 * static_cast<int>(x) - 1000));
  write_npy(path("images.npy"), make_array({80, 8, 8}, values));
  const std::vector<std::string> train{"train", "tiny.toml", "--output", "model"};
  const auto with = [&](const std::vector<std::string>& settings) {
    std::vector<std::string> command = train;
    for (const std::string& setting : settings) command.insert(command.end(), {"--set", setting});
    return run(command);
  };
  EXPECT_TRUE(fails(with({}), 1, "images are int16"));
  EXPECT_TRUE(fails(with({"data.scale=1000"}), 1, "decoder.likelihood = \"bernoulli\" needs [0, 1]"));
  EXPECT_TRUE(fails(with({"data.scale=1000"}), 1, "[-0.8, 1.3] (int16 divided by 1000)"));
  EXPECT_TRUE(fails(with({"data.scale=1000", "data.binarize=threshold", "decoder.likelihood=gaussian"}), 1,
                    "data.binarize = \"threshold\" needs pixels in [0, 1]"));
  EXPECT_FALSE(std::filesystem::exists(path("model")));
  const Outcome outcome = with({"data.scale=1000", "decoder.likelihood=gaussian"});
  EXPECT_TRUE(succeeds(outcome));
  EXPECT_THAT(outcome.err, HasSubstr("int16 divided by 1000"));
  EXPECT_TRUE(succeeds(run({"evaluate", "model"})));
  EXPECT_TRUE(succeeds(run({"report", "model"})));
  EXPECT_TRUE(succeeds(run({"encode", "model", "-i", "images.npy", "-o", "codes.npz"})));
}

TEST_F(RunData, ARelativePathMeansTheSameFileFromEverywhere) {
  train();
  EXPECT_THAT(content("model/config.toml"), HasSubstr("path = \"" + path("images.npy").string() + "\""));
  ASSERT_TRUE(succeeds(run({"evaluate", "model"})));
  const std::string first = content("model/evaluation.json");
  // Another file of the same name in another folder is not taken for it.
  std::filesystem::create_directory(path("elsewhere"));
  write_npy(path("elsewhere/images.npy"), bars(10, 200));
  ASSERT_TRUE(succeeds(cuelbo({"evaluate", "../model"}, path("elsewhere"))));
  EXPECT_EQ(content("model/evaluation.json"), first);
  std::filesystem::rename(path("images.npy"), path("moved.npy"));
  for (const std::vector<std::string>& command : {std::vector<std::string>{"evaluate", "model"},
                                                  {"data", "model", "--describe"},
                                                  {"train", "--resume", "model", "--steps", "50"}})
    EXPECT_TRUE(fails(run(command), 1,
                      "cannot read: No such file or directory; if the data has moved, data.path in "
                      "'model/config.toml' may be edited"));
}

TEST_F(RunData, ALinkBeforeDotDotIsFollowed) {
  std::filesystem::create_directories(path("other/deep"));
  std::filesystem::create_directory_symlink("other/deep", path("link"));
  write_npy(path("other/y.npy"), bars(200, 10));
  write_npy(path("y.npy"), bars(100, 50));
  train("model", {"--set", "data.path=link/../y.npy", "--steps", "1"});
  ASSERT_TRUE(succeeds(run({"data", "model", "-o", "seen.npz"})));
  EXPECT_EQ(NpzReader(path("seen.npz")).read("images"), bars(200, 10));
}

TEST_F(RunData, ACopyIsReadAsTheOriginal) {
  write_npz(path("two.npz"), {{"images", bars(1, 0)}, {"mine", bars(200, 10)}});
  train("model", {"--set", "data.path=two.npz", "--set", "data.array=mine", "--steps", "1"});
  std::filesystem::copy_file(path("two.npz"), path("copy.npz"));
  std::filesystem::create_symlink("two.npz", path("link.npz"));
  write_npy(path("alone.npy"), bars(200, 10));  // holds no name
  const auto codes = [&](const std::string& input, const std::vector<std::string>& more = {}) {
    std::vector<std::string> command{"encode", "model", "-i", input, "-o", "codes.npz"};
    command.insert(command.end(), more.begin(), more.end());
    EXPECT_TRUE(succeeds(run(command)));
    return content("codes.npz");
  };
  const std::string original = codes("two.npz");
  EXPECT_EQ(codes("copy.npz"), original);
  EXPECT_EQ(codes("link.npz"), original);
  EXPECT_EQ(codes("alone.npy"), original);
  // Another integer type has a range of its own.
  std::vector<std::uint16_t> wide;
  for (const std::byte x : bars(200, 10).data) wide.push_back(static_cast<std::uint16_t>(x));
  write_npy(path("wide.npy"), make_array({80, 8, 8}, wide));
  EXPECT_TRUE(fails(run({"encode", "model", "-i", "wide.npy", "-o", "x.npz"}), 1,
                    "images are uint16, the model was trained on uint8"));
  EXPECT_EQ(codes("wide.npy", {"--set", "data.scale=255"}), original);
  // "auto" is a setting too: the file alone decides.
  write_npy(path("white.npy"), bars(255, 0));
  write_npy(path("mask.npy"), bars(1, 0));
  EXPECT_EQ(codes("mask.npy", {"--set", "data.scale=auto"}), codes("white.npy"));
}

TEST_F(RunData, ABatchLargerThanTheDataNamesTheKey) {
  Array three = bars(230, 20);
  three.data.resize(3 * 64);
  three.shape[0] = 3;
  write_npy(path("images.npy"), three);
  EXPECT_TRUE(
      fails(run({"train", "tiny.toml", "--output", "m", "--set", "data.batch_size=8"}), 2,
            "data.batch_size is 8, but 1 of 3 images are left to train on (1 to validate, 1 to test)"));
  three.data.resize(9 * 64, std::byte{200});
  three.shape[0] = 9;
  write_npy(path("images.npy"), three);
  train("m", {"--set", "data.batch_size=2", "--set", "data.test_fraction=0.05", "--steps", "1"});
  EXPECT_TRUE(fails(run({"evaluate", "m"}), 1, "no test split: data.test_fraction is 0.05, of 9 images"));
}

TEST_F(RunData, APathInARunNamesTheRun) {
  train("model", {"--steps", "1"});
  const std::string hint = "; did you mean the run 'model'?";
  for (const char* name : {"model/config.toml", "model/log.jsonl"})
    EXPECT_TRUE(fails(run({"evaluate", name}), 1,
                      fmt::format("'{}' is neither a run directory nor an exported model{}", name, hint)));
  for (const char* name : {"model/checkpoint", "model/checkpoint/step-00000001.safetensors"})
    EXPECT_TRUE(fails(run({"encode", name, "-i", "images.npy", "-o", "c.npz"}), 1, hint)) << name;
  EXPECT_TRUE(fails(run({"train", "--resume", "model/config.toml"}), 1, hint));
  EXPECT_TRUE(fails(run({"report", "."}), 1, "did you mean the run './model'?"));
}

// A model on RGB takes grey pictures and says so; a model on grey never takes RGB.
TEST_F(RunData, GreyPicturesAloneAreReadAsAmongRgb) {
  std::filesystem::create_directory(path("mixed"));
  for (int i = 0; i < 40; ++i) {
    const std::int64_t channels = i % 2 == 0 ? 1 : 3;
    std::vector<std::uint8_t> pixels;
    for (std::int64_t k = 0; k < 64 * channels; ++k) pixels.push_back(static_cast<std::uint8_t>(k * (i + 3)));
    write_png(path("mixed") / fmt::format("{:02}.png", i), {8, 8, channels, pixels});
  }
  train("rgb", {"--steps", "1", "--set", "data.name=images", "--set", "data.path=mixed"});
  ASSERT_TRUE(succeeds(run({"encode", "rgb", "-i", "mixed", "-o", "all.npz"})));
  const Outcome alone = run({"encode", "rgb", "-i", "mixed/00.png", "-o", "one.npz"});
  ASSERT_TRUE(succeeds(alone));
  EXPECT_THAT(alone.err, HasSubstr("note: grey pictures become RGB, which the model takes"));
  const Array one = NpzReader(path("one.npz")).read("mean"), all = NpzReader(path("all.npz")).read("mean");
  EXPECT_TRUE(std::equal(one.data.begin(), one.data.end(), all.data.begin()));
  std::filesystem::create_directory(path("grey"));
  for (int i = 0; i < 40; i += 2)
    std::filesystem::copy_file(path("mixed") / fmt::format("{:02}.png", i),
                               path("grey") / fmt::format("{}.png", i));
  EXPECT_TRUE(succeeds(run({"evaluate", "rgb", "--data", "grey"})));
  train("dim", {"--steps", "1", "--set", "data.name=images", "--set", "data.path=grey", "--set",
                "data.batch_size=4"});
  EXPECT_TRUE(fails(run({"encode", "dim", "-i", "mixed/01.png", "-o", "x.npz"}), 1,
                    "images are 8x8x3 (height, width, channels), the model takes 8x8x1"));
}

}  // namespace
}  // namespace cuelbo::test
