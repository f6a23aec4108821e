// All kernels of a device. The CPU has one table per instruction set; a loaded device module exports one.
#pragma once

#include "kernels/contracts.hpp"

namespace cuelbo::kernels {

// table.linear_forward is the kernel of that contract; table.*kernel_of<LinearForward> is the same one.
struct KernelTable {
#define CUELBO_MEMBER(name, Args) Kernel<Args> name;
  CUELBO_CONTRACTS(CUELBO_MEMBER)
#undef CUELBO_MEMBER
};

template <class Args>
constexpr Kernel<Args> KernelTable::* kernel_of = nullptr;
#define CUELBO_MEMBER(name, Args) \
  template <>                     \
  inline constexpr Kernel<Args> KernelTable::* kernel_of<Args> = &KernelTable::name;
CUELBO_CONTRACTS(CUELBO_MEMBER)
#undef CUELBO_MEMBER

}  // namespace cuelbo::kernels
