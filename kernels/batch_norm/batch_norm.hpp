// Batch normalisation over all but the last axis (Ioffe & Szegedy 2015, arXiv 1502.03167), torch's conventions: the batch
// variance is biased for normalising and unbiased for the running estimate.
#pragma once

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

inline constexpr float batch_norm_epsilon = 1e-5F;
inline constexpr float batch_norm_momentum = 0.1F;

// y = activation(scale · (x − mean) · inverse_deviation + shift), mean and deviation over the rows of this batch.
// running = (1 − momentum) · running + momentum · batch. rows ≥ 2. y may be x.
struct BatchNormForward {
  std::int64_t rows = 0, channels = 0;
  const float* x = nullptr;      // (rows, channels)
  const float* scale = nullptr;  // (channels)
  const float* shift = nullptr;  // (channels)
  Activation activation = Activation::identity;
  float* running_mean = nullptr;       // (channels), updated
  float* running_variance = nullptr;   // (channels), updated
  float* mean = nullptr;               // (channels), saved for backward
  float* inverse_deviation = nullptr;  // (channels), saved for backward
  float* y = nullptr;                  // (rows, channels)
  void* workspace = nullptr;
};

// The same with the running estimates in place of the batch's; they are not changed.
struct BatchNormInference {
  std::int64_t rows = 0, channels = 0;
  const float* x = nullptr;
  const float* scale = nullptr;
  const float* shift = nullptr;
  Activation activation = Activation::identity;
  const float* running_mean = nullptr;
  const float* running_variance = nullptr;
  float* y = nullptr;
};

// dy is the gradient of the output before the activation (the caller has multiplied by activation'). dx may be dy.
struct BatchNormBackward {
  std::int64_t rows = 0, channels = 0;
  const float* x = nullptr;
  const float* scale = nullptr;
  const float* mean = nullptr;
  const float* inverse_deviation = nullptr;
  const float* dy = nullptr;  // (rows, channels)
  float* dx = nullptr;        // (rows, channels)
  float* dscale = nullptr;    // (channels)
  float* dshift = nullptr;    // (channels)
  void* workspace = nullptr;
};

inline Cost batch_norm_cost(std::int64_t rows, std::int64_t channels, double passes) {
  const double n = static_cast<double>(rows) * static_cast<double>(channels);
  return {.bytes = 4 * n * passes, .flops = 4 * n * passes};
}
inline Cost cost(const BatchNormForward& a) { return batch_norm_cost(a.rows, a.channels, 3); }
inline Cost cost(const BatchNormInference& a) { return batch_norm_cost(a.rows, a.channels, 2); }
inline Cost cost(const BatchNormBackward& a) { return batch_norm_cost(a.rows, a.channels, 5); }

}  // namespace cuelbo::kernels
