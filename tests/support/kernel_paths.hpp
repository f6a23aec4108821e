// The kernel tables that a test goes through: the CPU's instruction sets, or (CUELBO_SIMT) the rungs of the CUDA
// variants' ladders, executed on the CPU.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "kernels/cpu_tables.hpp"

#if defined(CUELBO_SIMT)
#include "kernels/runtime/simt/runtime.hpp"
#include "kernels/variants.hpp"
#endif

namespace cuelbo::test {

struct KernelPath {
  std::string name;
  const kernels::KernelTable* table;
};

#if defined(CUELBO_SIMT)

// Table n has fp32 variant n of every kernel, or its last.
inline std::vector<KernelPath> make_kernel_paths() {
  static kernels::KernelTable tables[16];
  std::size_t rungs = 0;
  kernels::cuda::for_each_kernel([&](const char*, auto member, auto variants) {
    const std::size_t count = kernels::fp32_count(variants);
    rungs = std::max(rungs, count);
    for (std::size_t n = 0; n < std::size(tables); ++n)
      tables[n].*member = variants[std::min(n, count - 1)].kernel;
  });
  std::vector<KernelPath> paths;
  for (std::size_t n = 0; n < rungs; ++n) paths.push_back({"variant " + std::to_string(n), &tables[n]});
  return paths;
}

#else

inline std::vector<KernelPath> make_kernel_paths() {
  std::vector<KernelPath> paths;
  for (const kernels::CpuPath& path : kernels::cpu_tables())
    paths.push_back({path.name, &path.table(kernels::Precision::fp32)});
  return paths;
}

#endif

inline std::span<const KernelPath> kernel_paths() {
  static const std::vector<KernelPath> paths = make_kernel_paths();
#if defined(CUELBO_SIMT)
  simt::set_deferred(false);  // tests read results right after a launch
#endif
  return paths;
}

}  // namespace cuelbo::test
