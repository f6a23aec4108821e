// The variants of linear that call cuBLAS and cuBLASLt; none if those were not there when this was built.
#pragma once

#include "kernels/linear/linear.hpp"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

template <class Args>
Variants<Args> linear_library();

}  // namespace cuelbo::kernels::cuda
