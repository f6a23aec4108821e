// Adam (Kingma & Ba 2015, arXiv 1412.6980) over one flat buffer that holds all parameters, with gradient clipping fused.
#pragma once

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

// Read from device memory by every step, so that one recorded program serves all steps.
struct AdamStep {
  float learning_rate = 0;
  float first_correction = 1;   // 1 / (1 − beta1^t)
  float second_correction = 1;  // 1 / (1 − beta2^t)
};

// g = gradient · min(1, clip / (√gradient_square_sum + 1e-6)) when clip > 0 (torch.nn.utils.clip_grad_norm_)
// first = beta1·first + (1 − beta1)·g,  second = beta2·second + (1 − beta2)·g²
// parameter −= learning_rate · first·first_correction / (√(second·second_correction) + epsilon)
// When gradient_square_sum is given and not finite, nothing is updated: a step that overflowed does no damage.
struct Adam {
  std::int64_t count = 0;
  double beta1 = 0.9, beta2 = 0.999;  // double: 1 − 0.999F is off by 1.3e-5 of itself
  float epsilon = 1e-8F;
  float clip = 0;                              // bound of the global gradient norm; 0: none
  const AdamStep* step = nullptr;              // device memory
  const float* gradient_square_sum = nullptr;  // (1), device memory; may be null when clip is 0
  const float* gradient = nullptr;             // (count)
  float* parameter = nullptr;                  // (count), updated
  float* first = nullptr;                      // (count), updated
  float* second = nullptr;                     // (count), updated
};

inline Cost cost(const Adam& a) {
  const double n = static_cast<double>(a.count);
  return {.bytes = 28 * n, .flops = 13 * n, .special = 2 * n};
}

}  // namespace cuelbo::kernels
