// Shared memory of the block that runs on this OS thread.
//
// `__shared__` is `static thread_local`, which puts a variable into the zero-initialised part of its module's
// thread-local storage (.tbss), where the runtime has no variables. Under AddressSanitizer, which puts red zones around
// globals only, it is `static`; then one OS thread runs all blocks.
#pragma once

#include <cstddef>
#include <span>

namespace cuelbo::simt {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool one_worker = true;
#else
inline constexpr bool one_worker = false;
#endif

// The bytes of shared memory before a kernel writes it: NaN in every floating-point type.
inline constexpr int poison = 0xff;

// The calling thread's static shared variables of all kernels; empty under AddressSanitizer.
std::span<std::byte> static_shared_memory();

}  // namespace cuelbo::simt
