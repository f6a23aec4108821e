// g++ -fsanitize=thread announces every access but those of memcpy, memmove and memset. In kernel files these names stand for
// functions that announce what they do (callbacks.cpp). The calls that g++ makes itself, to copy a large struct, go there too.
#pragma once

#include <cstddef>
#include <cstring>

extern "C" {

void* cuelbo_simt_memcpy(void* to, const void* from, std::size_t bytes) noexcept;
void* cuelbo_simt_memmove(void* to, const void* from, std::size_t bytes) noexcept;
void* cuelbo_simt_memset(void* to, int value, std::size_t bytes) noexcept;

void* memcpy(void* to, const void* from, std::size_t bytes) noexcept __asm__("cuelbo_simt_memcpy");
void* memmove(void* to, const void* from, std::size_t bytes) noexcept __asm__("cuelbo_simt_memmove");
void* memset(void* to, int value, std::size_t bytes) noexcept __asm__("cuelbo_simt_memset");

// g++ would turn calls for few bytes into moves that it does not announce. It does announce those of a single number, which
// reinterpret its bits. The C library uses the same means to check buffers (_FORTIFY_SOURCE).
[[gnu::always_inline, gnu::gnu_inline]] inline void* memcpy(void* to, const void* from,
                                                            std::size_t bytes) noexcept {
  if (__builtin_constant_p(bytes) && (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16))
    return __builtin_memcpy(to, from, bytes);
  return cuelbo_simt_memcpy(to, from, bytes);
}
[[gnu::always_inline, gnu::gnu_inline]] inline void* memmove(void* to, const void* from,
                                                             std::size_t bytes) noexcept {
  return cuelbo_simt_memmove(to, from, bytes);
}
[[gnu::always_inline, gnu::gnu_inline]] inline void* memset(void* to, int value, std::size_t bytes) noexcept {
  return cuelbo_simt_memset(to, value, bytes);
}

}  // extern "C"
