// The JSON Schema of the configuration says what the program says.
#include <cstdlib>
#include <fstream>
#include <functional>
#include <set>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "models/config_schema.hpp"
#include "tests/support/temporary_directory.hpp"

namespace cuelbo {
namespace {

using Json = nlohmann::json;

TEST(ConfigJsonSchema, HasEveryKey) {
  std::set<std::string> keys;
  const std::function<void(const Json&, const std::string&)> walk = [&](const Json& object,
                                                                        const std::string& prefix) {
    EXPECT_EQ(object.at("additionalProperties"), false) << prefix;
    for (const auto& [name, value] : object.at("properties").items()) {
      const std::string key = prefix + name;
      if (key == "base") continue;
      if (key != "optimizer.adam") keys.insert(key);  // which has no text of its own
      if (value.contains("properties")) walk(value, key + ".");
      if (value.contains("items") && value["items"].contains("oneOf"))
        for (const Json& kind : value["items"]["oneOf"]) walk(kind, key + ".");
    }
  };
  walk(Json::parse(config_json_schema()), "");
  EXPECT_EQ(keys, std::set<std::string>(config_keys().begin(), config_keys().end()));
}

constexpr const char* whole =
    "[encoder]\nlayers = [{ linear = 8 }]\n[decoder]\nlayers = []\n[[latent]]\nname = \"a\"\ngaussian = 2\n";

// Configurations that the program takes, and such that it refuses.
std::vector<std::string> accepted() {
  std::vector<std::string> texts{
      whole,
      "base = \"hfvae-mnist\"",
      "base = \"vae-mnist\"\nseed = 3\n[optimizer]\nsteps = 7\n",
      "base = \"hfvae-mnist\"\n[objective]\nbetween_group_tc = { from = 1, to = 2 }\n",
      "base = \"hfvae-mnist\"\n[objective]\ndimension_kl = { from = 0, to = 1e-30, steps = 2 }\n",
      "base = \"hfvae-mnist\"\n[optimizer]\ngradient_clip = 0.0\n",
      "base = \"hfvae-mnist\"\n[objective]\ngroup_tc = { style = 2, digit = { "
      "from = 0, to = 1.5, steps = 0 } }\n",
      "base = \"hfvae-dsprites\"\n[decoder]\nlayers = [{ linear = 12, reshape = "
      "[2, 2, 3] }, { conv_transpose = 2, "
      "stride = 3, output_padding = 2, batch_norm = true }]\n"};
  for (const Preset& preset : presets()) {
    texts.emplace_back(preset.toml);
    texts.push_back(to_toml(load_config(std::string(preset.name))));
  }
  return texts;
}

std::vector<std::string> refused() {
  std::vector<std::string> texts{"", "base = \"nothing\"", "[encoder]\nlayers = []\n"};
  for (const char* line : {"seed = -1",
                           "seed = 1.5",
                           "device = 3",
                           "threads = 1025",
                           "precision = \"fp16\"",
                           "sed = 1",
                           "[data]\nname = \"dsprite\"",
                           "[data]\ntest_fraction = 1.0",
                           "[data]\nbatch_size = 0",
                           "[data]\nbatch_sise = 3",
                           "[optimizer]\nsteps = 0",
                           "[optimizer]\nadam = { beta1 = 1.0 }",
                           "[optimizer]\nadam = { learning_rate = 0.0 }",
                           "[training]\nlog_every = 0",
                           "[objective]\ndimension_kl = -1",
                           "[objective]\ndimension_kl = 1e-50",
                           "[optimizer]\ngradient_clip = 1e39",
                           "[decoder]\ndeviation = 1e-50",
                           "[encoder]\nlayers = [{ linear = 3, kernel = 2 }]",
                           "[encoder]\nlayers = [{ kernel = 3 }]",
                           "[encoder]\nlayers = [{ conv = 3, linear = 2 }]",
                           "[encoder]\nactivation = \"gelu\"",
                           "[[latent]]\nname = \"a\"",
                           "[[latent]]\nname = \"a\"\ngaussian = 2\ndiscrete = 2",
                           "[[latent]]\nname = \"a\"\ndiscrete = 1",
                           "[[latent]]\ngaussian = 1",
                           "latent = []"})
    texts.push_back(std::string("base = \"hfvae-mnist\"\n") + line + "\n");
  return texts;
}

TEST(ConfigJsonSchema, TakesWhatTheProgramTakes) {
  const test::TemporaryDirectory directory;
  std::ofstream(directory / "schema.json") << config_json_schema();
  Json cases = Json::array();
  for (const std::string& text : accepted()) {
    EXPECT_NO_THROW(parse_config(text, "x.toml")) << text;
    cases.push_back({text, true});
  }
  for (const std::string& text : refused()) {
    EXPECT_THROW(parse_config(text, "x.toml"), UsageError) << text;
    cases.push_back({text, false});
  }
  std::ofstream(directory / "cases.json") << cases;
  const char* python = std::getenv("CUELBO_TEST_PYTHON");
  if (python == nullptr) GTEST_SKIP() << "CUELBO_TEST_PYTHON names no Python with jsonschema";
  std::ofstream(directory / "check.py") << R"(
import json, pathlib, sys, tomllib
import jsonschema
folder = pathlib.Path(sys.argv[1])
schema = json.loads((folder / "schema.json").read_text())
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
wrong = [(text, [e.message for e in validator.iter_errors(tomllib.loads(text))])
         for text, taken in json.loads((folder / "cases.json").read_text())
         if validator.is_valid(tomllib.loads(text)) != taken]
assert not wrong, wrong
)";
  const std::string command = std::string("'") + python + "' '" + (directory / "check.py").string() + "' '" +
                              directory.path().string() + "' 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

}  // namespace
}  // namespace cuelbo
