// The variants of conv2d that call cuDNN; none if it was not there when this was built.
#pragma once

#include "kernels/conv2d/conv2d.hpp"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

template <class Args>
Variants<Args> conv2d_library();

}  // namespace cuelbo::kernels::cuda
