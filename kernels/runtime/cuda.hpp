// The base of every .cu file: CUDA as nvcc compiles it, or the same over the SIMT runtime when g++ compiles it
// (CUELBO_SIMT). Kernel code deviates from plain CUDA in two places: launch() for <<<>>> and dynamic_shared() for
// extern __shared__.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include <cuda_runtime_api.h>

#include "kernels/runtime/kernel.hpp"

#if defined(CUELBO_SIMT)
#include "kernels/runtime/simt/device.hpp"
#include "kernels/runtime/simt/runtime.hpp"
#else
#include <cuda_runtime.h>
#endif

namespace cuelbo::kernels {

// Device code may read a constant, but not call numeric_limits.
inline constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

inline cudaStream_t cuda_stream(Stream stream) { return static_cast<cudaStream_t>(stream.handle); }

template <class T>
constexpr T divide_up(T a, T b) {
  return (a + b - 1) / b;
}

// The block's dynamic shared memory, as `extern __shared__ T name[]` would name it; 16-byte aligned at least.
template <class T>
__device__ inline T* dynamic_shared() {
#if defined(CUELBO_SIMT)
  return static_cast<T*>(simt::BlockRunner::current().shared_memory());
#else
  extern __shared__ float4 dynamic_shared_memory[];
  return reinterpret_cast<T*>(dynamic_shared_memory);
#endif
}

// kernel<<<grid, block, shared_bytes, stream>>>(arguments…). Errors are cudaGetLastError's.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes, Stream stream,
            const Arguments&... arguments) {
  // More than 48 KiB must be requested before the launch.
  if (shared_bytes > (std::size_t{48} << 10))
    cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                         static_cast<int>(shared_bytes));
#if defined(CUELBO_SIMT)
  simt::enqueue(
      {.grid = grid,
       .block = block,
       .shared_bytes = shared_bytes,
       .kernel = reinterpret_cast<const void*>(kernel)},
      [=]() CUELBO_NOT_OBSERVED { kernel(static_cast<Parameters>(arguments)...); }, cuda_stream(stream));
#else
  kernel<<<grid, block, shared_bytes, cuda_stream(stream)>>>(static_cast<Parameters>(arguments)...);
#endif
}

}  // namespace cuelbo::kernels
