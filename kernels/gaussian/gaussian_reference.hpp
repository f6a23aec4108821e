#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

#include "kernels/gaussian/gaussian.hpp"

namespace cuelbo::kernels::reference {

template <class T>
T log_normal(T x, T mean, T logvar) {
  const T standardised = (x - mean) * std::exp(-logvar / 2);
  return -(std::log(2 * std::numbers::pi_v<T>) + logvar + standardised * standardised) / 2;
}

template <class T>
void gaussian_likelihood_forward(std::int64_t rows, std::int64_t pixels, T deviation, const T* mean,
                                 const T* target, T* log_likelihood, T* dmean) {
  for (std::int64_t r = 0; r < rows; ++r) {
    T sum = 0;
    for (std::int64_t i = r * pixels; i < (r + 1) * pixels; ++i) {
      const T difference = target[i] - mean[i];
      sum += log_normal(target[i], mean[i], 2 * std::log(deviation));
      if (dmean != nullptr) dmean[i] = difference / (deviation * deviation);
    }
    log_likelihood[r] = sum;
  }
}

template <class T>
void gaussian_density_forward(std::int64_t count, const T* z, const T* mean, const T* logvar,
                              T* log_density) {
  for (std::int64_t i = 0; i < count; ++i) {
    log_density[i] = mean != nullptr ? log_normal(z[i], mean[i], logvar[i]) : log_normal(z[i], T(0), T(0));
  }
}

template <class T>
void gaussian_density_backward(std::int64_t count, const T* z, const T* mean, const T* logvar,
                               const T* dlog_density, T* dz, T* dmean, T* dlogvar) {
  for (std::int64_t i = 0; i < count; ++i) {
    const T inverse_deviation = logvar != nullptr ? std::exp(-logvar[i] / 2) : T(1);
    const T standardised = (z[i] - (mean != nullptr ? mean[i] : T(0))) * inverse_deviation;
    const T slope = dlog_density[i] * standardised * inverse_deviation;
    const T spread = dlog_density[i] * (standardised * standardised - 1) / 2;
    if (dz != nullptr) dz[i] = -slope;
    if (dmean != nullptr) dmean[i] = slope;
    if (dlogvar != nullptr) dlogvar[i] = spread;
  }
}

}  // namespace cuelbo::kernels::reference
