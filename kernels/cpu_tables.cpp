#include "kernels/cpu_tables.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace cuelbo::kernels {

#if defined(CUELBO_HAVE_X86_PATHS) && !defined(CUELBO_WITHOUT_AVX512)
namespace avx512_bf16 {
const KernelTable& table(Precision);
}
namespace avx512 {
const KernelTable& table(Precision);
}
#endif
#if defined(CUELBO_HAVE_X86_PATHS)
namespace avx2 {
const KernelTable& table(Precision);
}
#endif
#if defined(CUELBO_HAVE_EMULATED_PATH)
namespace avx512_emulated {
const KernelTable& table(Precision);
}
#endif
namespace baseline {
const KernelTable& table(Precision);
}

namespace {

// Fastest first; a CPU that supports one supports all that follow.
constexpr std::array all_paths{
#if defined(CUELBO_HAVE_X86_PATHS) && !defined(CUELBO_WITHOUT_AVX512)
    CpuPath{"avx512_bf16", avx512_bf16::table, true},
    CpuPath{"avx512", avx512::table, false},
#endif
#if defined(CUELBO_HAVE_X86_PATHS)
    CpuPath{"avx2", avx2::table, false},
#endif
#if defined(CUELBO_HAVE_EMULATED_PATH)
    CpuPath{"avx512_emulated", avx512_emulated::table, false},
#endif
    CpuPath{"baseline", baseline::table, false},
};

bool is_supported([[maybe_unused]] std::string_view name) {
#if defined(__x86_64__)
  if (name == "avx512_bf16")
    return __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512bf16");
  if (name == "avx512") return __builtin_cpu_supports("x86-64-v4");
  if (name == "avx2" || name == "avx512_emulated") return __builtin_cpu_supports("x86-64-v3");
#endif
  return true;
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
  static const auto first = std::ranges::find_if(all_paths, is_supported, &CpuPath::name);
  return {first, all_paths.end()};
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
