// Element-wise activations for tensors whose producer has no fused epilogue.
#pragma once

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

// y = activation(x); y may be x.
struct ActivationForward {
  std::int64_t count = 0;
  Activation activation = Activation::identity;
  const float* x = nullptr;  // (count)
  float* y = nullptr;        // (count)
};

// dx = dy ⊙ activation'(·), expressed by the output y; dx may be dy.
struct ActivationBackward {
  std::int64_t count = 0;
  Activation activation = Activation::identity;
  const float* y = nullptr;   // (count)
  const float* dy = nullptr;  // (count)
  float* dx = nullptr;        // (count)
};

inline Cost cost(const ActivationForward& a) {
  const double n = static_cast<double>(a.count);
  const int special = a.activation == Activation::sigmoid ? 2 : a.activation == Activation::tanh ? 1 : 0;
  return {.bytes = 8 * n, .flops = n, .special = special * n};
}
inline Cost cost(const ActivationBackward& a) {
  const double n = static_cast<double>(a.count);
  return {.bytes = 12 * n, .flops = 2 * n};
}

}  // namespace cuelbo::kernels
