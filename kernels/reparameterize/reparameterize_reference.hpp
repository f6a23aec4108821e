#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/reparameterize/reparameterize.hpp"
#include "kernels/runtime/noise_reference.hpp"

namespace cuelbo::kernels::reference {

template <class T>
void reparameterize_forward(std::int64_t rows, std::int64_t dims, std::int64_t stride, const T* mean,
                            const T* logvar, const StepCounter& counter, std::uint32_t operation, T* z) {
  for (std::int64_t b = 0; b < rows; ++b) {
    for (std::int64_t d = 0; d < dims; ++d) {
      const std::int64_t i = b * dims + d, wide = b * stride + d;
      z[i] = mean[wide] + std::exp(logvar[wide] / 2) * normal<T>(counter, operation, i);
    }
  }
}

template <class T>
void reparameterize_backward(std::int64_t rows, std::int64_t dims, std::int64_t stride, const T* logvar,
                             const StepCounter& counter, std::uint32_t operation, const T* dz, T* dmean,
                             T* dlogvar) {
  for (std::int64_t b = 0; b < rows; ++b) {
    for (std::int64_t d = 0; d < dims; ++d) {
      const std::int64_t i = b * dims + d, wide = b * stride + d;
      dmean[wide] = dz[i];
      dlogvar[wide] = dz[i] * std::exp(logvar[wide] / 2) * normal<T>(counter, operation, i) / 2;
    }
  }
}

}  // namespace cuelbo::kernels::reference
