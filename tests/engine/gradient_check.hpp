// Compares an operation with a double-precision reference: values directly, gradients by central differences.
#pragma once

#include <functional>

#include "tests/engine/engine_test.hpp"

namespace cuelbo::test {

struct GradientInput {
  Shape shape;
  Floats values;
};

struct GradientCase {
  std::vector<GradientInput> inputs;
  std::function<Tensor(Program&, const std::vector<Tensor>&)> record;  // of the inputs
  std::function<Doubles(const std::vector<Doubles>&)> reference;       // the same, flat
  double value_tolerance = 2e-6;                                       // relative to the largest value
  double gradient_tolerance = 1e-5;  // relative to the largest gradient of the input
};

// Records the operation with all inputs as inputs, all as parameters, and with each input alone needing a gradient; in
// each program the loss is Σ w·y with random weights.
void check_gradients(const GradientCase& check);

// The step at which operations make their noise.
inline constexpr kernels::StepCounter noise_step{.seed = 0x123456789abcULL, .step = 11};

}  // namespace cuelbo::test
