#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/activation/activation_reference.hpp"
#include "kernels/batch_norm/batch_norm.hpp"

namespace cuelbo::kernels::reference {

template <class T>
void batch_norm_forward(std::int64_t rows, std::int64_t channels, const T* x, const T* scale, const T* shift,
                        Activation activation, T* running_mean, T* running_variance, T* mean,
                        T* inverse_deviation, T* y) {
  const T momentum = T(batch_norm_momentum);
  for (std::int64_t c = 0; c < channels; ++c) {
    T sum = 0, squares = 0;
    for (std::int64_t r = 0; r < rows; ++r) sum += x[r * channels + c];
    mean[c] = sum / T(rows);
    for (std::int64_t r = 0; r < rows; ++r) {
      const T centred = x[r * channels + c] - mean[c];
      squares += centred * centred;
    }
    inverse_deviation[c] = 1 / std::sqrt(squares / T(rows) + T(batch_norm_epsilon));
    running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean[c];
    running_variance[c] = (1 - momentum) * running_variance[c] + momentum * squares / T(rows - 1);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t i = r * channels + c;
      y[i] = activate(activation, scale[c] * (x[i] - mean[c]) * inverse_deviation[c] + shift[c]);
    }
  }
}

template <class T>
void batch_norm_inference(std::int64_t rows, std::int64_t channels, const T* x, const T* scale,
                          const T* shift, Activation activation, const T* running_mean,
                          const T* running_variance, T* y) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const T inverse_deviation = 1 / std::sqrt(running_variance[c] + T(batch_norm_epsilon));
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t i = r * channels + c;
      y[i] = activate(activation, scale[c] * (x[i] - running_mean[c]) * inverse_deviation + shift[c]);
    }
  }
}

template <class T>
void batch_norm_backward(std::int64_t rows, std::int64_t channels, const T* x, const T* scale, const T* mean,
                         const T* inverse_deviation, const T* dy, T* dx, T* dscale, T* dshift) {
  for (std::int64_t c = 0; c < channels; ++c) {
    dscale[c] = 0;
    dshift[c] = 0;
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t i = r * channels + c;
      dscale[c] += dy[i] * (x[i] - mean[c]) * inverse_deviation[c];
      dshift[c] += dy[i];
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t i = r * channels + c;
      const T normalised = (x[i] - mean[c]) * inverse_deviation[c];
      dx[i] =
          scale[c] * inverse_deviation[c] * (dy[i] - dshift[c] / T(rows) - normalised * dscale[c] / T(rows));
    }
  }
}

}  // namespace cuelbo::kernels::reference
