// The CPU's kernel tables, one for each instruction set, and the choice among them when the program runs.
#pragma once

#include <span>
#include <string_view>

#include "kernels/kernel_table.hpp"

namespace cuelbo::kernels {

struct CpuPath {
  const char* name;  // avx512, avx2 or baseline
  const KernelTable* table;
};

// Those that this CPU can run, fastest first. The last one is baseline.
std::span<const CpuPath> cpu_tables();

// Throws std::runtime_error if the name is unknown or this CPU cannot run that path.
const CpuPath& find_cpu_path(std::string_view name);

// The path this program uses: the one that the environment variable CUELBO_ISA names, else the fastest. Decided at the
// first call, which throws like find_cpu_path.
const KernelTable& cpu_table();
const char* cpu_path_name();

}  // namespace cuelbo::kernels
