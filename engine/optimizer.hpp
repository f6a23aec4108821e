// Adam over a group of parameters, with gradient clipping, and learning-rate schedules.
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

// Updates one group of parameters; no other one changes.
class Adam {
 public:
  // Records the norm of the gradients and the update. If the norm is not finite, the update leaves parameters and moments
  // unchanged.
  Adam(Program& program, const LossGradients& gradients, const AdamOptions& options, int group = 0);

  // Before a replay: the update is number `step`, counted from 1.
  void set_step(std::int64_t step, double learning_rate);

  Tensor gradient_square_sum() const { return square_sum_; }  // (1)

 private:
  Program* program_;
  AdamOptions options_;
  Tensor step_, square_sum_;
};

}  // namespace cuelbo
