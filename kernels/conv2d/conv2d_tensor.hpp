// Tensor-core variants of the convolution; conv2d.cu and conv2d_backward_weight.cu put them into the ladders.
#pragma once

#include "kernels/conv2d/conv2d.hpp"

namespace cuelbo::kernels::cuda {

template <class Args>
Kernel<Args> conv2d_tf32();
template <class Args>
Kernel<Args> conv2d_bf16();

}  // namespace cuelbo::kernels::cuda
