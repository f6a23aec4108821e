// Element-wise arithmetic by Thrust, one of each number of operands; none if it was not there when this was built.
#pragma once

#include "kernels/elementwise/elementwise.hpp"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

Variants<Add> add_library_variants();
Variants<Exp> exp_library_variants();

}  // namespace cuelbo::kernels::cuda
