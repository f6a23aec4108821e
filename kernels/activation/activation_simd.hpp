// Activations on vectors, shared by the element-wise kernels and by the epilogues of linear, conv2d and batch_norm.
// With a constant activation the switch folds away: `dispatch_activation` makes a runtime value constant, once per kernel.
#pragma once

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/simd.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

// NaN passes through every activation.
CUELBO_INLINE vfloat apply_activation(Activation activation, vfloat x) {
  switch (activation) {
    case Activation::identity: return x;
    case Activation::relu: return select(x < broadcast(0), broadcast(0), x);
    case Activation::leaky_relu: return select(x < broadcast(0), broadcast(leaky_relu_slope) * x, x);
    case Activation::tanh: return tanh(x);
    case Activation::sigmoid: return sigmoid(x);
  }
  __builtin_unreachable();
}

// activation'(x), given y = activation(x). At x = 0 relu and leaky_relu take the slope of the negative side, as torch does.
CUELBO_INLINE vfloat activation_derivative_from_output(Activation activation, vfloat y) {
  const vfloat one = broadcast(1);
  switch (activation) {
    case Activation::identity: return one;
    case Activation::relu: return select(y <= broadcast(0), broadcast(0), one);
    case Activation::leaky_relu: return select(y <= broadcast(0), broadcast(leaky_relu_slope), one);
    case Activation::tanh: return one - y * y;
    case Activation::sigmoid: return y * (one - y);
  }
  __builtin_unreachable();
}

template <Activation value_>
struct ActivationConstant {
  static constexpr Activation value = value_;
};

// Calls f(ActivationConstant<activation>{}).
template <class F>
CUELBO_INLINE void dispatch_activation(Activation activation, F&& f) {
  switch (activation) {
    case Activation::identity: return f(ActivationConstant<Activation::identity>{});
    case Activation::relu: return f(ActivationConstant<Activation::relu>{});
    case Activation::leaky_relu: return f(ActivationConstant<Activation::leaky_relu>{});
    case Activation::tanh: return f(ActivationConstant<Activation::tanh>{});
    case Activation::sigmoid: return f(ActivationConstant<Activation::sigmoid>{});
  }
  __builtin_unreachable();
}

}  // namespace cuelbo::kernels::CUELBO_ISA
