// Fills the kernel table of one instruction set. The kernel of a contract is what the function of its name, in the folder of its
// operation, returns for a precision.
#include "kernels/kernel_table.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

#define CUELBO_DECLARE(name, Args) Kernel<Args> name(Precision);
CUELBO_CONTRACTS(CUELBO_DECLARE)
#undef CUELBO_DECLARE

const KernelTable& table(Precision precision);

namespace {

KernelTable make_table(Precision precision) {
#define CUELBO_ENTRY(name, Args) .name = name(precision),
  return {CUELBO_CONTRACTS(CUELBO_ENTRY)};
#undef CUELBO_ENTRY
}

}  // namespace

const KernelTable& table(Precision precision) {
  static const KernelTable fp32 = make_table(Precision::fp32), bf16 = make_table(Precision::bf16);
  return precision == Precision::bf16 ? bf16 : fp32;
}

}  // namespace cuelbo::kernels::CUELBO_ISA
