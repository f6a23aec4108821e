// A file that `cuelbo export` wrote serves in place of the run that it comes from, and tells nothing else of it.
#include <fstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "engine/io/safetensors.hpp"
#include "models/checkpoint.hpp"
#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

class ExportedModel : public TinyTest {
 protected:
  void train_and_export(const std::vector<std::string>& settings = {}) {
    std::vector<std::string> more;
    for (const std::string& setting : settings) more.insert(more.end(), {"--set", setting});
    train("model", more);
    ASSERT_TRUE(succeeds(run({"export", "model", "-o", "model.safetensors"})));
  }
  // Writes the exported model with a change.
  template <class Change>
  void write_changed(const std::string& name, Change change) const {
    Safetensors file = read_safetensors(path("model.safetensors"));
    change(file);
    file.metadata[metadata_checksum_key] = metadata_checksum(file.metadata);
    write_safetensors(path(name), file);
  }
};

TEST_F(ExportedModel, HoldsWhatAModelNeedsAndNothingElse) {
  train_and_export({"data.binarize=threshold", "precision=bf16", "training.log_every=7"});
  const Safetensors file = read_safetensors(path("model.safetensors"));
  std::vector<std::string> keys;
  for (const auto& entry : file.metadata) keys.push_back(entry.first);
  EXPECT_THAT(keys, testing::ElementsAre("crc32", "format", "format_version", "image", "metadata_crc32",
                                         "model", "step", "stored", "version"));
  EXPECT_EQ(file.metadata.at("format_version"), "2");
  EXPECT_EQ(file.metadata.at("stored"), "uint8");
  const std::string model = file.metadata.at("model");
  for (const char* part : {"precision = \"bf16\"", "binarize = \"threshold\"", "scale = 255", "linear = 16",
                           "likelihood = \"bernoulli\"", "name = \"kind\"", "discrete = 3"})
    EXPECT_THAT(model, HasSubstr(part));
  for (const char* part :
       {"images.npy", "path", "threads", "device", "optimizer", "objective", "training", "log_every"})
    EXPECT_THAT(model, Not(HasSubstr(part)));
  // The file contains neither the folder of the run nor that of its data.
  EXPECT_THAT(content("model.safetensors"), Not(HasSubstr(directory_.path().string())));
}

TEST_F(ExportedModel, GivesWhatItsRunGives) {
  train_and_export({"data.binarize=dynamic"});
  for (const std::string model : {"model", "model.safetensors"}) {
    const std::string at = model == "model" ? "run." : "file.";
    ASSERT_TRUE(succeeds(run({"encode", model, "-i", "images.npy", "-o", at + "npz"})));
    ASSERT_TRUE(succeeds(run({"decode", model, "-i", at + "npz", "-o", at + "npy"})));
    ASSERT_TRUE(succeeds(run({"traverse", model, "--data", "images.npy", "-o", at + "png"})));
    ASSERT_TRUE(succeeds(run({"export", model, "-o", at + "safetensors"})));
  }
  for (const char* suffix : {"npz", "npy", "png", "safetensors"})
    EXPECT_EQ(content(std::string("run.") + suffix), content(std::string("file.") + suffix)) << suffix;
  const auto evaluation = [&](const std::string& model, std::vector<std::string> more) {
    more.insert(more.begin(), {"evaluate", model, "--importance-items", "8", "--json"});
    const Outcome outcome = run(more);
    EXPECT_TRUE(succeeds(outcome));
    Json json = Json::parse(outcome.out);
    json.erase("checkpoint");
    return json;
  };
  const Json own = evaluation("model", {});
  const Json stored = Json::parse(content("model/evaluation.json"));
  const Json file = evaluation("model.safetensors", {"--data", "images.npy"});
  EXPECT_EQ(file["items"], 80);
  EXPECT_EQ(file, evaluation("model", {"--data", "images.npy"}));
  // Other data does not change the run's own evaluation.
  EXPECT_EQ(Json::parse(content("model/evaluation.json")), stored);
  EXPECT_EQ(own["items"], 16);
  // Commands that need the run say so.
  EXPECT_TRUE(fails(run({"evaluate", "model.safetensors"}), 1,
                    "an exported model, which has no data of its own: --data PATH"));
  EXPECT_TRUE(fails(run({"traverse", "model.safetensors", "-o", "x.png"}), 1, "--data PATH"));
  EXPECT_TRUE(fails(run({"report", "model.safetensors"}), 1, "'model.safetensors' is an exported model"));
}

TEST_F(ExportedModel, OfTheFirstVersionIsReadToo) {
  train_and_export();
  write_changed("old.safetensors", [&](Safetensors& file) {
    file.metadata = {
        {"format", "cuelbo"}, {"format_version", "1"}, {"config", content("model/config.toml")},
        {"image", "8 8 1"},   {"step", "40"},          {"checkpoint", "checkpoint/best.safetensors"}};
  });
  ASSERT_TRUE(succeeds(run({"encode", "model", "-i", "images.npy", "-o", "a.npz"})));
  ASSERT_TRUE(succeeds(run({"encode", "old.safetensors", "-i", "images.npy", "-o", "b.npz"})));
  EXPECT_EQ(content("a.npz"), content("b.npz"));
  // Exporting it again leaves out what does not belong there.
  ASSERT_TRUE(succeeds(run({"export", "old.safetensors", "-o", "new.safetensors"})));
  EXPECT_THAT(content("new.safetensors"), Not(HasSubstr("images.npy")));
}

TEST_F(ExportedModel, FilesThatAreNone) {
  train_and_export();
  const auto refused = [&](const std::string& file, const std::string& text) {
    const Outcome outcome = run({"encode", file, "-i", "images.npy", "-o", "x.npz"});
    EXPECT_TRUE(fails(outcome, 1, text)) << file;
    EXPECT_THAT(outcome.err, HasSubstr(file));
    EXPECT_FALSE(std::filesystem::exists(path("x.npz")));
  };
  refused("model/checkpoint/best.safetensors",
          "is a checkpoint of a training run, not an exported model; give the directory of its run");
  refused("images.npy", "is neither a run directory nor an exported model");
  refused("tiny.toml", "is neither a run directory nor an exported model");
  refused("none.safetensors", "there is no run directory or exported model 'none.safetensors'");
  write_safetensors(path("other.safetensors"), Safetensors{});
  refused("other.safetensors", "is not a model that `cuelbo export` wrote");
  write_changed("newer.safetensors", [](Safetensors& file) { file.metadata["format_version"] = "3"; });
  refused("newer.safetensors", "is an exported model of version 3; this program reads versions 1 to 2");
  write_changed("bits.safetensors",
                [](Safetensors& file) { file.tensors.at("encoder.0.bias").data[3] ^= std::byte{1}; });
  refused("bits.safetensors", "is damaged: its checksum is not that of its tensors");
  Safetensors later = read_safetensors(path("model.safetensors"));
  later.metadata["step"] = "41";
  write_safetensors(path("later.safetensors"), later);
  refused("later.safetensors", "is damaged: its checksum is not that of its metadata");
  write_changed("fewer.safetensors", [](Safetensors& file) { file.tensors.erase("encoder.0.bias"); });
  refused("fewer.safetensors", "is damaged");
  write_changed("image.safetensors", [](Safetensors& file) { file.metadata["image"] = "8 8"; });
  refused("image.safetensors", "metadata 'image' holds ''");
  write_changed("shape.safetensors", [](Safetensors& file) { file.metadata["image"] = "8 9 1"; });
  refused("shape.safetensors", "the model that it describes has float32 (16, 72)");
  write_changed("toml.safetensors", [](Safetensors& file) { file.metadata["model"] = "[encoder"; });
  refused("toml.safetensors", "metadata 'model'");
  write_changed("none_of_it.safetensors", [](Safetensors& file) { file.metadata.erase("model"); });
  refused("none_of_it.safetensors", "metadata 'model' is missing");
  const std::string whole = content("model.safetensors");
  std::ofstream(path("half.safetensors"), std::ios::binary) << whole.substr(0, whole.size() / 2);
  refused("half.safetensors", "truncated");
}

}  // namespace
}  // namespace cuelbo::test
