#include "bench/peers/modes.hpp"
#include "bench/peers/peer_model.hpp"
#include "bench/peers/serve.hpp"

namespace cuelbo {

namespace {

class Training {
 public:
  Training(const std::string& config_path, const std::string& images_path,
           const std::vector<std::string>& overrides)
      : images_(read_images(images_path)),
        side_(config_path, images_, overrides),
        training_(*side_.device, side_.parameters, side_.model, side_.batch_size, peer_dataset_size) {
    training_.program.write(training_.images, images_.as<float>());
  }

  void step() {
    const RunConfig& config = side_.config;
    training_.program.set_step(config.seed, static_cast<std::uint64_t>(step_));
    training_.optimizer->set_step(step_ + 1, config.learning_rate.at(step_));
    training_.program.replay();
    ++step_;
  }
  float loss() { return training_.program.read_scalar(training_.loss); }

  // Call after step 0 and before any other: Adam's first moment is then (1 − β₁) · gradient.
  void add_gradients(Result& result) {
    for (int i = 0; i < std::ssize(side_.parameters.parameters()); ++i) {
      const Parameter& parameter = side_.parameters.parameter(i);
      if (!parameter.trained) continue;
      std::vector<float> gradient = side_.parameters.read(i, ParameterSet::Kind::first_moment);
      for (float& g : gradient) g /= static_cast<float>(1 - side_.config.adam.beta1);
      result.add("gradient." + parameter.name, parameter.shape, gradient);
    }
  }

  ParameterSet& parameters() { return side_.parameters; }
  void serve_steps() {
    answer({{"device", side_.device->description()},
            {"flops", program_flops(training_.program)},
            {"arena_bytes", training_.program.arena_bytes()}});
    serve([&] { step(); }, [&] { side_.device->synchronize(); });
  }

 private:
  Array images_;
  PeerModel side_;
  TrainingProgram training_;
  std::int64_t step_ = 0;
};

}  // namespace

void peer_training(const std::string& config, const std::string& images, const std::string& result_path,
                   int checked_steps, const std::vector<std::string>& overrides) {
  Training training(config, images, overrides);
  Result result;
  result.add_parameters(training.parameters());
  std::vector<float> losses;
  for (int step = 0; step < checked_steps; ++step) {
    training.step();
    losses.push_back(training.loss());
    if (step == 0) training.add_gradients(result);
  }
  result.add("losses", {checked_steps}, losses);
  result.write(result_path);
  training.serve_steps();
}

void peer_start(const std::string& config, const std::string& images,
                const std::vector<std::string>& overrides) {
  Training training(config, images, overrides);
  training.step();
  training.loss();
  training.serve_steps();
}

}  // namespace cuelbo
