// Occupancy: the number of blocks of a kernel that share a multiprocessor.
#pragma once

#include <optional>

#include "kernels/runtime/simt/launch.hpp"
#include "tools/lab/compiled/compiled_kernels.hpp"
#include "tools/lab/model/gpu.hpp"

namespace cuelbo::lab {

struct Occupancy {
  int blocks = 0;       // per multiprocessor; 0: a block exceeds it
  double fraction = 0;  // warps of those blocks over the most that the multiprocessor holds
  const char* limit;    // what admits no more: "registers", "shared memory", "warps", "blocks"
};

// Computed by NVIDIA's cuda_occupancy.h; nullopt if built without CUDA's headers.
std::optional<Occupancy> occupancy(const Gpu& gpu, int registers, std::size_t shared,
                                   std::size_t dynamic_shared, int block_threads);

// The code that runs on a GPU: of the newest architecture of its generation that it has; null: there is none.
const CompiledKernel* code_for(const Gpu& gpu, const std::vector<CompiledKernel>& kernels,
                               const std::string& name);

}  // namespace cuelbo::lab
