// Tensor-core variants of the linear layer; linear.cu puts them into the ladders.
#pragma once

#include "kernels/linear/linear.hpp"

namespace cuelbo::kernels::cuda {

template <class Args>
Kernel<Args> linear_tf32();
template <class Args>
Kernel<Args> linear_bf16();

}  // namespace cuelbo::kernels::cuda
