// Invalid configurations.
#include <gmock/gmock.h>

#include "models/config.hpp"
#include "models/config_schema.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/small_config.hpp"

namespace cuelbo {
namespace {

using test::fails_with;
using test::with;
using testing::HasSubstr;

TEST(ConfigRefusals, RefusesWithOneLine) {
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
          "encoder.layers.0 must have only one of the keys linear, conv, conv_transpose");
  refuses("[encoder]\nlayers = [{ liner = 3 }]\n", "conv_transpose (did you mean 'linear'?)");
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

TEST(ConfigRefusals, RefusesOverridesWithOneLine) {
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
  for (const char* deviation : {"0", "1e-30", "9e-7", "1.1e18", "1e+39"})  // its fourth power divides
    refuses(fmt::format("decoder.deviation={}", deviation), "it must be at least 1e-06 and at most 1e+18");
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
  refuses("objective.group_tc.a=1.1e9", "it must be at least 0 and at most 1000000000");
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
          "encoder.layers.0: conv_transpose is not allowed in the encoder");
  refuses("decoder.layers=[{linear=12,reshape=[2,3]}]", "must be [height, width, channels]");
  refuses("decoder.layers=[{linear=12,reshape=[2,2,2]}]", "does not hold 12 features");
  refuses("decoder.layers=[{conv_transpose=2,stride=2,output_padding=2}]",
          "it must be at least 0 and below 2");
}

// fp32 computes with these: what it would turn into 0 or infinity is refused.
TEST(ConfigRefusals, RefusesWhatFp32DoesNotHold) {
  for (const std::string key :
       {"latent.b.temperature", "optimizer.gradient_clip", "optimizer.adam.epsilon",
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
    EXPECT_NO_THROW(with({key + (key.starts_with("objective") ? "=1e9" : "=3.4e38")}));
  }
  EXPECT_TRUE(fails_with<UsageError>([] { with({"optimizer.gradient_clip=1e-50"}); },
                                     "gradient_clip is 1e-50; it must be 0 or between 1.2e-38 and 3.4e+38"));
  EXPECT_TRUE(fails_with<UsageError>([] { with({"latent.b.temperature=1e39"}); },
                                     "temperature is 1e+39; it must be between 1.2e-38 and 3.4e+38"));
  EXPECT_NO_THROW(with({"decoder.deviation=1e-6"}));
  EXPECT_TRUE(fails_with<UsageError>([] { with({"optimizer.adam.beta1=1e-50"}); }, "beta1 is 1e-50"));
  EXPECT_EQ(with({"optimizer.gradient_clip=0"}).adam.gradient_clip, 0);
  EXPECT_EQ(with({"objective.between_group_tc={from=0,to=1,steps=2}"}).objective.between_group_tc.from, 0);
}

// No value of a key that does not hold text is misread: one short line names the key.
TEST(ConfigRefusals, RefusesWhatIsNotANumberForEveryKey) {
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

}  // namespace
}  // namespace cuelbo
