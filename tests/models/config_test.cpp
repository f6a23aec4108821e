#include "models/config.hpp"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>

#include "models/config_schema.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/temporary_directory.hpp"

namespace cuelbo {
namespace {

using test::fails_with;
using testing::HasSubstr;

constexpr const char* small = R"(
[data]
name = "dsprites"
[encoder]
layers = [{ linear = 8 }]
[decoder]
layers = []
[[latent]]
name = "a"
gaussian = 2
[[latent]]
name = "b"
discrete = 3
)";

RunConfig with(const std::vector<std::string>& overrides) {
  return parse_config(small, "small.toml", overrides);
}

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

// What is wrong, where, and what would be right.
TEST(Config, RefusesWithOneLine) {
  const auto refuses = [](const std::string& text, const std::string& message) {
    EXPECT_TRUE(fails_with<UsageError>([&] { parse_config(text, "x.toml"); }, message)) << text;
  };
  refuses("seed = ", "x.toml:1:");
  refuses("[encodr]\nlayers = []\n", "unknown key 'encodr'; did you mean 'encoder'?");
  refuses("seed = 1\nsteps = 10\n", "x.toml:2:9: unknown key 'steps'; did you mean 'optimizer.steps'?");
  refuses("[data]\nbatch_sise = 10\n",
          "x.toml:2:14: unknown key 'data.batch_sise'; did you mean 'data.batch_size'?");
  refuses(
      "[encoder]\nlayers = []\n[decoder]\nlayers = []\n[[latent]]\nname = \"a\"\ngaussian = 1\n"
      "[optimizer.adam]\nlearningrate = 1\n",
      "unknown key 'optimizer.adam.learningrate'; did you mean 'optimizer.adam.learning_rate'?");
  refuses("[encoder]\nlayers = []\nlikelihood = \"gaussian\"\n",
          "unknown key 'encoder.likelihood'; did you mean 'decoder.likelihood'?");
  refuses("[encoder]\nlayers = [{ conv = 3, kernle = 2 }]\n",
          "x.toml:2:32: unknown key 'encoder.layers.0.kernle'; did you mean 'encoder.layers.0.kernel'?");
  refuses("[encoder]\nlayers = [{ linear = 3, kernel = 2 }]\n",
          "key 'encoder.layers.0.kernel' does not apply here; the keys here are linear, conv, "
          "conv_transpose, batch_norm, reshape");
  refuses("[encoder]\nlayers = [{ linear = 3, conv = 2 }]\n",
          "encoder.layers.0 must have one of the keys linear, conv, conv_transpose");
  refuses("[encoder]\nlayers = [{ kernel = 3 }]\n", "must have one of the keys linear");
  refuses("[encoder]\nlayers = [3]\n", "encoder.layers.0 must be a table");
  refuses("[encoder]\nlayers = 3\n", "encoder.layers must be a list of tables");
  refuses("encoder = 3\n", "encoder must be a table");
  refuses("", "encoder.layers is missing");
  refuses("[encoder]\nlayers = []\n[decoder]\nlayers = []\n", "latent is missing");
  refuses("latent = []\n[encoder]\nlayers = []\n[decoder]\nlayers = []\n", "latent is empty");
  refuses("seed = 1.5\n", "x.toml:1:8: seed must be a whole number");
  refuses("seed = true\n", "seed must be a whole number");
  refuses("device = 3\n", "device must be a string");
  refuses("[data]\nname = \"dsprite\"\n",
          "data.name is 'dsprite'; it must be one of dsprites, mnist, fashion-mnist, idx, npy, images (did "
          "you mean 'dsprites'?)");
}

TEST(Config, RefusesOverridesWithOneLine) {
  const auto refuses = [](const std::string& text, const std::string& message) {
    EXPECT_TRUE(fails_with<UsageError>([&] { with({text}); }, message)) << text;
  };
  refuses("seed", "--set seed: it must have the form key=value");
  refuses("=1", "it must have the form key=value");
  refuses("seed=-1", "--set seed: seed is -1; it must be at least 0");
  refuses("seed=abc", "--set seed: seed must be a whole number");
  refuses("seed=1\ndevice=2", "seed must be a whole number");
  refuses("sed=1", "--set sed: unknown key 'sed'; did you mean 'seed'?");
  refuses("foo.bar.steps=1", "--set foo.bar.steps: unknown key 'foo'");
  refuses("seed.x=1", "--set seed.x: seed must be a whole number");
  refuses("data.name.x=1", "data.name holds a value and no keys");
  refuses("data..name=x", "'data..name' is not a key");
  refuses("latent.c.gaussian=1", "latent has no element 'c'");
  refuses("latent.2.gaussian=1", "latent has 2 elements, there is no number 2");
  refuses("encoder.layers.x.linear=1", "encoder.layers is a list");
  refuses("encoder.layers=[{linear=1}", "--set encoder.layers=[{linear=1}: ");
  refuses("data.batch_size=0", "data.batch_size is 0; it must be at least 1");
  refuses("data.batch_size=1", "needs data.batch_size of at least 2");
  refuses("data.test_fraction=1", "data.test_fraction is 1; it must be at least 0 and below 1");
  refuses("data.test_fraction=0.97", "leave nothing to train on");
  refuses("data.test_fraction=nan", "data.test_fraction is nan; it must be finite");
  refuses("data.binarize=no", "data.binarize is 'no'");
  refuses("decoder.likelihood=poisson", "decoder.likelihood is 'poisson'");
  refuses("decoder.deviation=0", "it must be above 0");
  refuses("latent.b.temperature=0", "it must be above 0");
  refuses("latent.a.temperature=1", "key 'latent.0.temperature' does not apply here");
  refuses("latent.a.name=b", "latent 'b': the name is used twice");
  refuses("latent.a.name=root", "the name is that of the whole tree");
  refuses("latent.a.name=\"a/b\"", "a name is made of letters");
  refuses("latent.a.discrete=2", "either gaussian (dimensions) or discrete (classes)");
  refuses("latent.b.discrete=1", "discrete must be at least 2");
  refuses("latent.a.inside=b", "which is a latent");
  refuses("latent.a.inside=\"x//y\"", "it must be a name, or names with / between them");
  refuses("objective.estimator=exact", "objective.estimator is 'exact'");
  refuses("objective.preset=beta", "objective.preset is 'beta'");
  refuses("objective.between_group_tc={from=1,to=2}", "objective.between_group_tc.steps is missing");
  refuses("objective.between_group_tc={from=1,to=2,steps=3,step=4}",
          "unknown key 'objective.between_group_tc.step'");
  refuses("objective.between_group_tc={from=-1,to=2,steps=3}",
          "objective.between_group_tc.from is -1; it must be at least 0");
  refuses("objective.between_group_tc=inf", "objective.between_group_tc is inf; it must be finite");
  refuses("optimizer.gradient_clip=inf", "optimizer.gradient_clip is inf; it must be finite");
  refuses("optimizer.adam.learning_rate=-inf", "it must be finite");
  refuses("data.path=/caf\xe9", "--set data.path: '/caf\xe9' is not UTF-8");
  refuses("latent.a.name=\xff", "--set latent.a.name: ");
  refuses("seed=9223372036854775808", "seed must be a whole number, at most 9223372036854775807");
  refuses("objective.between_group_tc=high", "must be a number or { from");
  refuses("optimizer.adam.learning_rate=0", "it must be above 0");
  refuses("optimizer.adam.beta1=1", "it must be at least 0 and below 1");
  refuses("optimizer.steps=0", "it must be at least 1");
  refuses("training.log_every=0", "it must be at least 1");
  refuses("encoder.layers=[{conv_transpose=3}]",
          "encoder.layers.0: conv_transpose does not belong into the encoder");
  refuses("decoder.layers=[{linear=12,reshape=[2,3]}]", "must be [height, width, channels]");
  refuses("decoder.layers=[{linear=12,reshape=[2,2,2]}]", "does not hold 12 features");
  refuses("decoder.layers=[{conv_transpose=2,stride=2,output_padding=2}]",
          "it must be at least 0 and below 2");
}

// fp32 computes with these: what it would turn into 0 or infinity is refused.
TEST(Config, RefusesWhatFp32DoesNotHold) {
  for (const std::string key :
       {"decoder.deviation", "latent.b.temperature", "optimizer.gradient_clip", "optimizer.adam.epsilon",
        "optimizer.adam.learning_rate", "objective.mutual_information", "objective.between_group_tc",
        "objective.within_group_tc", "objective.dimension_kl", "objective.group_tc.a"}) {
    const std::string name = key == "latent.b.temperature" ? "latent.1.temperature" : key;
    const bool scheduled = key.starts_with("objective") || key.ends_with("rate");
    for (const std::string value : {"1e-50", "1e-39", "1e+39"}) {
      const auto refuses = [&](const std::string& text, const std::string& part) {
        EXPECT_TRUE(fails_with<UsageError>([&] { with({key + "=" + text}); },
                                           name + part + " is " + value + "; it must be"))
            << key << "=" << text;
      };
      refuses(value, "");
      if (!scheduled) continue;
      refuses("{from=" + value + ",to=1,steps=3}", ".from");
      refuses("{from=1,to=" + value + ",steps=3}", ".to");
    }
    EXPECT_NO_THROW(with({key + "=1.2e-38"}));
    EXPECT_NO_THROW(with({key + "=3.4e38"}));
  }
  EXPECT_TRUE(fails_with<UsageError>([] { with({"optimizer.gradient_clip=1e-50"}); },
                                     "gradient_clip is 1e-50; it must be 0 or between 1.2e-38 and 3.4e+38"));
  EXPECT_TRUE(fails_with<UsageError>([] { with({"decoder.deviation=1e39"}); },
                                     "deviation is 1e+39; it must be between 1.2e-38 and 3.4e+38"));
  EXPECT_TRUE(fails_with<UsageError>([] { with({"optimizer.adam.beta1=1e-50"}); }, "beta1 is 1e-50"));
  EXPECT_EQ(with({"optimizer.gradient_clip=0"}).adam.gradient_clip, 0);
  EXPECT_EQ(with({"objective.between_group_tc={from=0,to=1,steps=2}"}).objective.between_group_tc.from, 0);
}

// No value of a key that does not hold text is misread: one short line names the key.
TEST(Config, RefusesWhatIsNotANumberForEveryKey) {
  for (const std::string& key : config_keys()) {
    if (is_text_key(key) || key.find("layers") != std::string::npos || key.starts_with("latent")) continue;
    for (const char* value : {"nan", "inf", "-inf", "1e999", "-1", "many", "", "[]", "2024-01-01"}) {
      try {
        with({key + "=" + value});
        ADD_FAILURE() << key << "=" << value << " is accepted";
      } catch (const UsageError& error) {
        const std::string message = error.what();
        EXPECT_LT(message.size(), 120U) << message;
        EXPECT_THAT(message, HasSubstr(key));
        EXPECT_THAT(message, HasSubstr("must be"));
      }
    }
  }
}

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

TEST(Config, NamesThePresetsWhenNothingFits) {
  EXPECT_TRUE(fails_with<UsageError>(
      [] { load_config("hfvae-dsprite"); },
      "'hfvae-dsprite' is neither a preset nor a file (did you mean 'hfvae-dsprites'?)"));
  EXPECT_TRUE(fails_with([] { load_config("no/such.toml"); }, "'no/such.toml'"));
}

TEST(Config, ReadsAFile) {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "run.toml";
  std::ofstream(path) << small;
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
