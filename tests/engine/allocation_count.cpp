#include "tests/engine/allocation_count.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>

namespace cuelbo::test {

namespace {
std::atomic<std::int64_t> count{0};
}

std::int64_t allocation_count() { return count.load(); }

}  // namespace cuelbo::test

#if !defined(CUELBO_SANITIZED)

// NOLINTBEGIN(bugprone-reserved-identifier,readability-inconsistent-declaration-parameter-name)
// glibc's own functions. operator new and everything else in this process ends in these.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t n, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

#define CUELBO_COUNTED __attribute__((visibility("default"), used))

CUELBO_COUNTED void* malloc(std::size_t size) {
  ++cuelbo::test::count;
  return __libc_malloc(size);
}
CUELBO_COUNTED void* calloc(std::size_t n, std::size_t size) {
  ++cuelbo::test::count;
  return __libc_calloc(n, size);
}
CUELBO_COUNTED void* realloc(void* memory, std::size_t size) {
  ++cuelbo::test::count;
  return __libc_realloc(memory, size);
}
CUELBO_COUNTED void* aligned_alloc(std::size_t alignment, std::size_t size) {
  ++cuelbo::test::count;
  return __libc_memalign(alignment, size);
}
CUELBO_COUNTED void* memalign(std::size_t alignment, std::size_t size) {
  ++cuelbo::test::count;
  return __libc_memalign(alignment, size);
}
CUELBO_COUNTED int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  ++cuelbo::test::count;
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
}
// NOLINTEND(bugprone-reserved-identifier,readability-inconsistent-declaration-parameter-name)

#endif
