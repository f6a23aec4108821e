#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/activation/activation.hpp"

namespace cuelbo::kernels::reference {

template <class T>
T activate(Activation activation, T x) {
  switch (activation) {
    case Activation::identity: return x;
    case Activation::relu: return x < 0 ? T(0) : x;
    case Activation::leaky_relu: return x < 0 ? T(leaky_relu_slope) * x : x;
    case Activation::tanh: return std::tanh(x);
    case Activation::sigmoid: return 1 / (1 + std::exp(-x));
  }
  return std::nan("");
}

// activation'(x), given y = activation(x).
template <class T>
T derivative_from_output(Activation activation, T y) {
  switch (activation) {
    case Activation::identity: return 1;
    case Activation::relu: return y <= 0 ? T(0) : T(1);
    case Activation::leaky_relu: return y <= 0 ? T(leaky_relu_slope) : T(1);
    case Activation::tanh: return 1 - y * y;
    case Activation::sigmoid: return y * (1 - y);
  }
  return std::nan("");
}

template <class T>
void activation_forward(std::int64_t count, Activation activation, const T* x, T* y) {
  for (std::int64_t i = 0; i < count; ++i) y[i] = activate(activation, x[i]);
}

template <class T>
void activation_backward(std::int64_t count, Activation activation, const T* y, const T* dy, T* dx) {
  for (std::int64_t i = 0; i < count; ++i) dx[i] = dy[i] * derivative_from_output(activation, y[i]);
}

}  // namespace cuelbo::kernels::reference
