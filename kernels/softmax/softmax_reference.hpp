#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/softmax/softmax.hpp"

namespace cuelbo::kernels::reference {

template <class T>
T log_sum_exp(std::int64_t count, const T* x) {
  T maximum = x[0];
  for (std::int64_t i = 1; i < count; ++i) maximum = x[i] > maximum ? x[i] : maximum;
  T sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += std::exp(x[i] - maximum);
  return maximum + std::log(sum);
}

template <class T>
void softmax_forward(std::int64_t rows, std::int64_t classes, const T* logits, T* probabilities,
                     T* log_probabilities) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const T normaliser = log_sum_exp(classes, logits + r * classes);
    for (std::int64_t i = r * classes; i < (r + 1) * classes; ++i) {
      const T log_probability = logits[i] - normaliser;
      if (probabilities != nullptr) probabilities[i] = std::exp(log_probability);
      if (log_probabilities != nullptr) log_probabilities[i] = log_probability;
    }
  }
}

template <class T>
void softmax_backward(std::int64_t rows, std::int64_t classes, const T* probabilities,
                      const T* dprobabilities, const T* dlog_probabilities, T* dlogits) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t begin = r * classes, end = begin + classes;
    T inner = 0;  // Σ p·dp + Σ dlogp
    for (std::int64_t i = begin; i < end; ++i) {
      if (dprobabilities != nullptr) inner += probabilities[i] * dprobabilities[i];
      if (dlog_probabilities != nullptr) inner += dlog_probabilities[i];
    }
    for (std::int64_t i = begin; i < end; ++i) {
      const T dp = dprobabilities != nullptr ? dprobabilities[i] : T(0);
      const T dlogp = dlog_probabilities != nullptr ? dlog_probabilities[i] : T(0);
      dlogits[i] = probabilities[i] * (dp - inner) + dlogp;
    }
  }
}

}  // namespace cuelbo::kernels::reference
