#include "engine/optimizer.hpp"

#include <array>
#include <bit>
#include <cmath>

namespace cuelbo {

double Schedule::at(std::int64_t step) const {
  if (step >= steps) return to;
  return from + (to - from) * static_cast<double>(step) / static_cast<double>(steps);
}

namespace {

std::array<float, 3> floats_of(const kernels::AdamStep& step) {
  return std::bit_cast<std::array<float, 3>>(step);
}

}  // namespace

Adam::Adam(Program& program, const LossGradients& gradients, const AdamOptions& options, int group)
    : program_(&program),
      options_(options),
      step_(program.step_values("adam step", floats_of(kernels::AdamStep{}))),
      square_sum_(program.tensor("gradient square sum", {1})) {
  const Tensor gradient = gradients.flat(group), square_sum = square_sum_, step = step_;
  program.launch({gradient}, {square_sum}, [=](const Addresses& at) {
    return kernels::SumOfSquares{.count = gradient.size(), .x = at.read(gradient), .y = at.write(square_sum)};
  });
  ParameterSet& parameters = program.parameters();
  program.launch({gradient, square_sum, step}, {}, [=, &parameters](const Addresses& at) {
    return kernels::Adam{.count = parameters.trained_count(group),
                         .beta1 = options.beta1,
                         .beta2 = options.beta2,
                         .epsilon = static_cast<float>(options.epsilon),
                         .clip = static_cast<float>(options.gradient_clip),
                         .step = reinterpret_cast<const kernels::AdamStep*>(at.read(step)),
                         .gradient_square_sum = at.read(square_sum),
                         .gradient = at.read(gradient),
                         .parameter = parameters.trained(group),
                         .first = parameters.first_moment(group),
                         .second = parameters.second_moment(group)};
  });
}

void Adam::set_step(std::int64_t step, double learning_rate) {
  const auto correction = [step](double beta) { return 1 / (1 - std::pow(beta, static_cast<double>(step))); };
  const kernels::AdamStep values{.learning_rate = static_cast<float>(learning_rate),
                                 .first_correction = static_cast<float>(correction(options_.beta1)),
                                 .second_correction = static_cast<float>(correction(options_.beta2))};
  program_->set_step_values(step_, floats_of(values));
}

}  // namespace cuelbo
