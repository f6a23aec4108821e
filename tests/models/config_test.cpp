#include "models/config.hpp"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>

#include "models/config_schema.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/small_config.hpp"
#include "tests/support/temporary_directory.hpp"

namespace cuelbo {
namespace {

using test::fails_with;
using test::with;
using testing::HasSubstr;

TEST(Config, ReadsTheConfigOfTheDocumentation) {
  const RunConfig config = parse_config(R"(
seed = 1
device = "auto"

[data]
name = "dsprites"
test_fraction = 0.05
batch_size = 256

[encoder]
layers = [ { conv = 32, kernel = 4, stride = 2 }, { conv = 64, kernel = 2, stride = 1, padding = 0, batch_norm = true },
           { linear = 256 } ]
activation = "relu"

[decoder]
layers = [ { linear = 256 }, { linear = 1024, reshape = [4, 4, 64] },
           { conv_transpose = 32, kernel = 4, stride = 2, output_padding = 1 } ]
likelihood = "bernoulli"

[[latent]]
name = "shape"
discrete = 3
temperature = 0.5

[[latent]]
name = "position"
gaussian = 4
inside = "where/how"

[objective]
preset = "hfvae"
estimator = "mss"
between_group_tc = { from = 1.0, to = 4.0, steps = 5000 }
within_group_tc = 3
group_tc = { position = 2.5, where = { from = 0, to = 1, steps = 10 } }

[optimizer]
adam = { learning_rate = 1e-4, beta1 = 0.8, beta2 = 0.99 }
gradient_clip = 100.0
steps = 123
)",
                                        "x.toml");
  EXPECT_EQ(config.data.test_fraction, 0.05);
  EXPECT_EQ(config.batch_size, 256);
  ASSERT_EQ(config.encoder.layers.size(), 3u);
  EXPECT_EQ(config.encoder.layers[0].kind, LayerConfig::Kind::conv);
  EXPECT_EQ(config.encoder.layers[0].padding, -1);
  EXPECT_EQ(config.encoder.layers[1].units, 64);
  EXPECT_EQ(config.encoder.layers[1].padding, 0);
  EXPECT_TRUE(config.encoder.layers[1].batch_norm);
  EXPECT_EQ(config.encoder.layers[2].kind, LayerConfig::Kind::linear);
  EXPECT_EQ(config.decoder.layers[1].reshape, (std::vector<std::int64_t>{4, 4, 64}));
  EXPECT_EQ(config.decoder.layers[2].output_padding, 1);
  ASSERT_EQ(config.latents.size(), 2u);
  EXPECT_EQ(config.latents[0].discrete, 3);
  EXPECT_EQ(config.latents[0].temperature, 0.5);
  EXPECT_EQ(config.latents[1].inside, "where/how");
  EXPECT_EQ(config.objective.estimator, "mss");
  EXPECT_EQ(config.objective.between_group_tc.at(2500), 2.5);
  EXPECT_EQ(config.objective.within_group_tc.at(0), 3);
  EXPECT_EQ(config.objective.group_tc.at("where").at(5), 0.5);
  EXPECT_EQ(config.learning_rate.at(7), 1e-4);
  EXPECT_EQ(config.adam.beta1, 0.8);
  EXPECT_EQ(config.adam.gradient_clip, 100);
  EXPECT_EQ(config.training.steps, 123);
}

// Every key, set to something else than its default, appears in the text and survives it; numbers to the last bit.
TEST(Config, TomlGivesTheConfigBack) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"seed=9223372036854775807", "seed = 9223372036854775807"},
      {"device=cpu", "device = \"cpu\""},
      {"threads=3", "threads = 3"},
      {"precision=bf16", "precision = \"bf16\""},
      {"data.name=npy", "name = \"npy\""},
      {"data.path=/a b/\"c\"\\d", R"(path = "/a b/\"c\"\\d")"},
      {"data.path=\"tab\\tünï\"", "path = \"tab\\u0009ünï\""},
      {"data.where=shape=heart,scale>0.6", "where = \"shape=heart,scale>0.6\""},
      {"data.validation_fraction=0.1", "validation_fraction = 0.1"},
      {"data.test_fraction=0.30000000000000004", "test_fraction = 0.30000000000000004"},
      {"data.binarize=dynamic", "binarize = \"dynamic\""},
      {"data.batch_size=7", "batch_size = 7"},
      {"encoder.layers=[{conv=3,kernel=5,stride=1,padding=2,batch_norm=true}]",
       "{ conv = 3, kernel = 5, stride = 1, padding = 2, batch_norm = true }"},
      {"decoder.layers=[{linear=12,reshape=[2,2,3]},{conv_transpose=2,kernel=3,stride=3,output_padding=2}]",
       "{ conv_transpose = 2, kernel = 3, stride = 3, padding = -1, output_padding = 2 }"},
      {"encoder.activation=leaky_relu", "activation = \"leaky_relu\""},
      {"decoder.activation=tanh", "activation = \"tanh\""},
      {"decoder.likelihood=gaussian", "likelihood = \"gaussian\""},
      {"decoder.deviation=0.1", "deviation = 0.1"},
      {"latent.a.gaussian=5", "gaussian = 5"},
      {"latent.1.discrete=11", "discrete = 11"},
      {"latent.b.temperature=1.2e-38", "temperature = 1.2e-38"},
      {"latent.b.inside=outer", "inside = \"outer\""},
      {"latent.a.name=renamed", "name = \"renamed\""},
      {"objective.estimator=batch", "estimator = \"batch\""},
      {"objective.mutual_information=0", "mutual_information = 0.0"},
      {"objective.between_group_tc={from=0.1,to=4,steps=5000}",
       "between_group_tc = { from = 0.1, to = 4.0, steps = 5000 }"},
      {"objective.within_group_tc=3", "within_group_tc = 3.0"},
      {"objective.dimension_kl=1.5", "dimension_kl = 1.5"},
      {"objective.group_tc.a=2", "group_tc = { a = 2.0 }"},
      {"optimizer.adam.learning_rate=1e30", "learning_rate = 1e+30"},
      {"optimizer.adam.beta1=0.5", "beta1 = 0.5"},
      {"optimizer.adam.beta2=0.123456789012345678", "beta2 = 0.12345678901234568"},
      {"optimizer.adam.epsilon=1.2e-38", "epsilon = 1.2e-38"},
      {"optimizer.gradient_clip=2.5", "gradient_clip = 2.5"},
      {"optimizer.steps=17", "steps = 17"},
      {"training.log_every=3", "log_every = 3"},
      {"training.validate_every=4", "validate_every = 4"},
      {"training.validation_items=5", "validation_items = 5"},
  };
  for (const auto& [override_text, expected] : cases) {
    const std::string text = to_toml(with({override_text}));
    EXPECT_THAT(text, HasSubstr(expected)) << override_text;
    EXPECT_EQ(to_toml(parse_config(text, "again")), text);
  }
  EXPECT_EQ(with({"optimizer.adam.beta2=0.123456789012345678"}).adam.beta2, 0.123456789012345678);
}

TEST(Config, EveryPresetParsesAndSurvivesItsText) {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) {
    names.emplace_back(preset.name);
    EXPECT_FALSE(preset.description.empty());
    const RunConfig config = load_config(std::string(preset.name));
    EXPECT_EQ(to_toml(parse_config(to_toml(config), "again")), to_toml(config)) << preset.name;
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("hfvae-dsprites", "hfvae-mnist", "hfvae-fashion-mnist",
                                                   "vae-dsprites", "vae-mnist", "vae-fashion-mnist"));
}

TEST(Config, VaePresetsDifferInTheObjectiveOnly) {
  for (const std::string data : {"dsprites", "mnist", "fashion-mnist"}) {
    RunConfig hfvae = load_config("hfvae-" + data), vae = load_config("vae-" + data);
    EXPECT_NE(to_toml(hfvae), to_toml(vae));
    EXPECT_EQ(vae.objective.between_group_tc.at(0), 1);
    EXPECT_EQ(vae.objective.between_group_tc.at(1 << 30), 1);
    EXPECT_EQ(to_toml(load_config("hfvae-" + data, {"objective.preset=vae"})), to_toml(vae));
    hfvae.objective = vae.objective = {};
    EXPECT_EQ(to_toml(hfvae), to_toml(vae));
  }
}

TEST(Config, AFileMayBuildOnAPreset) {
  const RunConfig config = parse_config(
      "base = \"hfvae-mnist\"\nseed = 5\n[data]\npath = \"p\"\n[optimizer]\nsteps = 9\n", "x.toml");
  EXPECT_EQ(config.seed, 5u);
  EXPECT_EQ(config.data.name, "mnist");
  EXPECT_EQ(config.data.path, "p");
  EXPECT_EQ(config.training.steps, 9);
  EXPECT_EQ(config.latents.size(), 2u);
  EXPECT_TRUE(
      fails_with<UsageError>([] { parse_config("base = \"hfvae-mnst\"", "x.toml"); },
                             "x.toml:1:8: base must be the name of a preset (did you mean 'hfvae-mnist'?)"));
}

TEST(Config, LaterOverridesWin) {
  EXPECT_EQ(with({"seed=4", "seed=5"}).seed, 5u);
  EXPECT_EQ(with({"latent=[{name='only',gaussian=1}]"}).latents.size(), 1u);
  EXPECT_EQ(with({"latent.0={name='c',gaussian=9}"}).latents[0].gaussian, 9);
}

// Messages say what is wrong, where, and what would be right.
// A key that holds text takes any text, whatever TOML would make of it.
TEST(Config, OverridesOfTextKeysAreText) {
  for (const std::string text : {"2024-01-01", "123", "1e3", "true", "inf", "[1, 2]", "{ a = 1 }", "a=b",
                                 "0x1f", "12:30:00", "a # b", "1 # b", ""}) {
    EXPECT_EQ(with({"data.path=" + text}).data.path, text);
    EXPECT_EQ(with({"data.where=" + text}).data.where, text);
  }
  EXPECT_EQ(with({"data.path='2024'"}).data.path, "2024");
  EXPECT_EQ(with({"data.path=\"a\\tb\""}).data.path, "a\tb");
  EXPECT_EQ(with({"latent.a.name=7"}).latents[0].name, "7");
  EXPECT_EQ(with({"latent.1.inside=2024"}).latents[1].inside, "2024");
  EXPECT_TRUE(fails_with<UsageError>([] { with({"data.binarize=1"}); },
                                     "data.binarize is '1'; it must be one of none, threshold, dynamic"));
}

TEST(Config, AVaeHasNoOtherCoefficients) {
  EXPECT_TRUE(fails_with<UsageError>([] { load_config("vae-dsprites", {"objective.between_group_tc=4"}); },
                                     "objective.preset 'vae' has all coefficients 1"));
  EXPECT_EQ(load_config("vae-dsprites", {"objective.preset=hfvae", "objective.between_group_tc=4"})
                .objective.between_group_tc.to,
            4);
}

TEST(Config, CoefficientsAreThoseOnTopOfThePreset) {
  const auto coefficient = [](const std::vector<std::string>& settings, const char* preset = "vae-mnist") {
    return load_config(preset, settings).objective.within_group_tc.to;
  };
  EXPECT_EQ(coefficient({"objective.preset=hfvae", "objective.within_group_tc=7"}), 7);
  EXPECT_EQ(coefficient({"objective.within_group_tc=7", "objective.preset=hfvae"}), 7);
  // The preset that it is already changes nothing.
  EXPECT_EQ(coefficient({"objective.preset=hfvae"}, "hfvae-mnist"), coefficient({}, "hfvae-mnist"));
  const std::string on_top = "base = 'hfvae-mnist'\n[objective]\n";
  EXPECT_EQ(to_toml(parse_config(on_top + "preset = 'hfvae'", "x.toml")),
            to_toml(parse_config(on_top, "x.toml")));
}

TEST(Config, NamesThePresetsWhenNothingFits) {
  EXPECT_TRUE(fails_with<UsageError>(
      [] { load_config("hfvae-dsprite"); },
      "'hfvae-dsprite' is neither a preset nor a file (did you mean 'hfvae-dsprites'?)"));
  EXPECT_TRUE(fails_with([] { load_config("no/such.toml"); }, "'no/such.toml'"));
}

TEST(Config, ReadsAFile) {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "run.toml";
  std::ofstream(path) << test::small_config;
  EXPECT_EQ(load_config(path, {"seed=3"}).seed, 3u);
  std::ofstream(path) << "seed = \"\xff\"";
  EXPECT_TRUE(fails_with<UsageError>([&] { load_config(path); }, path));
}

// ---- docs/config.md

std::string read_text(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(ConfigDocumentation, ListsEveryKey) {
  const std::string path = test::source_directory() + "/docs/config.md";
  const std::string text = read_text(path);
  const std::string begin = "<!-- keys -->\n", end = "<!-- end of keys -->";
  const std::size_t from = text.find(begin), to = text.find(end);
  ASSERT_NE(from, std::string::npos);
  ASSERT_NE(to, std::string::npos);
  const std::string wanted = text.substr(0, from + begin.size()) + config_reference() + text.substr(to);
  if (std::getenv("CUELBO_UPDATE_DOCS") != nullptr) std::ofstream(path) << wanted;
  EXPECT_EQ(read_text(path), wanted) << "run this test with CUELBO_UPDATE_DOCS=1";
}

TEST(ConfigDocumentation, ItsExamplesParse) {
  const std::string text = read_text(test::source_directory() + "/docs/config.md");
  int examples = 0;
  for (std::size_t at = text.find("```toml\n"); at != std::string::npos;
       at = text.find("```toml\n", at + 1), ++examples) {
    const std::size_t begin = at + 8;
    EXPECT_NO_THROW(parse_config(text.substr(begin, text.find("```", begin) - begin), "docs/config.md"));
  }
  EXPECT_GE(examples, 2);
}

}  // namespace
}  // namespace cuelbo
