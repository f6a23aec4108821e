// Activations for the epilogues of CUDA kernels.
#pragma once

#include "kernels/runtime/cuda.hpp"

namespace cuelbo::kernels::cuda {

__device__ inline float activate(Activation activation, float x) {
  switch (activation) {
    case Activation::relu: return x < 0 ? 0.0F : x;  // NaN stays NaN
    case Activation::leaky_relu: return x < 0 ? leaky_relu_slope * x : x;
    case Activation::tanh: return tanhf(x);
    case Activation::sigmoid: return 1 / (1 + expf(-x));
    default: return x;
  }
}

// activation'(·) by the activation's output y.
__device__ inline float derivative_from_output(Activation activation, float y) {
  switch (activation) {
    case Activation::relu: return y <= 0 ? 0.0F : 1.0F;
    case Activation::leaky_relu: return y <= 0 ? leaky_relu_slope : 1.0F;
    case Activation::tanh: return 1 - y * y;
    case Activation::sigmoid: return y * (1 - y);
    default: return 1;
  }
}

}  // namespace cuelbo::kernels::cuda
