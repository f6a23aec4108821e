// Adam over all parameters of a program, gradient clipping and learning-rate schedules.
#pragma once

#include <cstdint>

#include "engine/program.hpp"

namespace cuelbo {

struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double gradient_clip = 0;  // bound of the global gradient norm; 0: none
};

// A value that may move linearly from `from` to `to` during the first `steps` steps.
struct Schedule {
  double from = 0, to = 0;
  std::int64_t steps = 0;

  static Schedule constant(double value) { return {.from = value, .to = value}; }
  double at(std::int64_t step) const;  // step 0 gives `from`
};

// Records the gradient norm and the update after Program::backward; returns the squared gradient norm (1).
// If the norm is not finite, the update leaves parameters and moments unchanged.
Tensor record_adam(Program& program, const AdamOptions& options);

// The argument of Program::set_adam_step for update number `step`, counted from 1.
kernels::AdamStep adam_step(const AdamOptions& options, double learning_rate, std::int64_t step);

}  // namespace cuelbo
