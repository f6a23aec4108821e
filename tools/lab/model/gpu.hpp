// GPUs as data sheets describe them. Nothing here was measured.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/runtime/variant.hpp"

namespace cuelbo::lab {

struct Gpu {
  std::string_view name, title;  // as --gpu says it, and as people do
  std::string_view driver_name;  // other models of the same family have other rates
  int architecture = 0;          // 90: compute capability 9.0
  int multiprocessors = 0;
  double clock = 0;             // boost, Hz
  double memory_bandwidth = 0;  // bytes/s
  double cache_bytes = 0;       // L2
  // FLOP/s without sparsity. Of tensor cores: what mma.sync reaches, with fp32 sums.
  double fp32 = 0, tf32 = 0, bf16 = 0;
  // A multiprocessor's
  int threads = 0, registers = 65536;
  std::size_t shared_bytes = 0, block_shared_bytes = 0;  // in all; of a block at most, dynamic and static

  double peak(kernels::Precision precision) const;
  // Per second, all multiprocessors together
  double special_functions() const { return 16 * multiprocessors * clock; }
  double wavefronts() const { return multiprocessors * clock; }            // of the load/store unit
  double cache_bandwidth() const { return 64 * multiprocessors * clock; }  // width of the ports to L2, bytes
};

std::span<const Gpu> gpus();
const Gpu& find_gpu(std::string_view name);  // Throws UsageError.
// The one that a device's description names, as in "cuda:0 (NVIDIA H100 80GB HBM3, …)"; null: none of these.
const Gpu* described_gpu(std::string_view description);

}  // namespace cuelbo::lab
