// The floating-point mode that kernels are written for: round to nearest, denormal numbers kept, no traps.
#pragma once

#include <cfenv>

namespace cuelbo::kernels {

// Sets that mode for the calling thread and gives the caller's back. Cheap where it is set already.
class DefaultFloatingPoint {
 public:
  DefaultFloatingPoint() {
    if (is_default()) return;
    changed_ = true;
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloatingPoint() {
    if (changed_) std::fesetenv(&before_);
  }
  DefaultFloatingPoint(const DefaultFloatingPoint&) = delete;
  DefaultFloatingPoint& operator=(const DefaultFloatingPoint&) = delete;

 private:
  static bool is_default() {
#if defined(__x86_64__)
    constexpr unsigned flags = 0x3f, all_masked = 0x1f80;  // of MXCSR
    constexpr unsigned short x87_default = 0x037f;
    unsigned short x87 = 0;
    asm volatile("fnstcw %0" : "=m"(x87));
    return (__builtin_ia32_stmxcsr() & ~flags) == all_masked && x87 == x87_default;
#else
    return false;
#endif
  }

  std::fenv_t before_{};
  bool changed_ = false;
};

}  // namespace cuelbo::kernels
