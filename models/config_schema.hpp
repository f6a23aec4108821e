// Every key of a configuration, defined once: its place, its field, its values and its meaning. The reader, the writer
// and the reference in docs/config.md all walk these functions.
//
// A visitor has: field(key, value, range or names, text) · section(key, text, body) · list(key, items, text, body) ·
// kind(names, value, units, range, text) of a layer.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "engine/range.hpp"
#include "models/config.hpp"

namespace cuelbo {

std::string toml_string(std::string_view text);  // quoted, with escapes

using Names = std::span<const std::string_view>;

// The names of an enumeration's values, in their order.
inline constexpr std::array<std::string_view, 2> truth_names{"false", "true"};
inline constexpr std::array<std::string_view, 5> activation_names{"identity", "relu", "leaky_relu", "tanh",
                                                                  "sigmoid"};
inline constexpr std::array<std::string_view, 3> precision_names{"fp32", "tf32", "bf16"};
inline constexpr std::array<std::string_view, 2> likelihood_names{"bernoulli", "gaussian"};
inline constexpr std::array<std::string_view, 3> binarize_names{"none", "threshold", "dynamic"};
inline constexpr std::array<std::string_view, 3> layout_names{"auto", "nhwc", "nchw"};
// After "any" in the order of Dtype.
inline constexpr std::array<std::string_view, 14> scale_of_names{
    "any",   "bool",   "uint8", "int8",    "uint16",   "int16",   "uint32",
    "int32", "uint64", "int64", "float16", "bfloat16", "float32", "float64"};
inline constexpr std::array<std::string_view, 3> layer_names{"linear", "conv", "conv_transpose"};
inline constexpr std::array<std::string_view, 2> objective_names{"hfvae", "vae"};
inline constexpr std::array<std::string_view, 4> estimator_names{"hfvae", "mws", "mss", "batch"};
inline constexpr std::array<std::string_view, 6> dataset_names{"dsprites", "mnist", "fashion-mnist",
                                                               "idx",      "npy",   "images"};

inline constexpr double largest_size = 1 << 24;  // the most of anything that is counted in a network

// The range of fractional numbers that are not 0: models compute in fp32, which would make others 0 or infinite.
inline constexpr double least_fraction = 1.2e-38, most_fraction = 3.4e38;

// The squared norm of the gradient, which grows with the square of a coefficient, must stay finite in fp32. So it must
// with 1 / deviation², below.
inline constexpr double most_coefficient = 1e9;

template <class Visitor, class Layer>
void visit_layer(Visitor& v, Layer& layer) {
  v.kind(layer_names, layer.kind, layer.units, at_least(1, largest_size),
         "the kind of the layer, and its number of output features or channels");
  if (layer.kind != LayerConfig::Kind::linear) {
    v.field("kernel", layer.kernel, at_least(1, 1024), "height and width of a convolution's kernel");
    v.field("stride", layer.stride, at_least(1, 1024), "its stride");
    v.field(
        "padding", layer.padding, at_least(-1, 1024),
        "its padding on each side; -1: (kernel - stride + 1) / 2, with which strided layers halve or double");
  }
  if (layer.kind == LayerConfig::Kind::conv_transpose)
    v.field("output_padding", layer.output_padding, from_below(0, static_cast<double>(layer.stride)),
            "rows and columns added to the output");
  v.field("batch_norm", layer.batch_norm, truth_names, "batch normalisation in front of the activation");
  if (layer.kind == LayerConfig::Kind::linear)
    v.field("reshape", layer.reshape, at_least(1, largest_size),
            "[height, width, channels] that the features become");
}

template <class Visitor, class Latent>
void visit_latent(Visitor& v, Latent& latent) {
  v.field("name", latent.name, Names{}, "name of the group");
  v.field("gaussian", latent.gaussian, at_least(0, largest_size), "number of Gaussian dimensions, or");
  v.field("discrete", latent.discrete, at_least(0, largest_size), "number of classes of a Concrete variable");
  if (latent.discrete > 0)
    v.field("temperature", latent.temperature, above(0), "temperature of the Concrete variable");
  v.field("inside", latent.inside, Names{},
          "name of a group of groups around it, `a/b` for b inside a; none: the root");
}

template <class Visitor, class Config>
void visit_config(Visitor& v, Config& config) {
  v.field("seed", config.seed, at_least(0), "of everything random");
  v.field("device", config.device, Names{}, "`auto`, `cpu`, `cuda`, `cuda:N` or `simt`");
  v.field("threads", config.threads, at_least(0, 1024), "CPU threads, 0: all; results do not depend on it");
  v.field("precision", config.precision, precision_names,
          "of the factors of products; sums and weights are fp32. bf16: on the CPU, fast with AVX-512 BF16");

  v.section("data", "Where the images come from.", [&] {
    auto& data = config.data;
    v.field("name", data.name, dataset_names, "the data set, or the format of the files");
    v.field("path", data.path, Names{},
            "file or folder; dsprites needs none, fashion-mnist finds Debian's package");
    v.field("array", data.array, Names{},
            "which array of an .npz holds the images, or which data set of a folder with several: "
            "`emnist-letters`; none: the only one");
    v.field("transpose", data.transpose, truth_names,
            "swap height and width: EMNIST stores its images transposed");
    v.field("layout", data.layout, layout_names,
            "order of the axes of an array. auto: (n, H, W, C), but a shape that looks like another order is "
            "refused");
    v.field("scale", data.scale, Range{.least = 1e-30, .most = 1e30},
            "the stored value that becomes 1. `\"auto\"`: 255 for uint8, or 1 if it holds only 0 and 1; 1 "
            "for bool and floats");
    v.field(
        "scale_of", data.scale_of, scale_of_names,
        "the stored type that `scale` is meant for, which training writes; setting `scale` makes it `any`");
    v.field("where", data.where, Names{}, "only items with these factors: `shape=heart,scale>0.6`");
    v.field("validation_fraction", data.validation_fraction, from_below(0, 1),
            "seeded share kept for validation");
    v.field("test_fraction", data.test_fraction, from_below(0, 1),
            "seeded share kept for the test, unless the data set has a test split");
    v.field("binarize", data.binarize, binarize_names,
            "grey values as 0 and 1: by a threshold of 0.5, or drawn again in every epoch of training");
    v.field("batch_size", config.batch_size, at_least(1, largest_size), "items a step");
  });
  const auto visit_network = [&](auto& network, std::string_view text) {
    v.list("layers", network.layers, text, [&](auto& layer) { visit_layer(v, layer); });
    v.field("activation", network.activation, activation_names, "after every hidden layer");
  };
  v.section("encoder", "From images to latents.", [&] {
    visit_network(config.encoder, "hidden layers; a linear layer to the latents' parameters follows");
  });
  v.section("decoder", "From latents to images.", [&] {
    visit_network(config.decoder, "hidden layers; a layer to the image follows, of the last one's kind");
    v.field("likelihood", config.likelihood, likelihood_names,
            "of the pixels; bernoulli takes grey values as they are");
    v.field("deviation", config.deviation, Range{.least = 1e-6, .most = 1e18},
            "standard deviation of the Gaussian likelihood");
  });
  v.list("latent", config.latents, "The groups of latent variables.",
         [&](auto& latent) { visit_latent(v, latent); });

  v.section("objective",
            "What is maximised. A coefficient is a number or `{ from = 1.0, to = 4.0, steps = 5000 }`.", [&] {
              auto& objective = config.objective;
              v.field("preset", objective.preset, objective_names, "`vae`: all coefficients are 1");
              v.field("estimator", objective.estimator, estimator_names, "of the marginals of q");
              v.field("mutual_information", objective.mutual_information, at_least(0, most_coefficient),
                      "coefficient of I(x; z)");
              v.field("between_group_tc", objective.between_group_tc, at_least(0, most_coefficient),
                      "of the total correlation between groups");
              v.field("within_group_tc", objective.within_group_tc, at_least(0, most_coefficient),
                      "of the total correlation within each group");
              v.field("dimension_kl", objective.dimension_kl, at_least(0, most_coefficient),
                      "of the divergence of each dimension from its prior");
              v.field("group_tc", objective.group_tc, at_least(0, most_coefficient),
                      "of the total correlation of named groups, in place of the above");
            });
  v.section("optimizer", "How it is maximised.", [&] {
    v.section("adam", "", [&] {
      v.field("learning_rate", config.learning_rate, above(0), "a number or `{ from, to, steps }`");
      v.field("beta1", config.adam.beta1, from_below(0, 1), "decay of the first moment");
      v.field("beta2", config.adam.beta2, from_below(0, 1), "decay of the second moment");
      v.field("epsilon", config.adam.epsilon, above(0), "added to the root of the second moment");
    });
    v.field("gradient_clip", config.adam.gradient_clip, at_least(0), "bound of the gradient's norm, 0: none");
    v.field("steps", config.training.steps, at_least(1), "total optimizer steps");
  });
  v.section("training", "What is watched on the way.", [&] {
    v.field("log_every", config.training.log_every, at_least(1), "steps between records of log.jsonl");
    v.field("validate_every", config.training.validate_every, at_least(1),
            "steps between validations, each with a checkpoint");
    v.field("validation_items", config.training.validation_items, at_least(0),
            "items of a validation, at most");
  });
}

// The full names of all keys: "data.batch_size", "latent.name", …
const std::vector<std::string>& config_keys();

// Whether a key ("data.path", "latent.name", without indices) holds text, a name out of a list included.
bool is_text_key(std::string_view key);

// The part of a configuration that a trained model needs: precision, networks, latents, how images are read, scaled and binarized, and the
// seed of what is drawn. parse_config gives it back, with defaults for the rest.
std::string model_toml(const RunConfig& config);

// The table of keys in docs/config.md.
std::string config_reference();

// The JSON Schema (draft 7) of a configuration.
std::string config_json_schema();

}  // namespace cuelbo
