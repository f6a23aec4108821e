// What a user's CUDA file, rewritten for g++, launches kernels with.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>

#include <cuda_runtime.h>

#include "kernels/runtime/cuda.hpp"
#include "kernels/runtime/simt/source/call.hpp"
#include "kernels/runtime/simt/source/device_functions.hpp"

namespace cuelbo::simt {

// configure(grid, block, …)(kernel, arguments…) is kernel<<<grid, block, …>>>(arguments…); the kernel may be any function
// object, so that a template's parameters are deduced where nvcc would.
inline auto configure(dim3 grid, dim3 block, std::size_t shared_bytes = 0, cudaStream_t stream = nullptr) {
  return [=]<class Kernel, class... Arguments>(const Kernel& kernel, const Arguments&... arguments) {
    enqueue(
        {.grid = grid, .block = block, .shared_bytes = shared_bytes},
        [=]() CUELBO_NOT_OBSERVED { kernel(arguments...); }, stream);
  };
}

inline dim3 to_dim3(const std::array<unsigned, 3>& sizes) { return {sizes[0], sizes[1], sizes[2]}; }

}  // namespace cuelbo::simt
