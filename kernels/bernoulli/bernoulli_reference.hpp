#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/bernoulli/bernoulli.hpp"

namespace cuelbo::kernels::reference {

// log(1 + exp(x)) without overflow or cancellation.
template <class T>
T softplus(T x) {
  return (x > 0 ? x : T(0)) + std::log1p(std::exp(-std::abs(x)));
}

template <class T>
void bernoulli_forward(std::int64_t rows, std::int64_t pixels, const T* logits, const T* target,
                       T* log_likelihood, T* dlogits) {
  for (std::int64_t r = 0; r < rows; ++r) {
    T sum = 0;
    for (std::int64_t i = r * pixels; i < (r + 1) * pixels; ++i) {
      const T logit = logits[i];
      sum += target[i] * logit - softplus(logit);
      if (dlogits != nullptr) dlogits[i] = target[i] - 1 / (1 + std::exp(-logit));
    }
    log_likelihood[r] = sum;
  }
}

}  // namespace cuelbo::kernels::reference
