// Whatever is wrong ends with one line that says what, and leaves no file behind.
#include <algorithm>
#include <fstream>
#include <functional>
#include <limits>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/io/atomic_file.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "tests/support/full_disk.hpp"
#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

struct BadInput {
  const char* name;
  std::vector<std::string> arguments;
  int code;
  std::string message;                                        // part of it
  std::function<void(const std::filesystem::path&)> prepare;  // may break the run `model` or write a file
};

void PrintTo(const BadInput& input, std::ostream* out) { *out << input.name; }

// Every file and directory, with its size: what a failed command must not change.
std::vector<std::string> listing(const std::filesystem::path& directory) {
  std::vector<std::string> entries;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    entries.push_back(
        fmt::format("{} {}", entry.path().string(), entry.is_regular_file() ? entry.file_size() : 0));
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::filesystem::path newest_checkpoint(const std::filesystem::path& run) {
  return run / "checkpoint" / "step-00000040.safetensors";
}

void truncate(const std::filesystem::path& file) {
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
}

void write_codes(const std::filesystem::path& directory, float mean, std::int64_t dims = 2) {
  const std::vector<float> zeros(static_cast<std::size_t>(3 * dims));
  std::vector<float> means = zeros;
  means[1] = mean;
  write_npz(directory / "codes.npz",
            {{"mean", make_array({3, dims}, means)}, {"logvar", make_array({3, dims}, zeros)}});
}

// With numbers, or four texts, for the names of five columns.
void write_named_codes(const std::filesystem::path& directory, bool text) {
  NpzWriter writer(directory / "codes.npz");
  for (const char* name : {"mean", "logvar"}) writer.add(name, make_array(Dtype::f32, {3, 5}));
  if (text)
    writer.add_text("names", std::vector<std::string>(4, "a"));
  else
    writer.add("names", make_array(Dtype::i64, {5}));
  writer.commit();
}

const std::vector<std::string> train_tiny{"train", "tiny.toml", "--output", "new"};

std::vector<std::string> with(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::vector<std::string> objective(const std::vector<std::string>& more) {
  return with({"objective", "-i", "codes.npz"}, more);
}

const auto good_codes = [](const std::filesystem::path& directory) { write_codes(directory, 0.5F); };

class BadInputs : public TinyTest, public ::testing::WithParamInterface<BadInput> {};

TEST_P(BadInputs, EndsWithOneLineAndNoFile) {
  const BadInput& input = GetParam();
  const bool needs_run =
      std::find(input.arguments.begin(), input.arguments.end(), "model") != input.arguments.end();
  if (needs_run) train("model");
  if (input.prepare) input.prepare(directory_.path());
  const std::vector<std::string> before = listing(directory_.path());
  const Outcome outcome = run(input.arguments);
  EXPECT_TRUE(fails(outcome, input.code, input.message));
  EXPECT_EQ(listing(directory_.path()), before);
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadInputs,
    ::testing::Values(
        // the command line
        BadInput{"UnknownCommand", {"trian"}, 2, "did you mean 'train'?", {}},
        BadInput{"UnknownOption", {"train", "vae-mnist", "--stepz", "3"}, 2, "did you mean '--steps'?", {}},
        BadInput{"OptionThatIsAKey",
                 {"train", "vae-mnist", "--lr", "3"},
                 2,
                 "no option '--lr'; keys of the configuration are set with --set KEY=VALUE",
                 {}},
        BadInput{"MissingArgument", {"evaluate"}, 2, "DIR", {}},
        BadInput{"SuperfluousArgument", {"evaluate", "model", "again"}, 2, "'again'", {}},
        BadInput{"NoDataSetNamed", {"data"}, 2, "cuelbo data --help", {}},
        BadInput{"NotANumber", {"train", "vae-mnist", "--steps", "many"}, 2, "--steps", {}},
        BadInput{"ZeroSteps", {"train", "vae-mnist", "--steps", "0"}, 2, "--steps", {}},
        BadInput{"NoConfig", {"train"}, 2, "cuelbo presets", {}},
        BadInput{"UnknownDevice", with(train_tiny, {"--device", "gpu"}), 2, "gpu", {}},
        // configs
        BadInput{"UnknownPreset", {"train", "hfvae-mnits"}, 2, "hfvae-mnist", {}},
        BadInput{
            "UnknownPresetToPrint", {"presets", "hfvae-dsprite"}, 2, "did you mean 'hfvae-dsprites'?", {}},
        BadInput{"MissingConfig", {"train", "no.toml"}, 1, "no.toml", {}},
        BadInput{"UnknownKey", with(train_tiny, {"--set", "optimizer.stesp=3"}), 2, "optimizer.steps", {}},
        BadInput{
            "WrongType", with(train_tiny, {"--set", "optimizer.steps=\"many\""}), 2, "optimizer.steps", {}},
        BadInput{"NoSetting", with(train_tiny, {"--set", "steps"}), 2, "steps", {}},
        BadInput{"BrokenToml",
                 {"train", "broken.toml"},
                 2,
                 "broken.toml",
                 [](const auto& dir) { write_file(dir / "broken.toml", "seed = = 1\n"); }},
        BadInput{"BatchLargerThanData", with(train_tiny, {"--set", "data.batch_size=500"}), 2, "500", {}},
        BadInput{"LayersThatDoNotFit",
                 with(train_tiny, {"--set", "encoder.layers=[{conv=4,kernel=20,padding=0}]"}),
                 2,
                 "kernel",
                 {}},
        // data
        BadInput{"MissingData", train_tiny, 1, "images.npy",
                 [](const auto& dir) { std::filesystem::remove(dir / "images.npy"); }},
        BadInput{"TruncatedData", train_tiny, 1, "images.npy",
                 [](const auto& dir) { truncate(dir / "images.npy"); }},
        BadInput{"DataThatIsNoArray", train_tiny, 1, "images.npy",
                 [](const auto& dir) { write_file(dir / "images.npy", "these are no images"); }},
        BadInput{"NanInData", train_tiny, 1, "image 1",
                 [](const auto& dir) {
                   std::vector<float> pixels(4 * 64, 0.5F);
                   pixels[70] = std::numeric_limits<float>::quiet_NaN();
                   write_npy(dir / "images.npy", make_array({4, 8, 8}, pixels));
                 }},
        // run directories
        BadInput{"NoRunDirectory", {"evaluate", "nowhere"}, 1, "nowhere", {}},
        BadInput{"NotARun",
                 {"report", "empty"},
                 1,
                 "config.toml",
                 [](const auto& dir) { std::filesystem::create_directory(dir / "empty"); }},
        BadInput{"RunExists", {"train", "tiny.toml", "--output", "model"}, 1, "--resume", {}},
        BadInput{"ResumeWithConfig", {"train", "tiny.toml", "--resume", "model"}, 2, "--resume", {}},
        BadInput{"ResumeNothing", {"train", "--resume", "nowhere"}, 1, "nowhere", {}},
        BadInput{"RunWithoutCheckpoint",
                 {"evaluate", "model"},
                 1,
                 "checkpoint",
                 [](const auto& dir) {
                   std::filesystem::remove_all(dir / "model" / "checkpoint");
                   std::filesystem::create_directory(dir / "model" / "checkpoint");
                 }},
        BadInput{"TruncatedBestCheckpoint",
                 {"evaluate", "model"},
                 1,
                 "best.safetensors",
                 [](const auto& dir) { truncate(dir / "model" / "checkpoint" / "best.safetensors"); }},
        BadInput{"TruncatedNewestCheckpoint",
                 {"train", "--resume", "model", "--steps", "60"},
                 1,
                 "step-00000020.safetensors",
                 [](const auto& dir) { truncate(newest_checkpoint(dir / "model")); }},
        BadInput{"CheckpointOfAnotherModel",
                 {"evaluate", "model"},
                 1,
                 "best.safetensors",
                 [](const auto& dir) {
                   std::ifstream file(dir / "model" / "config.toml");
                   std::string config(std::istreambuf_iterator<char>(file), {});
                   const std::size_t at = config.find("linear = 16");
                   config.replace(at, 11, "linear = 17");
                   write_file(dir / "model" / "config.toml", config);
                 }},
        BadInput{"DamagedLog",
                 {"report", "model"},
                 1,
                 "log.jsonl",
                 [](const auto& dir) { write_file(dir / "model" / "log.jsonl", "{}\nno json\n"); }},
        BadInput{"DamagedEvaluation",
                 {"report", "model"},
                 1,
                 "evaluation.json",
                 [](const auto& dir) { write_file(dir / "model" / "evaluation.json", "{"); }},
        BadInput{"DataOfAnotherShape",
                 {"evaluate", "model"},
                 1,
                 "there are 20 images of 9×8 with 1 channel, there were 80 images of 8×8",
                 [](const auto& dir) {
                   write_npy(dir / "images.npy", make_array({20, 9, 8}, std::vector<std::uint8_t>(20 * 72)));
                 }},
        // encode, decode, traverse, export
        BadInput{"ImagesOfAnotherShape",
                 {"encode", "model", "-i", "wide.npy", "-o", "codes.npz"},
                 1,
                 "8x9x1",
                 [](const auto& dir) {
                   write_npy(dir / "wide.npy", make_array({2, 8, 9}, std::vector<float>(144)));
                 }},
        BadInput{"ImagesOutOfRange",
                 {"encode", "model", "-i", "loud.npy", "-o", "codes.npz"},
                 1,
                 "loud.npy",
                 [](const auto& dir) {
                   write_npy(dir / "loud.npy", make_array({1, 8, 8}, std::vector<float>(64, 3.0F)));
                 }},
        BadInput{"NoOutput", {"encode", "model", "-i", "images.npy"}, 2, "--output", {}},
        BadInput{"OutputInNoDirectory",
                 {"encode", "model", "-i", "images.npy", "-o", "no/such/codes.npz"},
                 1,
                 "no/such/codes.npz",
                 {}},
        BadInput{"OutputIsADirectory", {"export", "model", "-o", "."}, 1, "'.'", {}},
        BadInput{"UnknownFormat", {"export", "model", "-o", "x", "--format", "pickle"}, 2, "safetensors", {}},
        BadInput{"PictureInNoDirectory", {"traverse", "model", "-o", "no/grid.png"}, 1, "no/grid.png", {}},
        BadInput{"NoSuchItem", {"traverse", "model", "-o", "grid.png", "--item", "9999"}, 2, "9999", {}},
        BadInput{"CodesOfAnotherModel",
                 {"decode", "model", "-i", "codes.npz", "-o", "x.npy"},
                 1,
                 "the model has 5",
                 good_codes},
        BadInput{"CodesWithoutClasses",
                 {"decode", "model", "-i", "codes.npz", "-o", "x.npy"},
                 1,
                 "discrete",
                 [](const auto& dir) { write_codes(dir, 0, 5); }},
        BadInput{"DecodeNamesThatAreNoText",
                 {"decode", "model", "-i", "codes.npz", "-o", "x.npy"},
                 1,
                 "array 'names' must be text of shape (5,)",
                 [](const auto& dir) { write_named_codes(dir, /*text=*/false); }},
        BadInput{"DecodeTooFewNames",
                 {"decode", "model", "-i", "codes.npz", "-o", "x.npy"},
                 1,
                 "array 'names' must be text of shape (5,)",
                 [](const auto& dir) { write_named_codes(dir, /*text=*/true); }},
        BadInput{"CodesThatAreNoArchive",
                 {"decode", "model", "-i", "images.npy", "-o", "x.npy"},
                 1,
                 "images.npy",
                 {}},
        // objective
        BadInput{"NoGroups", objective({"--dataset-size", "10"}), 2, "--groups", good_codes},
        BadInput{"NoDatasetSize", objective({"--groups", "0-1"}), 2, "--dataset-size", good_codes},
        BadInput{"UnknownGroup", objective({"--groups", "0-1,colour", "--dataset-size", "9"}), 2, "colour",
                 good_codes},
        BadInput{"DimensionLeftOut", objective({"--groups", "0", "--dataset-size", "9"}), 2, "dimension 1",
                 good_codes},
        BadInput{"BracketLeftOpen", objective({"--groups", "(0,1", "--dataset-size", "9"}), 2, "bracket",
                 good_codes},
        BadInput{"DatasetSmallerThanBatch", objective({"--groups", "0-1", "--dataset-size", "2"}), 2, "2",
                 good_codes},
        BadInput{"UnknownEstimator",
                 objective({"--groups", "0-1", "--dataset-size", "9", "--estimator", "exat"}), 2, "exact",
                 good_codes},
        BadInput{"NanInCodes", objective({"--groups", "0-1", "--dataset-size", "9"}), 1,
                 "nan in row 0, column 1",
                 [](const auto& dir) { write_codes(dir, std::numeric_limits<float>::quiet_NaN()); }},
        BadInput{"NanInCodesAsJson", objective({"--groups", "0-1", "--dataset-size", "9", "--json"}), 1,
                 "'mean'",
                 [](const auto& dir) { write_codes(dir, std::numeric_limits<float>::quiet_NaN()); }},
        BadInput{"MissingCodes", objective({"--groups", "0-1", "--dataset-size", "9"}), 1, "codes.npz", {}},
        // data
        BadInput{"UnknownFactor",
                 {"data", "dsprites", "-o", "x.npz", "--where", "shap=heart"},
                 2,
                 "did you mean 'shape'?",
                 {}},
        BadInput{"NothingSelected",
                 {"data", "dsprites", "-o", "x.npz", "--where", "scale<0.5"},
                 2,
                 "scale<0.5",
                 {}},
        BadInput{"DataInNoDirectory",
                 {"data", "dsprites", "-o", "no/x.npz", "--where", "shape=heart"},
                 1,
                 "no/x.npz",
                 {}}),
    [](const auto& test) { return std::string(test.param.name); });

using FullDisk = TinyTest;

TEST_F(FullDisk, LeavesNoHalfWrittenFile) {
  train();
  const SmallDisk disk(64 << 10);
  if (!disk.mounted()) GTEST_SKIP() << "this user may not mount a file system";
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"data", "dsprites", "--where", "shape=square,scale=1", "-o", disk.path() / "data.npz"},
           {"traverse", "model", "-o", disk.path() / "grid.png"},
           {"train", "hfvae-dsprites", "--set", "data.where=\"scale=1,orientation=0\"", "--steps", "1",
            "--set", "data.batch_size=8", "--output", disk.path() / "run"}}) {
    if (command.front() == "traverse") std::ofstream(disk.path() / "fill") << std::string(63 << 10, 'x');
    EXPECT_TRUE(fails(run(command), 1, "No space left on device")) << command.front();
    std::filesystem::remove(disk.path() / "fill");
    for (const auto& entry : std::filesystem::recursive_directory_iterator(disk.path()))
      EXPECT_TRUE(entry.is_directory() || entry.path().filename() == "config.toml" ||
                  entry.path().filename() == ".cuelbo.lock" || entry.path().filename() == "log.jsonl" ||
                  entry.path().filename().string().starts_with("events.out"))
          << entry.path();
  }
}

TEST_F(FullDisk, OfStandardOutputIsAFailureToo) {
  const Outcome outcome = cuelbo({"presets"}, directory_.path(), "/dev/full");
  EXPECT_TRUE(fails(outcome, 1, "standard output"));
}

}  // namespace
}  // namespace cuelbo::test
