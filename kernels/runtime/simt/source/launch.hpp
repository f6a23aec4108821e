// The launches of a user's CUDA file, as rewritten for g++.
#pragma once

#include <array>
#include <cassert>
#include <cstdio>
#include <cstdlib>

#include <cuda_runtime.h>

#include "kernels/runtime/cuda.hpp"
#include "kernels/runtime/simt/faults.hpp"
#include "kernels/runtime/simt/source/call.hpp"
#include "kernels/runtime/simt/source/device_functions.hpp"

// Variables that are not arrays: cuda_runtime.h declares these for nvcc only. They are compiled and never run.
template <class T>
cudaError_t cudaMemcpyToSymbol(const T& symbol, const void* from, std::size_t bytes, std::size_t offset = 0,
                               cudaMemcpyKind kind = cudaMemcpyHostToDevice) {
  return cudaMemcpyToSymbol(static_cast<const void*>(&symbol), from, bytes, offset, kind);
}
template <class T>
cudaError_t cudaMemcpyToSymbolAsync(const T& symbol, const void* from, std::size_t bytes,
                                    std::size_t offset = 0, cudaMemcpyKind kind = cudaMemcpyHostToDevice,
                                    cudaStream_t stream = nullptr) {
  return cudaMemcpyToSymbolAsync(static_cast<const void*>(&symbol), from, bytes, offset, kind, stream);
}
template <class T>
cudaError_t cudaMemcpyFromSymbol(void* to, const T& symbol, std::size_t bytes, std::size_t offset = 0,
                                 cudaMemcpyKind kind = cudaMemcpyDeviceToHost) {
  return cudaMemcpyFromSymbol(to, static_cast<const void*>(&symbol), bytes, offset, kind);
}
template <class T>
cudaError_t cudaMemcpyFromSymbolAsync(void* to, const T& symbol, std::size_t bytes, std::size_t offset = 0,
                                      cudaMemcpyKind kind = cudaMemcpyDeviceToHost,
                                      cudaStream_t stream = nullptr) {
  return cudaMemcpyFromSymbolAsync(to, static_cast<const void*>(&symbol), bytes, offset, kind, stream);
}
template <class T>
cudaError_t cudaGetSymbolAddress(void** address, const T& symbol) {
  return cudaGetSymbolAddress(address, static_cast<const void*>(&symbol));
}
template <class T>
cudaError_t cudaGetSymbolSize(std::size_t* bytes, const T& symbol) {
  return cudaGetSymbolSize(bytes, static_cast<const void*>(&symbol));
}

namespace cuelbo::simt {

// configure(grid, block, …)(kernel, arguments…) is kernel<<<grid, block, …>>>(arguments…); the kernel may be any function
// object, so that a template's parameters are deduced where nvcc would.
struct Configuration {
  KernelLaunch launch;
  cudaStream_t stream = nullptr;

  template <class Kernel, class... Arguments>
  void operator()(const Kernel& kernel, const Arguments&... arguments) const {
    if (BlockRunner* const runner = BlockRunner::of_running_kernel())
      runner->fail(calling_line(), "a launch by a kernel; dynamic parallelism is not executed on the CPU");
    enqueue(launch, [=]() CUELBO_NOT_OBSERVED { kernel(arguments...); }, stream);
  }
};
inline Configuration configure(dim3 grid, dim3 block, std::size_t shared_bytes = 0,
                               cudaStream_t stream = nullptr) {
  return {.launch = {.grid = grid, .block = block, .shared_bytes = shared_bytes}, .stream = stream};
}
inline Configuration configure(const SourceCall& call) {
  const auto size = [](const std::array<unsigned, 3>& s) { return dim3(s[0], s[1], s[2]); };
  // More than 48 KiB must be requested before the launch.
  cudaFuncSetAttribute(static_cast<const void*>(nullptr), cudaFuncAttributeMaxDynamicSharedMemorySize,
                       static_cast<int>(call.shared_bytes));
  return {.launch = {.grid = size(call.grid),
                     .block = size(call.block),
                     .shared_bytes = call.shared_bytes,
                     .code_limit = call.code_limit},
          .stream = static_cast<cudaStream_t>(call.stream)};
}

}  // namespace cuelbo::simt
