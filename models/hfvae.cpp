#include "models/hfvae.hpp"

#include <algorithm>
#include <cmath>

#include "engine/error.hpp"
#include "models/random_values.hpp"

namespace cuelbo {

namespace {

std::int64_t features(const Shape& shape) { return element_count(shape); }

std::int64_t default_padding(const LayerConfig& layer) {
  return layer.padding >= 0 ? layer.padding
                            : std::max<std::int64_t>(0, (layer.kernel - layer.stride + 1) / 2);
}

Tensor with_batch(Tensor x, const Shape& item) {
  Shape shape{x.dim(0)};
  shape.insert(shape.end(), item.begin(), item.end());
  return x.shape() == shape ? x : reshape(x, shape);
}

}  // namespace

GroupTree latent_tree(const std::vector<LatentConfig>& latents) {
  // Groups inside a common parent stand together in depth-first order, where their dimensions are numbered.
  GroupTree::Spec root{.name = "root"};
  for (const LatentConfig& latent : latents) {
    GroupTree::Spec leaf{.leaf = {.name = latent.name, .classes = latent.discrete}};
    leaf.leaf.dims.resize(static_cast<std::size_t>(latent.gaussian));
    std::vector<GroupTree::Spec>* siblings = &root.children;
    std::size_t begin = 0;
    while (begin < latent.inside.size()) {  // "a/b": group b inside group a
      const std::size_t end = std::min(latent.inside.find('/', begin), latent.inside.size());
      const std::string name = latent.inside.substr(begin, end - begin);
      auto inner = std::find_if(siblings->begin(), siblings->end(), [&](const GroupTree::Spec& s) {
        return !s.children.empty() && s.name == name;
      });
      if (inner == siblings->end()) inner = siblings->insert(siblings->end(), GroupTree::Spec{.name = name});
      siblings = &inner->children;
      begin = end + 1;
    }
    siblings->push_back(std::move(leaf));
  }
  std::int64_t next = 0;
  const auto number = [&](auto& self, GroupTree::Spec& spec) -> void {
    for (std::int64_t& dim : spec.leaf.dims) dim = next++;
    for (GroupTree::Spec& child : spec.children) self(self, child);
  };
  number(number, root);
  return GroupTree(root);
}

Hfvae::Hfvae(ParameterSet& parameters, const RunConfig& config, ImageShape image)
    : config_(config), image_(image) {
  tree_ = std::make_shared<GroupTree>(latent_tree(config.latents));
  terms_ = std::make_shared<ObjectiveTerms>(*tree_);
  if (gaussian_dims() == 0) usage_fail("a model needs at least one Gaussian latent dimension");
  build(parameters);
}

Hfvae::Layer Hfvae::make_layer(ParameterSet& parameters, const LayerConfig& config, std::string name,
                               const Shape& in, Activation activation) const {
  Layer layer{.config = config, .name = std::move(name), .in = in, .activation = activation};
  const std::int64_t units = config.units;
  layer.config.padding = default_padding(config);
  const bool is_image = in.size() == 3;
  if (config.kind != LayerConfig::Kind::linear && !is_image)
    usage_fail(
        "{}: a convolution needs an image (H, W, C), but its input is {}: put a linear layer with reshape "
        "before it",
        layer.name, to_string(in));
  const std::int64_t k = config.kernel, s = config.stride, p = layer.config.padding;
  Shape weight;
  std::int64_t fan_in = 0;
  switch (config.kind) {
    case LayerConfig::Kind::linear:
      layer.in = {features(in)};
      weight = {units, features(in)};
      fan_in = features(in);
      layer.out = config.reshape.empty() ? Shape{units} : config.reshape;
      if (features(layer.out) != units)
        usage_fail("{}: {} features cannot be reshaped to {}", layer.name, units, to_string(config.reshape));
      break;
    case LayerConfig::Kind::conv:
      weight = {units, k, k, in[2]};
      fan_in = in[2] * k * k;
      layer.out = {(in[0] + 2 * p - k) / s + 1, (in[1] + 2 * p - k) / s + 1, units};
      if (in[0] + 2 * p < k || in[1] + 2 * p < k)
        usage_fail("{}: its input {} is smaller than the kernel of {}", layer.name, to_string(in), k);
      break;
    case LayerConfig::Kind::conv_transpose:
      weight = {in[2], k, k, units};
      fan_in = units * k * k;  // torch computes it from the second axis of its weight
      layer.out = {(in[0] - 1) * s - 2 * p + k + config.output_padding,
                   (in[1] - 1) * s - 2 * p + k + config.output_padding, units};
      if (layer.out[0] < 1 || layer.out[1] < 1)
        usage_fail("{}: its input {} gives an empty image", layer.name, to_string(in));
      break;
  }
  const float bound = 1 / std::sqrt(static_cast<float>(fan_in));
  const auto create = [&](const char* what, Shape shape, const std::vector<float>& values,
                          bool trained = true) {
    return parameters.create(layer.name + "." + what, std::move(shape), values, trained);
  };
  const auto random = [&](const char* what, const Shape& shape) {
    return create(what, shape,
                  uniform_values(config_.seed, layer.name + "." + what, element_count(shape), bound));
  };
  layer.weight = random("weight", weight);
  layer.bias = random("bias", {units});
  if (config.batch_norm) {
    const auto count = static_cast<std::size_t>(units);
    layer.scale = create("batch_norm.scale", {units}, std::vector<float>(count, 1.0F));
    layer.shift = create("batch_norm.shift", {units}, std::vector<float>(count, 0.0F));
    layer.running_mean = create("batch_norm.running_mean", {units}, std::vector<float>(count, 0.0F), false);
    layer.running_variance =
        create("batch_norm.running_variance", {units}, std::vector<float>(count, 1.0F), false);
  }
  return layer;
}

void Hfvae::build(ParameterSet& parameters) {
  Shape shape{image_.height, image_.width, image_.channels};
  const auto stack = [&](const NetworkConfig& network, const std::string& prefix,
                         std::vector<Layer>& layers) {
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
      layers.push_back(make_layer(parameters, network.layers[i], fmt::format("{}.{}", prefix, i), shape,
                                  network.activation));
      shape = layers.back().out;
    }
  };
  stack(config_.encoder, "encoder", encoder_);
  const std::int64_t latent_outputs = 2 * gaussian_dims() + tree_->total_classes();
  encoder_.push_back(
      make_layer(parameters, {.units = latent_outputs}, "encoder.latent", shape, Activation::identity));

  shape = {code_size()};
  stack(config_.decoder, "decoder", decoder_);
  // The output layer is like the last one when that leaves an image, else linear.
  LayerConfig output{.units = image_.size(), .reshape = {image_.height, image_.width, image_.channels}};
  if (shape.size() == 3) {
    const LayerConfig& last = config_.decoder.layers.back();
    if (last.kind == LayerConfig::Kind::linear)
      output = {.kind = LayerConfig::Kind::conv_transpose};
    else
      output = last;
    output.units = image_.channels;
    output.batch_norm = false;
  }
  decoder_.push_back(make_layer(parameters, output, "decoder.output", shape, Activation::identity));
  const Shape expected{image_.height, image_.width, image_.channels};
  if (decoder_.back().out != expected)
    usage_fail("the decoder makes images of {}, but the data has {}: {}", to_string(decoder_.back().out),
               to_string(expected), decoder_advice());
}

// A layer's output height for an input height; widths alike.
std::int64_t Hfvae::decoded_extent(std::size_t from, std::int64_t extent) const {
  for (std::size_t i = from; i < decoder_.size(); ++i) {
    const LayerConfig& layer = decoder_[i].config;
    if (layer.kind == LayerConfig::Kind::conv_transpose)
      extent = (extent - 1) * layer.stride - 2 * layer.padding + layer.kernel + layer.output_padding;
  }
  return extent;
}

std::string Hfvae::decoder_advice() const {
  const auto has_reshape = [](const Layer& layer) { return !layer.config.reshape.empty(); };
  const auto last = std::find_if(decoder_.rbegin(), decoder_.rend(), has_reshape);
  if (last == decoder_.rend()) return "change decoder.layers";
  const auto index = static_cast<std::size_t>(decoder_.rend() - last) - 1;
  const std::int64_t channels = last->config.reshape[2];
  std::int64_t below = 0, above = 0;
  // The extent that becomes `wanted`, or 0 when none does; then the nearest that can be made are below and above.
  const auto extent_for = [&](std::int64_t wanted) -> std::int64_t {
    for (std::int64_t extent = 1;; ++extent) {
      const std::int64_t made = decoded_extent(index + 1, extent);
      if (made == wanted) return extent;
      if (made > wanted) {
        above = made;
        return 0;
      }
      below = made;
    }
  };
  std::int64_t wanted = image_.height;
  const std::int64_t height = extent_for(wanted);
  const std::int64_t width = height > 0 ? extent_for(wanted = image_.width) : 0;
  if (height > 0 && width > 0)
    return fmt::format("--set 'decoder.layers.{}={{linear = {}, reshape = [{}, {}, {}]}}' fits", index,
                       height * width * channels, height, width, channels);
  return fmt::format("its layers can make {}{}, not {}; change their kernels and strides, or the images",
                     below > 0 ? fmt::format("{} or ", below) : "", above, wanted);
}

Tensor Hfvae::apply(Program& program, const Layer& layer, Tensor x, bool training) const {
  const Program::Scope scope(program, layer.name);
  const bool normalized = layer.config.batch_norm;
  const Activation activation = normalized ? Activation::identity : layer.activation;
  const Tensor weight = program.parameter(layer.weight), bias = program.parameter(layer.bias);
  const Conv2dGeometry geometry{
      .kernel = layer.config.kernel, .stride = layer.config.stride, .padding = layer.config.padding};
  x = with_batch(x, layer.in);
  Tensor y;
  switch (layer.config.kind) {
    case LayerConfig::Kind::linear: y = linear(x, weight, bias, activation); break;
    case LayerConfig::Kind::conv: y = conv2d(x, weight, bias, geometry, activation); break;
    case LayerConfig::Kind::conv_transpose:
      y = conv2d_transpose(x, weight, bias, geometry, layer.config.output_padding, activation);
      break;
  }
  if (normalized)
    y = batch_norm(y,
                   {.scale = program.parameter(layer.scale),
                    .shift = program.parameter(layer.shift),
                    .running_mean = program.parameter(layer.running_mean),
                    .running_variance = program.parameter(layer.running_variance)},
                   training, layer.activation);
  return with_batch(y, layer.out);
}

LatentTensors Hfvae::encode(Program& program, Tensor images, bool training) const {
  Tensor h = images;
  for (const Layer& layer : encoder_) h = apply(program, layer, h, training);
  const Program::Scope scope(program, "latent");
  const std::int64_t d = gaussian_dims();
  LatentTensors latents{.mean = slice_columns(h, 0, d), .logvar = slice_columns(h, d, d)};
  latents.z = reparameterize(latents.mean, latents.logvar);
  if (tree_->classes().empty()) return latents;

  latents.logits = slice_columns(h, 2 * d, tree_->total_classes());
  std::vector<Tensor> probabilities, log_probabilities, relaxed;
  std::int64_t begin = 0;
  for (std::size_t g = 0; g < tree_->classes().size(); ++g) {
    const std::int64_t classes = tree_->classes()[g];
    const Tensor logits = slice_columns(latents.logits, begin, classes);
    const auto group =
        std::find_if(config_.latents.begin(), config_.latents.end(),
                     [&](const LatentConfig& l) { return l.name == tree_->discrete_names()[g]; });
    probabilities.push_back(softmax(logits));
    log_probabilities.push_back(log_softmax(logits));
    relaxed.push_back(concrete(logits, static_cast<float>(group->temperature)));
    begin += classes;
  }
  latents.probabilities = concat_columns(probabilities);
  latents.log_probabilities = concat_columns(log_probabilities);
  latents.relaxed = concat_columns(relaxed);
  return latents;
}

Tensor Hfvae::code(const LatentTensors& latents) const {
  return latents.relaxed ? concat_columns({latents.z, latents.relaxed}) : latents.z;
}

Tensor Hfvae::decode(Program& program, Tensor code, bool training) const {
  for (const Layer& layer : decoder_) code = apply(program, layer, code, training);
  return code;
}

Tensor Hfvae::log_likelihood(Tensor decoded, Tensor images) const {
  const Program::Scope scope(decoded.program(), "likelihood");
  if (config_.likelihood == Likelihood::bernoulli) return bernoulli_log_likelihood(decoded, images);
  return gaussian_log_likelihood(decoded, images, static_cast<float>(config_.deviation));
}

Tensor Hfvae::picture(Tensor decoded) const {
  return config_.likelihood == Likelihood::bernoulli ? activate(decoded, Activation::sigmoid) : decoded;
}

}  // namespace cuelbo
