#include "tools/lab/compiled/occupancy.hpp"

#include <algorithm>
#include <climits>

#if __has_include(<cuda_occupancy.h>)
#include <cuda_occupancy.h>
#define CUELBO_HAVE_OCCUPANCY 1
#endif

namespace cuelbo::lab {

#if defined(CUELBO_HAVE_OCCUPANCY)
std::optional<Occupancy> occupancy(const Gpu& gpu, int registers, std::size_t shared,
                                   std::size_t dynamic_shared, int block_threads) {
  cudaOccDeviceProp properties;
  properties.computeMajor = gpu.architecture / 10;
  properties.computeMinor = gpu.architecture % 10;
  properties.maxThreadsPerBlock = 1024;
  properties.maxThreadsPerMultiprocessor = gpu.threads;
  properties.regsPerBlock = properties.regsPerMultiprocessor = gpu.registers;
  properties.warpSize = 32;
  properties.sharedMemPerBlock = std::size_t{48} << 10;
  properties.sharedMemPerMultiprocessor = gpu.shared_bytes;
  properties.sharedMemPerBlockOptin = gpu.block_shared_bytes;
  properties.reservedSharedMemPerBlock = std::size_t{1} << 10;
  properties.numSms = gpu.multiprocessors;
  cudaOccFuncAttributes attributes;
  attributes.maxThreadsPerBlock = INT_MAX;
  attributes.numRegs = registers;
  attributes.sharedSizeBytes = shared;
  attributes.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
  attributes.maxDynamicSharedSizeBytes = dynamic_shared;
  attributes.numBlockBarriers = 1;
  const cudaOccDeviceState state;
  cudaOccResult result{};
  if (shared + dynamic_shared > gpu.block_shared_bytes || block_threads < 1 || block_threads > 1024)
    return Occupancy{.limit = block_threads > 1024 ? "warps" : "shared memory"};
  if (cudaOccMaxActiveBlocksPerMultiprocessor(&result, &properties, &attributes, &state, block_threads,
                                              dynamic_shared) != CUDA_OCC_SUCCESS)
    return {};
  const unsigned limits = result.limitingFactors;
  const int warps = result.activeBlocksPerMultiprocessor * ((block_threads + 31) / 32);
  return Occupancy{.blocks = result.activeBlocksPerMultiprocessor,
                   .fraction = 32.0 * warps / gpu.threads,
                   .limit = (limits & OCC_LIMIT_REGISTERS) != 0       ? "registers"
                            : (limits & OCC_LIMIT_SHARED_MEMORY) != 0 ? "shared memory"
                            : (limits & OCC_LIMIT_WARPS) != 0         ? "warps"
                                                                      : "blocks"};
}
#else
std::optional<Occupancy> occupancy(const Gpu&, int, std::size_t, std::size_t, int) { return {}; }
#endif

const CompiledKernel* code_for(const Gpu& gpu, const std::vector<CompiledKernel>& kernels,
                               const std::string& name) {
  const CompiledKernel* best = nullptr;
  for (const CompiledKernel& k : kernels)
    if (k.name == name && k.architecture / 10 == gpu.architecture / 10 &&
        k.architecture <= gpu.architecture && (best == nullptr || k.architecture > best->architecture))
      best = &k;
  return best;
}

}  // namespace cuelbo::lab
