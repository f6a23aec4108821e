#include "kernels/cpu_tables.hpp"

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace cuelbo::kernels {

#if defined(CUELBO_HAVE_X86_PATHS)
namespace avx512_bf16 {
const KernelTable& table(Precision);
}
namespace avx512 {
const KernelTable& table(Precision);
}
namespace avx2 {
const KernelTable& table(Precision);
}
#endif
namespace baseline {
const KernelTable& table(Precision);
}

namespace {

constexpr std::array all_paths{
#if defined(CUELBO_HAVE_X86_PATHS)
    CpuPath{"avx512_bf16", avx512_bf16::table, true},
    CpuPath{"avx512", avx512::table, false},
    CpuPath{"avx2", avx2::table, false},
#endif
    CpuPath{"baseline", baseline::table, false},
};

// How many paths at the front of the list this CPU lacks.
std::size_t count_unsupported() {
#if defined(CUELBO_HAVE_X86_PATHS)
  if (__builtin_cpu_supports("x86-64-v4")) return __builtin_cpu_supports("avx512bf16") ? 0 : 1;
  if (__builtin_cpu_supports("x86-64-v3")) return 2;
#endif
  return all_paths.size() - 1;
}

}  // namespace

const CpuPath& cpu_path() {
  static const CpuPath& path = []() -> const CpuPath& {
    const char* const name = std::getenv("CUELBO_ISA");
    return name == nullptr || *name == '\0' ? cpu_tables().front() : find_cpu_path(name);
  }();
  return path;
}

std::span<const CpuPath> cpu_tables() {
  static const std::size_t unsupported = count_unsupported();
  return std::span(all_paths).subspan(unsupported);
}

const CpuPath& find_cpu_path(std::string_view name) {
  std::string usable;
  for (const CpuPath& path : cpu_tables()) {
    if (path.name == name) return path;
    usable += usable.empty() ? path.name : std::string(", ") + path.name;
  }
  bool known = false;
  for (const CpuPath& path : all_paths) known = known || path.name == name;
  throw std::runtime_error(
      "CUELBO_ISA: " + (known ? "this CPU does not support " : std::string("unknown instruction set ")) +
      std::string(name) + "; usable here: " + usable);
}

}  // namespace cuelbo::kernels
