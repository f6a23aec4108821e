// threadIdx and the like, as kernels read them.
#pragma once

#include <vector_types.h>

// Thread-local variables of the runtime begin with a value that is not zero, which keeps them out of what
// shared_memory.hpp poisons.
extern constinit thread_local uint3 threadIdx, blockIdx;
extern constinit thread_local dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;
