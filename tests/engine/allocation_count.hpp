// Counts the allocations of this process. Counting replaces malloc and its relatives for the whole test program;
// sanitizers have their own, so there it counts nothing.
#pragma once

#include <cstdint>

namespace cuelbo::test {

#if defined(CUELBO_SANITIZED)
inline constexpr bool allocations_are_counted = false;
#else
inline constexpr bool allocations_are_counted = true;
#endif

std::int64_t allocation_count();  // of all threads, since the program started

}  // namespace cuelbo::test
