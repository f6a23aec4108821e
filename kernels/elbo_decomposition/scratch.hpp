// Lays out a kernel's workspace. With a null base it only counts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/runtime/simd.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

struct Scratch {
  std::uintptr_t base = 0;
  std::size_t used = 0;
};

// n elements, aligned to 64 bytes.
template <class T>
CUELBO_INLINE T* take(Scratch& scratch, std::int64_t n) {
  T* const p = reinterpret_cast<T*>(scratch.base + scratch.used);
  scratch.used += (static_cast<std::size_t>(n) * sizeof(T) + 63) / 64 * 64;
  return p;
}

}  // namespace cuelbo::kernels::CUELBO_ISA
