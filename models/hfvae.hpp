// A variational autoencoder with grouped latents: networks from the configuration, weights initialised as torch's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/operations.hpp"
#include "models/config.hpp"
#include "models/group_tree.hpp"
#include "models/objective.hpp"

namespace cuelbo {

class Hfvae {
 public:
  // Creates the parameters, named encoder.0.weight, encoder.latent.bias, decoder.output.weight, …; their initial values
  // depend on config.seed only. Throws UsageError when the layers do not fit the images, naming layer and shapes.
  Hfvae(ParameterSet& parameters, const RunConfig& config, ImageShape image);

  // images (B, H, W, C) → parameters and samples of the latents. `training` selects batch norm's statistics.
  LatentTensors encode(Program& program, Tensor images, bool training) const;
  // A code is (B, code_size()): Gaussian dimensions, then relaxed or hard one-hot classes. → (B, H, W, C): logits of the
  // Bernoulli or means of the Gaussian likelihood.
  Tensor decode(Program& program, Tensor code, bool training) const;
  Tensor code(const LatentTensors& latents) const;             // the sample, as decode takes it
  Tensor log_likelihood(Tensor decoded, Tensor images) const;  // (B), nats
  // The values to show: probabilities or means.
  Tensor picture(Tensor decoded) const;

  const GroupTree& tree() const { return *tree_; }
  const ObjectiveTerms& terms() const { return *terms_; }
  ImageShape image() const { return image_; }
  std::int64_t gaussian_dims() const { return std::ssize(tree_->dims()); }
  std::int64_t code_size() const { return gaussian_dims() + tree_->total_classes(); }
  const RunConfig& config() const { return config_; }

 private:
  struct Layer {
    LayerConfig config;
    std::string name;
    Shape in, out;  // of one item: (features) or (H, W, C)
    int weight = -1, bias = -1, scale = -1, shift = -1, running_mean = -1, running_variance = -1;
    Activation activation = Activation::identity;
  };
  void build(ParameterSet& parameters);
  std::int64_t decoded_extent(std::size_t from, std::int64_t extent) const;
  std::string decoder_advice() const;  // how to change the decoder so that it fits the data
  Layer make_layer(ParameterSet& parameters, const LayerConfig& config, std::string name, const Shape& in,
                   Activation activation) const;
  Tensor apply(Program& program, const Layer& layer, Tensor x, bool training) const;

  RunConfig config_;
  ImageShape image_;
  std::shared_ptr<const GroupTree> tree_;
  std::shared_ptr<const ObjectiveTerms> terms_;
  std::vector<Layer> encoder_, decoder_;
};

// The group tree that the latents of a configuration declare.
GroupTree latent_tree(const std::vector<LatentConfig>& latents);

}  // namespace cuelbo
