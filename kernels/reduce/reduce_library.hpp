// The reductions that CUB has; none if it was not there when this was built.
#pragma once

#include "kernels/reduce/reduce.hpp"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

Variants<SumColumns> sum_columns_library_variants();
Variants<SumOfSquares> sum_of_squares_library_variants();

}  // namespace cuelbo::kernels::cuda
