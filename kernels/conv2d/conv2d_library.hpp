// The variants of conv2d that call cuDNN; none if it was not there when this was built.
#pragma once

#include "kernels/variants.hpp"

namespace cuelbo::kernels::cuda {

template <class Args>
Variants<Args> conv2d_library();

}  // namespace cuelbo::kernels::cuda
