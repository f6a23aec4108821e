// The configuration of a run: one TOML file, whose keys are the fields below. docs/config.md shows a whole one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/operations.hpp"
#include "engine/optimizer.hpp"
#include "models/data/open_dataset.hpp"

namespace cuelbo {

// One layer of an encoder or a decoder.
struct LayerConfig {
  enum class Kind { linear, conv, conv_transpose };
  Kind kind = Kind::linear;
  std::int64_t units = 0;  // output features or channels
  std::int64_t kernel = 4, stride = 2;
  std::int64_t padding = -1;  // −1: (kernel − stride + 1) / 2, which makes strided layers halve or double
  std::int64_t output_padding = 0;  // of conv_transpose
  bool batch_norm = false;
  std::vector<std::int64_t> reshape;  // of a linear layer: its output becomes an image (H, W, C)
};

struct NetworkConfig {
  std::vector<LayerConfig>
      layers;  // hidden layers; the last layer follows from the latents or from the images
  Activation activation = Activation::relu;
};

enum class Likelihood { bernoulli, gaussian };

// One latent group: either Gaussian dimensions or one Concrete variable.
struct LatentConfig {
  std::string name;
  std::int64_t gaussian = 0;  // dimensions
  std::int64_t discrete = 0;  // classes
  double temperature = 0.66;
  std::string inside;  // name of an enclosing group; empty: the root
};

struct ObjectiveConfig {
  std::string preset = "hfvae";     // hfvae | vae: vae fixes all coefficients to 1
  std::string estimator = "hfvae";  // hfvae | mws | mss | batch
  Schedule mutual_information = Schedule::constant(1);
  Schedule between_group_tc = Schedule::constant(1);
  Schedule within_group_tc = Schedule::constant(1);
  Schedule dimension_kl = Schedule::constant(1);
  std::map<std::string, Schedule> group_tc;  // of a named node of the group tree, in place of the two above
};

struct TrainingConfig {
  std::int64_t steps = 20000;
  std::int64_t log_every = 100;          // steps between records of log.jsonl
  std::int64_t validate_every = 1000;    // steps between validations, each with a checkpoint
  std::int64_t validation_items = 2000;  // at most, a fixed seeded subset
};

struct RunConfig {
  std::uint64_t seed = 1;
  std::string device = "auto";
  int threads = 0;  // CPU threads; 0: all. Results do not depend on it.
  kernels::Precision precision = kernels::Precision::fp32;  // of products
  DataConfig data;
  std::int64_t batch_size = 256;  // key data.batch_size
  NetworkConfig encoder, decoder;
  Likelihood likelihood = Likelihood::bernoulli;  // key decoder.likelihood
  double deviation = 1;                           // key decoder.deviation, of the Gaussian likelihood
  std::vector<LatentConfig> latents;
  ObjectiveConfig objective;
  AdamOptions adam;  // key optimizer.adam = { … } and optimizer.gradient_clip
  Schedule learning_rate = Schedule::constant(1e-3);  // key optimizer.adam.learning_rate
  TrainingConfig training;                            // keys optimizer.steps, training.log_every, …
};

// Parses TOML text, then applies `overrides` ("key.path=value", value in TOML syntax; a bare word is taken as a string).
// `source` names the text in messages. Throws UsageError: syntax errors with line and column, an unknown key with the
// nearest known one, a wrong type, a value out of range, missing latents or layers.
RunConfig parse_config(std::string_view toml, std::string_view source,
                       const std::vector<std::string>& overrides = {});

// `config` with overrides of some keys, as above.
RunConfig with_settings(const RunConfig& config, const std::vector<std::string>& settings);

// A preset's name or the path of a TOML file.
RunConfig load_config(const std::string& preset_or_path, const std::vector<std::string>& overrides = {});

// The whole configuration as TOML, such that parse_config gives it back.
std::string to_toml(const RunConfig& config);

// Every key with its value in TOML, in the order of the schema; each layer and each latent is one key:
// "encoder.layers.0", "latent.1".
std::vector<std::pair<std::string, std::string>> config_values(const RunConfig& config);

struct Preset {
  std::string_view name, description, toml;
};
const std::vector<Preset>& presets();  // hfvae-dsprites, hfvae-mnist, hfvae-fashion-mnist and vae-… of each

}  // namespace cuelbo
