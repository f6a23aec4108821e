// `cuelbo data`, and what every command says about data.
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/io/image.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "tests/support/paths.hpp"
#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using DataCommand = TinyTest;

std::vector<float> pixels(const std::filesystem::path& npz) { return NpzReader(npz).read("images").as_f32(); }

TEST_F(DataCommand, WritesBytesWhereTheyAreExact) {
  ASSERT_TRUE(succeeds(run({"data", "images.npy", "-o", "a.npz"})));
  EXPECT_EQ(NpzReader(path("a.npz")).read("images"), read_npy(path("images.npy")));
  // Floats stay floats, and a mask is written as bool.
  std::vector<float> floats(2 * 4, 0.3F);
  write_npy(path("floats.npy"), make_array({2, 2, 2}, floats));
  ASSERT_TRUE(succeeds(run({"data", "floats.npy", "-o", "b.npz"})));
  EXPECT_EQ(NpzReader(path("b.npz")).read("images"), make_array({2, 2, 2}, floats));
  const std::vector<std::uint8_t> mask{0, 1, 1, 0};
  write_npy(path("mask.npy"), make_array({1, 2, 2}, mask));
  ASSERT_TRUE(succeeds(run({"data", "mask.npy", "-o", "c.npz"})));
  EXPECT_THAT(pixels(path("c.npz")), ElementsAre(0, 1, 1, 0));
  EXPECT_EQ(NpzReader(path("c.npz")).header("images").dtype, Dtype::boolean);
  // Nearly black bytes are not read back as a mask.
  ASSERT_TRUE(succeeds(run({"data", "mask.npy", "-o", "d.npz", "--set", "data.scale=255"})));
  EXPECT_EQ(NpzReader(path("d.npz")).header("images").dtype, Dtype::u8);
  EXPECT_THAT(run({"data", "d.npz", "--describe"}).out, HasSubstr("in [0, 0.00392157]"));
}

TEST_F(DataCommand, WritesWhatTheModelSees) {
  ASSERT_TRUE(succeeds(run({"data", "images.npy", "-o", "a.npz", "--set", "data.binarize=threshold"})));
  std::vector<float> expected;
  for (const float x : read_npy(path("images.npy")).as_f32()) expected.push_back(x >= 128 ? 1 : 0);
  EXPECT_EQ(pixels(path("a.npz")), expected);
  // By a run, a config and a preset too.
  train("model", {"--set", "data.binarize=dynamic", "--steps", "1"});
  ASSERT_TRUE(succeeds(run({"data", "model", "-o", "b.npz"})));
  ASSERT_TRUE(succeeds(run({"data", "tiny.toml", "--set", "data.binarize=dynamic", "-o", "c.npz"})));
  EXPECT_EQ(content("b.npz"), content("c.npz"));
  ASSERT_TRUE(succeeds(run({"data", "images.npy", "--set", "data.binarize=dynamic", "-o", "d.npz"})));
  EXPECT_NE(pixels(path("d.npz")), pixels(path("b.npz")));  // another seed
  EXPECT_THAT(run({"data", "vae-dsprites", "--where", "shape=heart,scale=1,posX<0.1", "-o", "e.npz"}).out,
              HasSubstr("5120 images of 64×64 with 1 channel, 5 factors"));
  EXPECT_TRUE(fails(run({"data", "images.npy"}), 2, "give -o FILE.npz, --describe, or both"));
  EXPECT_TRUE(fails(run({"data", "images.npy", "-o", "x.npy"}), 2, ".npz"));
  EXPECT_TRUE(fails(run({"data", "mnist", "--describe"}), 2, "data.path is missing: mnist needs"));
}

TEST_F(DataCommand, KeepsFactorsWithTheirNames) {
  write_npz(path("in.npz"),
            {{"x_train", make_array(Dtype::u8, {4, 5, 5})},
             {"y_train", make_array<std::int64_t>({4}, std::vector<std::int64_t>{0, 2, 1, 2})}});
  ASSERT_TRUE(succeeds(run({"data", "in.npz", "-o", "out.npz"})));
  const NpzReader out(path("out.npz"));
  EXPECT_THAT(out.names(), ElementsAre("cuelbo_pixels", "factor_names", "factors", "images"));
  EXPECT_THAT(out.read_text("factor_names"), ElementsAre("class"));
  // Read back, they are the same, and nothing is ignored.
  const Outcome again = run({"data", "out.npz", "--describe"});
  EXPECT_THAT(again.out, HasSubstr("class: 0 (1), 1 (1), 2 (2)"));
  EXPECT_THAT(again.err, ::testing::Not(HasSubstr("ignores")));
}

// A scale that belongs to the run is not applied a second time to what the run wrote.
TEST_F(DataCommand, ARunReadsBackWhatItWrote) {
  Array images = read_npy(path("images.npy"));
  for (std::byte& x : images.data) x = std::byte{x > std::byte{127}};
  write_npy(path("mask.npy"), images);
  for (const char* setting : {"data.path=mask.npy", "data.binarize=threshold"}) {
    SCOPED_TRACE(setting);
    std::filesystem::remove_all(path("model"));
    train("model", {"--steps", "1", "--set", setting});
    ASSERT_TRUE(succeeds(run({"data", "model", "-o", "a.npz"})));
    ASSERT_TRUE(succeeds(run({"data", "model", "-o", "b.npz", "--set", "data.name=npy", "--set",
                              "data.path=a.npz", "--set", "data.binarize=none"})));
    EXPECT_EQ(content("a.npz"), content("b.npz"));
    ASSERT_TRUE(succeeds(run({"encode", "model", "-i", "a.npz", "-o", "a_codes.npz"})));
    ASSERT_TRUE(succeeds(
        run({"encode", "model", "-i", setting[5] == 'p' ? "mask.npy" : "images.npy", "-o", "codes.npz"})));
    EXPECT_EQ(content("a_codes.npz"), content("codes.npz"));
  }
}

// What a run wrote is as its model sees it, whatever it does to files as they were stored.
TEST_F(DataCommand, WhatIsAsAModelSeesItIsReadAsItIs) {
  std::vector<float> floats;
  std::vector<std::uint8_t> rgb;
  for (std::size_t i = 0; i < 80 * 64; ++i) floats.push_back(static_cast<float>(i * 37 % 17) - 4);
  for (std::size_t i = 0; i < 80 * 3 * 64; ++i) rgb.push_back(static_cast<std::uint8_t>(i * 37 % 251));
  write_npy(path("floats.npy"), make_array({80, 8, 8}, floats));
  write_npy(path("rgb.npy"), make_array({80, 3, 8, 8}, rgb));
  for (const std::vector<std::string>& settings :
       {std::vector<std::string>{"data.transpose=true"},
        {"data.path=floats.npy", "data.scale=16", "decoder.likelihood=gaussian"},
        {"data.path=rgb.npy", "data.layout=nchw"}}) {
    SCOPED_TRACE(settings[0]);
    std::vector<std::string> more{"--steps", "1"};
    for (const std::string& setting : settings) more.insert(more.end(), {"--set", setting});
    std::filesystem::remove_all(path("model"));
    train("model", more);
    const std::string stored = settings.size() == 1 ? "images.npy" : settings[0].substr(10);
    ASSERT_TRUE(succeeds(run({"data", "model", "-o", "a.npz"})));
    ASSERT_TRUE(succeeds(run({"data", "a.npz", "-o", "b.npz"})));
    EXPECT_EQ(content("a.npz"), content("b.npz"));
    ASSERT_TRUE(succeeds(run({"encode", "model", "-i", stored, "-o", "codes.npz"})));
    const Outcome seen = run({"encode", "model", "-i", "a.npz", "-o", "seen.npz"});
    ASSERT_TRUE(succeeds(seen));
    EXPECT_EQ(content("seen.npz"), content("codes.npz"));
    EXPECT_THAT(seen.err,
                HasSubstr("as a model sees them: data.scale, data.layout and data.transpose do not apply"));
    // Decoded images are so too; an .npy cannot say it.
    const Outcome npy = run({"decode", "model", "-i", "codes.npz", "-o", "x.npy"});
    EXPECT_THAT(npy.err, HasSubstr("an .npz from `decode` is read as it is"));
    ASSERT_TRUE(succeeds(run({"decode", "model", "-i", "codes.npz", "-o", "x.npz"})));
    EXPECT_EQ(NpzReader(path("x.npz")).read("images"), read_npy(path("x.npy")));
    ASSERT_TRUE(succeeds(run({"encode", "model", "-i", "x.npz", "-o", "again.npz"})));
    ASSERT_TRUE(succeeds(run({"data", "x.npz", "-o", "y.npz"})));
    EXPECT_EQ(NpzReader(path("y.npz")).read("images"), NpzReader(path("x.npz")).read("images"));
  }
  EXPECT_THAT(run({"data", "images.npy", "--set", "data.transpose=true", "--describe"}).out,
              HasSubstr("uint8 divided by 255, transposed"));
  EXPECT_THAT(run({"train", "tiny.toml", "--set", "data.transpose=true", "--steps", "1"}).err,
              HasSubstr("uint8 divided by 255, transposed"));
}

TEST_F(DataCommand, KeepsTheValuesOfFactors) {
  ASSERT_TRUE(succeeds(run({"data", "dsprites", "--where", "shape=heart,posX=0,posY=0", "-o", "a.npz"})));
  ASSERT_TRUE(succeeds(run({"data", "a.npz", "--where", "scale>0.8,orientation<3.1", "-o", "b.npz"})));
  ASSERT_TRUE(succeeds(run({"data", "dsprites", "--where",
                            "shape=heart,posX=0,posY=0,scale>0.8,orientation<3.1", "-o", "c.npz"})));
  EXPECT_EQ(NpzReader(path("b.npz")).read("images"), NpzReader(path("c.npz")).read("images"));
  EXPECT_THAT(run({"data", "a.npz", "--describe"}).out,
              HasSubstr("scale: 0.5 (40), 0.6 (40), 0.7 (40), 0.8 (40), 0.9 (40), 1 (40)"));
}

TEST_F(DataCommand, KeepsTheTestSplitAndTheNamesOfClasses) {
  write_npz(path("in.npz"),
            {{"x_train", make_array(Dtype::u8, {40, 5, 5})},
             {"y_train", make_array(Dtype::i64, {40})},
             {"x_test", make_array<std::uint8_t>({10, 5, 5}, std::vector<std::uint8_t>(250, 9))},
             {"y_test", make_array<std::int64_t>({10}, std::vector<std::int64_t>(10, 1))}});
  ASSERT_TRUE(succeeds(run({"data", "in.npz", "-o", "out.npz"})));
  const std::string split =
      "38 to train on, 2 to validate, 10 to test (seed 1; the test split is the data set's own)";
  const Outcome again = run({"data", "out.npz", "--describe", "-o", "twice.npz"});
  EXPECT_THAT(run({"data", "in.npz", "--describe"}).out, HasSubstr(split));
  EXPECT_THAT(again.out, HasSubstr(split));
  EXPECT_THAT(again.err, ::testing::Not(HasSubstr("ignores")));
  EXPECT_EQ(content("out.npz"), content("twice.npz"));
  EXPECT_THAT(pixels(path("out.npz")).back(), 9);
  // A selection keeps its part of the split.
  ASSERT_TRUE(succeeds(run({"data", "out.npz", "--where", "class=0", "-o", "train.npz"})));
  EXPECT_FALSE(NpzReader(path("train.npz")).contains("test_size"));

  for (const char* name : {"pets/cat", "pets/dog"}) {
    std::filesystem::create_directories(path(name));
    write_png(path(name) / "a.png", {2, 2, 1, {1, 2, 3, 200}});
  }
  ASSERT_TRUE(succeeds(run({"data", "pets", "-o", "pets.npz"})));
  const Outcome pets = run({"data", "pets.npz", "--describe", "--where", "class=dog"});
  EXPECT_THAT(pets.out, HasSubstr("class: cat (0), dog (1)"));
  EXPECT_THAT(pets.err, ::testing::Not(HasSubstr("ignores")));
}

TEST_F(DataCommand, AnInsistedLayoutIsKept) {
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{40, 3, 16, 16}, {9, 9, 20}}) {
    write_npy(path("in.npy"), make_array(Dtype::u8, shape));
    EXPECT_TRUE(fails(run({"data", "in.npy", "--describe"}), 1, "which looks like"));
    ASSERT_TRUE(succeeds(run({"data", "in.npy", "--set", "data.layout=nhwc", "-o", "out.npz"})));
    ASSERT_TRUE(succeeds(run({"data", "out.npz", "-o", "again.npz"})));
    EXPECT_EQ(content("again.npz"), content("out.npz"));
  }
}

TEST_F(DataCommand, TrainRefusesAPipe) {
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  for (const char* pipe : {"pipe", "-", "/dev/stdin"}) {
    const Outcome outcome = cuelbo_in_shell(
        "cat images.npy | \"$0\" \"$@\"",
        {"train", "tiny.toml", "--output", "run", "--set", fmt::format("data.path={}", pipe)}, path(""));
    EXPECT_TRUE(fails(outcome, 2, "data.path is a pipe; a run needs a file it can read again")) << pipe;
    EXPECT_FALSE(std::filesystem::exists(path("run")));
  }
  for (const char* stream : {"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"}) {
    const Outcome outcome = cuelbo_in_shell(
        "\"$0\" \"$@\" < images.npy",
        {"train", "tiny.toml", "--output", "run", "--set", fmt::format("data.path={}", stream)}, path(""));
    EXPECT_TRUE(
        fails(outcome, 2, fmt::format("data.path is '{}', which only this process has open", stream)));
    EXPECT_FALSE(std::filesystem::exists(path("run")));
  }
}

TEST_F(DataCommand, APictureOnStandardInputNeedsTheNameOfItsFormat) {
  train();
  std::vector<std::uint8_t> pixels(64, 100);
  write_png(path("a.png"), {8, 8, 1, pixels});
  ASSERT_TRUE(succeeds(run({"encode", "model", "-i", "a.png", "-o", "file.npz"})));
  const auto piped = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"encode", "model", "-i", "-", "-o", "piped.npz"});
    return cuelbo_in_shell("cat a.png | \"$0\" \"$@\"", more, path(""));
  };
  EXPECT_TRUE(
      fails(piped({}), 1, "standard input: is a picture, not an array; --set data.name=images reads it"));
  const auto formats = cuelbo_in_shell("printf 'PAR1...' | \"$0\" \"$@\"",
                                       {"encode", "model", "-i", "-", "-o", "piped.npz"}, path(""));
  EXPECT_TRUE(fails(formats, 1, "standard input: is a Parquet table: save its images"));
  ASSERT_TRUE(succeeds(piped({"--set", "data.name=images"})));
  EXPECT_EQ(content("piped.npz"), content("file.npz"));
}

TEST_F(DataCommand, DescribesInTextAndJson) {
  const Outcome text = run({"data", "tiny.toml", "--describe"});
  ASSERT_TRUE(succeeds(text));
  for (const char* line :
       {"80 images of 8×8 with 1 channel", "uint8 divided by 255, in [0.0784314, 0.901961]",
        "binarize    none", "48 to train on, 16 to validate, 16 to test (seed 3)"})
    EXPECT_THAT(text.out, HasSubstr(line));
  const auto json = nlohmann::json::parse(run({"data", "tiny.toml", "--describe", "--json"}).out);
  EXPECT_EQ(json.at("items"), 80);
  EXPECT_EQ(json.at("channels"), 1);
  EXPECT_EQ(json.at("stored"), "uint8");
  EXPECT_EQ(json.at("scale"), 255);
  EXPECT_EQ(json.at("train_items"), 48);
  EXPECT_EQ(json.at("test_items"), 16);
  EXPECT_EQ(json.at("checksum").get<std::string>().size(), 8U);
  const auto sprites = nlohmann::json::parse(
      run({"data", "dsprites", "--describe", "--json", "--where", "shape=heart,posX<0.1,scale=1"}).out);
  EXPECT_EQ(sprites.at("factors")[0].at("labels")[2], "heart");
  EXPECT_EQ(sprites.at("factors")[0].at("counts")[2], 5120);
}

// Interleaved groups: p and r are inside g, so their columns are neighbours.
TEST_F(DataCommand, CodesNameTheirColumns) {
  const std::vector<std::string> interleaved{
      "--set",
      "latent=[{name='p',gaussian=1,inside='g'},{name='q',gaussian=2},{name='r',gaussian=1,inside='g'}]"};
  train("model", interleaved);
  const Outcome encoded = run({"encode", "model", "-i", "images.npy", "-o", "codes.npz"});
  ASSERT_TRUE(succeeds(encoded));
  EXPECT_THAT(encoded.err, HasSubstr("columns of mean, logvar and z: 0 p, 1 r, 2-3 q"));
  EXPECT_THAT(NpzReader(path("codes.npz")).read_text("names"), ElementsAre("p.1", "r.1", "q.1", "q.2"));
  EXPECT_TRUE(succeeds(run({"decode", "model", "-i", "codes.npz", "-o", "images2.npy"})));
  EXPECT_TRUE(
      succeeds(run({"objective", "-i", "codes.npz", "--groups", "(0,1),2-3", "--dataset-size", "80"})));
  // Codes of a model with the same number of columns in another order are not decoded.
  train("other", {"--set", "latent=[{name='p',gaussian=1},{name='q',gaussian=2},{name='r',gaussian=1}]"});
  EXPECT_TRUE(fails(run({"decode", "other", "-i", "codes.npz", "-o", "images3.npy"}), 1,
                    "column 1 of the codes is 'r.1', that of the model is 'q.1'"));
}

TEST_F(DataCommand, DecodeTakesProbabilitiesOnly) {
  train();
  ASSERT_TRUE(succeeds(run({"encode", "model", "-i", "images.npy", "-o", "codes.npz"})));
  const auto codes = read_npz(path("codes.npz"));
  const auto decoded = [&](const std::vector<float>& row) {
    auto changed = codes;
    std::ranges::copy(row, changed.at("z_kind").as<float>().begin() + 2 * 3);
    write_npz(path("changed.npz"), changed);
    return run({"decode", "model", "-i", "changed.npz", "-o", "decoded.npy"});
  };
  EXPECT_TRUE(succeeds(decoded({0.25F, 0.25F, 0.5F})));
  EXPECT_TRUE(succeeds(decoded({0.3335F, 0.3335F, 0.3335F})));
  ASSERT_TRUE(succeeds(run({"decode", "model", "-i", "codes.npz", "-o", "all.npy"})));
  write_npz(path("samples.npz"), {{"z", codes.at("z")}, {"z_kind", codes.at("z_kind")}});
  ASSERT_TRUE(succeeds(run({"decode", "model", "-i", "samples.npz", "-o", "samples.npy"})));
  EXPECT_EQ(content("samples.npy"), content("all.npy"));
  write_npz(path("no_kind.npz"), {{"z", codes.at("z")}});
  EXPECT_TRUE(fails(run({"decode", "model", "-i", "no_kind.npz", "-o", "x.npy"}), 1, "0 discrete groups"));
  write_npz(path("no_z.npz"), {{"z_kind", codes.at("z_kind")}});
  EXPECT_TRUE(fails(run({"decode", "model", "-i", "no_z.npz", "-o", "x.npy"}), 1,
                    "codes need z, or mean and logvar"));
  std::filesystem::remove(path("decoded.npy"));
  EXPECT_TRUE(fails(decoded({2, 0, 0}), 1,
                    "'changed.npz': array 'z_kind' has the lowest value 0 and the sum 2 in row 2"));
  EXPECT_TRUE(
      fails(decoded({-0.5F, 1, 0.5F}), 1, "array 'z_kind' has the lowest value -0.5 and the sum 1 in row 2"));
  EXPECT_TRUE(fails(decoded({0, 0, 0}), 1, "the sum 0 in row 2"));
  EXPECT_FALSE(std::filesystem::exists(path("decoded.npy")));
}

TEST_F(DataCommand, EncodeTakesWhatTrainingTakes) {
  train();
  const Array images = read_npy(path("images.npy"));
  ASSERT_TRUE(succeeds(run({"encode", "model", "-i", "images.npy", "-o", "a.npz"})));
  write_npz(path("any.npz"), {{"whatever", images}});
  ASSERT_TRUE(succeeds(run({"encode", "model", "-i", "any.npz", "-o", "b.npz"})));
  EXPECT_EQ(content("a.npz"), content("b.npz"));
  EXPECT_TRUE(fails(run({"encode", "model", "-i", "images.npy", "-o", "c.npz", "--set", "seed=4"}), 2,
                    "only the keys of [data]"));
  EXPECT_TRUE(fails(run({"encode", "model", "-i", "images.npy", "-o", "c.npz", "--set", "data.path=any.npz"}),
                    2, "--set data.path=any.npz: the images are those of 'images.npy'"));
  EXPECT_TRUE(fails(run({"data", "images.npy", "--describe", "--set", "data.path=any.npz"}), 2,
                    "--set data.path=any.npz: the data is 'images.npy'"));
  EXPECT_TRUE(
      fails(run({"encode", "model", "-i", "dsprites", "-o", "c.npz"}), 1, "dsprites: images are 64x64x1"));
  // Floats and bytes are the same pixels; a uint8 with nothing above 1 tells nothing to a model of floats.
  std::vector<float> floats = images.as_f32();
  for (float& x : floats) x /= 255;
  write_npy(path("floats.npy"), make_array(images.shape, floats));
  train("floats", {"--set", "data.path=floats.npy"});
  ASSERT_TRUE(succeeds(run({"encode", "floats", "-i", "images.npy", "-o", "d.npz"})));
  ASSERT_TRUE(succeeds(run({"encode", "floats", "-i", "floats.npy", "-o", "e.npz"})));
  EXPECT_EQ(content("d.npz"), content("e.npz"));
  Array dark = images;
  for (std::byte& x : dark.data) x = std::byte{1};
  write_npy(path("dark.npy"), dark);
  EXPECT_TRUE(fails(run({"encode", "floats", "-i", "dark.npy", "-o", "f.npz"}), 1,
                    "set data.scale = 1 or data.scale = 255"));
  EXPECT_TRUE(
      succeeds(run({"encode", "floats", "-i", "dark.npy", "-o", "f.npz", "--set", "data.scale=255"})));
}

TEST_F(DataCommand, AnotherImageSizeIsTheModelsOrTheMessageSaysWhatFits) {
  write_npy(path("small.npy"), make_array(Dtype::u8, {40, 32, 32}));
  const std::vector<std::string> data{"--set",    "data.name=npy",
                                      "--set",    "data.path=small.npy",
                                      "--set",    "data.batch_size=8",
                                      "--set",    "optimizer.steps=1",
                                      "--output", "run"};
  const auto with = [&](std::vector<std::string> command) {
    command.insert(command.end(), data.begin(), data.end());
    return run(command);
  };
  EXPECT_TRUE(fails(with({"train", "hfvae-dsprites"}), 2,
                    "the decoder makes images of (64, 64, 1), but the data has (32, 32, 1): --set "
                    "'decoder.layers.1={linear = 256, reshape = [2, 2, 64]}' fits"));
  EXPECT_TRUE(succeeds(
      with({"train", "hfvae-dsprites", "--set", "decoder.layers.1={linear = 256, reshape = [2, 2, 64]}"})));
  std::filesystem::remove_all(path("run"));
  EXPECT_TRUE(succeeds(with({"train", "hfvae-mnist"})));
  write_npy(path("small.npy"), make_array(Dtype::u8, {40, 28, 28}));
  std::filesystem::remove_all(path("run"));
  EXPECT_TRUE(fails(with({"train", "hfvae-dsprites"}), 2, "its layers can make 16 or 32, not 28"));
}

}  // namespace
}  // namespace cuelbo::test
