#pragma once

#include <cstddef>
#include <span>

namespace cuelbo::simt {

// Poisons the calling thread's static shared variables (shared_memory.hpp). They are a megabyte, of which a kernel writes
// little: whole pages are private views of a poisoned file, and only those that were written cost anything.
void poison_static_shared_memory(std::span<std::byte> statics);

}  // namespace cuelbo::simt
