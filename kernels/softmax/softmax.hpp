// Softmax and log-softmax over the last axis.
#pragma once

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

// probabilities = softmax(logits), log_probabilities = logits − logsumexp(logits); either output may be null.
struct SoftmaxForward {
  std::int64_t rows = 0, classes = 0;
  const float* logits = nullptr;       // (rows, classes)
  float* probabilities = nullptr;      // (rows, classes) or null
  float* log_probabilities = nullptr;  // (rows, classes) or null
};

// dlogits for gradients of either output; a null gradient counts as zero.
//   dlogits = p ⊙ (dp − Σ p·dp) + dlogp − p · Σ dlogp
struct SoftmaxBackward {
  std::int64_t rows = 0, classes = 0;
  const float* probabilities = nullptr;       // (rows, classes)
  const float* dprobabilities = nullptr;      // (rows, classes) or null
  const float* dlog_probabilities = nullptr;  // (rows, classes) or null
  float* dlogits = nullptr;                   // (rows, classes)
};

inline Cost cost(const SoftmaxForward& a) {
  const double n = static_cast<double>(a.rows) * static_cast<double>(a.classes);
  const int outputs = (a.probabilities != nullptr) + (a.log_probabilities != nullptr);
  return {.bytes = 4 * n * (1 + outputs), .flops = 4 * n, .special = n + static_cast<double>(a.rows)};
}
inline Cost cost(const SoftmaxBackward& a) {
  const double n = static_cast<double>(a.rows) * static_cast<double>(a.classes);
  const int inputs = 1 + (a.dprobabilities != nullptr) + (a.dlog_probabilities != nullptr);
  return {.bytes = 4 * n * (1 + inputs), .flops = 6 * n};
}

}  // namespace cuelbo::kernels
