// Models as programs: shapes, the training program's loss and gradient, and that a model learns.
#include "models/hfvae.hpp"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "models/codes.hpp"
#include "models/programs.hpp"
#include "models/random_values.hpp"
#include "tests/support/comparison.hpp"
#include "tests/support/error_checks.hpp"

namespace cuelbo {
namespace {

using test::fails_with;
using test::is_close;

constexpr auto linear_kind = LayerConfig::Kind::linear;
constexpr auto conv_kind = LayerConfig::Kind::conv;
constexpr auto transpose_kind = LayerConfig::Kind::conv_transpose;

RunConfig mlp() {
  RunConfig config;
  config.encoder.layers = {{.kind = linear_kind, .units = 24}};
  config.decoder.layers = {{.kind = linear_kind, .units = 24}};
  config.latents = {
      {.name = "a", .gaussian = 2}, {.name = "kind", .discrete = 3}, {.name = "b", .gaussian = 3}};
  return config;
}

RunConfig convolutional(bool batch_norm) {
  RunConfig config = mlp();
  config.encoder.layers = {{.kind = conv_kind, .units = 8, .batch_norm = batch_norm},
                           {.kind = conv_kind, .units = 8}};
  config.decoder.layers = {{.kind = linear_kind, .units = 72, .reshape = {3, 3, 8}},
                           {.kind = transpose_kind, .units = 8, .batch_norm = batch_norm}};
  return config;
}

std::vector<float> images_of(std::int64_t count, ImageShape shape, std::uint64_t seed) {
  std::vector<float> images = standard_normal(seed, count * shape.size());
  for (float& x : images) x = 1 / (1 + std::exp(-2 * x));
  return images;
}

// A bright square at another position in every image.
std::vector<float> squares_of(std::int64_t count, ImageShape shape) {
  std::vector<float> images(static_cast<std::size_t>(count * shape.size()), 0.0F);
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t y = 0; y < shape.height; ++y)
      for (std::int64_t x = 0; x < shape.width; ++x)
        if (y / 3 == i % 4 && x / 3 == i / 4 % 4)
          images[static_cast<std::size_t>(((i * shape.height + y) * shape.width + x) * shape.channels)] = 1;
  return images;
}

struct Model {
  explicit Model(const RunConfig& config, ImageShape image = {12, 12, 1}, int threads = 2,
                 kernels::Precision precision = kernels::Precision::fp32)
      : device(open_device({.name = "cpu", .threads = threads, .precision = precision})),
        parameters(*device),
        hfvae(parameters, config, image) {}
  std::unique_ptr<Device> device;
  ParameterSet parameters;
  Hfvae hfvae;
};

void train_steps(TrainingProgram& training, const std::vector<float>& images, int steps, double rate = 1e-3) {
  training.program.write(training.images, images);
  for (int step = 1; step <= steps; ++step) {
    training.program.set_step(1, static_cast<std::uint64_t>(step));
    training.optimizer->set_step(step, rate);
    training.program.replay();
  }
}

TEST(Hfvae, loss_is_minus_elbo_when_all_coefficients_are_one) {
  Model model(mlp());
  TrainingProgram training(*model.device, model.parameters, model.hfvae, 16, 1000);
  train_steps(training, images_of(16, model.hfvae.image(), 1), 3);
  const std::vector<float> terms = training.program.read(training.objective.terms);
  const double kl = std::accumulate(terms.begin(), terms.end(), 0.0);
  const double likelihood = training.program.read_scalar(training.log_likelihood);
  EXPECT_TRUE(is_close(training.program.read_scalar(training.loss), kl - likelihood, {.relative = 1e-5}));
  EXPECT_GT(kl, 0);
  EXPECT_LT(likelihood, 0);
}

// The recorded objective against the decomposition of the same codes on the host.
TEST(Hfvae, recorded_terms_equal_those_of_the_codes) {
  for (const char* estimator : {"hfvae", "mws", "mss", "batch"})
    for (const bool correlated : {false, true}) {
      Model model(mlp());
      Program program(*model.device, model.parameters, {.gradients = false});
      const Tensor images = program.input("images", {17, 12, 12, 1});
      const LatentTensors latents = model.hfvae.encode(program, images, true);
      const GroupTree& tree = model.hfvae.tree();
      GaussianPrior prior;
      if (correlated) {
        std::vector<double> covariance(25, 0.3);
        for (std::size_t d = 0; d < 5; ++d) covariance[6 * d] = 1;
        prior = GaussianPrior(5, covariance);
      }
      const ObjectiveTerms terms(tree, correlated);
      const ObjectiveTensors objective =
          record_objective(latents, tree, terms, mixture_weights(parse_estimator(estimator), 17, 500),
                           std::vector<float>(terms.terms().size(), 1.0F), prior);
      for (const Tensor t : {latents.mean, latents.logvar, latents.z, latents.logits, objective.terms})
        program.keep(t);
      program.plan();
      program.write(images, images_of(17, model.hfvae.image(), 4));
      program.set_step(3, 1);
      program.replay();
      const Codes codes{.items = 17,
                        .dims = 5,
                        .mean = program.read(latents.mean),
                        .logvar = program.read(latents.logvar),
                        .z = program.read(latents.z),
                        .discrete = {{.name = "kind", .classes = 3, .logits = program.read(latents.logits)}}};
      const Decomposition expected =
          decompose(*model.device, codes, tree,
                    {.estimator = parse_estimator(estimator), .dataset_size = 500, .prior = prior});
      EXPECT_TRUE(test::all_close(program.read(objective.terms), expected.values, {.absolute = 2e-5}))
          << estimator;
    }
}

// g·v against the central difference of the loss along v, for a whole model.
void check_directional_derivative(const RunConfig& config, ImageShape image) {
  Model model(config, image);
  TrainingProgram training(*model.device, model.parameters, model.hfvae, 8, 100);
  const std::vector<float> images = images_of(8, image, 2);
  training.program.write(training.images, images);
  std::vector<std::vector<float>> start;
  const auto count = static_cast<int>(model.parameters.parameters().size());
  for (int i = 0; i < count; ++i) start.push_back(model.parameters.read(i));

  // A step of Adam with an enormous second-moment weight would hide the gradient; read it from a program of its own.
  Program program(*model.device, model.parameters);
  const Tensor input = program.input("images", {8, image.height, image.width, image.channels});
  const LatentTensors latents = model.hfvae.encode(program, input, true);
  const Tensor decoded = model.hfvae.decode(program, model.hfvae.code(latents), true);
  const std::vector<float> coefficients(model.hfvae.terms().terms().size(), 2.0F);
  const ObjectiveTensors objective =
      record_objective(latents, model.hfvae.tree(), model.hfvae.terms(),
                       mixture_weights(Estimator::hfvae, 8, 100), coefficients);
  const Tensor loss = add(sum(model.hfvae.log_likelihood(decoded, input), -1.0F / 8), objective.penalty);
  const LossGradients gradients = program.gradients(loss);
  program.keep(loss);
  program.keep(gradients.flat());
  program.plan();
  program.write(input, images);
  program.set_step(5, 1);
  program.replay();
  const std::vector<float> gradient = program.read(gradients.flat());

  double along = 0, norm = 0;
  std::vector<std::vector<float>> direction;
  for (int i = 0; i < count; ++i) {
    const Parameter& p = model.parameters.parameter(i);
    direction.push_back(p.trained
                            ? standard_normal(99 + static_cast<std::uint64_t>(i), element_count(p.shape))
                            : std::vector<float>(start[static_cast<std::size_t>(i)].size(), 0.0F));
    for (std::size_t k = 0; p.trained && k < direction.back().size(); ++k) {
      const double g = gradient[static_cast<std::size_t>(p.offset) + k];
      // Along the gradient's signs, so that the derivative is large against rounding.
      direction.back()[k] = std::copysign(std::abs(direction.back()[k]), static_cast<float>(g));
      along += g * direction.back()[k];
      norm += direction.back()[k] * direction.back()[k];
    }
  }
  const auto loss_at = [&](double h) {
    for (int i = 0; i < count; ++i) {
      std::vector<float> moved = start[static_cast<std::size_t>(i)];
      for (std::size_t k = 0; k < moved.size(); ++k)
        moved[k] += static_cast<float>(h / std::sqrt(norm)) * direction[static_cast<std::size_t>(i)][k];
      model.parameters.write(i, moved);
    }
    program.replay();
    return static_cast<double>(program.read_scalar(loss));
  };
  const double h = 2e-3, difference = (loss_at(h) - loss_at(-h)) / (2 * h);
  EXPECT_TRUE(is_close(difference, along / std::sqrt(norm), {.relative = 0.01}))
      << difference << " " << along / std::sqrt(norm);
}

TEST(Hfvae, gradient_of_the_whole_model_is_the_slope_of_its_loss) {
  check_directional_derivative(mlp(), {12, 12, 1});
  check_directional_derivative(convolutional(false), {12, 12, 3});
  check_directional_derivative(convolutional(true), {12, 12, 1});
}

TEST(Hfvae, learns_a_small_batch_by_heart) {
  for (const RunConfig& config : {mlp(), convolutional(false), convolutional(true)}) {
    Model model(config);
    TrainingProgram training(*model.device, model.parameters, model.hfvae, 16, 16);
    const std::vector<float> images = squares_of(16, model.hfvae.image());
    train_steps(training, images, 1);
    EXPECT_GT(training.program.read_scalar(training.loss), 60);  // 144 pixels of log 2 are 100 nats
    train_steps(training, images, 500, 5e-3);
    EXPECT_LT(training.program.read_scalar(training.loss), 20);
  }
}

TEST(Hfvae, replay_of_a_training_step_equals_eager_mode_to_the_bit) {
  for (const bool batch_norm : {false, true}) {
    // An eager program runs while it is recorded: at step 0, without a learning rate, on images of zero. So does the replay.
    Model eager(convolutional(batch_norm)), planned(convolutional(batch_norm));
    TrainingProgram reference(*eager.device, eager.parameters, eager.hfvae, 8, 100,
                              {.mode = Program::Mode::eager});
    TrainingProgram replayed(*planned.device, planned.parameters, planned.hfvae, 8, 100);
    replayed.program.replay();
    for (const auto& [a, b] :
         {std::pair{replayed.loss, reference.loss},
          {replayed.optimizer->gradient_square_sum(), reference.optimizer->gradient_square_sum()},
          {replayed.objective.terms, reference.objective.terms}})
      EXPECT_EQ(replayed.program.read(a), reference.program.read(b));
  }
}

TEST(Hfvae, training_is_the_same_to_the_bit_for_any_number_of_threads) {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    Model model(convolutional(true), {12, 12, 3}, threads);
    TrainingProgram training(*model.device, model.parameters, model.hfvae, 33, 100);
    train_steps(training, images_of(33, model.hfvae.image(), 8), 10);
    results.emplace_back();
    for (std::size_t i = 0; i < model.parameters.parameters().size(); ++i) {
      const std::vector<float> values = model.parameters.read(static_cast<int>(i));
      results.back().insert(results.back().end(), values.begin(), values.end());
    }
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(Hfvae, one_parameter_set_serves_training_and_inference) {
  Model model(convolutional(true));
  TrainingProgram training(*model.device, model.parameters, model.hfvae, 16, 100);
  EncodeProgram encode_one(*model.device, model.parameters, model.hfvae, 1);
  const std::vector<float> images = images_of(16, model.hfvae.image(), 9);
  const std::vector<float> image(images.begin(), images.begin() + model.hfvae.image().size());
  const auto code = [&] {
    encode_one.program.write(encode_one.images, image);
    encode_one.program.set_step(1, 1);
    encode_one.program.replay();
    return encode_one.program.read(encode_one.latents.mean);
  };
  const std::vector<float> before = code();
  EXPECT_EQ(before, code());
  train_steps(training, images, 5);
  EXPECT_NE(before, code());
}

// Weights that are prepared when a program is planned.
TEST(Hfvae, constant_parameters_give_the_same_bits) {
  for (const RunConfig& config : {mlp(), convolutional(true)})
    for (const std::int64_t batch : {1, 16}) {
      Model model(config);
      EncodeProgram encode(*model.device, model.parameters, model.hfvae, batch);
      EncodeProgram constant(*model.device, model.parameters, model.hfvae, batch,
                             /*constant_parameters=*/true);
      DecodeProgram decode(*model.device, model.parameters, model.hfvae, batch, /*with_likelihood=*/false);
      DecodeProgram constant_decode(*model.device, model.parameters, model.hfvae, batch,
                                    /*with_likelihood=*/false, /*constant_parameters=*/true);
      const auto prepares = [](const Program& program) {
        return program.plan_table().find("prepared") != std::string::npos;
      };
      EXPECT_FALSE(prepares(encode.program));
      const bool has_convolutions = config.encoder.layers[0].kind == conv_kind;
      EXPECT_EQ(prepares(constant.program), batch > 1 || has_convolutions);
      const std::vector<float> images = images_of(batch, model.hfvae.image(), 9);
      const std::vector<float> code = standard_normal(5, batch * model.hfvae.code_size());
      const auto mean = [&](EncodeProgram& p) {
        p.program.write(p.images, images);
        p.program.replay();
        return p.program.read(p.latents.mean);
      };
      const auto picture = [&](DecodeProgram& p) {
        p.program.write(p.code, code);
        p.program.replay();
        return p.program.read(p.picture);
      };
      for (int repeat = 0; repeat < 2; ++repeat) {
        EXPECT_EQ(mean(constant), mean(encode));
        EXPECT_EQ(picture(constant_decode), picture(decode));
      }
    }
}

// 8 bits of every factor: the gradients' direction stays, and the bits do not depend on the number of threads.
TEST(Hfvae, bf16_trains_like_fp32) {
  for (const RunConfig& config : {mlp(), convolutional(true)}) {
    std::vector<float> elbos;
    std::vector<std::vector<float>> weights;
    const auto run = [&](int threads, kernels::Precision precision) {
      Model model(config, {12, 12, 1}, threads, precision);
      TrainingProgram training(*model.device, model.parameters, model.hfvae, 32, 100);
      train_steps(training, squares_of(32, model.hfvae.image()), 60);
      elbos.push_back(training.program.read_scalar(training.loss));
      weights.push_back(model.parameters.read(0));
    };
    run(2, kernels::Precision::fp32);
    for (const int threads : {1, 2, 3}) run(threads, kernels::Precision::bf16);
    EXPECT_NEAR(elbos[1], elbos[0], 0.05 * std::abs(elbos[0]));
    EXPECT_NE(elbos[1], elbos[0]);
    EXPECT_EQ(weights[1], weights[2]);
    EXPECT_EQ(weights[1], weights[3]);
  }
}

TEST(Hfvae, layers_that_do_not_fit_are_named) {
  const auto build = [](RunConfig config) {
    return [config = std::move(config)] { const Model model(config); };
  };
  RunConfig config = convolutional(false);
  config.decoder.layers.pop_back();
  EXPECT_TRUE(fails_with<UsageError>(build(config),
                                     "the decoder makes images of (6, 6, 1), but the data has (12, 12, 1)"));
  config = convolutional(false);
  config.decoder.layers[0].reshape = {5, 5, 8};
  EXPECT_TRUE(
      fails_with<UsageError>(build(config), "decoder.0: 72 features cannot be reshaped to (5, 5, 8)"));
  config = mlp();
  config.encoder.layers.push_back({.kind = conv_kind, .units = 4});
  EXPECT_TRUE(fails_with<UsageError>(build(config), "encoder.1: a convolution needs an image"));
  config = mlp();
  config.latents = {{.name = "kind", .discrete = 3}};
  EXPECT_TRUE(fails_with<UsageError>(build(config), "at least one Gaussian latent dimension"));
}

TEST(Hfvae, initial_weights_lie_in_the_bounds_of_torch) {
  Model model(convolutional(false), {12, 12, 3});
  const std::vector<std::pair<std::string, double>> fan_in{
      {"encoder.0.weight", 3 * 16}, {"encoder.1.bias", 8 * 16},   {"encoder.latent.weight", 72},
      {"decoder.0.weight", 8},      {"decoder.1.weight", 8 * 16}, {"decoder.output.weight", 3 * 16}};
  for (const auto& [name, fan] : fan_in) {
    bool found = false;
    for (std::size_t i = 0; i < model.parameters.parameters().size(); ++i) {
      if (model.parameters.parameters()[i].name != name) continue;
      found = true;
      const std::vector<float> values = model.parameters.read(static_cast<int>(i));
      double largest = 0, sum = 0;
      for (const float x : values) {
        largest = std::max(largest, std::abs(static_cast<double>(x)));
        sum += x;
      }
      const double bound = 1 / std::sqrt(fan);
      EXPECT_LE(largest, bound) << name;
      if (values.size() > 100) {
        EXPECT_GT(largest, 0.95 * bound) << name;
        EXPECT_LT(std::abs(sum / static_cast<double>(values.size())),
                  3 * bound / std::sqrt(3.0 * static_cast<double>(values.size())))
            << name;
      }
    }
    EXPECT_TRUE(found) << name;
  }
}

TEST(Coefficients, follow_schedules_and_named_groups) {
  const GroupTree tree = latent_tree({{.name = "a", .gaussian = 2},
                                      {.name = "b", .gaussian = 1, .inside = "outer"},
                                      {.name = "c", .gaussian = 1, .inside = "outer"}});
  const ObjectiveTerms terms(tree);
  ObjectiveConfig config{.between_group_tc = {.from = 1, .to = 5, .steps = 4},
                         .within_group_tc = Schedule::constant(3)};
  config.group_tc["outer"] = Schedule::constant(7);
  const auto at = [&](std::int64_t step, const std::string& name) {
    const std::vector<float> values = coefficients(config, tree, terms.terms(), step);
    for (std::size_t t = 0; t < values.size(); ++t)
      if (terms.terms()[t].name == name) return values[t];
    return std::nanf("");
  };
  EXPECT_EQ(at(0, "between_group_tc"), 1);
  EXPECT_EQ(at(2, "between_group_tc"), 3);
  EXPECT_EQ(at(9, "between_group_tc"), 5);
  EXPECT_EQ(at(0, "between_group_tc/outer"), 7);
  EXPECT_EQ(at(0, "within_group_tc/a"), 3);
  EXPECT_EQ(at(0, "mutual_information"), 1);
  config.preset = "vae";
  EXPECT_EQ(at(9, "within_group_tc/a"), 1);
  config.group_tc["inner"] = Schedule::constant(7);
  EXPECT_TRUE(fails_with<UsageError>([&] { at(0, "x"); }, "objective.group_tc.inner"));
}

}  // namespace
}  // namespace cuelbo
