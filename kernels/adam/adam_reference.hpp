#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/adam/adam.hpp"

namespace cuelbo::kernels::reference {

// The factor that clipping multiplies gradients with.
template <class T>
T clip_factor(T clip, T gradient_square_sum) {
  const T factor = clip / (std::sqrt(gradient_square_sum) + T(1e-6));
  return factor > 1 ? T(1) : factor;
}

template <class T>
void adam(std::int64_t count, T beta1, T beta2, T epsilon, T clip, T learning_rate, T first_correction,
          T second_correction, T gradient_square_sum, const T* gradient, T* parameter, T* first, T* second) {
  if (!std::isfinite(gradient_square_sum)) return;
  const T factor = clip > 0 ? clip_factor(clip, gradient_square_sum) : T(1);
  for (std::int64_t i = 0; i < count; ++i) {
    const T g = gradient[i] * factor;
    first[i] = beta1 * first[i] + (1 - beta1) * g;
    second[i] = beta2 * second[i] + (1 - beta2) * g * g;
    parameter[i] -=
        learning_rate * first[i] * first_correction / (std::sqrt(second[i] * second_correction) + epsilon);
  }
}

}  // namespace cuelbo::kernels::reference
