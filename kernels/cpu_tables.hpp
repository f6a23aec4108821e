// The CPU's kernel tables, one for each instruction set, and the choice among them when the program runs.
#pragma once

#include <span>
#include <string_view>

#include "kernels/kernel_table.hpp"

namespace cuelbo::kernels {

struct CpuPath {
  const char* name;  // avx512_bf16, avx512, avx2 or baseline; in some tests avx512_emulated
  // The kernels of a precision, fp32 or bf16: what products are made of (conv2d of images with an odd number of channels, and
  // to 8 or fewer, stays fp32). All paths have both.
  const KernelTable& (*table)(Precision);
  bool bf16_instructions;  // otherwise bf16 products are fp32 ones of rounded factors: as exact, and slow
};

// Those that this CPU can run, fastest first. The last one is baseline.
std::span<const CpuPath> cpu_tables();

// Throws std::runtime_error if the name is unknown or this CPU cannot run that path.
const CpuPath& find_cpu_path(std::string_view name);

// The path this program uses: the one that the environment variable CUELBO_ISA names, else the fastest. Decided at the
// first call, which throws like find_cpu_path.
const CpuPath& cpu_path();
inline const KernelTable& cpu_table(Precision precision = Precision::fp32) {
  return cpu_path().table(precision);
}
inline const char* cpu_path_name() { return cpu_path().name; }

}  // namespace cuelbo::kernels
