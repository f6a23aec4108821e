// The CUDA variants of every kernel. Each .cu file defines those of its contracts.
#pragma once

#include "kernels/kernel_table.hpp"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

#define CUELBO_DECLARE(name, Args) Variants<Args> name##_variants();
CUELBO_CONTRACTS(CUELBO_DECLARE)
#undef CUELBO_DECLARE

// Calls f(name, member of KernelTable, variants) for every kernel.
template <class F>
void for_each_kernel(F&& f) {
#define CUELBO_VISIT(name, Args) f(#name, &KernelTable::name, name##_variants());
  CUELBO_CONTRACTS(CUELBO_VISIT)
#undef CUELBO_VISIT
}

}  // namespace cuelbo::kernels::cuda
