// Bernoulli likelihood on logits, fused with its reduction and its gradient.
#pragma once

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

// log_likelihood[b] = Σ_i x·l − softplus(l), l = logits[b, i], x = target[b, i] ∈ [0, 1] (grey values allowed), in nats.
// dlogits, when not null, receives x − sigmoid(l): the gradient of log_likelihood[b]. dlogits may be logits.
struct BernoulliForward {
  std::int64_t rows = 0, pixels = 0;
  const float* logits = nullptr;    // (rows, pixels)
  const float* target = nullptr;    // (rows, pixels)
  float* log_likelihood = nullptr;  // (rows)
  float* dlogits = nullptr;         // (rows, pixels) or null
};

inline Cost cost(const BernoulliForward& a) {
  const double n = static_cast<double>(a.rows) * static_cast<double>(a.pixels);
  // exp(−|l|) and log(1 + ·), for the gradient 1 / (1 + ·).
  const int outputs = a.dlogits != nullptr ? 1 : 0;
  return {.bytes = 4 * n * (2 + outputs), .flops = 6 * n, .special = n * (2 + outputs)};
}

}  // namespace cuelbo::kernels
