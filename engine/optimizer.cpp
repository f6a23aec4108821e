#include "engine/optimizer.hpp"

#include <cmath>

#include "engine/error.hpp"

namespace cuelbo {

double Schedule::at(std::int64_t step) const {
  if (step >= steps) return to;
  return from + (to - from) * static_cast<double>(step) / static_cast<double>(steps);
}

Tensor record_adam(Program& program, const AdamOptions& options) {
  const Tensor gradient = program.parameter_gradients();
  if (!gradient) fail("the optimizer needs gradients: record backward first");
  const Tensor square_sum = program.tensor("gradient square sum", {1});
  program.launch({gradient}, {square_sum}, [=](const Addresses& at) {
    return kernels::SumOfSquares{.count = gradient.size(), .x = at.read(gradient), .y = at.write(square_sum)};
  });
  ParameterSet& parameters = program.parameters();
  program.launch({gradient, square_sum}, {}, [=, &parameters](const Addresses& at) {
    return kernels::Adam{.count = parameters.trained_count(),
                         .beta1 = options.beta1,
                         .beta2 = options.beta2,
                         .epsilon = static_cast<float>(options.epsilon),
                         .clip = static_cast<float>(options.gradient_clip),
                         .step = at.adam_step(),
                         .gradient_square_sum = at.read(square_sum),
                         .gradient = at.read(gradient),
                         .parameter = parameters.trained(),
                         .first = parameters.first_moment(),
                         .second = parameters.second_moment()};
  });
  return square_sum;
}

kernels::AdamStep adam_step(const AdamOptions& options, double learning_rate, std::int64_t step) {
  const auto correction = [step](double beta) { return 1 / (1 - std::pow(beta, static_cast<double>(step))); };
  return {.learning_rate = static_cast<float>(learning_rate),
          .first_correction = static_cast<float>(correction(options.beta1)),
          .second_correction = static_cast<float>(correction(options.beta2))};
}

}  // namespace cuelbo
