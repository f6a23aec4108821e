// The functions that g++ -fsanitize=thread calls for each access of a kernel. No other part of the sanitizers is linked but
// atomic_callbacks.cpp and arithmetic_callbacks.cpp.
#include <cstring>

#include "kernels/runtime/simt/checked/checker.hpp"

namespace cuelbo::simt::checked {

namespace {

// Host code of kernel files reports its accesses too; most accesses of kernels are to the thread's own stack.
template <Kind kind, unsigned bytes>
[[gnu::always_inline]] inline void aligned(const void* address, const void* frame, const void* site) {
  if (!running_stack.contains(frame) || running_stack.contains(address)) return;
  checker->check_alignment(address, bytes, kind, site);
  checker->access<kind>(reinterpret_cast<Address>(address), bytes, site);
}
// The last range of each kind in this piece of straight code. A large struct is announced as a range, and then copied by a
// call of memcpy.
struct Range {
  const void* address = nullptr;
  std::size_t bytes = 0;
  bool operator==(const Range&) const = default;
};
constinit Range last_read, last_write;
template <Kind kind>
constexpr Range& last = kind == Kind::read ? last_read : last_write;

template <Kind kind>
[[gnu::always_inline]] inline void range(const void* address, std::size_t bytes, const void* frame,
                                         const void* site) {
  if (!running_stack.contains(frame)) return;
  last<kind> = {address, bytes};
  if (bytes == 0 || running_stack.contains(address, bytes)) return;
  checker->access_range<kind>(address, bytes, site);
}
template <Kind kind>
void range_of_call(const void* address, std::size_t bytes, const void* frame, const void* site) {
  if (last<kind> != Range{address, bytes}) range<kind>(address, bytes, frame, site);
  last<kind> = {};
}

}  // namespace

}  // namespace cuelbo::simt::checked

using cuelbo::simt::checked::aligned;
using cuelbo::simt::checked::Kind;
using cuelbo::simt::checked::last_read;
using cuelbo::simt::checked::last_write;
using cuelbo::simt::checked::range;
using cuelbo::simt::checked::range_of_call;
using cuelbo::simt::checked::running_stack;

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the compiler's
#define FRAME __builtin_frame_address(0), __builtin_return_address(0)
extern "C" {

// Called before the constructors of each kernel file.
void __tsan_init() {
  static cuelbo::simt::checked::Checker instance;
  cuelbo::simt::observer = cuelbo::simt::checked::checker = &instance;
}
// Called at the beginning of each piece of straight code.
void __sanitizer_cov_trace_pc() {
  using cuelbo::simt::BlockRunner;
  if (!running_stack.contains(__builtin_frame_address(0))) return;
  last_read = last_write = {};
  BlockRunner::current().enter_code(__builtin_return_address(0), __builtin_frame_address(0));
}
void __tsan_func_entry(void*) {}
void __tsan_func_exit(void*) {}

void __tsan_read1(void* address) { aligned<Kind::read, 1>(address, FRAME); }
void __tsan_read2(void* address) { aligned<Kind::read, 2>(address, FRAME); }
void __tsan_read4(void* address) { aligned<Kind::read, 4>(address, FRAME); }
void __tsan_read8(void* address) { aligned<Kind::read, 8>(address, FRAME); }
void __tsan_read16(void* address) { aligned<Kind::read, 16>(address, FRAME); }
void __tsan_write1(void* address) { aligned<Kind::write, 1>(address, FRAME); }
void __tsan_write2(void* address) { aligned<Kind::write, 2>(address, FRAME); }
void __tsan_write4(void* address) { aligned<Kind::write, 4>(address, FRAME); }
void __tsan_write8(void* address) { aligned<Kind::write, 8>(address, FRAME); }
void __tsan_write16(void* address) { aligned<Kind::write, 16>(address, FRAME); }

void __tsan_unaligned_read2(void* address) { range<Kind::read>(address, 2, FRAME); }
void __tsan_unaligned_read4(void* address) { range<Kind::read>(address, 4, FRAME); }
void __tsan_unaligned_read8(void* address) { range<Kind::read>(address, 8, FRAME); }
void __tsan_unaligned_read16(void* address) { range<Kind::read>(address, 16, FRAME); }
void __tsan_unaligned_write2(void* address) { range<Kind::write>(address, 2, FRAME); }
void __tsan_unaligned_write4(void* address) { range<Kind::write>(address, 4, FRAME); }
void __tsan_unaligned_write8(void* address) { range<Kind::write>(address, 8, FRAME); }
void __tsan_unaligned_write16(void* address) { range<Kind::write>(address, 16, FRAME); }

void __tsan_read_range(void* address, std::size_t bytes) { range<Kind::read>(address, bytes, FRAME); }
void __tsan_write_range(void* address, std::size_t bytes) { range<Kind::write>(address, bytes, FRAME); }

void __tsan_vptr_read(void** address) {
  aligned<Kind::read, sizeof(void*)>(static_cast<void*>(address), FRAME);
}
void __tsan_vptr_update(void** address, void*) {
  aligned<Kind::write, sizeof(void*)>(static_cast<void*>(address), FRAME);
}

// In place of the C library's, see copies.hpp.
void* cuelbo_simt_memcpy(void* to, const void* from, std::size_t bytes) noexcept {
  range_of_call<Kind::read>(from, bytes, FRAME);
  range_of_call<Kind::write>(to, bytes, FRAME);
  return std::memcpy(to, from, bytes);
}
void* cuelbo_simt_memmove(void* to, const void* from, std::size_t bytes) noexcept {
  range_of_call<Kind::read>(from, bytes, FRAME);
  range_of_call<Kind::write>(to, bytes, FRAME);
  return std::memmove(to, from, bytes);
}
void* cuelbo_simt_memset(void* to, int value, std::size_t bytes) noexcept {
  range_of_call<Kind::write>(to, bytes, FRAME);
  return std::memset(to, value, bytes);
}

}  // extern "C"
#undef FRAME
// NOLINTEND(bugprone-reserved-identifier)
