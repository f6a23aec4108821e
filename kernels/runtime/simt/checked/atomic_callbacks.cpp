// The functions that g++ -fsanitize=thread calls in place of atomic operations: they perform them, and report those of
// kernels. CUDA's own atomics are not among them (device.hpp).
#include "kernels/runtime/simt/checked/checker.hpp"

namespace cuelbo::simt::checked {

namespace {

template <Kind kind, class T>
[[gnu::always_inline]] inline T* reported(const volatile T* address, int order, const void* frame,
                                          const void* site) {
  T* const plain = const_cast<T*>(address);
  if (!running_stack.contains(frame)) return plain;
  if (order >= __ATOMIC_RELEASE) checker->fence();
  checker->access_atomically<kind>(plain, sizeof(T), site);
  return plain;
}

}  // namespace

}  // namespace cuelbo::simt::checked

using cuelbo::simt::checked::Kind;
using cuelbo::simt::checked::reported;

// NOLINTBEGIN(bugprone-reserved-identifier,bugprone-macro-parentheses): the names are the compiler's, T is a type
#define REPORTED(kind, p) \
  reported<Kind::kind>(p, order, __builtin_frame_address(0), __builtin_return_address(0))

// Performed in the strongest order, whatever the order asked for.
#define FETCH(bits, T, operation)                                                           \
  T __tsan_atomic##bits##_fetch_##operation(volatile T* p, T value, int order) {            \
    return __atomic_fetch_##operation(REPORTED(atomic_update, p), value, __ATOMIC_SEQ_CST); \
  }
#define COMPARE_EXCHANGE(bits, T, name)                                                                    \
  int __tsan_atomic##bits##_compare_exchange_##name(volatile T* p, T* expected, T value, int order, int) { \
    return static_cast<int>(__atomic_compare_exchange_n(REPORTED(atomic_update, p), expected, value, 0,    \
                                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));              \
  }
#define ATOMICS(bits, T)                                                                             \
  T __tsan_atomic##bits##_load(const volatile T* p, int order) {                                     \
    return __atomic_load_n(REPORTED(atomic_update, p), __ATOMIC_SEQ_CST);                            \
  }                                                                                                  \
  void __tsan_atomic##bits##_store(volatile T* p, T value, int order) {                              \
    __atomic_store_n(REPORTED(atomic_write, p), value, __ATOMIC_SEQ_CST);                            \
  }                                                                                                  \
  T __tsan_atomic##bits##_exchange(volatile T* p, T value, int order) {                              \
    return __atomic_exchange_n(REPORTED(atomic_update, p), value, __ATOMIC_SEQ_CST);                 \
  }                                                                                                  \
  T __tsan_atomic##bits##_compare_exchange_val(volatile T* p, T expected, T value, int order, int) { \
    __atomic_compare_exchange_n(REPORTED(atomic_update, p), &expected, value, 0, __ATOMIC_SEQ_CST,   \
                                __ATOMIC_SEQ_CST);                                                   \
    return expected;                                                                                 \
  }                                                                                                  \
  COMPARE_EXCHANGE(bits, T, strong)                                                                  \
  COMPARE_EXCHANGE(bits, T, weak)                                                                    \
  FETCH(bits, T, add)                                                                                \
  FETCH(bits, T, sub)                                                                                \
  FETCH(bits, T, and)                                                                                \
  FETCH(bits, T, or)                                                                                 \
  FETCH(bits, T, xor)                                                                                \
  FETCH(bits, T, nand)

extern "C" {
ATOMICS(8, unsigned char)
ATOMICS(16, unsigned short)
ATOMICS(32, unsigned)
ATOMICS(64, unsigned long)
void __tsan_atomic_thread_fence(int) {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (cuelbo::simt::checked::running_stack.contains(__builtin_frame_address(0)))
    cuelbo::simt::checked::checker->fence();
}
void __tsan_atomic_signal_fence(int) {}
}
// NOLINTEND(bugprone-reserved-identifier,bugprone-macro-parentheses)
